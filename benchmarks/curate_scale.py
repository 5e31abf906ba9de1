"""How long `ockham curate --engine ray` takes for hundreds of gigabytes, by simulation from measured costs.

``scripts/bench curate_scale`` measures what each part costs one core, over text with planted duplicates, and plays the
work through, event by event: the first machine reads and hashes the input and hands out chunks; cores examine them;
ranges of band keys are read by tasks and joined by the first machine; sets of documents are decided by tasks; the first
machine writes the rows in order. What a store gives is shared by all that read or write at a time. Nothing here was
measured on a cluster: it says where the time would go, and which part is the bottleneck.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import table
from benchmarks.curate_speed import pieces, plant

T = TypeVar("T")
CORES = 16
CHUNK_MB = 64.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds a megabyte of text on one core, and what the machines give.

    ``look``: to hash; ``hand_out``: to read, hash and part; ``examine``: all steps; ``equal``: to decide equal texts;
    ``bands``: to read band keys, and to join what shares one; ``near``: to decide near-duplicates; ``write``: the last
    pass. ``task``: what it takes the first machine to give a task away. ``store``: GB per second of the shared store;
    ``link``: of one machine. ``expansion``: bytes that are kept on the way for each byte of text.
    """

    look: float
    hand_out: float
    examine: float
    equal: float
    bands: float
    near: float
    write: float
    task: float = 0.002
    store: float = 20.0
    link: float = 1.5
    expansion: float = 1.4


def spread_out(pieces: int, cores: int, cost: float, gap: float, rng: random.Random) -> float:
    """Play pieces that come at least ``gap`` seconds apart through cores; give when the last one is done.

    Pieces differ: a lognormal with a coefficient of variation of about .3.
    """
    free = [0.0] * min(cores, pieces)
    heapq.heapify(free)
    last = come = 0.0
    for _ in range(pieces):
        come += gap
        done = max(come, heapq.heappop(free)) + cost * rng.lognormvariate(-0.04, 0.29)
        heapq.heappush(free, done)
        last = max(last, done)
    return last


def simulated(gigabytes: float, nodes: int, costs: Costs) -> dict[str, float]:
    """Give the seconds of each part."""
    rng = random.Random(0)
    size, cores = gigabytes * 1000, nodes * CORES
    chunks = max(1, round(size / CHUNK_MB))
    # Seconds that a megabyte takes from the store, for all cores together and for the first machine alone.
    together = 1 / (1000 * min(costs.store, costs.link * nodes))
    alone = 1 / (1000 * costs.link)
    gap = max(max(costs.hand_out, alone) * CHUNK_MB + costs.task, (1 + costs.expansion) * together * CHUNK_MB)
    ranges, sets = max(1, round(size / 500)), max(1, round(size / 800))
    # Of what is done about bands, the joining is a tenth, and the first machine's.
    return {
        "looking at the files (first machine)": size * max(costs.look, alone),
        "examining (all cores; the first machine hands out)": spread_out(
            chunks, cores, costs.examine * CHUNK_MB, gap, rng
        ),
        "equal texts (first machine)": size * costs.equal,
        "band keys (all cores; the first machine joins)": spread_out(
            ranges, cores, 0.9 * costs.bands * 500, 0.1 * costs.bands * 500 + costs.task, rng
        ),
        "near-duplicates (all cores)": spread_out(sets, cores, costs.near * 800, costs.task, rng),
        "writing (first machine)": size * max(costs.write, 2 * alone),
    }


def measured(data: Path, megabytes: int) -> Costs:
    """Measure what each part costs one core, over text with planted duplicates: seconds of CPU a megabyte."""
    from ockham.curation.chunks import Chunks
    from ockham.curation.components import write_pairs
    from ockham.curation.curate import CurateSpec, prepare_curation
    from ockham.curation.dedup import decide_duplicates
    from ockham.curation.executor import Executor
    from ockham.curation.map_stage import inputs_of, work
    from ockham.curation.near_dedup import near_of
    from ockham.curation.write_stage import write_all
    from ockham.readers.blocks import block_work
    from ockham.store import open_run

    rng = random.Random(0)
    documents, _ = plant(pieces(data, rng, megabytes * 300_000), rng)
    folder = table.CELLS / "curate_scale"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = folder / "corpus.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
    size = source.stat().st_size / 1e6
    spent: dict[str, float] = {}

    def timed(name: str, function: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 - those of the function
        start = time.process_time()
        found = function(*arguments)
        spent[name] = spent.get(name, 0.0) + time.process_time() - start
        return found

    files, plan, _ = timed("look", prepare_curation, source, CurateSpec(inputs=("text",)), lambda _: None)
    handed = timed("hand_out", lambda: list(block_work(0, files[0], None, 4_000_000)))
    steps = tuple(step for step in plan.steps if step != "near")
    with open_run(folder / "run", {"verb": "curate_scale"}) as run, ExitStack() as leave:
        places = [leave.enter_context(run.staging()) for _ in handed]
        work(places[0], handed[0][0], plan)  # what is loaded and compiled once says nothing about the speed
        for place, (piece, _) in zip(places, handed, strict=True):
            timed("examine", work, place, piece, plan)
        chunks, scratch = Chunks(places, inputs_of(files)), leave.enter_context(run.staging())
        decision = timed("equal", decide_duplicates, chunks, plan.spec, steps, scratch, Executor(), lambda *_: None)
        sets = timed("bands", write_pairs, chunks, decision, scratch, Executor())
        near_of(sets[0], chunks.source(), plan.spec, False)
        for path in sets:
            timed("near", near_of, path, chunks.source(), plan.spec, False)
        timed("write", write_all, run, chunks, decision, files, plan, lambda _: None)
    shutil.rmtree(folder)
    return Costs(**{name: seconds / size for name, seconds in spent.items()})


def main() -> None:
    """Simulate, and name the bottleneck."""
    parser = argparse.ArgumentParser(description="Simulate ockham curate on a cluster.")
    parser.add_argument("--gigabytes", type=float, default=500.0)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--data", type=Path, default=table.DATA / "pretrain")
    parser.add_argument("--megabytes", type=int, default=60, help="size of the corpus that costs are measured on")
    args = parser.parse_args()
    costs = measured(args.data, args.megabytes)
    found = {nodes: simulated(args.gigabytes, nodes, costs) for nodes in args.nodes}
    parts = list(found[args.nodes[0]])
    rows = [[part, *(f"{found[nodes][part] / 60:,.0f} min" for nodes in args.nodes)] for part in parts]
    rows.append(["all", *(f"{sum(found[nodes].values()) / 60:,.0f} min" for nodes in args.nodes)])
    rows.append(["bottleneck", *(max(parts, key=lambda part: found[nodes][part]) for nodes in args.nodes)])
    heads = [f"{args.gigabytes:,.0f} GB, machines of {CORES} cores", *(f"{nodes}" for nodes in args.nodes)]
    text = table.markdown(heads, rows)
    text += "\n\nSeconds a megabyte on one core: "
    text += ", ".join(f"{name} {getattr(costs, name):.4f}" for name in costs.__slots__[:7])
    text += (
        f". The shared store gives {costs.store:.0f} GB/s, a machine's link {costs.link} GB/s. Simulated, not measured."
    )
    table.publish("curate_scale", text, {"gigabytes": args.gigabytes, "seconds": {str(n): s for n, s in found.items()}})


if __name__ == "__main__":
    main()
