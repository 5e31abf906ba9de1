"""Sealed mode of the installed command: what is sealed, what is said of it, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.jail import environment, needs_all

from ockham.sealed.evidence import check_evidence

COLUMNS = ("--input", "subject", "--input", "body", "--target", "label")
QUICK = ("--rung", "constant", "--json", "--out", "run")

pytestmark = needs_all


def command(*args: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ockham", *args],
        cwd=cwd,
        env=environment(**more),
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_fit_is_sealed_and_its_evidence_holds(mails: Path, tmp_path: Path) -> None:
    done = command("fit", mails, *COLUMNS, *QUICK, cwd=tmp_path, HF_TOKEN="canary", https_proxy="http://192.0.2.1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sealed"] == "sealed"
    checks = check_evidence(tmp_path / "run")
    assert [check for check in checks if not check[1]] == []
    assert {name.rpartition(": ")[2] for name, _, _ in checks} >= {"label", "kernel", "self-attack", "filter", "disk"}
    text = (tmp_path / "run/evidence.json").read_text()
    assert '"HF_TOKEN"' in text
    assert "canary" not in text
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "in an empty network of their own. Before the first row was read, 10 ways" in page
    # Files of a run stay as whoever owns it expects.
    assert (tmp_path / "run/evidence.json").stat().st_uid == os.getuid()
    holds = command("verify", "run", cwd=tmp_path)
    assert holds.returncode == 0, holds.stdout
    assert "self-attack" in holds.stdout
    (tmp_path / "run/evidence.json").write_text(text.replace('"sealed"', '"safe"', 1))
    fails = command("verify", "run", cwd=tmp_path)
    assert fails.returncode == 2
    assert "FAILS  evidence digest: the file was changed after it was written" in fails.stdout
    (tmp_path / "run/evidence.json").unlink()
    assert command("verify", "run", cwd=tmp_path).returncode == 2


def test_a_run_that_goes_on_unsealed_is_not_called_sealed(mails: Path, tmp_path: Path) -> None:
    first = command("fit", mails, *COLUMNS, *QUICK, "--unsealed", cwd=tmp_path)
    assert json.loads(first.stdout)["sealed"] == "not sealed: --unsealed"
    second = command("fit", mails, *COLUMNS, *QUICK, cwd=tmp_path)
    assert json.loads(second.stdout)["sealed"] == "not sealed: --unsealed"
    checks = check_evidence(tmp_path / "run")
    assert [check for check in checks if not check[1]] == []
    labels = [detail for name, _, detail in checks if name.endswith(": label")]
    assert labels == ["not sealed: --unsealed", "sealed"]
    assert "was not sealed off from the network (--unsealed)" in (tmp_path / "run/report.html").read_text("utf-8")


def test_bad_input_leaves_no_folder_behind(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("text,label\nhello,a\n")
    done = command("fit", "data.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(("E_", "read: "))
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_answers_are_written_where_they_are_wanted(mails: Path, tmp_path: Path) -> None:
    assert command("fit", mails, *COLUMNS, *QUICK, cwd=tmp_path).returncode == 0
    done = command("predict", "run", mails, "-o", "new/answers.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new/answers.jsonl").read_text().count("\n") == 214
    done = command("eval", "run", mails, *COLUMNS, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["candidate"]["name"] == "constant"


def test_several_processes_curate_behind_the_walls(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="the extra curate is not installed")
    rows = [{"text": f"row {number} " + " ".join(str(number * i) for i in range(400))} for number in range(8000)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ("--workers", "2", "--chunk-mb", "1", "--step", "exact", "--step", "near", "-o", "out", "--json")
    done = command("curate", "a.jsonl", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 8000
    assert [check for check in check_evidence(tmp_path / "out") if not check[1]] == []


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_saves_and_twice_ends_at_once(mails: Path, tmp_path: Path, times: int) -> None:
    args = ("fit", str(mails), *COLUMNS, *QUICK)
    # As a terminal does, Ctrl-C reaches every process of the group, the one that serves too.
    with subprocess.Popen(
        [sys.executable, "-m", "ockham", *args],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if line.startswith("measure: "):
                break
        if times == 1:
            time.sleep(0.3)
        for _ in range(times):
            os.killpg(child.pid, signal.SIGINT)
            time.sleep(0.05)
        out, err = child.communicate(timeout=60)
    assert out == ""
    if times == 1:
        assert child.returncode == 130, err
        assert [line for line in err.splitlines() if not line.startswith(("climb: ", "measure: "))] == [
            "stopped; run the same command again to resume"
        ]
    else:  # by the second signal itself, unless all was saved before it came
        assert child.returncode in (-signal.SIGINT, 130), err
    assert not [path for path in tmp_path.rglob(".tmp-*") if path.is_dir()]
    if times == 1:
        done = command(*args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["candidates"][0]["status"] == "measured"
        assert [check for check in check_evidence(tmp_path / "run") if not check[1]] == []


PROGRAM = """
import ockham
label = ockham.seal(write=["runs"])
import hashlib
words = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(200)]
rows = [{"text": f"{w[:9]} {w[9:20]} {w[20:33]} {w[33:]}", "label": "ab"[i % 2]} for i, w in enumerate(words)]
verdict = ockham.fit(rows, ockham.FitSpec(rungs=("constant",)), out="runs/one")
print(label, verdict.sealed)
try:
    ockham.seal()
except ockham.OckhamError as error:
    print(error.code)
raise SystemExit(7)
"""


def test_a_program_can_seal_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout == "sealed sealed\nE_SEALED\n", done.stderr
    assert done.returncode == 7
    assert [check for check in check_evidence(tmp_path / "runs/one") if not check[1]] == []


def test_a_program_that_does_not_is_not_called_sealed(tmp_path: Path) -> None:
    code = PROGRAM.replace('label = ockham.seal(write=["runs"])', "label = 0").partition("try:")[0]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), check=True, capture_output=True, text=True
    )
    assert done.stdout == "0 not sealed: called from Python\n"
    assert check_evidence(tmp_path / "runs/one")[0][1] is False
