"""Which of our libraries speak when they are imported is written down; behind `import ockham` none of them does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.egress import sinkhole, sweep

PAGE = sinkhole.ROOT / "docs/privacy.md"
ROW = re.compile(r"^\| (?P<library>\w+) \| (?P<asks>\S+) \| (?P<writes>\S+) \|$", re.M)
OFFENDERS = {row["library"]: row for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def modules() -> list[str]:
    brought = sweep.modules_of_a_fresh_process()
    missing = sorted(set(OFFENDERS) - set(brought))
    if missing:
        pytest.skip(f"not installed, so the table cannot be compared: {', '.join(missing)}")
    return brought


@pytest.mark.slow
def test_n03_the_libraries_that_speak_on_import_are_the_published_ones(
    sealed_world: None, modules: list[str], tmp_path: Path
) -> None:
    traffic = sweep.sweep(modules, tmp_path / "home", patience=30)
    assert (traffic.status, traffic.stderr) == (0, "")
    assert traffic.stdout == f"imported {len(modules)}\n"
    asked = {row["asks"].strip("`") for row in OFFENDERS.values()} - {"-"}
    assert set(traffic.names) == asked
    assert {one.server_name for one in traffic.connections} == asked
    places = {row["writes"].strip("`").removeprefix("~/") for row in OFFENDERS.values()}
    left = sweep.left_in(tmp_path / "home")
    assert [file for file in left if not file.startswith(tuple(places))] == []
    assert all(any(file.startswith(place) for file in left) for place in places)


@pytest.mark.slow
def test_n03_behind_ockham_no_library_speaks_on_import(sealed_world: None, modules: list[str], tmp_path: Path) -> None:
    traffic = sweep.sweep(["ockham", *modules], tmp_path / "home", patience=30)
    assert (traffic.status, traffic.stderr) == (0, "")
    assert traffic.quiet, traffic.summary()
    assert [file for file in sweep.left_in(tmp_path / "home") if "xet/logs" not in file] == []
