"""K16: the process that converts, and the copy of it that does a job, end with whoever asked."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.integration.store.test_scratch import ends

from ockham.convert import gguf_export

ASKING = """
import json, subprocess, sys, tempfile, time
converter, folder = sys.argv[1:]
with tempfile.TemporaryFile() as log:
    child = subprocess.Popen(
        [sys.executable, "-I", converter, folder],
        stdin=subprocess.PIPE,
        start_new_session=True,
        pass_fds=[log.fileno()],
    )
    child.stdin.write(json.dumps({"script": "slow.py", "name": "", "arguments": [], "log": log.fileno()}).encode())
    child.stdin.write(b"\\n")
    child.stdin.flush()
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_k16_a_job_of_the_converter_ends_with_whoever_asked(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    (tmp_path / "transformers.py").touch()
    (tmp_path / "conversion").mkdir()
    (tmp_path / "conversion" / "__init__.py").write_text("def load_all_models(): pass\n")
    (tmp_path / "conversion" / "base.py").write_text("class TextModel:\n    def get_vocab_base_pre(self, _): pass\n")
    script = f"import os, pathlib, time\npathlib.Path({str(place)!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    (tmp_path / "slow.py").write_text(script)
    command = [sys.executable, "-c", ASKING, str(gguf_export.CONVERTER), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        converter = int(asking.stdout.readline())
        while not place.is_file() or not place.read_text():
            assert asking.poll() is None
            time.sleep(0.02)
        asking.kill()
    ends(converter)
    ends(int(place.read_text()))
