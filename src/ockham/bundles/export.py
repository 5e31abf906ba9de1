"""Take a model out of a bundle, in the form that another program reads."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from ockham.bundles import model_card, onnx_folder, peft_folder, sklearn_folder
from ockham.bundles.export_source import ExportSource, open_source
from ockham.errors import BundleError, ConfigError
from ockham.models import causal_lm
from ockham.models.causal_lm import DecoderFiles
from ockham.printable import printable
from ockham.records import Progress, ignore
from ockham.store import save_text
from ockham.store.atomic import disk

Form = Literal["onnx", "sklearn", "gguf", "ollama", "peft"]

WEIGHTS, ORDERS, MODELFILE, SCHEMA = "model.gguf", "system_prompt.txt", "Modelfile", "schema.json"
ADAPTER = "adapter.gguf"
_GGUF_USE = f"""`{WEIGHTS}` is for llama.cpp and what is built on it; `{ORDERS}` is the system prompt. Send each text
as a JSON object: `{{"text": "…"}}`."""
_ADAPTER_USE = f"""`{ADAPTER}` is the LoRA adapter that was tuned. It must be loaded too: `--lora {ADAPTER}`."""
_OLLAMA_USE = f"""```sh
ollama create ockham-model -f {MODELFILE}
```

Send each text as a JSON object, `{{"text": "…"}}`, at temperature 0."""
_SCHEMA_USE = f"""`{SCHEMA}` holds answers to what is valid: Ollama takes it as `format`.

```sh
jq -n --slurpfile schema {SCHEMA} --arg text "where is my parcel" \\
  '{{model: "ockham-model", stream: false, format: $schema[0], prompt: ({{text: $text}} | tojson)}}' |
  curl -s http://localhost:11434/api/generate -d @- | jq -r .response
```"""


def export(
    source: str | Path,
    form: Form,
    out: str | Path,
    *,
    rung: str | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> tuple[Path, ...]:
    """Write a bundle as ``form`` into a new folder; gives the files written.

    ``source`` is a bundle, or a run, whose chosen candidate is taken, or the one that ``rung`` names. ``onnx``: a
    classifier or a tagger as graphs with a program that runs them; ``sklearn``: a linear one as a pipeline. Of a
    language model, ``gguf``: the weights, and the orders that stand before every text; ``ollama``: the same as a model
    that ``ollama create`` takes; ``peft``: the adapter that was tuned. Raises `BundleError` for a folder that is not a
    whole bundle, `ConfigError` (``E_CONFIG``) for a bundle that has no such form, and where ``out`` is there already,
    `StoreError` (``E_DISK``) where the disk refuses.
    """
    out = Path(out)
    opened = open_source(Path(source), rung)
    kind = opened.manifest.kind
    if kind not in KINDS[form]:
        forms = [name for name, kinds in KINDS.items() if kind in kinds]
        message = f"{printable(opened.folder)} holds {opened.name}, which cannot be exported to {form}"
        fix = f"use --to {' or --to '.join(forms)}" if forms else "export another candidate of the run: --rung NAME"
        raise ConfigError("E_CONFIG", message, fix=fix)
    if out.exists():
        raise ConfigError("E_CONFIG", f"{printable(out)} already exists", fix="name a new folder: -o FOLDER")
    on_progress(Progress(stage="export", message=f"writing {opened.name} as {form}"))
    with disk(out, "writing the folder"):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as fresh:
            staging = Path(fresh) / "whole"
            staging.mkdir()
            FORMS[form](opened, staging)
            _share(staging)
            staging.rename(out)
    return tuple(sorted(path for path in out.rglob("*") if path.is_file()))


def _share(folder: Path) -> None:
    """Make a folder as readable as the user's new files are: it is to be given away, unlike what runs hold."""
    mode = folder.stat().st_mode & 0o777
    for path in folder.rglob("*"):
        path.chmod(mode if path.is_dir() else mode & 0o666)


