"""Which documents say what another one says: those whose words are equal, by their hashes; then the near-duplicates.

Hashes travel, texts never do. The hashes are looked at range by range, so that what is sorted at once stays bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockham.curation.chunks import RANGES, Chunks
from ockham.curation.decision import Decision, Work, runs_of, spans_of
from ockham.curation.near import decide_near
from ockham.data.steps.examine import REASONS
from ockham.data.steps.spec import CurateSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def decide(chunks: Chunks, spec: CurateSpec, steps: tuple[str, ...], tell: Work) -> Decision:
    """Decide every document, beginning with what its own chunk says about it."""
    import numpy as np

    decision = Decision(
        reason=np.concatenate([np.zeros(0, np.uint8), *(chunk.load("table")["reason"] for chunk in chunks)]),
        instead=np.full(chunks.size, -1, dtype=np.int64),
        score=np.full(chunks.size, np.nan, dtype=np.float32),
    )
    labels = "labels" in steps and _are_labels(chunks)
    parts = spans_of([chunks.size / RANGES] * RANGES)
    for done, (low, high) in enumerate(parts):
        tell("equal documents", done, len(parts))
        _equal(chunks, decision, (low, high), steps, labels)
    if "near" in steps:
        decide_near(chunks, decision, spec, tell, by_target="labels" in steps)
    return decision


def _are_labels(chunks: Chunks) -> bool:
    """Tell labels from free text: each label comes ten times on average."""
    import numpy as np

    seen = np.zeros(0, dtype=np.uint64)
    for chunk in chunks:
        seen = np.unique(np.concatenate([seen, chunk.load("hashes")[:, 4]]))
    return len(seen) * 10 <= chunks.size or len(seen) <= 20


def _equal(chunks: Chunks, decision: Decision, span: tuple[int, int], steps: tuple[str, ...], labels: bool) -> None:
    """Decide the documents whose words are equal; ``span`` are the ranges of hashes that are looked at."""
    import numpy as np

    words, numbers = _gather(chunks, span, 2)
    raw, everyone = _gather(chunks, span, 0)
    readable = decision.reason[everyone] != REASONS.index("unreadable")
    _, counts = np.unique(raw[readable][:, :2], axis=0, return_counts=True) if readable.any() else (0, np.zeros(0))
    decision.raw_duplicates += int(counts.sum() - len(counts))
    alive = decision.reason[numbers] == 0
    words, numbers = words[alive], numbers[alive]
    order = np.lexsort((numbers, words[:, 3], words[:, 2]))
    words, numbers = words[order], numbers[order]
    runs = runs_of((words[1:, 2:4] != words[:-1, 2:4]).any(axis=1), len(numbers))
    for start, end in runs[np.diff(runs, axis=1)[:, 0] > 1].tolist():
        _group(decision, words[start:end], numbers[start:end].tolist(), steps, labels)


def _gather(chunks: Chunks, span: tuple[int, int], column: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Read the hashes of the documents whose hash in a column lies in a span of ranges, with their numbers."""
    import numpy as np

    found, numbers = [np.zeros((0, 6), dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for chunk in chunks:
        hashes = chunk.load("hashes")
        ranges = hashes[:, column] >> np.uint64(56)
        inside = np.flatnonzero((ranges >= span[0]) & (ranges < span[1]))
        found.append(hashes[inside])
        numbers.append(inside + chunk.first)
    return np.concatenate(found), np.concatenate(numbers)


def _group(
    decision: Decision, hashes: NDArray[np.uint64], numbers: list[int], steps: tuple[str, ...], labels: bool
) -> None:
    """Decide documents of the same words: contradictions all go; of equal ones the first stays."""
    targets = [tuple(row) for row in hashes[:, 4:6].tolist()]
    if labels and len(set(targets)) > 1:
        for number in numbers:
            decision.reason[number] = REASONS.index("conflicting_label")
        return
    if "exact" not in steps:
        return
    first: dict[tuple[int, ...], int] = {}
    for place, (number, target) in enumerate(zip(numbers, targets, strict=True)):
        stays = first.setdefault(target, place)
        if stays != place:
            same = (hashes[stays, :2] == hashes[place, :2]).all()
            decision.reason[number] = REASONS.index("exact_duplicate" if same else "normalised_duplicate")
            decision.instead[number] = numbers[stays]
