"""The 4-bit form of a decoder: offered where validation answers are as good and the file is smaller, never else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests import tiny_decoder, tiny_gguf
from tests.two_labels import prepare_two_labels

from ockham import store
from ockham.convert.gguf_quantize import fit_quantization
from ockham.errors import ModelError, OckhamError, PlugError, StoreError
from ockham.models import causal_lm
from ockham.models.causal_lm import Base
from ockham.records import Progress
from ockham.rungs import decoder_4bit, decoder_prompted, decoder_rungs
from ockham.rungs.baselines import CONSTANT
from ockham.rungs.rung import BuildConfig, BuildInfo, BuiltRung, RunContext, Rung, build_rung
from ockham.tuning.tune_spec import TuneSpec

pytestmark = pytest.mark.tune


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose layers, not its words, take the room, and whose rows hold blocks of 256."""
    place = tmp_path_factory.mktemp("base") / "wide"
    return tiny_decoder.llama(place, scale=0.05, hidden_size=256, intermediate_size=1024, num_hidden_layers=4)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunContext]:
    told: list[Progress] = []
    prepared = prepare_two_labels(told.append)
    tune = TuneSpec(epochs=1)
    plan = BuildConfig(task="classify", metric="accuracy", seed=0, encoder=None, tune=tune, endpoint=None)
    with store.open_run(tmp_path_factory.mktemp("runs") / "run", {"dataset": "x"}) as run:
        yield RunContext(prepared, plan, run, told.append)


def forms(folder: Path) -> tuple[Rung, Rung]:
    """Give the rungs of the 4-bit and the 8-bit form of a prompted model."""
    small, eight = [rung for rung in decoder_rungs.rungs([str(folder)]) if rung.name.startswith("decoder:")]
    assert (small.name, eight.name) == ("decoder:wide:4bit", "decoder:wide")
    assert small.number == eight.number
    return small, eight


def test_a_file_has_the_form_it_has(tmp_path: Path) -> None:
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    assert [rung.name for rung in decoder_rungs.rungs([str(weights)])] == [
        "decoder:tiny",
        "decoder-tuned:tiny:4bit",
        "decoder-tuned:tiny",
    ]


def test_rows_that_hold_no_blocks_of_256_take_the_smaller_blocks(tmp_path: Path) -> None:
    narrow = tiny_gguf.lay(tmp_path / "narrow.gguf", tiny_gguf.matrices(2), tiny_gguf.metadata(), whole=True)
    assert fit_quantization(narrow) == "q4_0"


def test_a_4_bit_form_that_answers_as_well_is_offered_with_its_figures(
    folder: Path, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_prompted, "SHOTS", (0,))
    small, eight = forms(folder)
    assert small.skip_reason(context) is None, "both guess, so that nothing is lost beyond chance"
    made, whole = build_rung(context, small), build_rung(context, eight)
    assert made.built.settings["weights"] == "q4_k"
    assert whole.built.settings["weights"] == "q8_0"
    assert {**made.built.settings, "weights": ""} == {**whole.built.settings, "weights": ""}, "the same prompt"
    ours, theirs = causal_lm.parts(made.folder), causal_lm.parts(whole.folder)
    assert ours.weights.stat().st_size < 0.7 * theirs.weights.stat().st_size
    assert (ours.spec, ours.orders) == (theirs.spec, theirs.orders)
    (compared,) = made.built.parity
    assert compared.step == "quantizing to 4 bits"
    valid = len(context.side("valid"))
    assert compared.agreement.n == valid == len(made.built.answers)
    same = sum(a == b for a, b in zip(made.built.answers, whole.built.answers, strict=True))
    assert compared.agreement.value == same / valid

    asked: list[int] = []
    monkeypatch.setattr(causal_lm, "load", lambda *_: asked.append(1))
    assert small.skip_reason(context) is None
    assert not asked, "what was answered in this run is kept"


