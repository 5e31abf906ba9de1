"""Render a model's chat template in a process of its own, within limits of time and memory (fault M08).

A template is a program of whoever made the file: its loops may never end, its macros may call themselves until the
stack is full, and its text may grow without end. The engine runs it in C++, where nothing can stop it, so it is run
here alone: this module is also the process, and it ends with what it rendered, or is ended by the system.

    python -m ockham.llm.template_process WEIGHTS SHOTS
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from ockham import store
from ockham.errors import Defect, ModelError
from ockham.llm.chat_template import ChatTemplate, compile_template
from ockham.llm.llamacpp import Engine, EngineSpec
from ockham.sealed import connector, switches

CPU_SECONDS = 30
"""Processor time for loading the model's vocabulary and rendering; the largest need about 2."""
WALL_SECONDS = 180
"""The same by the clock, which also counts where the system knows no limit of processor time."""
MEMORY_BYTES = 4 << 30
"""Private memory; weights are mapped from their file and do not count."""
MOST_CHARACTERS = 1 << 20
"""The longest text that a template may write around a chat."""

_COMMAND = (sys.executable, "-m", "ockham.llm.template_process")
_OUT_OF_TIME = getattr(signal, "SIGXCPU", 0)
_FIX = "use a model made for chat whose template is in order"


def compile_templates(weights: Path, shots: int) -> tuple[ChatTemplate, ...]:
    """Return what the model's template writes around chats of 0, 1, … ``shots`` examples.

    Raises `ModelError` (``E_MODEL_FORMAT``) where the template refuses or hides a turn, does not end, or writes
    without end.
    """
    status = weights.stat()
    return _compile_file(weights, (status.st_size, status.st_ctime_ns, status.st_ino), shots)


@lru_cache(maxsize=8)  # a climb asks about the same weights for each of its trials
def _compile_file(weights: Path, _state: tuple[int, int, int], shots: int) -> tuple[ChatTemplate, ...]:
    status, output = _run_process([*_COMMAND, str(weights), str(shots)])
    if status is None or (status and status == -_OUT_OF_TIME):
        raise ModelError("E_MODEL_FORMAT", f"{_subject(weights)} does not end", fix=_FIX)
    if status:
        raise _unusable_error(weights)
    reply = json.loads(output)
    if "error" in reply:
        code, what, fix = reply["error"]
        raise ModelError(code, what, fix=fix)
    return tuple(
        ChatTemplate(pieces=tuple(template["pieces"]), folded=template["folded"]) for template in reply["templates"]
    )


def _run_process(command: list[str]) -> tuple[int | None, bytes]:
    """Run to the end and return status and output; the status is ``None`` where the process had to be stopped."""
    with store.scratch_folder() as scratch:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=switches.worker_environment(os.environ) | {"TMPDIR": str(scratch)},
            pass_fds=connector.control(),
        )
        try:
            output, _ = process.communicate(timeout=WALL_SECONDS)
        except subprocess.TimeoutExpired:
            return None, b""
        finally:
            process.kill()
            process.wait()
    return process.returncode, output


def _subject(weights: Path) -> str:
    return f"{weights.name}: the model's chat template"


def _unusable_error(weights: Path) -> ModelError:
    what = f"{_subject(weights)} cannot be used: it has a mistake, takes too much memory, or ends the engine"
    return ModelError("E_MODEL_FORMAT", what, fix=_FIX)


def _bound_process() -> None:
    """Bound this process, where the system can: Windows has no such limits, and macOS none of private memory."""
    with contextlib.suppress(ImportError):
        import resource

        for number, limit in (
            (resource.RLIMIT_CPU, CPU_SECONDS),
            (resource.RLIMIT_DATA, MEMORY_BYTES),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.getrlimit(number)
            smallest = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, (smallest, hard))


def _compile_here(weights: Path, shots: int) -> list[ChatTemplate]:
    try:
        engine = Engine(weights, EngineSpec(context=256, slots=1, threads=1, own_template=True))
    except ModelError as error:
        # Whoever asks has loaded the same file without its template.
        raise _unusable_error(weights) from error
    templates = []
    for number in range(shots + 1):
        template = compile_template(engine.render, number)
        if sum(map(len, template.pieces)) > MOST_CHARACTERS:
            what = f"{_subject(weights)} writes more than {MOST_CHARACTERS:,} characters around a chat"
            raise ModelError("E_MODEL_FORMAT", what, fix=_FIX)
        templates.append(template)
    return templates


def main(weights: str, shots: str) -> None:
    """Render within the limits and write the pieces, or the error, as JSON."""
    _bound_process()
    try:
        templates = _compile_here(Path(weights), int(shots))
        reply: dict[str, object] = {"templates": [dataclasses.asdict(template) for template in templates]}
    except (ModelError, Defect) as error:
        reply = {"error": (error.code, error.message, error.fix)}
    sys.stdout.write(json.dumps(reply))
    sys.stdout.flush()
    os._exit(0)  # the engine need not tidy up


if __name__ == "__main__":
    main(*sys.argv[1:])
