"""The adapter of a tuned encoder: PEFT puts it on the base, and sentence-transformers opens the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import tiny_encoder
from tests.integration.serving.test_process import bundle
from tests.integration.tuning.test_encoder_tuning import SPEC, Kept, quiet

from ockham import catalog, store
from ockham.bundles.export import export
from ockham.convert import onnx_export, onnx_graph
from ockham.errors import ConfigError
from ockham.models import encoder, sentence_encoder
from ockham.models.onnx_encoder import open_graph, settings_of
from ockham.records import Candidate, Manifest
from ockham.rungs.decoder_weights import hub_reference
from ockham.rungs.encoder_rungs import save_adapter
from ockham.tuning import encoder_tuning, linear_head

pytestmark = pytest.mark.tune

TEXTS = ["parcel late", "where is my refund", "card paid twice twice", "pump broken", "milk", "the price is late"] * 3
TARGETS = ["a", "b", "b", "c", "c", "a"] * 3


@pytest.mark.parametrize(("family", "pooling"), [("bert", "mean"), ("xlm-roberta", "cls"), ("distilbert", "mean")])
def test_sentence_transformers_opens_the_folder_as_the_tuned_encoder(family: str, pooling: str, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    base = tiny_encoder.write(tmp_path / "tiny", family, pooling=pooling)
    sentence = sentence_encoder.find(str(base))
    settings = settings_of(sentence)
    plain = open_graph(onnx_graph.build(sentence, sentence.weights())[0], base / "tokenizer.json", settings, threads=1)
    rows = encoder_tuning.EncoderRows(tokens=plain.tokens(TEXTS), targets=TARGETS)
    head = linear_head.solve(plain.embed(TEXTS), TARGETS, 10.0)
    data = encoder_tuning.EncoderTrainingData(sentence=sentence, head=head, train=rows, valid=rows)
    passes = iter(range(100))
    tuned = encoder_tuning.tune(data, SPEC, lambda _t, _a: float(next(passes)), Kept(), quiet)
    folder = tmp_path / "bundle"
    folder.mkdir()
    onnx_export.write(sentence, tuned.weights, TEXTS, folder, quantize=False)
    save_adapter(tuned.adapter, sentence, str(base), folder)
    tuned.head.save(folder)
    bundle(folder, "encoder", ("a", "b", "c"))
    export(folder, "peft", tmp_path / "out")

    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "put its path into `base_model_name_or_path`" in card
    (tmp_path / "out" / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(base)}))
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(tmp_path / "out"), device="cpu", local_files_only=True)
    vectors = model.encode(TEXTS, convert_to_numpy=True)
    expected = encoder.load(folder).embedder.embed(TEXTS)
    assert vectors == pytest.approx(expected, abs=2e-4)
    assert not np.allclose(plain.embed(TEXTS), expected, atol=0.01), "tuning changed the vectors"
    stored = load_file(tmp_path / "out" / "head.safetensors")
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert tuple(labels) == tuned.head.settings.labels
    assert vectors @ stored["weight"] + stored["bias"] == pytest.approx(tuned.head.margins(expected), abs=2e-3)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # PEFT's own
def test_peft_and_transformers_open_the_folder_of_the_model_that_comes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter, its base and the tokenizer beside it: what the model card says is run as it stands there."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = catalog.shipped_folder("ockham-nano")
    assert base is not None
    plain = AutoModelForCausalLM.from_pretrained(base)
    get_peft_model(plain, LoraConfig(r=2, task_type="CAUSAL_LM")).save_pretrained(tmp_path / "bundle" / "adapter")
    (tmp_path / "bundle" / "adapter" / "README.md").unlink(missing_ok=True)
    candidate = Candidate(name="decoder-tuned:ockham-nano", rung=6, kind="gguf", settings={"model": "ockham-nano"})
    manifest = Manifest(
        format=1, ockham="0", task="generate", kind="gguf", candidate=candidate, labels=(), inputs=("text",),
        target="label", dataset="d", files={},
    )  # fmt: skip
    store.seal_bundle(tmp_path / "bundle", manifest)
    export(tmp_path / "bundle", "peft", tmp_path / "out")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (base / name).read_bytes()
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "its tokenizer lies beside the adapter too" in card
    monkeypatch.chdir(tmp_path / "out")
    told: dict[str, Any] = {}
    exec(card.partition("```python\n")[2].partition("```")[0], told)
    asked = told["tokenizer"].apply_chat_template([{"role": "user", "content": "late"}], tokenize=False)
    assert asked == "<|user|>\nlate<|end|>\n"
    assert told["model"].get_base_model().config.vocab_size == len(told["tokenizer"])


def test_a_frozen_encoder_has_no_adapter(tmp_path: Path) -> None:
    sentence = sentence_encoder.find(str(tiny_encoder.write(tmp_path / "tiny", "bert")))
    (tmp_path / "bundle").mkdir()
    onnx_export.write(sentence, sentence.weights(), TEXTS, tmp_path / "bundle", quantize=False)
    bundle(tmp_path / "bundle", "encoder", ("a", "b"))
    with pytest.raises(ConfigError, match="encoder has no adapter: it was not tuned"):
        export(tmp_path / "bundle", "peft", tmp_path / "out")


def test_a_base_is_named_as_the_hub_knows_it(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--owner--tiny-model" / "snapshots" / commit
    cached.mkdir(parents=True)
    assert hub_reference(str(cached)) == ("owner/tiny-model", commit)
    assert hub_reference("owner/model@v2") == ("owner/model", "v2")
    packaged = sentence_encoder.PACKAGED
    assert hub_reference(packaged) == (packaged, catalog.revision(packaged))
    assert hub_reference(str(tmp_path)) == (tmp_path.name, None)
