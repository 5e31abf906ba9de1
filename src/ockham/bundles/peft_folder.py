"""The LoRA adapter that was tuned, as a folder that PEFT opens; of an encoder sentence-transformers does too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from ockham import catalog
from ockham.bundles import model_card
from ockham.bundles.export_source import ExportSource
from ockham.errors import ConfigError
from ockham.models import encoder, model_files, onnx_encoder, tagger
from ockham.store import save_bytes, save_text
from ockham.tuning.adapter_files import CONFIG, WEIGHTS, Adapter

ADAPTER, BASE, HEAD = "adapter", "base", "head.safetensors"

_TOKENIZER = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "*.jinja")
"""The files of a tokenizer, its chat template among them."""
_DECODER_USE = """```python
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

model = AutoPeftModelForCausalLM.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained({tokenizer})
```"""
_OF_BASE = 'model.peft_config["default"].base_model_name_or_path'
_ENCODER_USE = """```python
import json
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

head, labels = load_file("head.safetensors"), json.load(open("labels.json", encoding="utf-8"))
vectors = SentenceTransformer(".").encode(["a text"])
print([labels[margins.argmax()] for margins in vectors @ head["weight"] + head["bias"]])
```"""
_TAGGER_USE = """```python
from peft import AutoPeftModelForFeatureExtraction
from transformers import AutoTokenizer

model, tokenizer = AutoPeftModelForFeatureExtraction.from_pretrained("."), AutoTokenizer.from_pretrained(".")
states = model(**tokenizer(["a text"], return_tensors="pt")).last_hidden_state
```

`head.safetensors` has the weight (hidden, tags) and the bias (tags,) that turn states into margins. Tag 0 is outside of
every field; field f of `fields.json` begins with tag 1 + 2f and goes on with tag 2 + 2f."""


def write_folder(source: ExportSource, out: Path) -> None:
    """Write the adapter, what stands on it, and a model card into a new folder.

    Raises `ConfigError` (``E_CONFIG``) for a candidate that was not tuned, or by a version that kept no adapter.
    """
    adapter = source.folder / ADAPTER
    if not adapter.is_dir():
        is_tagger = source.manifest.kind == "tagger"
        why = "all of its weights were tuned (--rank N tunes an adapter)" if is_tagger else "it was not tuned"
        message = f"{source.name} has no adapter: {why}"
        fix = "export a tuned candidate of the run: --rung encoder-tuned or --rung decoder-tuned:NAME"
        raise ConfigError("E_CONFIG", message, fix=fix)
    shutil.copytree(adapter, out, dirs_exist_ok=True)
    usage = KINDS[source.manifest.kind](source, out)
    notes = [_base_note(out)]
    if source.manifest.kind != "gguf":
        notes.append("The bundle serves 8-bit weights and reads long texts in windows; this form does neither.")
    save_text(out / model_card.FILE, model_card.write_card(source, "a PEFT adapter", usage, notes))


def _decoder(source: ExportSource, out: Path) -> str:
    base = None if source.base is None else catalog.shipped_folder(source.base)
    if base is not None:  # comes with the package, and is on no hub
        shutil.copytree(base, out / BASE)
        for path in sorted({path for pattern in _TOKENIZER for path in base.glob(pattern)}):
            shutil.copyfile(path, out / path.name)  # where PEFT and transformers look for it
        whole = Adapter(config=(out / CONFIG).read_bytes(), weights=(out / WEIGHTS).read_bytes())
        save_bytes(out / CONFIG, whole.with_base(f"./{BASE}", None).config)
    usage = _DECODER_USE.format(tokenizer=_OF_BASE if base is None else '"."')
    return f"```sh\npip install peft transformers\n```\n\n{usage}\n\nRun it in this folder."


def _encoder(source: ExportSource, out: Path) -> str:
    shutil.copyfile(source.folder / onnx_encoder.TOKENIZER, out / onnx_encoder.TOKENIZER)
    shutil.copyfile(source.folder / encoder.WEIGHTS, out / HEAD)
    settings = model_files.read(encoder.HeadSettings, source.folder / encoder.FILE)
    save_text(out / "labels.json", json.dumps(settings.labels) + "\n")
    divided = "" if settings.temperature == 1 else f" divided by {settings.temperature:.6g}"
    softmax = f"Probabilities are the softmax of the margins{divided}."
    return f"```sh\npip install peft sentence-transformers\n```\n\n{_ENCODER_USE}\n\n{softmax}"


def _tagger(source: ExportSource, out: Path) -> str:
    shutil.copyfile(source.folder / onnx_encoder.TOKENIZER, out / onnx_encoder.TOKENIZER)
    shutil.copyfile(source.folder / tagger.WEIGHTS, out / HEAD)
    settings = model_files.read(tagger.TaggerSettings, source.folder / tagger.FILE)
    save_text(out / "fields.json", json.dumps(settings.paths) + "\n")
    save_text(out / "schema.json", settings.schema + "\n")
    return f"```sh\npip install peft transformers\n```\n\n{_TAGGER_USE}"


KINDS: Mapping[str, Callable[[ExportSource, Path], str]] = {"gguf": _decoder, "encoder": _encoder, "tagger": _tagger}
"""What is written beside the adapter for each kind of bundle; returns how the folder is used."""


def _base_note(out: Path) -> str:
    """Say where PEFT looks for the base: on the hub, in the folder, or nowhere that is known."""
    config = json.loads((out / CONFIG).read_bytes())
    name = str(config.get("base_model_name_or_path"))
    if (out / BASE).is_dir():
        return (
            f"The base model lies in `{BASE}/`, which `{CONFIG}` names as seen from this folder; its tokenizer lies "
            "beside the adapter too."
        )
    if "/" in name:
        return f"PEFT fetches the base model `{name}` from the Hugging Face Hub, unless it is in its cache."
    return (
        f"The base model was a local folder named `{name}`: put its path into `base_model_name_or_path` of `{CONFIG}`."
    )
