"""Which of our libraries speak when they are imported is written down; behind `import ockham` none of them does."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
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


Sweeps = dict[str, tuple[Path, sinkhole.Traffic]]


@pytest.fixture(scope="module")
def sweeps(sealed_world: None, modules: list[str], tmp_path_factory: pytest.TempPathFactory) -> Sweeps:
    """Import all of them, by themselves and behind ours; each waits half a minute for a word, so both do it at once."""
    orders = {"alone": modules, "behind": ["ockham", *modules]}
    homes = {name: tmp_path_factory.mktemp(name) / "home" for name in orders}
    with ThreadPoolExecutor(2) as pool:
        begun = {name: pool.submit(sweep.sweep, order, homes[name], patience=30) for name, order in orders.items()}
        return {name: (homes[name], traffic.result()) for name, traffic in begun.items()}


@pytest.mark.slow
def test_n03_the_libraries_that_speak_on_import_are_the_published_ones(sweeps: Sweeps, modules: list[str]) -> None:
    home, traffic = sweeps["alone"]
    assert (traffic.status, traffic.stderr) == (0, "")
    assert traffic.stdout == f"imported {len(modules)}\n"
    asked = {row["asks"].strip("`") for row in OFFENDERS.values()} - {"-"}
    assert set(traffic.names) == asked
    assert {one.server_name for one in traffic.connections} == asked
    places = {row["writes"].strip("`").removeprefix("~/") for row in OFFENDERS.values()}
    left = sweep.left_in(home)
    assert [file for file in left if not file.startswith(tuple(places))] == []
    assert all(any(file.startswith(place) for file in left) for place in places)


@pytest.mark.slow
def test_n03_behind_ockham_no_library_speaks_on_import(sweeps: Sweeps) -> None:
    home, traffic = sweeps["behind"]
    assert (traffic.status, traffic.stderr) == (0, "")
    assert traffic.quiet, traffic.summary()
    assert [file for file in sweep.left_in(home) if "xet/logs" not in file] == []
