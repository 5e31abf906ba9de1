"""How wrong ``ockham plan`` is on this machine: ``scripts/bench plan_accuracy``.

Random weights of the true shapes are served by the engine that serves; peak memory and processor time are compared
with what the plan says from the machine's rates, which are measured as the plan measures them. Processor time is taken
instead of the clock, so that other work on the machine counts little, and the best pass, as in the calibration; with
several threads it is divided by their number.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import table
from benchmarks._random_gguf import write
from ockham import catalog, machine
from ockham.catalog import Device
from ockham.planning import calibrate, memory, speed, this_machine
from ockham.records.plan import Quantization

MODELS = ("SmolLM2-135M", "SmolLM2-360M", "Qwen2.5-0.5B", "Qwen2.5-1.5B")
LARGER = ("Qwen2.5-3B", "Qwen2.5-7B")
FORMATS: tuple[Quantization, ...] = ("q4_0", "q8_0")
LARGER_FORMATS: tuple[Quantization, ...] = ("q4_0", "q4_k_m")
CONTEXTS = (256, 1024)
WRITTEN = 9
PASSES = 2
KEY = ("model", "quantization", "context", "threads")

_NOTE = """

Predicted / measured (error). The catalogue's numbers for this engine come from measurements of these models on such a
machine, so the table shows how well a dozen numbers and the formulas carry over formats, sizes, contexts and threads;
it says nothing of machines that nobody measured.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What is measured: a model in a format, with a context that its prompt fills, on so many threads."""

    model: str
    quantization: Quantization
    context: int
    threads: int

    @property
    def key(self) -> tuple[str, str, int, int]:
        return (self.model, self.quantization, self.context, self.threads)


def points(models: Sequence[str], contexts: Sequence[int], threads: Sequence[int]) -> list[Point]:
    """List the points, a model's in one format one after the other: each file is written once."""
    return [
        Point(model=model, quantization=quantization, context=context, threads=number)
        for model in models
        for quantization in (LARGER_FORMATS if model in LARGER else FORMATS)
        for context in contexts
        for number in threads
    ]


def child(path: Path, context: int, threads: int) -> None:
    """Serve one model, read a prompt that fills the context, write a few tokens, and say what that took."""
    from ockham.llm.decoding import DecodingLimits
    from ockham.llm.llamacpp import Engine as Served
    from ockham.llm.llamacpp import EngineSpec

    served = Served(path, EngineSpec(context=context, slots=1, threads=threads))
    reading, writing = [], []
    for first in range(PASSES):
        prompt = [first, *((7 * i) % 200 for i in range(context - 2 * WRITTEN))]
        start = time.process_time()
        served.write(prompt, DecodingLimits(tokens=1), slot=0)
        reading.append(time.process_time() - start)
        for _ in range(PASSES):
            # The prompt is in the cache now, but for its last token: as many steps as tokens are written.
            start = time.process_time()
            tokens = served.write(prompt, DecodingLimits(tokens=WRITTEN), slot=0).tokens
            writing.append((time.process_time() - start) / tokens)
    read, step = min(reading) / threads, min(writing) / threads
    found = {"prompt": len(prompt), "read": read, "step": step, "peak": machine.peak_rss_mb()}
    print(json.dumps(found))


def measured(point: Point, folder: Path) -> dict[str, float]:
    """Measure a point in a process of its own."""
    path = folder / f"{point.model}-{point.quantization}.gguf"
    if not path.exists():
        for old in folder.glob("*.gguf"):
            old.unlink()
        write(catalog.find_architecture(point.model), point.quantization, path)
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.plan_accuracy", "--child", path]
    command += ["--contexts", str(point.context), "--threads", str(point.threads)]
    found: dict[str, float] = json.loads(table.need(table.run(command), command).output)
    return found


def compared(row: Mapping[str, Any], rates: Sequence[float]) -> dict[str, tuple[float, float]]:
    """Put predictions beside what was measured: memory, and tokens a second; ``rates`` are GB and 10^9 operations."""
    shape, form, engine = (
        catalog.find_architecture(row["model"]),
        row["quantization"],
        catalog.engine("cpu", encoders=False),
    )
    device = _device(rates, row["threads"])
    said = memory.serving(shape, form, row["context"], 1, engine)
    prompt = int(row["prompt"])
    read = speed.prefill_seconds(shape, form, prompt, device, engine)
    step = speed.step_seconds(shape, form, prompt, 1, device, engine)
    return {
        "memory, MB": (said.total_mb + said.reclaimable_mb, row["peak"]),
        "reading, tokens/s": (prompt / read, prompt / row["read"]),
        "writing, tokens/s": (1 / step, 1 / row["step"]),
    }


