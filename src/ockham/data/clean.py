"""Which rows are fit to learn from and to be measured on; every row left out has a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from ockham.data import pii
from ockham.data.label_leak import leak_warning
from ockham.data.label_merges import propose_merges
from ockham.data.near_duplicates import DEFAULT_THRESHOLD, join, near_duplicates
from ockham.data.normalize import exact_key, is_blank
from ockham.data.shared_text import SharedText
from ockham.data.task import are_free_text, are_labels, is_like_label
from ockham.readers.read import ReadResult
from ockham.records import Conflict, Dropped, Example, IngestReport, LabelMerge

_MISSING = frozenset({"na", "n/a", "<na>", "nan", "null", "#n/a", "#nv", "nil", "(null)", "\\n"})
"""How programs write that there is no value, in one case."""


def clean(reading: ReadResult, *, labelled: bool = True) -> tuple[tuple[Example, ...], IngestReport]:
    """Keep the rows that can be used, in their order, and account for all others.

    Left out are rows whose input cannot be seen (``empty_input``), rows without a target (``missing_target``), rows
    said before (``exact_duplicate``: same input, same target; the first stays) and rows that contradict each other
    (``conflicting_label``: same input, different targets; all of them, since nobody knows which is right). Inputs are
    the same if they are equal in NFC with white space collapsed, targets only if they are equal verbatim. Where
    targets are free text, several answers to one input contradict nothing and stay.

    Without ``labelled`` (rows to be answered) only empty inputs are left out: every other row gets its answer.
    """
    reading, stripped = _strip_labels(reading) if labelled else (reading, 0)
    reasons = [_unusable(example, labelled=labelled) for example in reading.examples]
    out = {i: Dropped(id=reading.examples[i].id, reason=reason) for i, reason in enumerate(reasons) if reason}
    usable = {i: example for i, example in enumerate(reading.examples) if i not in out}
    warnings = list(reading.warnings)
    if labelled:
        warnings += _missing_notes(reading.examples)
    if stripped:
        warnings.append(f"{stripped:,} targets have spaces around them, which were removed")
    conflicts: tuple[Conflict, ...] = ()
    merges: tuple[LabelMerge, ...] = ()
    if labelled:
        targets = [example.target for example in usable.values()]
        repeated, conflicts, several = _find_repeats(usable, one_answer=not are_free_text(targets))
        out |= repeated
        merges = propose_merges(Counter(targets)) if are_labels(targets) else ()
        if several:
            warnings.append(f"{several:,} inputs have several different answers; all were kept")
    examples = tuple(example for i, example in usable.items() if i not in out)
    if labelled and are_labels([example.target for example in examples]) and (leak := leak_warning(examples)):
        warnings.append(leak)
    intake = IngestReport(
        rows=reading.rows,
        kept_rows=len(examples),
        dropped=(*reading.dropped, *(out[i] for i in sorted(out))),
        quarantined=reading.quarantined,
        sources=reading.sources,
        merges=merges,
        conflicts=conflicts,
        personal=pii.count(example.input for example in usable.values()),
        warnings=tuple(warnings),
    )
    return examples, intake


def _missing_notes(rows: Sequence[Example]) -> list[str]:
    """Say which targets may mean that there is none, where the targets are labels and these are not all of them."""
    counts = Counter(row.target for row in rows if row.target)
    written = {target: count for target, count in counts.items() if target.casefold() in _MISSING}
    if not written or len(written) == len(counts) or not are_labels(list(counts.elements())):
        return []
    return [
        f"{count:,} rows have the target {target!r}, as programs write a value that is missing: it is learned as a"
        " label; leave it empty where none was given"
        for target, count in written.items()
    ]


def _strip_labels(reading: ReadResult) -> tuple[ReadResult, int]:
    """Take blanks off the ends of targets that could be labels: spellings that differ in these alone are one."""
    examples = tuple(
        replace(example, target=example.target.strip())
        if example.target != example.target.strip() != "" and is_like_label(example.target)
        else example
        for example in reading.examples
    )
    changed = sum(new is not old for new, old in zip(examples, reading.examples, strict=True))
    return replace(reading, examples=examples), changed


def drop_seen(
    train: Sequence[Example],
    test: Sequence[Example],
    shared: SharedText | None = None,
    threshold: float = DEFAULT_THRESHOLD,
    *,
    name: str = "test",
) -> tuple[tuple[Example, ...], tuple[Dropped, ...]]:
    """Take out of the training rows what the user's own test set would show again; the test rows all stay.

    ``name`` is that of the other set in the reasons, where it is not the test set.

    A training row leaves if its input stands in the test set (``in_test_set``), if its group does
    (``group_in_test_set``), or if its cluster of near-duplicates does (``near_test_set``), which is looked for without
    the text that rows share.
    """
    shared = shared or SharedText()
    inputs = {exact_key(example.input): example.id for example in reversed(test)}
    groups = {example.group: example.id for example in reversed(test) if example.group is not None}
    everyone = [*train, *test]
    clusters = near_duplicates([shared.text_to_compare(example.input) for example in everyone], threshold=threshold)
    clusters = join(clusters, [example.group for example in everyone]).tolist()
    near = {cluster: example.id for cluster, example in zip(clusters[len(train) :][::-1], reversed(test), strict=True)}
    remaining: list[Example] = []
    dropped: list[Dropped] = []
    for example, cluster in zip(train, clusters, strict=False):
        key = exact_key(example.input)
        if key in inputs:
            dropped.append(Dropped(id=example.id, reason=f"in_{name}_set", kept_id=inputs[key]))
        elif example.group in groups:
            dropped.append(Dropped(id=example.id, reason=f"group_in_{name}_set", kept_id=groups[example.group]))
        elif cluster in near:
            dropped.append(Dropped(id=example.id, reason=f"near_{name}_set", kept_id=near[cluster]))
        else:
            remaining.append(example)
    return tuple(remaining), tuple(dropped)


def _unusable(example: Example, *, labelled: bool) -> str:
    if is_blank(example.input):
        return "empty_input"
    return "missing_target" if labelled and is_blank(example.target) else ""


def _find_repeats(
    examples: Mapping[int, Example], *, one_answer: bool
) -> tuple[dict[int, Dropped], tuple[Conflict, ...], int]:
    """Find what stands more than once: rows to drop, contradictions, and how many inputs have several answers."""
    same: dict[str, list[int]] = {}
    for i, example in examples.items():
        same.setdefault(exact_key(example.input), []).append(i)
    dropped: dict[int, Dropped] = {}
    conflicts: list[Conflict] = []
    several = 0
    for rows in same.values():
        targets = [examples[i].target for i in rows]
        stays = first_of_each(targets, one_answer=one_answer)
        if stays is None:
            dropped |= {i: Dropped(id=examples[i].id, reason="conflicting_label") for i in rows}
            conflicts.append(Conflict(ids=tuple(examples[i].id for i in rows), labels=tuple(sorted(set(targets)))))
            continue
        several += len(set(stays)) > 1
        for index, first in enumerate(stays):
            if first != index:
                first_id = examples[rows[first]].id
                dropped[rows[index]] = Dropped(id=examples[rows[index]].id, reason="exact_duplicate", kept_id=first_id)
    return dropped, tuple(conflicts), several


def first_of_each(targets: Sequence[Hashable], *, one_answer: bool) -> list[int] | None:
    """Return for each row the index of the one that stays for it: the first that has the same target, maybe itself.

    ``targets`` are those of rows that say the same, in their order. ``None`` if targets differ where there can be
    ``one_answer`` only: then all of the rows go, since nobody knows which is right.
    """
    first: dict[Hashable, int] = {}
    representatives = [first.setdefault(target, index) for index, target in enumerate(targets)]
    return None if one_answer and len(first) > 1 else representatives
