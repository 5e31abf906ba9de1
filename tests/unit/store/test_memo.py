"""What was made once is found again, and a making that stops in the middle goes on where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from ockham.store import open_run
from ockham.store.memo import FolderWithRecord, find_or_make, find_or_make_batches, find_or_make_folder

BATCHES = [(f"{number:032x}", [number, number + 1]) for number in range(4)]


def test_a_record_is_made_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> int:
        calls.append(1)
        return 7

    with open_run(tmp_path / "run", {}) as run:
        assert [find_or_make(run, "number", "a" * 32, int, make) for _ in range(2)] == [7, 7]
    assert len(calls) == 1


def test_a_record_that_was_found_may_be_refreshed(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", {}) as run:
        kept = ("number", "a" * 32, int)
        assert find_or_make(run, *kept, lambda: 7, refresh=lambda _: 0) == 7, "what was made now is not looked at"
        assert find_or_make(run, *kept, lambda: 0, refresh=lambda number: number) == 7
        assert find_or_make(run, *kept, lambda: 0, refresh=lambda number: number + 1) == 8
        assert run.load(*kept) == 8


def test_a_folder_is_written_once_and_one_that_was_not_finished_again(tmp_path: Path) -> None:
    calls: list[Path] = []

    def write(folder: Path) -> None:
        calls.append(folder)
        (folder / "file").write_text("whole", encoding="utf-8")
        if len(calls) == 1:
            raise KeyboardInterrupt

    with open_run(tmp_path / "run", {}) as run:
        with pytest.raises(KeyboardInterrupt):
            find_or_make_folder(run, "weights", "a" * 32, write)
        assert run.artifact("weights", "a" * 32) is None
        folders = {find_or_make_folder(run, "weights", "a" * 32, write) for _ in range(2)}
        assert [(folder / "file").read_text(encoding="utf-8") for folder in folders] == ["whole"]
        assert len(calls) == 2
        assert list((tmp_path / "run" / "staging").iterdir()) == []


@pytest.mark.parametrize("lost", ["artifacts/bundle", "records/built"])
def test_a_folder_does_not_count_without_its_record_nor_the_record_without_its_folder(
    lost: str, tmp_path: Path
) -> None:
    kept, key, calls = FolderWithRecord("bundle", "built"), "a" * 32, list[int]()

    def write(folder: Path) -> int:
        (folder / "file").write_text("whole", encoding="utf-8")
        calls.append(1)
        return 7

    with open_run(tmp_path / "run", {}) as run:
        assert kept.find(run, key, int) is None
        folder, record = kept.find_or_make(run, key, int, write)
        assert ((folder / "file").read_text(encoding="utf-8"), record) == ("whole", 7)
        assert kept.find_or_make(run, key, int, write) == kept.find(run, key, int) == (folder, 7)
        assert len(calls) == 1
        shutil.rmtree(tmp_path / "run" / lost)
        assert kept.find(run, key, int) is None
        assert kept.find_or_make(run, key, int, write) == (folder, 7)
        assert len(calls) == 2


def test_batches_go_on_where_they_stopped(tmp_path: Path) -> None:
    asked: list[int] = []
    stops = [2]

    def make(rows: Sequence[int]) -> tuple[str, ...]:
        if rows[0] in stops:
            stops.clear()
            raise KeyboardInterrupt
        asked.append(rows[0])
        return tuple(str(row) for row in rows)

    for _ in range(2):
        with open_run(tmp_path / "run", {}) as run:
            try:
                parts = list(find_or_make_batches(run, "part", BATCHES, tuple[str, ...], make))
            except KeyboardInterrupt:
                continue
    assert parts == [(str(n), str(n + 1)) for n in range(4)]
    assert asked == [0, 1, 2, 3], "no batch was made twice"


def test_a_damaged_batch_is_made_again(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", {}) as run:
        list(find_or_make_batches(run, "part", BATCHES, tuple[str, ...], lambda rows: (str(rows[0]),)))
        next((tmp_path / "run" / "records" / "part").glob("*.json")).write_text("{}", encoding="utf-8")
        asked: list[int] = []

        def make(rows: Sequence[int]) -> tuple[str, ...]:
            asked.append(rows[0])
            return (str(rows[0]),)

        assert len(list(find_or_make_batches(run, "part", BATCHES, tuple[str, ...], make))) == 4
    assert len(asked) == 1
    with pytest.raises(StopIteration):
        next(find_or_make_batches(run, "part", [], tuple[str, ...], make))
