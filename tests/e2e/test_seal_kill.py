"""Sealed goes that are killed: whoever comes after counts what they sent, and sees that they began."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.test_sealed_endpoint import (  # noqa: F401 - a fixture for every test
    COLUMNS,
    EXAMPLE,
    FIT,
    command,
    ledgers,
    mails_beside,
    naming,
    run,
    variables,
)
from tests.jail import needs_all
from tests.stub_api import Response, Seen, StubApi, says, serving

from ockham.sealed.evidence import FILE, check_evidence

pytestmark = needs_all
MOST_BESIDE = 8
"""Requests whose row was written and which a kill cut off before they came: as many as there are connections."""


def slow(_number: int, _seen: Seen) -> Response:
    return Response(body=says("billing").body, delay=0.2)


def wait_until(is_so: Callable[[], bool], seconds: float = 100) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def sealed_child(broker: int) -> int:
    """Find the process behind the walls: the child of the broker's that has a filter."""
    children = Path(f"/proc/{broker}/task/{broker}/children").read_text().split()
    (child,) = (int(pid) for pid in children if "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text())
    return child


def is_gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def kill_a_climb(folder: Path, api: StubApi, whom: str, least: int = 6) -> int:
    """Begin a climb that asks an endpoint, kill it by SIGKILL in the midst, and return how many requests had come."""
    before = len(api.seen)
    with subprocess.Popen(
        command(*FIT, *naming(api)),
        cwd=folder,
        env=variables(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as broker:
        wait_until(lambda: len(api.seen) >= before + least)
        child = sealed_child(broker.pid)
        os.kill(broker.pid if whom == "broker" else child, signal.SIGKILL)
        assert broker.wait(timeout=60) == -signal.SIGKILL
    wait_until(lambda: is_gone(child))
    time.sleep(0.5)  # a request that was on its way has come by now
    return len(api.seen) - before


def listed(folder: Path) -> int:
    entries = json.loads((folder / "run" / FILE).read_text())["entries"]
    return sum(row["event"] == "request" for entry in entries for row in entry["sent"])


def verify(folder: Path, name: str = "run") -> tuple[int, str]:
    """Verify what stands in a folder; return the exit status, and a line for each check, however wide the terminal."""
    done = run(folder, "verify", name, "--json")
    checks = json.loads(done.stdout)["checks"]
    words = [f"{'holds' if check['ok'] else 'FAILS'}  {check['name']}: {check['detail']}" for check in checks]
    return done.returncode, "\n".join(words)


def details(folder: Path) -> dict[str, tuple[bool, str]]:
    return {name: (ok, detail) for name, ok, detail in check_evidence(folder / "run")}


def test_e9_requests_of_a_go_whose_broker_was_killed_are_counted_by_verify_and_by_the_next_go(tmp_path: Path) -> None:
    with serving(slow) as api:
        came = kill_a_climb(tmp_path, api, "broker")
        host = api.url.split("/")[2]
        # The folder by itself, as it may be passed on: a go began, and what it sent is not counted here.
        checks = details(tmp_path)
        assert "has not ended" in checks["invocation 1 of 1: end"][1]
        assert not checks["invocation 1 of 1: endpoints"][0]
        # On this machine its ledger is there.
        code, seen = verify(tmp_path)
        assert code == 2
        assert "FAILS  verdict: the run has not come to one" in seen
        assert "and was killed; how it ended is unknown" in seen
        (line,) = (line for line in seen.splitlines() if "endpoints" in line)
        assert "FAILS" not in line
        assert came <= int(line.split(": ")[2].split()[0]) <= came + MOST_BESIDE
        assert len(ledgers(tmp_path)) == 1, "to look changes nothing"
        came += kill_a_climb(tmp_path, api, "broker")
        came_before = len(api.seen)
        done = run(tmp_path, *FIT, *naming(api))
        came += len(api.seen) - came_before
    label = json.loads(done.stdout)["sealed"]
    assert label == f"sealed; {listed(tmp_path):,} requests went to {host}, listed in the ledger", "no `at least`"
    assert came <= listed(tmp_path) <= came + 2 * MOST_BESIDE
    assert ledgers(tmp_path) == list((tmp_path / "state").rglob("goes/*")) == []
    checks = details(tmp_path)
    assert [name for name, (ok, _) in checks.items() if not ok] == []
    assert {name for name in checks if name.endswith("end")} == {"invocation 1 of 3: end", "invocation 2 of 3: end"}
    assert f"({listed(tmp_path)} requests went to {host})" in (tmp_path / "run/report.html").read_text("utf-8")
    assert run(tmp_path, "verify", "run").returncode == 0


def test_e9_requests_of_a_go_whose_command_was_killed_are_counted(tmp_path: Path) -> None:
    with serving(slow) as api:
        came = kill_a_climb(tmp_path, api, "command")
        assert ledgers(tmp_path) == list((tmp_path / "state").rglob("goes/*")) == []
        assert came <= listed(tmp_path) <= came + MOST_BESIDE
        assert json.loads((tmp_path / "run" / FILE).read_text())["entries"][0]["ended"] == -signal.SIGKILL
        done = run(tmp_path, *FIT, *naming(api))
    assert json.loads(done.stdout)["sealed"].startswith(f"sealed; {listed(tmp_path):,} requests went to ")
    assert [check for check in check_evidence(tmp_path / "run") if not check[1]] == []


def test_a_report_that_is_written_again_counts_a_later_go_that_was_killed(tmp_path: Path) -> None:
    with serving(slow) as api:
        assert run(tmp_path, *FIT[:8], "--out", "run", "-q").returncode in (0, 3, 4)
        came = kill_a_climb(tmp_path, api, "broker")
        host = api.url.split("/")[2]
    code, seen = verify(tmp_path)
    assert code == 2
    assert "FAILS  verdict's label: the verdict says: sealed; the ledgers list " in seen
    assert run(tmp_path, "report", "run", "--out", "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    (number,) = {int(word.split()[-1].lstrip("(")) for word in page.split(f" requests went to {host}")[:-1]}
    assert came <= number <= came + MOST_BESIDE


CURATE = ("curate", "rows.jsonl", "-o", "clean", "--step", "exact", "--step", "near", "-q")


ENDINGS = (
    (signal.SIGINT, "broker"),
    (signal.SIGTERM, "broker"),
    (signal.SIGKILL, "command"),
    (signal.SIGKILL, "broker"),
)


def stop_a_curation(folder: Path, number: signal.Signals, whom: str) -> int:
    """Begin a curation, stop it once a chunk more is done, and return the exit status."""

    def chunks() -> int:
        return len(list((folder / "clean").glob("artifacts/chunk/*")))

    before = chunks()
    words = command(*CURATE, "--chunk-mb", "1")
    with subprocess.Popen(words, cwd=folder, env=variables(folder), stderr=subprocess.DEVNULL) as broker:
        wait_until(lambda: (folder / "clean" / FILE).exists() and chunks() > before)
        os.kill(broker.pid if whom == "broker" else sealed_child(broker.pid), number)
        return broker.wait(timeout=60)


def test_a_curation_that_is_stopped_leaves_evidence_that_it_began(tmp_path: Path) -> None:
    """One curation, stopped in each way."""
    pytest.importorskip("numba", reason="the extra curate is not installed")
    rows = [{"text": f"row {i} " + " ".join(str(i * j) for j in range(400))} for i in range(8000)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ends: list[int | None] = []
    for number, whom in ENDINGS:
        code = stop_a_curation(tmp_path, number, whom)
        assert code in (128 + number, -number)
        ends.append(None if (number, whom) == (signal.SIGKILL, "broker") else -number if whom == "command" else code)
        entries = json.loads((tmp_path / "clean" / FILE).read_text())["entries"]
        assert [(entry["verb"], entry["ended"]) for entry in entries] == [("curate", end) for end in ends]
        code, seen = verify(tmp_path, "clean")
        assert code == 2
        assert "FAILS  files: the curation is not finished" in seen
        assert f"invocation {len(ends)} of {len(ends)}: self-attack" in seen
        assert ("was killed; how it ended is unknown" in seen) == (None in ends)
    assert run(tmp_path, *CURATE, "--chunk-mb", "1").returncode == 0
    code, seen = verify(tmp_path, "clean")
    assert (code, "invocation 5 of 5: kernel" in seen) == (0, True), seen
    shard = next((tmp_path / "clean" / "clean").iterdir())
    shard.write_bytes(shard.read_bytes() + b"{}\n")
    assert "differs from the entry in report.json" in verify(tmp_path, "clean")[1]


def test_a_curation_that_fails_for_its_data_leaves_nothing_and_one_beside_a_finished_one_its_evidence(
    tmp_path: Path,
) -> None:
    pytest.importorskip("numba", reason="the extra curate is not installed")
    good = "".join(json.dumps({"text": f"row number {i} of a few"}) + "\n" for i in range(50))
    (tmp_path / "rows.jsonl").write_text(good)
    assert run(tmp_path, *CURATE).returncode == 0
    bad = ("curate", "rows.jsonl", "-o", "clean", "--step", "leak", "--test", "rows.jsonl", "--restart", "-q")
    done = run(tmp_path, *bad, "--min-words", "99999")
    assert done.returncode in (0, 2, 5), done.stderr
    entries = json.loads((tmp_path / "clean" / FILE).read_text())["entries"]
    assert [entry["ended"] for entry in entries] == [0, done.returncode]
    assert list((tmp_path / "state").rglob("goes/*")) == []


def test_a_go_that_is_still_at_work_is_not_taken_for_a_killed_one(tmp_path: Path) -> None:
    with (
        serving(slow) as api,
        subprocess.Popen(
            command(*FIT, *naming(api)),
            cwd=tmp_path,
            env=variables(tmp_path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as broker,
    ):
        wait_until(lambda: len(api.seen) >= 3)
        busy = run(tmp_path, "fit", EXAMPLE, *COLUMNS, "--rung", "constant", "--out", "run", "-q")
        assert "E_RUN_LOCKED" in busy.stderr
        assert len(list((tmp_path / "state").rglob("goes/*"))) == len(ledgers(tmp_path)) == 1
        assert "has not ended: it is still running, or was killed" in verify(tmp_path)[1]
        broker.terminate()
        broker.wait(timeout=60)
    assert [name for name, (ok, _) in details(tmp_path).items() if not ok] == []
    assert len(json.loads((tmp_path / "run" / FILE).read_text())["entries"]) == 1


TAKING = """
import os, sys
from pathlib import Path
from ockham import sealing
status = sealing.fork(sealing.policy("test", read=[], write=["one"]), sealing.Preparation(folders=("one",)))
if status is not None:
    sys.exit(status)
from ockham.sealed import connector
Path("one/run.json").write_text("{}")
Path("one/way").symlink_to(os.path.abspath("two"))
connector.tell_run(os.path.abspath("one/way"))
"""


def test_a_sealed_process_cannot_have_evidence_written_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "run.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-c", TAKING], cwd=tmp_path, env=variables(tmp_path), check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["run.json"]
    assert list((tmp_path / "state").rglob("goes/*")) == []
