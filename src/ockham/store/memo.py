"""Find what a run has made or make it: records, records in batches, folders, and folders with a record beside.

What is found is whole, and what is made is saved before it is returned: a run that is stopped goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from ockham.store.run import Run

T = TypeVar("T")
Row = TypeVar("Row")


def find_or_make(
    run: Run, kind: str, key: str, type_: type[T], make: Callable[[], T], *, refresh: Callable[[T], T] | None = None
) -> T:
    """Return a record of the run; where it is not there, or not whole, it is made and saved first.

    ``refresh`` looks at one that was found: it returns the same one where it holds, or what is saved in its place.
    """
    stored = run.load(kind, key, type_)
    record = make() if stored is None else stored if refresh is None else refresh(stored)
    if record is not stored:
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


def find_or_make_folder(
    run: Run, kind: str, key: str, write: Callable[[Path], object], *, lasting: bool = True
) -> Path:
    """Return an artifact of the run; where it is not there, or not whole, it is written into a new folder first.

    One that is not ``lasting`` is needed on the way alone, see `Run.commit_artifact`.
    """
    folder = run.artifact(kind, key)
    if folder is None:
        with run.staging() as staging:
            write(staging)
            folder = run.commit_artifact(kind, key, staging, lasting=lasting)
    return folder


@dataclass(frozen=True, slots=True)
class FolderWithRecord:
    """The two kinds, of artifacts and of records, that are kept under one key: neither counts without the other."""

    folders: str
    records: str

    def find(self, run: Run, key: str, type_: type[T]) -> tuple[Path, T] | None:
        """Return the folder and its record; ``None`` where either was not made, or did not stay whole."""
        record, folder = run.load(self.records, key, type_), run.artifact(self.folders, key)
        return None if record is None or folder is None else (folder, record)

    def find_or_make(
        self, run: Run, key: str, type_: type[T], write: Callable[[Path], T], *, lasting: bool = True
    ) -> tuple[Path, T]:
        """Return both; where they are not there, ``write`` fills a new folder and returns the record.

        A folder that is not ``lasting`` is needed on the way alone, see `Run.commit_artifact`.
        """
        both = self.find(run, key, type_)
        if both is None:
            with run.staging() as staging:
                record = write(staging)
                run.save(self.records, key, record)
                both = run.commit_artifact(self.folders, key, staging, lasting=lasting), record
        return both
