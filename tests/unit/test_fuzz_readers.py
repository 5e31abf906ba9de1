"""Damaged files of every format, by a seed; and what such files have brought to light, each by itself.

``scripts/fuzz SEED COUNT`` goes on for as long as there is time.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import fuzz_readers

pytest.importorskip("numba", reason="the extra curate is not installed")
pytest.importorskip("zstandard", reason="the extra curate is not installed")

from ockham.errors import DataError
from ockham.readers.json_file import Fault, parse
from ockham.readers.read import ReadSpec, read

COUNT = 400


def test_damaged_files_are_read_or_refused_within_their_bounds() -> None:
    outcomes = list(fuzz_readers.fuzz(1, range(COUNT)))
    assert [fault for fault in outcomes if fault is not None] == []
    assert len(outcomes) == COUNT


def test_damage_is_the_same_for_the_same_numbers() -> None:
    files = [fuzz_readers.file_of(3, number) for number in range(60)]
    assert files == [fuzz_readers.file_of(3, number) for number in range(60)]
    assert len(set(files)) == 60
    assert {name for name, _ in files} <= {*fuzz_readers.SOURCES, "rows.jsonl.gz", "chat.jsonl.zst"}


def test_whole_tables_and_conversations_are_read(tmp_path: Path) -> None:
    kinds = ("rows", "semicolon", "returns", "wide", "marked", "array", "objects", "chat", "logged")
    names = [name for name in fuzz_readers.SOURCES if name.startswith(kinds)]
    for name in names:
        path = tmp_path / name
        path.write_bytes(fuzz_readers.SOURCES[name]())
        if path.suffix in (".arrow", ".gz", ".zst"):
            with pytest.raises(DataError, match="E_FORMAT"):
                read(path, ReadSpec())
            continue
        found = read(path, ReadSpec())
        assert (found.quarantined, len(found.examples) >= 5) == ((), True), name
    assert len(names) > 12


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("raise KeyError('x')", "KeyError at <string>"),
        ("os.kill(os.getpid(), 9)", "ended the process (-9)"),
        ("time.sleep(60)", "took longer than 2 s"),
        ("bytearray(400_000_000)", " MB for "),
    ],
)
def test_every_broken_promise_is_seen_and_the_next_file_is_read(deed: str, said: str) -> None:
    program = (
        "import os, sys, time\nfrom tests import fuzz_readers\n"
        f"def check(path):\n    if path.read_bytes() == fuzz_readers.file_of(1, 1)[1]:\n        {deed}\n"
        "fuzz_readers.check = check\nsys.exit(fuzz_readers.main())"
    )
    first, second, third = fuzz_readers.fuzz(1, range(3), program=("-c", program), seconds=2.0)
    assert (first, third) == (None, None)
    assert second is not None
    assert second.number == 1
    assert said in second.what


def text_of_braces(size: int) -> str:
    return json.dumps({"text": "{}\n" * (size // 3), "label": "code"})


@pytest.mark.parametrize(
    ("make", "verdict"),
    [
        (lambda: text_of_braces(3_000_000), dict),
        (lambda: json.dumps({"text": "1" * 5_000 + "\\" * 1_500_000, "label": "x"}), dict),
        (lambda: json.dumps({"text": "{" * 100 + "x" * 3_000_000})[:-3], Fault),
    ],
)
def test_long_strings_take_little_more_memory_than_they_are_long(make: Callable[[], str], verdict: type) -> None:
    """Found as an array of 3 MB that took 400: strings were passed by a regular expression that repeats a choice."""
    text = make()
    tracemalloc.start()
    value = parse(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(value, verdict)
    assert peak < 8 * len(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": "' + '\\"[' * 70 + '"}', None),
        ('{"a": "\\\\", "b": ' + "[" * 70 + "]" * 70 + "}", "objects are nested more than 64 deep"),
        ('{"a": "{\\\\\\"", "b": ' + "9" * 4_301 + "}", "a number has more than 4,300 digits"),
        ('{"a": "' + "9" * 4_301 + '\\""}', None),
    ],
)
def test_what_stands_in_strings_counts_for_nothing(text: str, reason: str | None) -> None:
    value = parse(text)
    assert (value.reason if isinstance(value, Fault) else None) == reason
