"""Times that were taken while other programs had the processor are known for it, and decide nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests import tiny_gguf

from ockham import machine
from ockham.evals.intervals import wilson
from ockham.evals.sample_size import rows_needed
from ockham.ladder import measure
from ockham.llm.spin_limit import spins
from ockham.records import Answer, Estimate, Profile, Requirements
from ockham.serving import contention, worker
from ockham.serving.contention import ProcessorUse, lost_share, processor_use
from ockham.verdict.decide import MeasuredCandidate, decide

START = ProcessorUse(wall=100.0, own=50.0, waited=1.0, all=9000.0, stolen=3.0, load=0.5)


def after(
    wall: float = 10.0, own: float = 10.0, waited: float = 0.0, others: float = 0.0, stolen: float = 0.0
) -> ProcessorUse:
    return ProcessorUse(
        wall=START.wall + wall,
        own=START.own + own,
        waited=1.0 + waited,
        all=9000.0 + own + others,
        stolen=3.0 + stolen,
        load=0.5,
    )


@pytest.mark.parametrize(
    ("end", "lost"),
    [
        (after(), 0.0),
        (after(own=9.8, waited=0.2, others=0.1), 0.0),
        (after(others=6.0), 0.0),  # on another core, which this process did not need
        (after(own=20.0, waited=8.0), 0.0),  # its own threads are more than the cores
        (after(own=5.0, waited=5.0, others=10.0), 0.5),
        (after(own=10.0, waited=2.0, others=4.0), 0.2),
        (after(own=5.0, others=15.0), 0.75),  # its threads ended and took their waiting with them
        (after(stolen=3.0), 0.3),
        (after(wall=0.1, own=0.05, waited=0.05, others=0.1), 0.5),  # short: by what its threads waited
        (after(wall=0.1, own=0.1, waited=0.001, others=0.1), 0.0),
        (after(wall=0.1, own=0.15, waited=0.1), 0.0),  # its own threads are more than the cores
        (after(wall=0.005, own=0.001, waited=0.004), None),
    ],
)
def test_what_other_programs_took_is_counted(end: ProcessorUse, lost: float | None) -> None:
    assert lost_share(START, end, 2) == (None if lost is None else pytest.approx(lost))


def test_without_counters_the_load_has_to_do() -> None:
    bare = replace(START, all=None, stolen=None, waited=None)
    for load, lost in ((1.4, 0.0), (5.0, 0.8), (None, None)):
        end = replace(bare, wall=110.0, own=60.0, load=load)
        assert lost_share(bare, end, 2) == (None if lost is None else pytest.approx(lost))


def test_the_counters_are_read(tmp_path: Path) -> None:
    for thread, waited in (("7", 2_000_000_000), ("8", 500_000_000)):
        folder = tmp_path / "proc/self/task" / thread
        folder.mkdir(parents=True)
        (folder / "schedstat").write_text(f"123456 {waited} 42\n")
    (tmp_path / "proc/stat").write_text("cpu  1000 200 300 9999 50 10 20 70 5 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n")
    use, ticks = processor_use(tmp_path), os.sysconf("SC_CLK_TCK")
    assert (use.waited, use.all, use.stolen) == (2.5, 1530 / ticks, 70 / ticks)
    nothing = processor_use(tmp_path / "nowhere")
    assert (nothing.waited, nothing.all, nothing.stolen) == (None, None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone counts what a thread waited")
def test_a_process_that_waits_for_its_core_is_seen() -> None:
    """Two programs on one core: each waits for about half of the time."""
    core = min(os.sched_getaffinity(0))
    pinned = f"import os, time; os.sched_setaffinity(0, {{{core}}})\n"
    spin = pinned + "end = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
    own = pinned + (
        "from ockham.serving.contention import lost_share, processor_use\n"
        "before = processor_use(); end = time.monotonic() + 1.5\n"
        "while time.monotonic() < end: pass\n"
        "print(lost_share(before, processor_use(), os.cpu_count()))"
    )
    neighbour = subprocess.Popen([sys.executable, "-c", spin])
    try:
        said = subprocess.run([sys.executable, "-c", own], capture_output=True, text=True, check=True).stdout
    finally:
        neighbour.kill()
        neighbour.wait()
    assert float(said) > 0.2


class Quick:
    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        return [Answer(value=text) for text in inputs]


@pytest.mark.parametrize(
    ("shares", "seconds", "kept", "pauses"),
    [
        ([0.0], 4.0, 0.0, 0),
        ([None], 4.0, None, 0),
        ([0.4, 0.0], 4.0, 0.0, 1),
        ([0.4, 0.2], 4.0, 0.2, 1),
        ([0.2, 0.4], 4.0, 0.2, 1),
        ([0.4], 0.0, 0.4, 0),
    ],
)
def test_a_busy_machine_is_waited_for_within_a_bound(
    shares: list[float | None], seconds: float, kept: float | None, pauses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, slept = list(shares), list[float]()
    monkeypatch.setattr(contention, "lost_share", lambda _before, _after, _processors: left.pop(0))
    monkeypatch.setattr("ockham.serving.worker.time.sleep", slept.append)
    monkeypatch.setattr(worker, "WARM_UP", 1)
    (_, answers), lost = worker._quietest(lambda: worker._latencies(Quick(), ["a"], seconds, 20), seconds)
    assert (lost, len(slept), left) == (kept, pauses, [])
    assert len(answers) == (20 if seconds else 5)


def profile(*, contention: float) -> Profile:
    seen = Estimate(value=5.0, low=4.0, high=6.0, n=400)
    return Profile(
        p50_ms=seen, p95_ms=seen, p99_ms=seen, throughput_per_s=seen, memory_mb=1.0, load_seconds=0.1,
        contention=contention,
    )  # fmt: skip


def candidate(p95: float, *, disturbed: bool, kind: str = "linear") -> MeasuredCandidate:
    seen = Estimate(value=p95, low=p95 * 0.9, high=p95 * 1.1, n=400)
    return MeasuredCandidate(
        name="linear",
        rung=2,
        metrics={"accuracy": wilson(912, 1000)},
        p95_ms=seen,
        memory_mb=100.0,
        cost_per_day=p95 / 100,
        disturbed=measure._requirements_left_open(kind, profile(contention=0.4 if disturbed else 0.0)),
    )


def test_a_latency_from_a_busy_machine_misses_nothing() -> None:
    needs = Requirements(min_accuracy=0.85, max_p95_ms=100, max_memory_mb=200)
    busy = decide([candidate(1000.0, disturbed=True)], needs, (), rows_needed=rows_needed)
    assert busy.meets["linear"] == {"min_accuracy": "meets", "max_p95_ms": "cannot tell", "max_memory_mb": "meets"}
    assert busy.chosen is None
    assert "(measured while other programs took the processor)" in busy.because
    assert busy.headline == "The measurements cannot tell yet whether a candidate will do."
    assert busy.next == (
        "Run the same command again on an idle machine: it measures the 95th percentile latency of linear again."
    )
    quiet = decide([candidate(1000.0, disturbed=False)], needs, (), rows_needed=rows_needed)
    assert quiet.meets["linear"]["max_p95_ms"] == "misses"


@pytest.mark.parametrize("p95", [1.0, 95.0, 1000.0])
def test_a_latency_from_a_busy_machine_decides_nothing(p95: float) -> None:
    needs = Requirements(min_accuracy=0.85, max_p95_ms=100)
    busy = decide([candidate(p95, disturbed=True)], needs, (), rows_needed=rows_needed)
    assert busy.meets["linear"]["max_p95_ms"] == "cannot tell"
    assert "(measured while other programs took the processor)" in busy.because


def test_a_cost_from_a_busy_machine_is_open_unless_it_is_an_apis_price() -> None:
    needs = Requirements(min_accuracy=0.85, max_cost_per_day=1, requests_per_day=1000)
    busy = decide([candidate(1000.0, disturbed=True)], needs, (), rows_needed=rows_needed)
    assert busy.meets["linear"]["max_cost_per_day"] == "cannot tell"
    assert busy.next == "Run the same command again on an idle machine: it measures the cost per day of linear again."
    paid = decide([candidate(1000.0, disturbed=True, kind="endpoint")], needs, (), rows_needed=rows_needed)
    assert paid.meets["linear"]["max_cost_per_day"] == "misses"


def test_the_engine_is_loaded_with_short_spins_and_leaves_no_trace(tmp_path: Path) -> None:
    model = tiny_gguf.write(tmp_path / "tiny.gguf")
    load = (
        "import os\nfrom pathlib import Path\nfrom ockham.llm.llamacpp import Engine, EngineSpec\n"
        f"engine = Engine(Path({str(model)!r}), EngineSpec(context=64, slots=1, threads=1))\n"
        # Closed before its loop has begun, the engine may wait for ever: the process just ends.
        "print(os.environ.get('GOMP_SPINCOUNT'), flush=True)\nos._exit(0)"
    )
    assert (spins("AMD EPYC"), spins("Intel(R) Xeon(R) Processor @ 2.80GHz")) == (300, 1000)
    for own, wanted in ((None, str(spins(machine.processor()))), ("5000", "5000")):
        environment = {**os.environ, "OMP_DISPLAY_ENV": "VERBOSE", **({} if own is None else {"GOMP_SPINCOUNT": own})}
        run = subprocess.run([sys.executable, "-c", load], env=environment, capture_output=True, text=True, check=True)
        if "GOMP_SPINCOUNT" not in run.stderr:
            pytest.skip("this build of the engine does not use GNU's OpenMP")
        assert f"GOMP_SPINCOUNT = '{wanted}'" in run.stderr
        assert run.stdout.strip() == str(own)


def test_a_busy_measurement_is_tried_again_where_a_latency_is_required() -> None:
    quiet, busy = profile(contention=0.0), profile(contention=0.3)
    needs = Requirements(max_p99_ms=5)
    assert measure._is_worth_another_try("linear", busy, needs)
    assert measure._is_worth_another_try("linear", busy, Requirements(max_p50_ms=1000))
    assert measure._is_worth_another_try("linear", busy, Requirements(max_cost_per_day=1))
    assert not measure._is_worth_another_try("endpoint", busy, Requirements(max_cost_per_day=1))
    assert not measure._is_worth_another_try("linear", quiet, needs)
    assert not measure._is_worth_another_try("linear", busy, Requirements(min_accuracy=0.8))


def test_the_throughput_of_a_busy_machine_is_marked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [0.0, 0.4]
    monkeypatch.setattr(contention, "lost_share", lambda _before, _after, _processors: left.pop(0))
    monkeypatch.setattr(worker, "WARM_UP", 1)
    reply = worker._serve(Quick(), {"do": "profile", "inputs": ["a"], "seconds": 0, "most": 5, "rounds": 2})
    assert (reply["lost"], len(reply["rounds"]), left) == (0.4, 2, [])
