"""How wrong ``ockham plan`` is on this machine: ``scripts/bench plan_accuracy``.

Random weights of the true shapes are served by the engine that serves; peak memory and processor time are compared
with what the plan said before. Speed is predicted twice: from this machine's rates alone, and after the engine was
measured once with the smallest model. Processor time is taken instead of the clock, so that other work on the machine
counts little, and the best pass, as in the calibration; with several threads it is divided by their number.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import table
from benchmarks._random_gguf import write
from ockham import catalog, machine
from ockham.catalog import Device, Engine, Shape
from ockham.plan import calibrate, here, memory, speed
from ockham.plan.records import Quantization

MODELS = ("SmolLM2-135M", "SmolLM2-360M", "Qwen2.5-0.5B", "Qwen2.5-1.5B")
LARGER = ("Qwen2.5-3B", "Qwen2.5-7B")
FORMATS: tuple[Quantization, ...] = ("q4_0", "q8_0")
LARGER_FORMATS: tuple[Quantization, ...] = ("q4_0", "q4_k_m")
CONTEXTS = (256, 1024)
WRITTEN = 9
PASSES = 2
KEY = ("model", "quantization", "context", "threads")

_NOTE = """

Predicted / measured (error). Probed: after the engine was measured once, with the first row's model. The catalogue's
numbers for this engine come from models of these sizes on such a machine: the table shows how well the formulas carry
over formats, sizes and contexts, and says nothing of machines that nobody measured.

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
    from ockham.models.engine import Engine as Served
    from ockham.models.engine import EngineSpec, Limits

    served = Served(path, EngineSpec(context=context, slots=1, threads=threads))
    reading, writing = [], []
    for first in range(PASSES):
        prompt = [first, *((7 * i) % 200 for i in range(context - 2 * WRITTEN))]
        start = time.process_time()
        served.write(prompt, Limits(tokens=1), slot=0)
        reading.append(time.process_time() - start)
        for _ in range(PASSES):
            # The prompt is in the cache now, but for its last token: as many steps as tokens are written.
            start = time.process_time()
            tokens = served.write(prompt, Limits(tokens=WRITTEN), slot=0).tokens
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
        write(catalog.shape(point.model), point.quantization, path)
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.plan_accuracy", "--child", path]
    command += ["--contexts", str(point.context), "--threads", str(point.threads)]
    found: dict[str, float] = json.loads(table.need(table.run(command), command).output)
    return found


def compared(point: Point, seen: dict[str, float], device: Device, engines: Sequence[Engine]) -> dict[str, Any]:
    """Put the prediction beside the measurement: memory, and times from the starting values and after the probe."""
    shape = catalog.shape(point.model)
    said = memory.serving(shape, point.quantization, point.context, 1, engines[0])
    found: dict[str, Any] = {
        "model": point.model,
        "quantization": point.quantization,
        "context": point.context,
        "threads": point.threads,
        "memory_mb": [said.total_mb + said.reclaimable_mb, seen["peak"]],
    }
    prompt = int(seen["prompt"])
    for name, engine in zip(("start", "probed"), engines, strict=True):
        read = speed.prefill_seconds(shape, point.quantization, prompt, device, engine)
        step = speed.step_seconds(shape, point.quantization, prompt, 1, device, engine)
        found[f"read_{name}"] = [prompt / read, prompt / seen["read"]]
        found[f"write_{name}"] = [1 / step, 1 / seen["step"]]
    return found


def probe(shape: Shape, seen: dict[str, float], device: Device, engine: Engine) -> Engine:
    """Correct the engine's numbers by one measurement, as a calibration with the engine would."""
    observation = calibrate.Observation(
        quantization="q4_0",
        prompt=int(seen["prompt"]),
        prompt_seconds=seen["read"],
        context=int(seen["prompt"]),
        batch=1,
        step_seconds=seen["step"],
    )
    return calibrate.corrected(engine, shape, observation, device)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare predictions with measurements. Points that were measured before are left as they are, and "
        "each new one is written down at once: a run that was stopped goes on."
    )
    parser.add_argument("--models", nargs="*", default=(*MODELS, *LARGER), help="the largest take minutes a point")
    parser.add_argument("--contexts", type=int, nargs="*", default=CONTEXTS)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--again", action="store_true", help="measure points anew that were measured before")
    parser.add_argument("--left", action="store_true", help="only list the points that are left")
    parser.add_argument("--child", type=Path)
    args = parser.parse_args()
    if args.child is not None:
        child(args.child, args.contexts[0], args.threads[0])
        return
    rows = _earlier()
    wanted = [one for one in points(args.models, args.contexts, args.threads) if args.again or one.key not in rows]
    if args.left:
        print("\n".join(" ".join(map(str, one.key)) for one in wanted))
        return
    with tempfile.TemporaryDirectory() as folder:
        for row in _rows(wanted, Path(folder)):
            rows[tuple(row[key] for key in KEY)] = row
            print(json.dumps(row), file=sys.stderr)
            _publish(list(rows.values()))


def _publish(rows: list[dict[str, Any]]) -> None:
    order = (*MODELS, *LARGER)
    found = sorted(rows, key=lambda row: (order.index(row["model"]), *(row[key] for key in KEY[1:])))
    table.publish("plan_accuracy", text(found), {"rows": found})


def _rows(wanted: Sequence[Point], folder: Path) -> Iterator[dict[str, Any]]:
    start = catalog.engine("cpu", encoders=False)
    known: dict[int, tuple[Device, Engine]] = {}
    for threads in sorted({one.threads for one in wanted}):
        rates = calibrate.measure("here", [threads], dt.datetime.now(dt.timezone.utc), time.process_time)
        device = here.this_machine("here", machine.memory_gb(), rates)
        first = Point(model=MODELS[0], quantization="q4_0", context=CONTEXTS[0], threads=threads)
        known[threads] = device, probe(catalog.shape(first.model), measured(first, folder), device, start)
    for one in wanted:
        device, corrected = known[one.threads]
        yield compared(one, measured(one, folder), device, (start, corrected))


def _earlier() -> dict[tuple[Any, ...], dict[str, Any]]:
    place = table.RESULTS / "plan_accuracy.json"
    rows = json.loads(place.read_text(encoding="utf-8"))["rows"] if place.exists() else []
    return {tuple(row[key] for key in KEY): row for row in rows}


def text(rows: Sequence[dict[str, Any]]) -> str:
    """Write the table: predicted / measured (error)."""
    names = {
        "memory_mb": "memory, MB",
        "read_start": "reading, tokens/s",
        "read_probed": "reading, probed",
        "write_start": "writing, tokens/s",
        "write_probed": "writing, probed",
    }
    body = [
        [
            row["model"],
            row["quantization"],
            str(row["context"]),
            str(row["threads"]),
            *(_cell(row[key]) for key in names),
        ]
        for row in rows
    ]
    foot = [
        f"- {title}: median error {median(_error(row[key]) for row in rows):.0%}, "
        f"largest {max(_error(row[key]) for row in rows):.0%}"
        for key, title in names.items()
    ]
    head = ["model", "format", "context", "threads", *names.values()]
    return table.markdown(head, body) + _NOTE + "\n".join(foot)


def _error(pair: Sequence[float]) -> float:
    return abs(pair[0] / pair[1] - 1)


def _cell(pair: Sequence[float]) -> str:
    said, seen = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in pair)
    return f"{said} / {seen} ({pair[0] / pair[1] - 1:+.0%})"


if __name__ == "__main__":
    main()
