"""Which documents say what another one says: those whose words are equal, by their hashes; then the near-duplicates.

Hashes travel, texts never do. The hashes are looked at range by range, so that what is sorted at once stays bounded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ockham.curation.chunks import RANGES, Chunks
from ockham.curation.decision import Decision, Work, runs_of, spans_of
from ockham.curation.near import decide_near
from ockham.curation.pools import Crew
from ockham.data.same import standing
from ockham.data.steps.examine import REASONS
from ockham.data.steps.spec import CurateSpec
from ockham.data.task import Kinds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def decide(chunks: Chunks, spec: CurateSpec, steps: tuple[str, ...], how: tuple[Path, Crew], tell: Work) -> Decision:
    """Decide every document, beginning with what its own chunk says about it.

    ``how`` is an empty folder for what is needed on the way, and who works.
    """
    import numpy as np

    decision = Decision(
        reason=np.concatenate([np.zeros(0, np.uint8), *(chunk.table()["reason"] for chunk in chunks)]),
        instead=np.full(chunks.size, -1, dtype=np.int64),
        score=np.full(chunks.size, np.nan, dtype=np.float32),
    )
    one_answer = "labels" in steps and not kinds_of(chunks).are_free_text
    # A document has six hashes here where it has one key in a band.
    parts = spans_of([6 * chunks.size / RANGES] * RANGES)
    for done, (low, high) in enumerate(parts):
        tell("equal documents", done, len(parts))
        _equal(chunks, decision, (low, high), steps, one_answer)
    if "near" in steps:
        decide_near(chunks, decision, spec, (how[0], "labels" in steps, how[1]), tell)
    return decision


def kinds_of(chunks: Chunks) -> Kinds:
    """Tell what the targets of the rows are that no chunk leaves out.

    Where more than half of them differ, it is not counted how many more: that would take memory, and says no more.
    """
    import numpy as np

    seen = np.zeros(0, dtype=np.uint64)
    rows = unlike = objects = 0
    for chunk in chunks:
        summary = chunk.summary()
        unlike, objects = unlike + summary.unlike, objects + summary.objects
        alive = chunk.table()["reason"] == 0
        rows += int(alive.sum())
        if 2 * len(seen) <= chunks.size:
            seen = np.union1d(seen, chunk.hashes()[alive, 4])
    return Kinds(rows=rows, distinct=len(seen), unlike=unlike, objects=objects)


def _equal(chunks: Chunks, decision: Decision, span: tuple[int, int], steps: tuple[str, ...], one_answer: bool) -> None:
    """Decide the documents whose words are equal; ``span`` are the ranges of hashes that are looked at."""
    import numpy as np

    raw, everyone = _gather(chunks, "raw", span)
    readable = raw[decision.reason[everyone] != REASONS.index("unreadable"), :2]
    readable = readable[np.lexsort((readable[:, 1], readable[:, 0]))]
    decision.raw_duplicates += int((readable[1:] == readable[:-1]).all(axis=1).sum())
    del raw, everyone, readable
    words, numbers = _gather(chunks, "words", span)
    alive = decision.reason[numbers] == 0
    words, numbers = words[alive], numbers[alive]
    order = np.lexsort((numbers, words[:, 3], words[:, 2]))
    words, numbers = words[order], numbers[order]
    runs = runs_of((words[1:, 2:4] != words[:-1, 2:4]).any(axis=1), len(numbers))
    runs = runs[np.diff(runs, axis=1)[:, 0] > 1]
    if len(runs):
        _groups(decision, words, numbers, runs, (steps, one_answer))


def _groups(
    decision: Decision,
    words: NDArray[np.uint64],
    numbers: NDArray[np.int64],
    runs: NDArray[np.int64],
    how: tuple[tuple[str, ...], bool],
) -> None:
    """Decide groups of documents of the same words, given where each begins and ends: those of one target together."""
    import numpy as np

    sizes = np.diff(runs, axis=1)[:, 0]
    begins = np.cumsum(sizes) - sizes
    firsts = np.repeat(runs[:, 0], sizes)
    members = firsts + np.arange(len(firsts)) - np.repeat(begins, sizes)
    differ = (words[members, 4:6] != words[firsts, 4:6]).any(axis=1)
    several = np.add.reduceat(differ, begins, dtype=np.int64) > 0
    for start, end in runs[several].tolist():
        _group(decision, words[start:end], numbers[start:end].tolist(), *how)
    if "exact" not in how[0]:
        return
    goes = (members != firsts) & ~np.repeat(several, sizes)
    members, firsts = members[goes], firsts[goes]
    same = (words[members, :2] == words[firsts, :2]).all(axis=1)
    equal, normalised = REASONS.index("exact_duplicate"), REASONS.index("normalised_duplicate")
    decision.reason[numbers[members]] = np.where(same, equal, normalised)
    decision.instead[numbers[members]] = numbers[firsts]


def _gather(chunks: Chunks, name: str, span: tuple[int, int]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Read the hashes of the documents whose hash of a kind lies in a span of ranges, with their numbers."""
    import numpy as np

    parts = [chunk.hashed(name, *span) for chunk in chunks]
    hashes = np.concatenate([np.zeros((0, 6), dtype=np.uint64), *(part[0] for part in parts)])
    return hashes, np.concatenate([np.zeros(0, dtype=np.int64), *(part[1] for part in parts)])


def _group(
    decision: Decision, hashes: NDArray[np.uint64], numbers: list[int], steps: tuple[str, ...], one_answer: bool
) -> None:
    """Decide documents of the same words: contradictions all go; of equal ones the first stays."""
    stays = standing([tuple(row) for row in hashes[:, 4:6].tolist()], one_answer=one_answer)
    if stays is None:
        for number in numbers:
            decision.reason[number] = REASONS.index("conflicting_label")
        return
    if "exact" not in steps:
        return
    for place, first in enumerate(stays):
        if first != place:
            same = (hashes[first, :2] == hashes[place, :2]).all()
            decision.reason[numbers[place]] = REASONS.index("exact_duplicate" if same else "normalised_duplicate")
            decision.instead[numbers[place]] = numbers[first]
