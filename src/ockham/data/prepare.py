"""The data work of a run, in order: read, clean, tell the task, keep the test set apart by cluster and group."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ockham.data import multiple_choice, near_duplicates, task
from ockham.data.clean import clean, drop_seen
from ockham.data.label_merges import propose_merges
from ockham.data.label_spellings import respell
from ockham.data.multiple_choice import infer_answer_form
from ockham.data.own_split import Sides, clean_sides, join_intakes, shared_text_of, split_sides
from ockham.data.passage_search import describe_shared_text
from ockham.data.shared_text import SharedText
from ockham.data.split import SplitSpec, split
from ockham.data.target_forms import leave_out_unreadable
from ockham.errors import DataError
from ockham.readers.read import ReadResult, ReadSpec, read
from ockham.records import Dataset, Example, IngestReport, Progress, Source, Split, TaskName

_MOST_UNKNOWN = 0.5
"""The largest share of a user's own test rows whose label the training rows may lack; each of them counts as wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a climb starts from. ``repeats`` are the exact duplicates that cleaning left out, for `naive` splits."""

    dataset: Dataset
    intake: IngestReport
    split: Split
    repeats: tuple[Example, ...]
    inputs: tuple[str, ...]
    target: str
    shared: SharedText
    """What training and validation rows share, and models that learn from words do not read."""
    short: tuple[Example, ...]
    """The rows of the dataset, in its order, as such models read them."""


def prepare(
    source: object,
    spec: ReadSpec,
    split_spec: SplitSpec,
    *,
    test: object | None,
    task_name: TaskName | None,
    on_progress: Callable[[Progress], None],
) -> Prepared:
    """Read, clean and split; ``test`` is a test set of the user's own, ``task_name`` the task where they named it.

    Raises `DataError` where the data cannot be used.
    """
    on_progress(Progress(stage="read", message="reading the examples"))
    sides, reading = read_sides(source, spec, test, task_name)
    name, why = task.infer(sides.examples, task_name)
    sides = _readable(name, sides)
    dataset = Dataset(name=reading.sources[0].file, task=name, examples=sides.examples)
    on_progress(Progress(stage="split", message="finding near-duplicates, to keep them on one side of the split"))
    shared = shared_text_of(sides.train, sides.valid, sides.test)
    compared = sides.map_inputs(shared.text_to_compare)
    clusters = near_duplicates.near_duplicates([row.input for row in compared.examples])
    clusters = near_duplicates.join(clusters, [example.group for example in dataset.examples])
    stratified = dataclasses.replace(split_spec, stratify=name == "classify")
    if sides.valid or sides.test:
        parts = split_sides(compared, clusters, stratified)
    else:
        parts = split(compared.train, clusters, stratified)
    intake = sides.intake
    remark = describe_shared_text(shared, [example.input for example in dataset.examples])
    dataset, repeats, remarks = _shuffle_questions(dataset, _repeats(reading, intake), split_spec.seed)
    shared = _not_read(dataset, parts)
    return Prepared(
        dataset=dataset,
        intake=dataclasses.replace(
            intake, task_reason=why, warnings=(*intake.warnings, *remarks, *([remark] if remark else []))
        ),
        split=parts,
        repeats=repeats,
        inputs=reading.sources[0].inputs,
        target=reading.sources[0].target,
        shared=shared,
        short=tuple(shorten(dataset.examples, shared)),
    )


def shorten(rows: Sequence[Example], shared: SharedText) -> Sequence[Example]:
    """Return the rows as a model reads them that learns from words."""
    if shared.is_read_whole():
        return rows
    return [dataclasses.replace(row, input=shared.text_to_read(row.input)) for row in rows]


def read_sides(
    source: object, spec: ReadSpec, test: object | None, task_name: TaskName | None
) -> tuple[Sides, ReadResult]:
    """Read and clean the rows of each side; return them with what was read. Raises `DataError` as `prepare` does."""
    reading = read(source, spec)
    _check_task(reading, task_name)
    if spec.merge_labels:
        reading = merge_spellings(reading)
    return _sides_of(reading, spec, test), reading


def merge_spellings(reading: ReadResult) -> ReadResult:
    """Return the rows with the proposed spelling of each label in place of all others, and a remark on how many."""
    targets = [example.target.strip() for example in reading.examples]
    merges = propose_merges(Counter(target for target in targets if target))
    meant = {label: merge.proposal for merge in merges for label in merge.labels}
    rows = tuple(
        dataclasses.replace(example, target=meant.get(target, example.target))
        for example, target in zip(reading.examples, targets, strict=True)
    )
    changed = sum(new.target != target for new, target in zip(rows, targets, strict=True))
    remark = f"{changed:,} targets were given the most frequent spelling of their label, as requested"
    return dataclasses.replace(reading, examples=rows, warnings=(*reading.warnings, remark))