def _gguf(source: ExportSource, out: Path) -> None:
    decoder = _copy_weights(source, out)
    save_text(out / ORDERS, decoder.orders + "\n")
    usage = _GGUF_USE if decoder.adapter is None else f"{_GGUF_USE}\n\n{_ADAPTER_USE}"
    _finish(source, out, decoder, "GGUF", usage)


def _ollama(source: ExportSource, out: Path) -> None:
    decoder = _copy_weights(source, out)
    save_text(out / MODELFILE, modelfile(decoder))
    _finish(source, out, decoder, "an Ollama model", _OLLAMA_USE)


def _copy_weights(source: ExportSource, out: Path) -> DecoderFiles:
    """Copy the weights, and the adapter that stands on them where there is one."""
    decoder = causal_lm.parts(source.folder)
    shutil.copyfile(decoder.weights, out / WEIGHTS)
    if decoder.adapter is not None:
        shutil.copyfile(decoder.adapter, out / ADAPTER)
    return decoder


def _finish(source: ExportSource, out: Path, decoder: DecoderFiles, form: str, usage: str) -> None:
    """Write the schema that holds answers to what is valid, where there is one, and the model card."""
    held = ""
    if decoder.schema is not None:
        save_text(out / SCHEMA, json.dumps(decoder.schema, ensure_ascii=False, indent=1) + "\n")
        held = _SCHEMA_USE if form != "GGUF" else f"`{SCHEMA}` is the JSON schema of a valid answer."
    notes = ["Only Ockham computes a confidence, and asks with the examples that a prompt may show."]
    save_text(out / model_card.FILE, model_card.write_card(source, form, f"{usage}\n\n{held}", notes))


FORMS: Mapping[Form, Callable[[ExportSource, Path], None]] = {
    "gguf": _gguf,
    "peft": peft_folder.write_folder,
    "ollama": _ollama,
    "onnx": onnx_folder.write_folder,
    "sklearn": sklearn_folder.write_folder,
}
KINDS: Mapping[Form, tuple[str, ...]] = {
    "gguf": ("gguf",),
    "peft": tuple(peft_folder.KINDS),
    "ollama": ("gguf",),
    "onnx": tuple(onnx_folder.KINDS),
    "sklearn": ("linear",),
}
"""The kinds of bundles that have each form."""


def modelfile(decoder: DecoderFiles) -> str:
    """Write Ollama's Modelfile: the model's own template, our orders, and answers that are the likeliest words.

    The text to work on is sent as the JSON object that the orders speak of. Raises `BundleError` (``E_BUNDLE``) where a
    piece of the template cannot stand in a Modelfile.
    """
    if '"""' in decoder.orders or any('"""' in piece or "{{" in piece for piece in decoder.pieces):
        message = "the model's chat template contains characters that a Modelfile cannot represent"
        raise BundleError("E_BUNDLE", message, fix="use --to gguf, and set the system prompt yourself")
    if decoder.folded:
        before, after = decoder.pieces
        template = f"{before}{{{{ .System }}}}\n\n{{{{ .Prompt }}}}{after}{{{{ .Response }}}}"
    else:
        before, between, after = decoder.pieces
        template = f"{before}{{{{ .System }}}}{between}{{{{ .Prompt }}}}{after}{{{{ .Response }}}}"
    adapter = "" if decoder.adapter is None else f"ADAPTER ./{ADAPTER}\n"
    return (
        f"# ollama create NAME -f {MODELFILE}\n"
        '# Send each text as a JSON object: {"text": "..."}\n'
        f"FROM ./{WEIGHTS}\n"
        f"{adapter}"
        f'TEMPLATE """{template}"""\n'
        f'SYSTEM """{decoder.orders}"""\n'
        "PARAMETER temperature 0\n"
        f"PARAMETER num_ctx {decoder.spec.context}\n"
        f"PARAMETER num_predict {decoder.spec.max_output_tokens}\n"
    )