def test_one_that_answers_worse_is_left_out_with_the_figure(
    folder: Path, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_prompted, "SHOTS", (0,))
    _, eight = forms(folder)
    right = tuple(row.target for row in context.side("valid"))
    wrong = tuple("ab"[target == "a"] for target in right)

    whole = build_rung(context, eight)
    perfect = dataclasses.replace(whole, built=dataclasses.replace(whole.built, answers=right))
    monkeypatch.setattr(decoder_4bit, "build_rung", lambda _context, _rung: perfect)
    monkeypatch.setattr(decoder_4bit, "_answers", lambda *_: wrong)
    small = decoder_4bit.rung(dataclasses.replace(eight, name="decoder:other"), str(folder), decoder_4bit.of_folder)
    why = small.skip_reason(context)
    assert why is not None
    assert why.startswith("quantizing to 4 bits cost 100.0 % (")
    assert why.endswith(f"0.0 % of {len(right)} validation answers stayed the same)")
    with pytest.raises(ModelError, match="quantizing to 4 bits cost"):
        small.build(context, folder)


def test_one_that_is_hardly_smaller_is_left_out(
    folder: Path, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_prompted, "SHOTS", (0,))
    small, eight = forms(folder)
    weights = causal_lm.parts(build_rung(context, eight).folder).weights
    monkeypatch.setattr(decoder_4bit, "_answers", lambda *_: ())
    monkeypatch.setattr(decoder_4bit, "build_rung", lambda _context, _rung: build_rung(context, eight))
    same = decoder_4bit.rung(
        dataclasses.replace(eight, name="decoder:same"), str(folder), lambda _model, _context: Base(weights=weights)
    )
    assert same.skip_reason(context) == "its 4-bit form has 100 % of the 8-bit form's size"
    nothing = decoder_4bit.rung(eight, str(folder), lambda _model, _context: None)
    assert nothing.skip_reason(context) == "there are no 16-bit weights to quantize to 4 bits"
    assert small.tasks == eight.tasks


def test_where_the_8_bit_form_fails_so_does_this_one(context: RunContext, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    small, _ = [rung for rung in decoder_rungs.rungs([str(tmp_path / "broken")]) if rung.name.startswith("decoder:")]
    why = small.skip_reason(context)
    assert why is not None
    assert why.startswith("its 8-bit form failed (E_MODEL")


@pytest.mark.parametrize(
    "error", [PlugError("E_PLUG", "a scorer failed", fix=""), StoreError("E_DISK", "full", fix="")]
)
def test_a_failing_scorer_or_disk_is_no_fault_of_the_8_bit_form(context: RunContext, error: OckhamError) -> None:
    def build(_context: RunContext, _folder: Path) -> BuildInfo:
        raise error

    eight = dataclasses.replace(CONSTANT, name="eight", build=build)
    four = decoder_4bit.rung(eight, "none", lambda _model, _context: None)
    with pytest.raises(type(error)):
        four.skip_reason(context)


def test_the_adapter_of_a_tuned_model_lies_beside_its_4_bit_form(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    (whole / decoder_4bit.ADAPTER).mkdir(parents=True)
    (whole / decoder_4bit.ADAPTER / "adapter_config.json").write_text("{}")
    out.mkdir()
    made = BuiltRung(whole, BuildInfo(answers=("a",), settings={"weights": "q8_0", "rank": 4}))
    monkeypatch.setattr(decoder_4bit, "build_rung", lambda _context, _rung: made)
    monkeypatch.setattr(decoder_4bit, "_offer", lambda *_: decoder_4bit._Offer(answers=("b",), parity=(), why=None))
    monkeypatch.setattr(decoder_4bit, "weight_type", lambda _path: "q4_k")
    monkeypatch.setattr(causal_lm, "parts", lambda _folder: SimpleNamespace(spec=None))
    monkeypatch.setattr(causal_lm, "fit", lambda *_, **__: None)
    _, eight = forms(tmp_path / "wide")
    built = decoder_4bit.rung(eight, "wide", lambda _model, _context: Base(weights=tmp_path / "4.gguf")).build(
        context, out
    )
    assert (built.answers, built.settings) == (("b",), {"weights": "q4_k", "rank": 4})
    assert (out / decoder_4bit.ADAPTER / "adapter_config.json").read_text() == "{}"
