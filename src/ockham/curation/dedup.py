"""Which documents say what another one says: those whose words are equal, by their hashes; then the near-duplicates.

Hashes travel, texts never do. The hashes are parted by their first bits, so that what is sorted at once stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.curation import partitions as deciding
from ockham.curation.chunks import Chunks
from ockham.curation.curate_spec import CurateSpec
from ockham.curation.executor import Executor
from ockham.curation.near_dedup import NearScope, decide_near
from ockham.curation.partitions import PartitionDecision, Work
from ockham.curation.spill import SpillFile
from ockham.curation.steps.examine import REASONS
from ockham.data.task import Kinds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HASHES = 6
"""Hashes of a document: two each of its bytes, its words and its target; behind them stands its number."""
_BYTES, _WORDS, _CONTENT = [0, 1], [2, 3], [2, 3, 4, 5]


def decide_duplicates(
    chunks: Chunks, spec: CurateSpec, steps: tuple[str, ...], folder: Path, crew: Executor, on_progress: Work
) -> PartitionDecision:
    """Decide every document, beginning with what its own chunk says about it.

    ``folder`` is an empty one for what is needed on the way, which must stay as long as the decision does; ``crew``
    does the work.
    """
    import numpy as np

    decision = PartitionDecision(chunks, folder)
    if "labels" in steps:
        decision.kinds = kinds_of(chunks, folder)
    one_answer = decision.kinds is not None and not decision.kinds.are_free_text
    number = _part_count(chunks)
    raw, words = _scatter_hashes(chunks, folder, number)
    for part in range(number):
        on_progress("equal documents", part, number)
        decision.raw_duplicates += _duplicates(raw, part)
        torn = _find_torn(words, part) if one_answer else np.zeros((0, _HASHES + 1), dtype=np.uint64)
        if len(torn) or "exact" in steps:
            _equal(decision, words.blocks(part), torn, "exact" in steps)
    raw.drop()
    words.drop()
    if "near" in steps:
        decide_near(
            chunks, decision, spec, NearScope(folder=folder, by_target="labels" in steps, crew=crew), on_progress
        )
    return decision


def kinds_of(chunks: Chunks, folder: Path) -> Kinds:
    """Tell what the targets of the rows are that no chunk leaves out; a folder holds what is needed on the way."""
    number = _part_count(chunks)
    targets = SpillFile(folder, "targets", ("<u8", 2))
    rows = unlike = objects = 0
    for chunk in chunks:
        summary = chunk.summary()
        unlike, objects = unlike + summary.unlike, objects + summary.objects
        alive = chunk.table()["reason"] == 0
        rows += int(alive.sum())
        hashes = chunk.hashes()[alive, 4:6]
        targets.add(_part_of(hashes[:, 0], number), hashes)
    same = sum(_duplicates(targets, part) for part in range(number))
    targets.drop()
    return Kinds(rows=rows, distinct=rows - same, unlike=unlike, objects=objects)


def _part_count(chunks: Chunks) -> int:
    """Return how many parts the hashes are split into, so that each can be sorted at once."""
    return max(1, -(-_HASHES * chunks.size // deciding.KEYS))


def _part_of(hashes: NDArray[np.uint64], number: int) -> NDArray[np.uint64]:
    """Spread hashes over so many parts, by their upper 32 bits."""
    import numpy as np

    return ((hashes >> np.uint64(32)) * np.uint64(number)) >> np.uint64(32)


def _scatter_hashes(chunks: Chunks, folder: Path, number: int) -> tuple[SpillFile, SpillFile]:
    """Split the hashes of all texts that can be read, and of the words (with the document) of all that stay so far."""
    import numpy as np

    raw, words = SpillFile(folder, "raw", ("<u8", 2)), SpillFile(folder, "words", ("<u8", _HASHES + 1))
    for chunk in chunks:
        reason, hashes = chunk.table()["reason"], chunk.hashes()
        readable = hashes[reason != REASONS.index("unreadable"), :2]
        raw.add(_part_of(readable[:, 0], number), readable)
        alive = np.flatnonzero(reason == 0)
        numbers = (alive + chunk.first).astype(np.uint64)
        words.add(_part_of(hashes[alive, 2], number), np.column_stack([hashes[alive], numbers]))
    return raw, words


def _firsts(rows: NDArray[np.uint64], columns: list[int]) -> NDArray[np.int64]:
    """Return for each row the index of the first one that is equal to it in some columns."""
    import numpy as np

    order = np.lexsort([rows[:, column] for column in reversed(columns)])  # equal rows stay in their order
    ordered = rows[order][:, columns]
    begins = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))[: len(rows)]
    firsts = np.empty(len(rows), dtype=np.int64)
    firsts[order] = order[begins][np.cumsum(begins) - 1]
    return firsts


def _duplicates(hashes: SpillFile, part: int) -> int:
    """Count the hashes of a part that were there before; of many that are equal one is in memory."""
    import numpy as np

    seen = np.zeros((0, 2), dtype=np.uint64)
    count = 0
    for block in hashes.blocks(part):
        rows = np.concatenate([seen, block])
        new = _firsts(rows, _BYTES) == np.arange(len(rows))
        seen = rows[new]
        count += int((~new).sum())
    return count


def _find_torn(words: SpillFile, part: int) -> NDArray[np.uint64]:
    """Find the words that come with several targets: the first document with each of these."""
    import numpy as np

    heads = np.zeros((0, _HASHES + 1), dtype=np.uint64)
    for block in words.blocks(part):
        rows = np.concatenate([heads, block])
        heads = rows[_firsts(rows, _CONTENT) == np.arange(len(rows))]
    first = _firsts(heads, _WORDS)
    return heads[np.bincount(first, minlength=len(heads))[first] > 1]


def _equal(
    decision: PartitionDecision, blocks: Iterator[NDArray[np.uint64]], torn: NDArray[np.uint64], exact: bool
) -> None:
    """Decide documents of the same words: torn ones all go; if asked for, of equal ones the first stays alone.

    That is the rule of `ockham.data.clean.first_of_each`. Of many that are equal one is in memory.
    """
    import numpy as np

    heads = np.zeros((0, _HASHES + 1), dtype=np.uint64)
    for block in blocks:
        if len(torn):
            goes = _firsts(np.concatenate([torn, block]), _WORDS)[len(torn) :] < len(torn)
            decision.note(block[goes, _HASHES].astype(np.int64), "conflicting_label")
            block = block[~goes]  # noqa: PLW2901 - what is left of it
        if exact:
            rows = np.concatenate([heads, block])
            first = _firsts(rows, _CONTENT)
            new = first == np.arange(len(rows))
            heads, copies, stays = rows[new], rows[~new], rows[first[~new]]
            same = (copies[:, _BYTES] == stays[:, _BYTES]).all(axis=1)
            equal, normalised = REASONS.index("exact_duplicate"), REASONS.index("normalised_duplicate")
            reasons = np.where(same, equal, normalised).astype(np.uint8)
            decision.note(copies[:, _HASHES].astype(np.int64), reasons, stays[:, _HASHES].astype(np.int64))
