"""This machine: what is read, measured, kept, and how wrong it was before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pytest

from ockham.errors import StoreError
from ockham.planning import calibrate, this_machine
from ockham.planning.calibrate import Calibration

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.timezone.utc)
FOUND = Calibration(
    processor="a processor", created_at=NOW.isoformat(), threads=2, chosen=True, bandwidth_gb_s=20.0, gflops=100.0
)


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