def _check_task(reading: ReadResult, task_name: TaskName | None) -> None:
    if reading.spans and task_name == "classify":
        raise DataError(
            "E_LABEL_MISSING",
            f"{reading.sources[0].file}: the labels belong to spans; the texts themselves have none to classify",
            fix="omit --task to extract the spans, or name a column of labels with --target",
        )


def _sides_of(reading: ReadResult, spec: ReadSpec, test: object | None) -> Sides:
    """Clean the rows, each side of the user's own split by itself; a test set of theirs comes before its sides."""
    if test is None and reading.sides:
        return clean_sides(reading)
    examples, intake = clean(reading)
    if test is None:
        return Sides(train=examples, valid=(), test=(), intake=intake)
    test_rows, test_intake = _own_test(test, spec, reading.sources[0])
    train, seen = drop_seen(examples, test_rows, shared_text_of(examples, test_rows))
    if not train:
        raise DataError(
            "E_TOO_FEW",
            f"all {len(examples):,} training rows, or near-duplicates of them, are in the test set: none is left",
            fix="use a test set of other rows, or omit --test so that Ockham sets rows aside",
        )
    both = join_intakes((intake, test_intake), len(train) + len(test_rows), seen)
    if reading.sides:
        remark = "the data name sides of a split, which are not used: --test names the test set"
        both = dataclasses.replace(both, warnings=(*both.warnings, remark))
    return Sides(train=tuple(train), valid=(), test=test_rows, intake=both)


def _own_test(test: object, spec: ReadSpec, first: Source) -> tuple[tuple[Example, ...], IngestReport]:
    """Read the user's test set by the same columns, its ids marked as the test's."""
    columns = dataclasses.replace(
        spec,
        inputs=spec.inputs or (first.inputs if first.inputs != ("messages",) else ()),
        target=spec.target or (first.target if first.inputs != ("messages",) else None),
    )
    reading = read(test, columns)
    if spec.merge_labels:
        reading = merge_spellings(reading)
    marked = tuple(dataclasses.replace(example, id=f"test:{example.id}") for example in reading.examples)
    rows, intake = clean(dataclasses.replace(reading, examples=marked))
    if not rows:
        message = f"{reading.sources[0].file}: no row of the test set is left after cleaning"
        raise DataError("E_TOO_FEW", message, fix="use a test set with inputs and labels, or omit --test")
    return rows, intake


def _readable(name: TaskName, sides: Sides) -> Sides:
    """Write the labels of the user's own sides as training does, and leave out the rows that the task cannot read."""
    valid, test, warnings = sides.valid, sides.test, sides.intake.warnings
    if name == "classify":
        labels = {row.target for row in sides.train}
        for_valid, for_test = (
            respell(rows, labels, owner="the training data", most=_MOST_UNKNOWN) if rows else ((), ())
            for rows in (valid, test)
        )
        valid, test, warnings = for_valid[0], for_test[0], (*warnings, *for_valid[1], *for_test[1])
    readable, unreadable = leave_out_unreadable(name, [*sides.train, *valid, *test])
    inside = {row.id for row in readable}
    intake = dataclasses.replace(
        sides.intake, kept_rows=len(readable), dropped=(*sides.intake.dropped, *unreadable), warnings=warnings
    )
    train, valid, test = (tuple(row for row in rows if row.id in inside) for rows in (sides.train, valid, test))
    return Sides(train=train, valid=valid, test=test, intake=intake)


def _not_read(dataset: Dataset, sides: Split) -> SharedText:
    """Find what models do not read, in the rows that they learn from; the options of a question are all read."""
    if dataset.task == "choose":
        return SharedText()
    return shared_text_of([dataset.examples[row] for row in (*sides.train, *sides.valid)])


def _shuffle_questions(
    dataset: Dataset, repeats: tuple[Example, ...], seed: int
) -> tuple[Dataset, tuple[Example, ...], tuple[str, ...]]:
    """Put the options of every question into an order of its own, where the task is to choose; a repeat has the same.

    A remark says how many rows keep the order they came with.
    """
    if dataset.task != "choose":
        return dataset, repeats, ()
    form = infer_answer_form(dataset.examples)
    rows, unchanged = multiple_choice.shuffle_options(dataset.examples, seed, form)
    remarks = (
        f"{unchanged:,} of {len(rows):,} questions keep the order of their options, which speak of one another's "
        "places or are not listed one to a line; every other is asked in a random order",
    )
    others = tuple(multiple_choice.shuffle_options(repeats, seed, form)[0])
    return dataclasses.replace(dataset, examples=tuple(rows)), others, remarks if unchanged else ()


def _repeats(reading: ReadResult, intake: IngestReport) -> tuple[Example, ...]:
    left_out = {row.id for row in intake.dropped if row.reason == "exact_duplicate"}
    return tuple(example for example in reading.examples if example.id in left_out)
