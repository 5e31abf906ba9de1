"""The data work of a run, in order: read, clean, tell the task, keep the test set apart by cluster and group."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ockham.data import multiple_choice, near_duplicates, task
from ockham.data.clean import clean, drop_seen
from ockham.data.label_spellings import respell
from ockham.data.multiple_choice import infer_answer_form
from ockham.data.passage_search import describe_shared_text, find_shared_text
from ockham.data.shared_text import SharedText
from ockham.data.split import SplitSpec, split, split_with_test
from ockham.data.target_forms import leave_out_unreadable
from ockham.errors import DataError
from ockham.readers.read import ReadResult, ReadSpec, read
from ockham.records import Dataset, Dropped, Example, IngestReport, Progress, Source, Split, TaskName

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
    tell: Callable[[Progress], None],
) -> Prepared:
    """Read, clean and split; ``test`` is a test set of the user's own, ``task_name`` the task where they named it.

    Raises `DataError` where the data cannot be used.
    """
    tell(Progress(stage="read", message="reading the examples"))
    reading = read(source, spec)
    examples, intake = clean(reading)
    test_rows: tuple[Example, ...] = ()
    if test is not None:
        own = _own_test(test, spec, reading.sources[0])
        examples, intake, test_rows = _join(examples, intake, own[0], own[1])
    name, why = task.infer([*examples, *test_rows], task_name)
    if name == "classify" and test_rows:
        labels = {row.target for row in examples}
        test_rows, remarks = respell(test_rows, labels, owner="the training data", most=_MOST_UNKNOWN)
        intake = dataclasses.replace(intake, warnings=(*intake.warnings, *remarks))
    examples, test_rows, intake = _leave_out_unreadable(name, examples, test_rows, intake)
    dataset = Dataset(name=reading.sources[0].file, task=name, examples=(*examples, *test_rows))
    tell(Progress(stage="split", message="looking for near-duplicates, so that none stands on two sides"))
    shared = _shared_text(examples).union(_shared_text(test_rows))
    compared = [dataclasses.replace(row, input=shared.text_to_compare(row.input)) for row in dataset.examples]
    clusters = near_duplicates.near_duplicates([row.input for row in compared])
    clusters = near_duplicates.join(clusters, [example.group for example in dataset.examples])
    stratified = dataclasses.replace(split_spec, stratify=name == "classify")
    if test_rows:
        sides = split_with_test(compared[: len(examples)], compared[len(examples) :], clusters, stratified)
    else:
        sides = split(compared, clusters, stratified)
    remark = describe_shared_text(shared, [example.input for example in dataset.examples])
    dataset, repeats, remarks = _shuffle_questions(dataset, _repeats(reading, intake), split_spec.seed)
    shared = _not_read(dataset, sides)
    return Prepared(
        dataset=dataset,
        intake=dataclasses.replace(
            intake, task_reason=why, warnings=(*intake.warnings, *remarks, *([remark] if remark else []))
        ),
        split=sides,
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


def _own_test(test: object, spec: ReadSpec, first: Source) -> tuple[tuple[Example, ...], IngestReport]:
    """Read the user's test set by the same columns, its ids marked as the test's."""
    columns = dataclasses.replace(
        spec,
        inputs=spec.inputs or (first.inputs if first.inputs != ("messages",) else ()),
        target=spec.target or (first.target if first.inputs != ("messages",) else None),
    )
    reading = read(test, columns)
    marked = tuple(dataclasses.replace(example, id=f"test:{example.id}") for example in reading.examples)
    rows, intake = clean(dataclasses.replace(reading, examples=marked))
    if not rows:
        message = f"{reading.sources[0].file}: no row of the test set is left after cleaning"
        raise DataError("E_TOO_FEW", message, fix="give a test set with inputs and labels, or leave --test out")
    return rows, intake


def _join(
    examples: tuple[Example, ...], intake: IngestReport, test_rows: tuple[Example, ...], test_intake: IngestReport
) -> tuple[tuple[Example, ...], IngestReport, tuple[Example, ...]]:
    """Put both intakes together; training rows that stand in the test set, or nearly do, leave."""
    shared = _shared_text(examples).union(_shared_text(test_rows))
    train_rows, seen = drop_seen(examples, test_rows, shared)
    if not train_rows:
        raise DataError(
            "E_TOO_FEW",
            f"all {len(examples):,} training rows stand in the test set, or rows nearly the same do: none is left",
            fix="give a test set of other rows, or leave --test out and let ockham fit set rows aside",
        )
    dropped: tuple[Dropped, ...] = (*intake.dropped, *test_intake.dropped, *seen)
    personal = {
        kind: intake.personal.get(kind, 0) + test_intake.personal.get(kind, 0)
        for kind in sorted({*intake.personal, *test_intake.personal})
    }
    both = IngestReport(
        rows=intake.rows + test_intake.rows,
        kept=len(train_rows) + len(test_rows),
        dropped=dropped,
        quarantined=(*intake.quarantined, *test_intake.quarantined),
        sources=(*intake.sources, *test_intake.sources),
        merges=intake.merges,
        conflicts=(*intake.conflicts, *test_intake.conflicts),
        personal=personal,
        warnings=(*intake.warnings, *test_intake.warnings),
    )
    return tuple(train_rows), both, test_rows


def _not_read(dataset: Dataset, sides: Split) -> SharedText:
    """Find what models do not read, in the rows that they learn from; the options of a question are all read."""
    if dataset.task == "choose":
        return SharedText()
    return _shared_text([dataset.examples[row] for row in (*sides.train, *sides.valid)])


def _shared_text(rows: Sequence[Example]) -> SharedText:
    return find_shared_text([row.input for row in rows], [row.target for row in rows])


def _leave_out_unreadable(
    name: TaskName, examples: tuple[Example, ...], test_rows: tuple[Example, ...], intake: IngestReport
) -> tuple[tuple[Example, ...], tuple[Example, ...], IngestReport]:
    """Leave out the rows whose targets the task cannot read, and account for them."""
    readable, unreadable = leave_out_unreadable(name, [*examples, *test_rows])
    inside = {row.id for row in readable}
    accounted = dataclasses.replace(intake, kept=len(readable), dropped=(*intake.dropped, *unreadable))
    train_rows, own_test = (tuple(row for row in side if row.id in inside) for side in (examples, test_rows))
    return train_rows, own_test, accounted


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
