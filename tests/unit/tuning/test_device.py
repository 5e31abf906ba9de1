"""Where language models compute: a graphics processor where the libraries have one, unless it is declined."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny_decoder

from ockham.errors import ConfigError
from ockham.ladder import fit
from ockham.ladder.fit import FitSpec
from ockham.llm import llamacpp
from ockham.records import DeviceName, Example
from ockham.rungs import decoder_weights
from ockham.tuning import decoder_tuning
from ockham.tuning.decoder_tuning import DecoderRow, DecoderTrainingData
from ockham.tuning.tune_spec import TuneSpec

ROWS = [Example(id=str(i), input=f"text {i}", target="a" if i % 2 else "b") for i in range(40)]


@pytest.mark.parametrize(
    ("device", "seen", "wanted"),
    [("auto", (), False), ("auto", ("L4",), True), ("cpu", ("L4",), False), ("cuda", ("L4",), True)],
)
def test_the_engine_takes_what_it_sees_unless_declined(
    device: DeviceName, seen: tuple[str, ...], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_weights, "accelerators", lambda: seen)
    assert decoder_weights.on_graphics(device) is wanted


def test_c08_a_device_that_is_not_here_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_weights, "accelerators", lambda: ())
    with pytest.raises(
        ConfigError, match=r"--device cuda needs a GPU, and this build of llama.cpp \(xllamacpp\) finds none"
    ) as found:
        fit.fit(tmp_path / "no such file", FitSpec(device="cuda"), out=tmp_path / "run")
    assert "--device auto" in found.value.fix
    assert not (tmp_path / "run").exists()
    decoder_weights.check("auto")
    decoder_weights.check("cpu")


def test_the_engine_lists_graphics_processors_alone() -> None:
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    assert not any("EPYC" in name or "Xeon" in name for name in llamacpp.accelerators())


@pytest.mark.tune
@pytest.mark.slow
def test_tuning_uses_a_graphics_processor_and_ends_near_the_same(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs ockham[tune]")
    if not torch.cuda.is_available():
        pytest.skip("needs a graphics processor that torch sees")
    folder = tiny_decoder.llama(tmp_path / "tiny")
    rows = [DecoderRow(question=(1, 2, 3, 10 + i % 7), answer=(20 + i % 7, 2)) for i in range(64)]
    losses = {}
    for device in ("cpu", "cuda"):
        data = DecoderTrainingData(
            folder=folder, train=rows, valid=rows[:8], judge=lambda _: 0.0, precision="bfloat16", device=device
        )
        made = decoder_tuning._lesson(data, TuneSpec(rank=4))
        assert str(made.model.device).startswith(device)
        losses[device] = float(made.loss(list(range(8)))[0].detach())
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=0.05)
