"""The process that serves a model, as it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.written import writing_bundle

WORKER = """
import runpy, sys
from ockham.serving.reply_desk import ReplyDesk
ReplyDesk.close = lambda desk: None  # as where the engine takes longer for a step than it is waited for
runpy.run_module("ockham.serving.worker", run_name="__main__", alter_sys=True)
"""


def test_a_process_that_is_left_while_the_engine_writes_is_not_aborted(tmp_path: Path) -> None:
    """The interpreter would end the thread that is inside the engine, which C++ answers by aborting the process."""
    pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")
    folder = writing_bundle(tmp_path / "tale", tokens=1_500, context=2_048, is_endless=True)
    (tmp_path / "scratch").mkdir()
    command = [sys.executable, "-c", WORKER, str(tmp_path / "scratch"), "", "", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stderr is not None
        assert "loaded" in json.loads(worker.stdout.readline())
        worker.stdin.write(json.dumps({"do": "reply", "id": 1, "text": "text 1", "wish": {}}).encode() + b"\n")
        worker.stdin.flush()
        assert "piece" in json.loads(worker.stdout.readline())
        worker.stdin.close()
        worker.wait(60)
        assert (worker.returncode, worker.stderr.read()) == (0, b"")
    assert not (tmp_path / "scratch").exists()
