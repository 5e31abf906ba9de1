"""Find a record in a run or make it, whole or in batches, so that a run which is stopped goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from ockham.store.run import Run

T = TypeVar("T")
Row = TypeVar("Row")


def find_or_make(run: Run, kind: str, key: str, type_: type[T], make: Callable[[], T]) -> T:
    """Return a record of the run; where it is not there, or not whole, it is made and saved first."""
    record = run.load(kind, key, type_)
    if record is None:
        record = make()
        run.save(kind, key, record)
    return record


def find_or_make_batches(
    run: Run,
    kind: str,
    batches: Sequence[tuple[str, Sequence[Row]]],
    type_: type[tuple[T, ...]],
    make: Callable[[Sequence[Row]], tuple[T, ...]],
) -> Iterator[tuple[T, ...]]:
    """Yield the record of each batch in turn, found or made and saved before the next one is begun.

    A batch is its key and its rows; ``make`` is asked for none that is there already.
    """
    for key, rows in batches:
        yield find_or_make(run, kind, key, type_, partial(make, rows))
