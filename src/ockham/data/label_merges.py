"""Which labels look like two spellings of one: proposed to the user, never merged here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ockham.data.normalize import label_key
from ockham.printable import printable
from ockham.records import LabelMerge

_LONG = 6
_RARE = 2
_TIMES = 10
_TOLD = 10
"""Proposals that are told one by one."""


def propose_merges(counts: Mapping[str, int]) -> tuple[LabelMerge, ...]:
    """Propose merges among labels, given how many rows each has.

    Labels meet that differ in case, white space (a trailing newline too) or punctuation alone; and a label of at least
    six characters on at most two rows meets one with ten times as many rows that is a single letter away. The proposal
    is the most frequent spelling. Sorted by proposal.
    """
    spellings: dict[str, list[str]] = {}
    for label in counts:
        spellings.setdefault(label_key(label), []).append(label)
    total = {key: sum(counts[label] for label in labels) for key, labels in spellings.items()}
    for slip, meant in _slips(total).items():
        spellings[meant] += spellings.pop(slip)
    merges = []
    for labels in spellings.values():
        if len(labels) > 1:
            ordered = sorted(labels, key=lambda label: (-counts[label], label != label.strip(), label))
            number = tuple(counts[label] for label in ordered)
            merges.append(LabelMerge(labels=tuple(ordered), counts=number, proposal=ordered[0]))
    return tuple(sorted(merges, key=lambda merge: merge.proposal))


def merge_notes(merges: Sequence[LabelMerge]) -> list[str]:
    """Return a sentence for each proposal, of many for the first ones, and what to do about them."""
    notes = [
        f"spellings of what looks like one label, {printable(merge.proposal)!r}: "
        + ", ".join(
            f"{printable(label)!r} ({count:,} rows)" for label, count in zip(merge.labels, merge.counts, strict=True)
        )
        for merge in merges[:_TOLD]
    ]
    if len(merges) > _TOLD:
        notes.append(f"and {len(merges) - _TOLD:,} more such labels; the report lists them all")
    if merges:
        notes.append("each spelling is learned as a label of its own; --merge-labels takes each group as one label")
    return notes


def _slips(counts: Mapping[str, int]) -> dict[str, str]:
    """Pair each rare key with the frequent key it is one edit away from."""
    rare = [key for key, count in counts.items() if count <= _RARE and len(key) >= _LONG]
    near: dict[str, list[str]] = {}
    if rare:
        for key in counts:
            for form in _deletes(key):
                near.setdefault(form, []).append(key)
    slips: dict[str, str] = {}
    for key in rare:
        others = {other for form in _deletes(key) for other in near[form] if _one_edit(key, other)}
        frequent = sorted((o for o in others if counts[o] >= _TIMES * counts[key]), key=lambda o: (-counts[o], o))
        if frequent:
            slips[key] = frequent[0]
    return slips


def _deletes(key: str) -> Iterable[str]:
    yield key
    for i in range(len(key)):
        yield key[:i] + key[i + 1 :]


def _one_edit(first: str, second: str) -> bool:
    """Tell whether one letter inserted, deleted, changed or swapped with its neighbour turns one into the other.

    Digits tell labels apart ("level 1", "level 2"), so an edit never touches one.
    """
    if first == second:
        return False
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    end = 0
    while end < min(len(first), len(second)) - start and first[-1 - end] == second[-1 - end]:
        end += 1
    a, b = first[start : len(first) - end], second[start : len(second) - end]
    if any(map(str.isdigit, a + b)):
        return False
    return max(len(a), len(b)) == 1 or (len(a) == 2 == len(b) and a == b[::-1])
