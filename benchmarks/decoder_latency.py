"""One classification by a causal language model of SmolLM2-135M's true shape: time, memory and answers a second.

``scripts/bench decoder_latency``. Random weights: they take the same time as trained ones. A prompt has 100 tokens, of
which the first 60 are the same for all (orders and labels); the label is one of ten, of two to four tokens each. It is
taken as a tuned model takes it, fork by fork, and as a prompted one does, by a search, for which random weights are the
worst case: they find no label unlikely. Each variant runs in a process of its own. Wall time is what a user waits for;
CPU time hardly depends on what else the machine does, so it is told too, with the load while it ran.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import quantiles

from benchmarks import _random_gguf, table
from ockham import catalog
from ockham.llm.batch_invariance import is_batch_invariant
from ockham.llm.decoding import DecodingLimits
from ockham.llm.llamacpp import Engine, EngineSpec
from ockham.llm.trie import Trie

MODEL = "SmolLM2-135M"
PROMPT, SHARED, LABELS, WRITTEN = 100, 60, 10, 64
VARIANTS = (
    ("q8_0", 1, 1, "forks"),
    ("q8_0", 2, 1, "forks"),
    ("q8_0", 1, 4, "forks"),
    ("q8_0", 2, 1, "search"),
    ("q4_0", 1, 1, "forks"),
)
"""Quantization, threads, slots, and how a label is taken."""


def prompts(count: int, vocabulary: int) -> list[list[int]]:
    """Draw prompts that share their beginning."""
    draw = random.Random(0)
    shared = [draw.randrange(vocabulary) for _ in range(SHARED)]
    return [shared + [draw.randrange(vocabulary) for _ in range(PROMPT - SHARED)] for _ in range(count)]


def labels(vocabulary: int) -> Trie:
    """Draw ten labels whose tokens fork at the first place and once more."""
    draw = random.Random(1)
    firsts = [draw.randrange(vocabulary) for _ in range(LABELS // 2)]
    paths = [[first, *(draw.randrange(vocabulary) for _ in range(draw.randint(1, 3)))] for first in firsts * 2]
    return Trie([str(place) for place in range(LABELS)], paths, end=0)


def child(path: Path, threads: int, slots: int, how: str, requests: int) -> None:
    """Measure one variant in this process and write what was found as JSON."""
    engine = Engine(path, EngineSpec(context=256, slots=slots, threads=threads))
    exact = is_batch_invariant(engine)
    trie = labels(engine.head.tokens)
    ask, take = (engine.likelihoods, trie.search) if how == "search" else (engine.probabilities, trie.walk)
    texts = prompts(requests + slots, engine.head.tokens)
    free = list(range(slots))

    def one(prompt: list[int]) -> float:
        slot = free.pop()
        began = time.perf_counter()
        take(lambda taken, allowed: ask((*prompt, *taken), allowed, slot=slot))
        free.append(slot)
        return time.perf_counter() - began

    with ThreadPoolExecutor(slots) as workers:
        list(workers.map(one, texts[:slots]))  # the shared beginning, once a slot
        began, used = time.perf_counter(), time.process_time()
        times = list(workers.map(one, texts[slots:]))
        wall, cpu = time.perf_counter() - began, time.process_time() - used
    at = time.perf_counter(), time.process_time()
    written = engine.write(texts[0], DecodingLimits(tokens=WRITTEN), slot=0).tokens
    spent = time.perf_counter() - at[0], time.process_time() - at[1]
    cuts = quantiles(times, n=20, method="inclusive")
    found = {
        "p50_ms": quantiles(times, n=2)[0] * 1e3,
        "p95_ms": cuts[18] * 1e3,
        "cpu_ms": cpu / requests * 1e3,
        "answers_per_s": requests / wall,
        "write_tokens_per_s": written / spent[0],
        "write_tokens_per_cpu_s": written / spent[1],
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "exact": exact,
    }
    sys.stdout.write(json.dumps(found))


def main() -> None:
    """Write the model's file, run the variants in turn and publish the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--requests", type=int, default=60)
    options.add_argument("--child", nargs=4)
    given = options.parse_args()
    if given.child:
        path, threads, slots, how = given.child
        child(Path(path), int(threads), int(slots), how, given.requests)
        return
    rows, record = [], []
    with tempfile.TemporaryDirectory() as folder:
        for form, group in itertools.groupby(VARIANTS, key=lambda variant: variant[0]):
            path = Path(folder) / f"{form}.gguf"
            _random_gguf.write(catalog.find_architecture(MODEL), form, path)
            for _, threads, slots, how in group:
                command = [sys.executable, "-m", "benchmarks.decoder_latency", "--requests", str(given.requests)]
                done = subprocess.run(
                    [*command, "--child", str(path), str(threads), str(slots), how], check=True, capture_output=True
                )
                found = json.loads(done.stdout)
                load = os.getloadavg()[0]
                record.append(
                    {"quantization": form, "threads": threads, "slots": slots, "label": how, "load": load, **found}
                )
                rows.append(
                    [form.upper(), str(threads), str(slots), how]
                    + [f"{found[name]:.0f}" for name in ("p50_ms", "p95_ms", "cpu_ms")]
                    + [f"{found['answers_per_s']:.1f}", f"{found['write_tokens_per_s']:.0f}"]
                    + [f"{found['write_tokens_per_cpu_s']:.0f}", f"{found['rss_mb']:.0f}", f"{load:.1f}"]
                )
    header = ["weights", "threads", "slots", "label by", "p50 ms", "p95 ms", "CPU ms", "answers/s", "written tokens/s"]
    header += ["written tokens/CPU s", "peak MB", "load"]
    text = f"{MODEL}'s shape, {given.requests} requests of {PROMPT} tokens, {SHARED} of them shared, {LABELS} labels."
    table.publish("decoder_latency", f"{text}\n\n{table.markdown(header, rows)}", {"variants": record})


if __name__ == "__main__":
    main()
