"""This machine: what is read, measured, kept, and how wrong it was before."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest

from ockham import catalog
from ockham.errors import StoreError
from ockham.planning import calibrate, engine_probe, speed, this_machine
from ockham.planning.calibrate import Calibration

pytestmark = pytest.mark.usefixtures("without_the_engine")
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.timezone.utc)
FOUND = Calibration(
    processor="a processor", created_at=NOW.isoformat(), threads=2, chosen=True, bandwidth_gb_s=20.0, gflops=100.0
)


@pytest.fixture
def without_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_probe, "read_seconds", lambda threads: None)


def ticking(step: float) -> calibrate.Clock:
    """A clock that moves on by ``step`` each time it is read."""
    now = 0.0

    def read() -> float:
        nonlocal now
        now += step
        return now

    return read


def test_the_rates_follow_from_the_time_of_known_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "_ROWS", 256)
    monkeypatch.setattr(calibrate, "_SIDE", 64)
    found = calibrate.measure("a processor", [1, 2], NOW, ticking(0.01))
    # 256 x 4,096 numbers of 4 bytes, and 2 x 64^3 operations, in 10 ms of processor time over two threads: 5 ms.
    assert found.bandwidth_gb_s == pytest.approx(256 * 4096 * 4 / 0.005 / 1e9)
    assert found.gflops == pytest.approx(2 * 64**3 / 0.005 / 1e9)
    assert (found.threads, found.chosen) == (2, True)
    assert not calibrate.measure("a processor", [1], NOW, ticking(0.01)).chosen
    assert found.created_at == "2026-11-22T12:00:00+00:00"


def test_a_calibration_is_kept_and_counts_for_its_processor_its_threads_and_a_day(tmp_path: Path) -> None:
    assert calibrate.load_calibration(tmp_path, "a processor", None, NOW) is None
    calibrate.save_calibration(tmp_path, FOUND)
    assert calibrate.load_calibration(tmp_path, "a processor", None, NOW) == FOUND
    assert calibrate.load_calibration(tmp_path, "a processor", 2, NOW) == FOUND
    assert calibrate.load_calibration(tmp_path, "a processor", 1, NOW) is None
    assert calibrate.load_calibration(tmp_path, "another", None, NOW) is None
    assert calibrate.load_calibration(tmp_path, "a processor", None, NOW + dt.timedelta(days=2)) is None
    assert calibrate.load_calibration(tmp_path, "a processor", None, NOW - dt.timedelta(days=1)) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"processor": 3}', b"\xff\xfe"])
def test_a_damaged_calibration_is_measured_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / calibrate.CALIBRATION).write_bytes(content)
    assert calibrate.load_calibration(tmp_path, "a processor", None, NOW) is None


def test_past_errors_are_the_median_of_what_was_written_down(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    assert calibrate.past_error(place) is None
    for predicted in (90.0, 130.0, 100.0):
        calibrate.record(place, "speed", predicted, 100.0)
    calibrate.record(place, "memory", 95.0, 100.0)
    found = calibrate.past_error(place)
    assert found is not None
    assert (found.n, found.n_memory, found.n_speed) == (4, 1, 3)
    assert found.memory == pytest.approx(0.05)
    assert found.speed == pytest.approx(0.10)
    (place / calibrate.JOURNAL).write_bytes(b"damaged\n")
    assert calibrate.past_error(place) is None


def test_features_are_read_from_the_system(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("model name : x\nflags\t\t: fpu avx2 sse avx512f amx_int8\n")
    assert this_machine.features(tmp_path) == ("avx2", "avx512f", "amx_int8")
    assert this_machine.features(tmp_path / "nowhere") == ()


def test_this_machine_has_the_measured_rates() -> None:
    found = this_machine.this_machine("it", 16, FOUND)
    assert (found.kind, found.memory_gb, found.bandwidth_gb_s) == ("cpu", 16, 20)
    assert found.tflops == pytest.approx(0.1)
    assert found.source == "measured 2026-11-22 with 2 threads"


def test_a_decoder_is_predicted_from_what_the_engine_showed_and_an_encoder_from_the_product(tmp_path: Path) -> None:
    engine, shape, tokens = catalog.engine("cpu", encoders=False), engine_probe.shape(), engine_probe.TOKENS
    plain = this_machine.this_machine("it", 16, FOUND)
    expected = speed.prefill_seconds(shape, engine_probe.FORMAT, tokens, plain, engine)
    as_expected = dataclasses.replace(FOUND, engine_seconds=expected)
    assert this_machine.this_machine("it", 16, as_expected).decoder_tflops == pytest.approx(plain.tflops)
    slow = this_machine.this_machine("it", 16, dataclasses.replace(FOUND, engine_seconds=2 * expected))
    assert speed.prefill_seconds(shape, engine_probe.FORMAT, tokens, slow, engine) == pytest.approx(2 * expected)
    decoder, encoder = catalog.find_architecture("SmolLM2-135M"), catalog.find_architecture("all-MiniLM-L6-v2")
    for model, changes in ((decoder, True), (encoder, False)):
        its = catalog.engine("cpu", encoders=model.kind == "encoder")
        first = [speed.prefill_seconds(model, "q8_0", 100, device, its) for device in (plain, slow)]
        assert (first[1] > 1.5 * first[0]) == changes
        assert changes or first[0] == first[1]
    # Wider vectors do not read the memory faster: writing waits for it on both, or for the slower arithmetic.
    steps = [speed.step_seconds(decoder, "q4_0", 100, 1, device, engine) for device in (plain, slow)]
    assert steps[0] <= steps[1] < 2 * steps[0]


def test_a_calibration_keeps_what_the_engine_showed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "measure", lambda *_: FOUND)
    monkeypatch.setattr(this_machine, "gpus", lambda visible: ())
    monkeypatch.setattr(engine_probe, "read_seconds", lambda threads: 0.01 * threads)
    first = this_machine.detect_machine(tmp_path, NOW, ticking(1))
    monkeypatch.setattr(engine_probe, "read_seconds", lambda threads: pytest.fail("it was measured"))
    kept = calibrate.load_calibration(tmp_path, FOUND.processor, None, NOW)
    assert kept is not None
    assert kept.engine_seconds == 0.02
    assert first.device.decoder_tflops is not None


def test_looking_measures_once_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Sequence[int]] = []

    def measure(processor: str, threads: Sequence[int], now: dt.datetime, clock: calibrate.Clock) -> Calibration:
        calls.append(threads)
        return Calibration(
            processor=processor, created_at=now.isoformat(), threads=1, chosen=True, bandwidth_gb_s=20, gflops=100
        )

    monkeypatch.setattr(calibrate, "measure", measure)
    monkeypatch.setattr(this_machine, "gpus", lambda visible: ())
    first = this_machine.detect_machine(tmp_path, NOW, ticking(1))
    again = this_machine.detect_machine(tmp_path, NOW, ticking(1))
    assert len(calls) == 1
    assert first.device == again.device
    assert first.device.kind == "cpu"
    assert first.threads == 1
    this_machine.detect_machine(tmp_path, NOW, ticking(1), anew=True)
    this_machine.detect_machine(tmp_path, NOW, ticking(1), threads=7)
    assert calls[1:] == [calls[0], [7]]


def test_a_cache_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(place: Path, found: Calibration) -> None:
        raise StoreError("E_DISK", "the disk is full", fix="free some space")

    monkeypatch.setattr(calibrate, "measure", lambda *_: FOUND)
    monkeypatch.setattr(calibrate, "save_calibration", refuse)
    monkeypatch.setattr(this_machine, "gpus", lambda visible: ())
    assert this_machine.detect_machine(tmp_path, NOW, ticking(1)).threads == 2
    assert "the disk is full" in caplog.text
