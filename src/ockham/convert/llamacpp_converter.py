"""Run llama.cpp's own converter in a process of its own, with one addition: a pre-tokenizer it does not know by hash.

The converter recognises a byte-level BPE by the hash of one encoded text, so no vocabulary of a user's own is ever
known to it, though its splitting rules may be exactly those of a known family. `ockham.convert.pretokenizer` reads the
rules themselves and names the family; this file runs as a script, alone, and hands that name to the converter where
its own table has none. Nothing of ockham is imported here: the process is started with ``-I``.

    python -I converter.py FOLDER

FOLDER is the converter's; then each line of the input is one job as a JSON object (script, name, arguments, and the
number of an open file as its log), and each line of the output its exit status. What the converter needs takes seconds
to import, so where the system can fork a process, jobs run in copies of one that has imported it already. What a job
says goes to its log.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any


def with_pretokenizer(recognise: Callable[[Any, Any], str], name: str) -> Callable[[Any, Any], str]:
    """Return the converter's own recognition, with a name for what it does not know."""

    def recognise_or_name(model: object, tokenizer: object) -> str:
        try:
            return recognise(model, tokenizer)
        except NotImplementedError:
            if not name:
                raise
            return name

    return recognise_or_name


def run(script: Path, name: str, arguments: list[str]) -> None:
    """Run the converter's script as if it were started itself."""
    text_model = importlib.import_module("conversion.base").TextModel
    text_model.get_vocab_base_pre = with_pretokenizer(text_model.get_vocab_base_pre, name)
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


def ready(folder: Path) -> None:
    """Let the converter's own modules be found, and import what takes long."""
    sys.path[:0] = [str(folder), str(folder / "gguf-py")]
    importlib.import_module("transformers")
    importlib.import_module("conversion").load_all_models()
    # It loads its parts when they are first used: every job's copy would spend its time on the same ones. Where a
    # version has them elsewhere, a job does.
    for name in ("models.auto.tokenization_auto", "models.llama.configuration_llama"):
        with suppress(ImportError):
            importlib.import_module(f"transformers.{name}")


def serve(folder: Path) -> None:
    """Do job after job, until the input ends."""
    threading.Thread(target=_leave_with_whoever_asks, daemon=True).start()
    ready(folder)
    for line in sys.stdin:
        job = json.loads(line)
        process = os.fork() if hasattr(os, "fork") else None
        if process == 0:
            os._exit(_run_job(folder / job["script"], job))
        status = _run_job(folder / job["script"], job) if process is None else _status(process)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


def _leave_with_whoever_asks() -> None:
    """End this process and the copy that does a job as soon as the other side of the input is gone."""
    end = select.poll()
    end.register(0, 0)
    end.poll()
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _status(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _run_job(script: Path, job: dict[str, Any]) -> int:
    """Do one job, its words going to its log; return its exit status."""
    with open(job["log"], "w", encoding="utf-8", closefd=False) as log, redirect_stdout(log), redirect_stderr(log):
        try:
            run(script, job["name"], job["arguments"])
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
    return 0


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
