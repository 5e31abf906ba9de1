"""The quick part of the proof that a reviewer runs (scripts/prove-sealed): E1, E6 to E8, with and without the jail; E4.

The encoder and tuning are those of `test_ways_in`, the leaks those of `tests/e2e/test_planted_leaks.py` (E2, E3), the
imports those of `test_imports` (E5), endpoints and jails with a wall less those of their rooms (E9, E10).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.egress import asking, proof, sinkhole


@pytest.fixture(scope="module", params=[False, True], ids=["libraries alone", "with the jail"])
def passage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> proof.Passage:
    """The pipeline on rows, labels, keys and files that hold 1,000 canaries, once without the jail and once with it."""
    if (reason := sinkhole.unavailable()) is not None:
        pytest.skip(f"no sinkhole: {reason}")
    pytest.importorskip("numba", reason="the extra curate is not installed")
    return proof.go(tmp_path_factory.mktemp("proof"), jail=request.param, encoder=False)


@pytest.mark.slow
def test_e1_e6_the_pipeline_sends_nothing_whatever_the_environment_says(passage: proof.Passage) -> None:
    assert passage.traffic.status == 0, passage.traffic.stderr
    assert len(passage.world.canaries) == 1000
    assert set(proof.SABOTAGE) < set(passage.world.environment)
    assert passage.sent() == "0 packets, 0 names, 0 of 1,000 canaries"
    assert passage.quiet
    assert proof.SERVES
    log = (passage.world.home / "serve.log").read_text()
    assert log.count('"event":"request"') == asking.REQUESTS
    assert ("(sealed)" in passage.traffic.stdout) == (passage.jail), "what the server says of itself"
    for name in ("clean/report.html", "run/report.html", "page.html", "answers.csv"):
        assert (passage.world.home / name).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_e4_a_sealed_fit_opens_no_socket_of_the_internet(tmp_path: Path) -> None:
    """The attempts of the self-attack must be seen, or this proves nothing."""
    held, detail = proof.trace_sockets(tmp_path)
    assert held, detail


@pytest.mark.slow
def test_e7_canaries_stand_only_where_they_were_asked_for(passage: proof.Passage) -> None:
    assert proof.strays(passage.world) == {}
    held, detail = proof.search(passage)
    assert held, detail
    assert any(b"ockham" in line for line in passage.processes), "no process was seen, so nothing was searched"


@pytest.mark.slow
def test_e8_no_page_points_elsewhere(passage: proof.Passage) -> None:
    assert proof.external(passage.world.home) == []


@pytest.mark.parametrize(
    "text",
    [
        '<img src="http://192.0.2.1/x">',
        "<img src=//host/x>",
        "<a href='https://host'>",
        "<style>@import 'x'</style>",
        "<p style='background:url(https://host/x)'>",
        '<meta http-equiv="refresh" content="0">',
        "<p>no policy</p>",
    ],
)
def test_e8_a_page_that_points_elsewhere_is_found(tmp_path: Path, text: str) -> None:
    policy = "" if "no policy" in text else "default-src 'none'"
    (tmp_path / "page.html").write_text(f"<html>{policy}{text}</html>")
    assert proof.external(tmp_path) == ["page.html"]
    (tmp_path / "page.html").write_text("<html>default-src 'none' <a href='#one'>one</a></html>")
    assert proof.external(tmp_path) == []


def test_e7_a_planted_canary_is_found_wherever_it_lies(tmp_path: Path) -> None:
    world = proof.make_world(tmp_path, 200)
    assert proof.strays(world) == {}
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/log").write_text(f"x {world.rows[7]} y")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/report.html").write_text(f"{world.rows[7]} {world.keys[1]}")
    assert proof.strays(world) == {".cache/log": 1, "run/report.html": 1}, "rows may stand in a report, keys may not"
    assert not {"CI", "GITHUB_ACTIONS", "TF_BUILD"} & set(world.environment)
