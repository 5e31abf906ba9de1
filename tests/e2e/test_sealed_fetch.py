"""A sealed climb fetches what it was told to fetch before it is sealed, and its evidence holds what was asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.sealed.test_ledger import Hub, hub
from tests.jail import environment, linux, needs_all

from ockham.sealed.evidence import check_evidence

__all__ = ["hub"]


@linux
@needs_all
def test_a_sealed_climb_fetches_first_and_its_evidence_holds_the_ledger(hub: Hub, mails: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    more = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path / "hf")}
    columns = ("--input", "subject", "--input", "body", "--target", "label")
    command = [sys.executable, "-m", "ockham", "fit", str(mails), *columns]
    command += ["--rung", "constant", "--rung", "decoder", "--models", "owner/model", "--out", "run", "-q"]
    for offline, asked in (("1", False), ("0", True)):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(**more, HF_HUB_OFFLINE=offline),
            check=False,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 6, done.stderr  # the model that was named could not be measured
        assert bool(hub.asked) == asked
    checks = {name: (ok, detail) for name, ok, detail in check_evidence(tmp_path / "run")}
    assert checks["invocation 1 of 2: ledger"] == (True, "nothing was downloaded")
    ok, detail = checks["invocation 2 of 2: ledger"]
    assert ok
    assert int(detail.split()[0]) >= 1
    assert all(ok for ok, _ in checks.values())
    assert json.loads((tmp_path / "run/verdict.json").read_text())["sealed"] == "sealed"
