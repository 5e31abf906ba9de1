"""Damaged files of every format, by a seed; and what such files have brought to light, each by itself.

``scripts/fuzz SEED COUNT`` goes on for as long as there is time.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests import fuzz_readers

pytest.importorskip("numba", reason="the extra curate is not installed")
pytest.importorskip("zstandard", reason="the extra curate is not installed")

from ockham.readers.json_file import Fault, parse
from ockham.readers.read import ReadSpec, read

COUNT = 300


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


def test_a_quoted_cell_of_many_lines_takes_time_in_step_with_them(tmp_path: Path) -> None:
    """Found by hand beside the fuzzing: each line copied all that stood before it, 600 KB took 145 seconds."""
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"' + "a\n" * 150_000 + '",x\nb,y\n')
    began = time.process_time()
    found = read(path, ReadSpec())
    assert time.process_time() - began < 8
    assert [(len(example.input), example.target) for example in found.examples] == [(300_000, "x"), (1, "y")]


FLIPS = """
import sys
from pathlib import Path
from ockham.errors import DataError
from ockham.readers.read import ReadSpec, read
path, begin = Path(sys.argv[1]), int(sys.argv[2])
whole = path.read_bytes()
outcomes = {"read": 0, "E_FORMAT": 0}
for at in range(begin, len(whole) - 8):
    path.write_bytes(whole[:at] + bytes([whole[at] + 1 & 255]) + whole[at + 1 :])
    try:
        read(path, ReadSpec(inputs=("text",), labelled=False))
        outcomes["read"] += 1
    except DataError as error:
        outcomes[error.code] = outcomes.get(error.code, 0) + 1
print(outcomes)
"""


def test_no_damage_to_the_index_of_parquet_ends_the_process(tmp_path: Path) -> None:
    """Found as a process that ended: pyarrow raises in C++ where the index of a column is asked for."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "tags": [["x"], ["y", None]]}), path)
    footer = int.from_bytes(path.read_bytes()[-8:-4], "little")
    begin = path.stat().st_size - 8 - footer
    done = subprocess.run(
        [sys.executable, "-c", FLIPS, path, str(begin)], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    outcomes = ast.literal_eval(done.stdout)
    assert sum(outcomes.values()) == footer
    assert outcomes["read"] > 50
    assert outcomes["E_FORMAT"] > 50


def test_a_date_beyond_those_of_python_costs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array([99_999_999, 1], pa.date32()), "label": ["x", "y"]}), path)
    texts = [example.input for example in read(path, ReadSpec()).examples]
    assert texts[1] == "1970-01-02"
    assert "99999999" in texts[0]


WITHOUT_PANDAS = """
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas" and len(sys.argv) > 2:
            raise ImportError(name)
sys.meta_path.insert(0, Nowhere())
from ockham.readers.read import ReadSpec, read
for column in ("when", "whole", "span", "hour"):
    print([example.input for example in read(sys.argv[1], ReadSpec(inputs=(column,), labelled=False)).examples])
"""


def test_nanoseconds_are_read_the_same_with_pandas_and_without(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    second = 1_600_000_000_000_000_000
    columns = {
        "when": pa.array([second + 123_456_789, None], pa.timestamp("ns", "UTC")),
        "whole": pa.array([second, None], pa.timestamp("ns")),
        "span": pa.array([1_000, None], pa.duration("ns")),
        "hour": pa.array([1, None], pa.time64("ns")),
    }
    pq.write_table(pa.table(columns), path)
    told = [
        subprocess.run([sys.executable, "-c", WITHOUT_PANDAS, path, *more], check=True, capture_output=True, text=True)
        for more in ((), ("without",))
    ]
    assert told[0].stdout == told[1].stdout
    assert told[0].stdout.splitlines() == [
        "['2020-09-13 12:26:40.123456789Z', '']",
        "['2020-09-13 12:26:40', '']",
        "['0:00:00.000001', '']",
        "['00:00:00.000000001', '']",
    ]
