"""The base model that comes with the package: it ships whole, converts without loss, and learns from an example."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ockham import catalog
from ockham.convert import gguf_quantize
from ockham.convert.checkpoint_folder import check_model
from ockham.convert.gguf_export import Converter
from ockham.ladder import run_folder
from ockham.ladder.fit import FitSpec, fit
from ockham.llm.llamacpp import Engine, EngineSpec
from ockham.rungs import cached_models, decoder_rungs

NAME = "ockham-nano"
DELIVERIES = Path(__file__).parents[2] / "examples" / "deliveries.jsonl"
TEXTS = ("The captain looked at the sea, and", '{"text": "a van to 12 Mill Lane"}', "naïve café — 日本語 🚀  x\n\n\ty")


@pytest.fixture(scope="module")
def folder() -> Path:
    found = catalog.shipped_folder(NAME)
    assert found is not None
    return found


def test_it_ships_whole_with_its_card(folder: Path) -> None:
    check_model(folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 30_000_000
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" in card
    assert "On held-out text it beats a 5-gram model with Kneser-Ney smoothing" in card
    assert (folder / "loss.svg").is_file()


def test_the_catalogue_knows_its_shape(folder: Path) -> None:
    shape, told = catalog.find_architecture(NAME), json.loads((folder / "config.json").read_text(encoding="utf-8"))
    keys = ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size", "max_position_embeddings")
    assert [shape.layers, shape.hidden, shape.ffn, shape.vocabulary, shape.context] == [told[key] for key in keys]
    weights = (folder / "model.safetensors").stat().st_size
    assert weights == pytest.approx(2 * shape.parameters, rel=0.001), "two bytes for each"


def test_it_stands_on_the_shelf_of_every_machine(folder: Path, tmp_path: Path) -> None:
    assert cached_models.list_cached_models(
        cached_models.folders(tmp_path, None, {"HF_HOME": str(tmp_path)}), 24.0
    ).here == (str(folder),)
    assert decoder_rungs.kind_of(NAME) == decoder_rungs.kind_of(str(folder))


@pytest.mark.tune
@pytest.mark.slow
def test_the_engine_gives_its_logits_and_quantizing_loses_little(
    folder: Path, converter: Converter, tmp_path: Path
) -> None:
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts = [own.encode(text, add_special_tokens=False).ids for text in TEXTS]
    with torch.no_grad():
        true = [torch.log_softmax(model(torch.tensor([text])).logits[0, -1], 0).double().numpy() for text in texts]
    converter.convert(folder, tmp_path / "f16.gguf", "f16")
    losses: dict[str, float] = {}
    for form in ("f16", "q8_0", "q4_0"):
        path = tmp_path / f"{form}.gguf"
        if form != "f16":
            gguf_quantize.quantize(tmp_path / "f16.gguf", path, form)  # type: ignore[arg-type] # two of its words
        engine = Engine(path, EngineSpec(context=128, slots=1, threads=1))
        try:
            assert [engine.tokens(text, special=True) for text in TEXTS] == texts
            found = [engine.top(text, len(one)) for text, one in zip(texts, true, strict=True)]
        finally:
            engine.close()
        losses[form] = float(np.mean([lost(one, top) for one, top in zip(true, found, strict=True)]))
    assert losses["f16"] < 1e-4
    assert losses["q8_0"] < 0.005
    assert losses["q4_0"] < 0.2


def lost(true: NDArray[np.float64], top: dict[int, float]) -> float:
    """Kullback-Leibler divergence, in nats."""
    other = np.array([top[token] for token in range(len(true))])
    return float((np.exp(true) * (true - other)).sum())


@pytest.mark.tune
@pytest.mark.slow
def test_tuned_on_an_example_it_clearly_beats_what_has_learnt_nothing(tmp_path: Path) -> None:
    lines = DELIVERIES.read_text(encoding="utf-8").splitlines(keepends=True)
    few, test = tmp_path / "few.jsonl", tmp_path / "test.jsonl"
    few.write_text("".join(lines[:110]), encoding="utf-8")
    test.write_text("".join(lines[110:180]), encoding="utf-8")
    rungs = ("constant", "lookup", "decoder-tuned")
    verdict = fit(few, FitSpec(rungs=rungs, models=(NAME,), epochs=2, all=True, test=str(test)), out=tmp_path / "run")
    by_name = {line.name: line for line in verdict.candidates}
    tuned = by_name[f"decoder-tuned:{NAME}"]
    assert tuned.status == "measured", tuned.why
    for name in ("constant", "lookup"):
        assert tuned.metrics["f1_micro"].low > by_name[name].metrics["f1_micro"].high
    steps = run_folder.load_result(tmp_path / "run").parity[tuned.name]
    assert [step.step for step in steps] == ["conversion with the adapter apart", "merging", "quantizing to q8_0"]
    assert verdict.chosen is not None
    assert verdict.chosen.startswith("decoder-tuned:")
