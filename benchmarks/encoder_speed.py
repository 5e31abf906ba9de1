"""Texts per second of the frozen encoder: sentence-transformers with its defaults against ours.

``scripts/bench encoder_speed``. Each pass is a process of its own, so that neither side's threads or caches stand in
the other's way; passes take turns (peer, ours, peer, ours …) on the same cores. Loading and a warm-up are not counted.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import table

SIDES = {"peer": table.PEERS, "ours": Path(sys.executable)}


def peer(texts: Sequence[str], loaded: Any = None) -> Any:  # noqa: ANN401 - numpy is not imported here
    """Embed with sentence-transformers: fp32, its defaults. Gives an (n, 384) array."""
    return loaded.encode(list(texts))


def load_peer(texts: Sequence[str]) -> Any:  # noqa: ANN401, ARG001 - it needs no texts, ours does
    """Load the packaged model the way its card says."""
    from sentence_transformers import SentenceTransformer

    from benchmarks.handwritten import model_folder

    return SentenceTransformer(model_folder())


def load_ours(texts: Sequence[str]) -> Any:  # noqa: ANN401 - whatever `ours` takes
    """Load our encoder as the encoder rung does: in 8 bits, calibrated on some of the texts."""
    from ockham.convert import onnx_export
    from ockham.models import sentence_encoder

    found = sentence_encoder.find(None)
    with tempfile.TemporaryDirectory() as folder:
        return onnx_export.write(found, found.weights(), texts, Path(folder))


def ours(texts: Sequence[str], loaded: Any = None) -> Any:  # noqa: ANN401 - numpy is not imported here
    """Embed with ``ockham.models.encoder``. Gives an (n, 384) array, in the order of the texts."""
    return loaded.embed(texts)


def work(side: str, texts: Sequence[str], out: Path) -> None:
    """Be one pass: load, warm up, embed all texts once, print seconds, keep the vectors."""
    import numpy as np

    load, embed = (load_peer, peer) if side == "peer" else (load_ours, ours)
    loaded = load(texts)
    embed(texts[:128], loaded)
    wall, cpu = time.perf_counter(), time.process_time()
    vectors = embed(texts, loaded)
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
    np.save(out, np.asarray(vectors, dtype=np.float32))


def agreement(first: Path, second: Path) -> dict[str, float]:
    """Compare two files of vectors: the mean and the least cosine between rows of the same text."""
    import numpy as np

    a, b = np.load(first), np.load(second)
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {"mean": float(cosines.mean()), "least": float(cosines.min())}


def sample(path: Path, n: int) -> list[str]:
    """Draw n texts from a CSV file, always the same ones."""
    with path.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    return random.Random(0).sample(texts, min(n, len(texts)))


def main() -> None:
    """Take turns and write the table; with ``--side`` be one pass."""
    parser = argparse.ArgumentParser(description="Measure the encoder.")
    parser.add_argument("--data", type=Path, default=table.DATA / "clinc150" / "train.csv")
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cores", help="hold everything to these cores, as in 0,1")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    texts = sample(args.data, args.texts)
    vectors = {side: table.CELLS / "encoder_speed" / f"{side}.npy" for side in SIDES}
    if args.side:
        work(args.side, texts, vectors[args.side])
        return

    cores = table.pin(args.cores)
    vectors["peer"].parent.mkdir(parents=True, exist_ok=True)
    passes: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for turn in range(args.repeats):
        for side, python in SIDES.items():
            words = ["--side", side, "--data", args.data.resolve(), "--texts", str(args.texts)]
            command = [python, "-m", "benchmarks.encoder_speed", *words]
            done = table.need(table.run(command, vectors[side].with_suffix(".log")), command)
            passes[side].append({**json.loads(done.output), "peak_mb": done.peak_mb})
            table.say(f"pass {turn + 1}, {side}: {len(texts) / passes[side][-1]['wall']:,.0f} texts/s")

    rate = {side: [len(texts) / one["wall"] for one in done] for side, done in passes.items()}
    names = {"peer": "sentence-transformers, fp32, defaults", "ours": "ockham, encoder rung"}
    rows = [
        [
            names[side],
            table.spread(rate[side], 0),
            table.spread([1000 * one["cpu"] / len(texts) for one in done], 2),
            table.spread([one["peak_mb"] for one in done], 0),
        ]
        for side, done in passes.items()
    ]
    ratio = median(a / b for a, b in zip(rate["ours"], rate["peer"], strict=True))
    same = agreement(vectors["peer"], vectors["ours"])
    foot = (
        f"\n\n{len(texts):,} texts, median of {args.repeats} turns (least to greatest). Ours to peer: {ratio:.2f}, "
        f"turn by turn; cosine of both vectors of a text: {same['mean']:.4f} on average, {same['least']:.4f} at least."
    )
    text = table.markdown(["encoder", "texts per second", "CPU ms per text", "peak memory, MB"], rows) + foot
    record = {"passes": passes, "ratio": ratio, "cosine": same, "texts": len(texts), "cores": cores}
    table.publish("encoder_speed", text, record, table.peer_versions())


if __name__ == "__main__":
    main()
