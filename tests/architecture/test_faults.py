"""The list of faults (docs/design/faults.md) is whole, and says of each where it is tested or why it is not."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "design" / "faults.md"
LAST = {
    "D": 25, "L": 7, "C": 9, "M": 13, "A": 12, "H": 17, "X": 6, "O": 8, "K": 19, "S": 5, "T": 3, "P": 6, "N": 9, "G": 5,
}  # fmt: skip
"""How many faults of each kind there are."""
IDS = [f"{letter}{number:02}" for letter, last in LAST.items() for number in range(1, last + 1)]
ROW = re.compile(r"^\| ([A-Z][0-9]{2}) \| (.+?) \| (.+?) \|$", re.M)
FILE = re.compile(r"`((?:[a-z0-9_]+/)*test_\w+\.py)`")
NAMED = re.compile(r"test_((?:[a-z][0-9]{2}_)+)", re.I)
MENDED = re.compile(r"^\| ([0-9]+\.[0-9]) \| (.+?) \| (.+?) \|$", re.M)
NAMES = re.compile(r"`((?:[a-z0-9_]+/)*test_\w+\.py)`: ((?:`test_\w+`(?:, )?)+)")
LEAST_REASON = 30
"""Characters that a reason has at least."""


def table(page: str) -> dict[str, tuple[str, str]]:
    """Read the rows: ID → what goes wrong, and where that is tested or why it is not."""
    rows = ROW.findall(page)
    assert [row[0] for row in rows] == IDS, "every fault has one row, in order"
    return {name: (fault, held) for name, fault, held in rows}


def homes_of_tests() -> dict[str, set[str]]:
    """Find the tests that are named after faults: ID → the files they stand in, below the folder of the tests."""
    homes = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = NAMED.match(node.name) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None
            for name in named[1].split("_")[:-1] if named else ():
                homes[name.upper()].add(path.relative_to(TESTS).as_posix())
    return dict(homes)


def wrong(page: str, homes: Mapping[str, set[str]]) -> list[str]:
    """List what the page and the tests say differently."""
    faults = [f"{name} is no fault of the list, and {', '.join(sorted(homes[name]))} tests it" for name in homes]
    found = [line for line, name in zip(faults, homes, strict=True) if name not in IDS]
    for name, (_, held) in table(page).items():
        files = FILE.findall(held)
        found += [f"{name}: {file} has no test of that name" for file in files if file not in homes.get(name, ())]
        if not files and name in homes:
            found.append(f"{name} is tested in {', '.join(sorted(homes[name]))}, and its row names no file")
        if not files and len(held) < LEAST_REASON:
            found.append(f"{name} is not tested, and its row gives no reason")
    return found


def test_every_fault_is_tested_where_its_row_says_or_has_a_reason() -> None:
    assert wrong(PAGE.read_text("utf-8"), homes_of_tests()) == []


def test_every_fault_that_was_mended_has_its_tests() -> None:
    rows = MENDED.findall(PAGE.read_text("utf-8"))
    assert {int(number.partition(".")[0]) for number, _, _ in rows} == set(range(11))
    for number, _, held in rows:
        named = NAMES.findall(held)
        assert named, number
        assert held == ", ".join(f"`{file}`: {tests.removesuffix(', ')}" for file, tests in named), number
        for file, tests in named:
            defined = {
                node.name
                for node in ast.walk(ast.parse((TESTS / file).read_text("utf-8")))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert {test.strip("`, ") for test in tests.split(", ") if test} <= defined, number


def test_every_test_that_a_design_names_is_there() -> None:
    there = {path.stem for path in TESTS.rglob("test_*.py")}
    for path in TESTS.rglob("test_*.py"):
        there |= set(re.findall(r"def (test_\w+)\(", path.read_text("utf-8")))
    for page in PAGE.parent.glob("*.md"):
        named = set(re.findall(r"`(?:[a-z0-9_]+/)*(test_\w+)(?:\.py)?`", page.read_text("utf-8")))
        assert named <= there, page.name


def test_what_goes_wrong_is_said_of_every_fault() -> None:
    faults = [fault for fault, _ in table(PAGE.read_text("utf-8")).values()]
    assert [fault for fault in faults if len(fault) < 15] == []
    assert len(set(faults)) == len(faults)


def page_with(name: str, held: str) -> str:
    return "\n".join(f"| {one} | something goes wrong | {held if one == name else 'x' * LEAST_REASON} |" for one in IDS)


@pytest.mark.parametrize(
    ("held", "homes", "said"),
    [
        ("`unit/test_a.py`", {"K01": {"unit/test_a.py", "unit/test_b.py"}}, []),
        ("`unit/test_a.py`", {"K01": {"unit/test_b.py"}}, ["K01: unit/test_a.py has no test of that name"]),
        ("not built yet", {}, ["K01 is not tested, and its row gives no reason"]),
        (
            "nothing of that kind has been built yet",
            {"K01": {"unit/test_b.py"}},
            ["K01 is tested in unit/test_b.py, and its row names no file"],
        ),
        (
            "nothing of that kind has been built yet",
            {"K77": {"unit/test_b.py"}},
            ["K77 is no fault of the list, and unit/test_b.py tests it"],
        ),
    ],
)
def test_what_differs_is_seen(held: str, homes: dict[str, set[str]], said: list[str]) -> None:
    assert wrong(page_with("K01", held), homes) == said


def test_a_missing_row_is_seen() -> None:
    with pytest.raises(AssertionError, match="one row"):
        table(page_with("K01", "x" * LEAST_REASON).replace("| C05 |", "| C04 |"))
