"""The engine of language models in this process: how it begins and ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests import tiny_gguf

LET_GO = """
import sys
from pathlib import Path
from ockham.llm import llamacpp
for _ in range(20):
    socket = llamacpp.PrivateSocket()
    server = llamacpp._start(
        Path(sys.argv[1]), llamacpp.EngineSpec(context=64, slots=1, threads=1), (), socket.path, "key"
    )
    del server
    socket.close()
print("let go")
"""


def test_an_engine_that_is_let_go_as_soon_as_it_is_loaded_ends(tmp_path: Path) -> None:
    """Its loop may not have begun by then, and whoever is told to stop before it begins does not stop."""
    pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")
    weights = tiny_gguf.write(tmp_path / "model.gguf")
    done = subprocess.run([sys.executable, "-c", LET_GO, weights], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"let go\n"), done.stderr