def _device(rates: Sequence[float], threads: int) -> Device:
    found = calibrate.Calibration(
        processor="here", created_at="", threads=threads, chosen=False, bandwidth_gb_s=rates[0], gflops=rates[1]
    )
    return this_machine.this_machine("here", machine.memory_gb(), found)


def rates_of(threads: int) -> tuple[float, float]:
    """Measure this machine's rates as the plan does, but in processor time."""
    found = calibrate.measure("here", [threads], dt.datetime.now(dt.timezone.utc), time.process_time)
    return found.bandwidth_gb_s, found.gflops


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare predictions with measurements. Points that were measured before are left as they are, and "
        "each new one is written down at once: a run that was stopped goes on."
    )
    parser.add_argument("--models", nargs="*", default=(*MODELS, *LARGER), help="the largest take minutes a point")
    parser.add_argument("--contexts", type=int, nargs="*", default=CONTEXTS)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--again", action="store_true", help="measure points anew that were measured before")
    parser.add_argument("--rates", action="store_true", help="measure the machine's rates anew")
    parser.add_argument("--left", action="store_true", help="only list the points that are left")
    parser.add_argument("--child", type=Path)
    args = parser.parse_args()
    if args.child is not None:
        child(args.child, args.contexts[0], args.threads[0])
        return
    rows, rates = _earlier()
    wanted = [one for one in points(args.models, args.contexts, args.threads) if args.again or one.key not in rows]
    if args.left:
        print("\n".join(" ".join(map(str, one.key)) for one in wanted))
        return
    for threads in sorted({*args.threads} - (set() if args.rates else {*rates})):
        rates[threads] = rates_of(threads)
    _publish(list(rows.values()), rates)
    with tempfile.TemporaryDirectory() as folder:
        for point in wanted:
            rows[point.key] = asdict(point) | measured(point, Path(folder))
            table.say(json.dumps(rows[point.key]))
            _publish(list(rows.values()), rates)


def _publish(rows: list[dict[str, Any]], rates: Mapping[int, Sequence[float]]) -> None:
    order = (*MODELS, *LARGER)
    found = sorted(rows, key=lambda row: (order.index(row["model"]), *(row[key] for key in KEY[1:])))
    if found:
        table.publish("plan_accuracy", text(found, rates), {"rates": dict(rates), "rows": found})


def _earlier() -> tuple[dict[tuple[Any, ...], dict[str, Any]], dict[int, Sequence[float]]]:
    place = table.RESULTS / "plan_accuracy.json"
    if not place.exists():
        return {}, {}
    found = json.loads(place.read_text(encoding="utf-8"))
    rows = {tuple(row[key] for key in KEY): row for row in found["rows"]}
    return rows, {int(threads): rates for threads, rates in found["rates"].items()}


def text(rows: Sequence[dict[str, Any]], rates: Mapping[int, Sequence[float]]) -> str:
    """Write the table: predicted / measured (error)."""
    pairs = [compared(row, rates[row["threads"]]) for row in rows]
    body = [
        [*(str(row[key]) for key in KEY), *map(_cell, found.values())] for row, found in zip(rows, pairs, strict=True)
    ]
    foot = [
        f"- {name}: median error {median(_error(one[name]) for one in pairs):.0%}, "
        f"largest {max(_error(one[name]) for one in pairs):.0%}"
        for name in pairs[0]
    ]
    foot += [
        f"- with {threads} thread{'s' * (threads > 1)}: {rates[threads][0]:.1f} GB and {rates[threads][1]:.0f} billion "
        "operations a second"
        for threads in sorted(rates)
    ]
    return table.markdown(["model", "format", "context", "threads", *pairs[0]], body) + _NOTE + "\n".join(foot)


def _error(pair: Sequence[float]) -> float:
    return abs(pair[0] / pair[1] - 1)


def _cell(pair: Sequence[float]) -> str:
    said, seen = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in pair)
    return f"{said} / {seen} ({pair[0] / pair[1] - 1:+.0%})"


if __name__ == "__main__":
    main()
