"""What was made once is found again, and a making that stops in the middle goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ockham.store import open_run
from ockham.store.memo import find_or_make, find_or_make_batches

BATCHES = [(f"{number:032x}", [number, number + 1]) for number in range(4)]


def test_a_record_is_made_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> int:
        calls.append(1)
        return 7

    with open_run(tmp_path / "run", {}) as run:
        assert [find_or_make(run, "number", "a" * 32, int, make) for _ in range(2)] == [7, 7]
    assert len(calls) == 1


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
