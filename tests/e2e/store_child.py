"""The process that the fault sweep interrupts: it forks once for each save, and the fork dies or is refused.

Run as a program it reads one JSON request a line and answers each with one line. ``BEGIN``/``END`` frame the counted
part, so that a system-call trace of it can be cut out.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ockham.errors import OckhamError
from ockham.records import Candidate, Json, Manifest
from ockham.store import Run, open_run, recovery, save_bytes, seal_bundle

COUNT, KILL_BEFORE, KILL_AFTER, TORN, FULL, EIO_ONCE, DEAD, NO_EXCHANGE = 0, 1, 2, 3, 4, 5, 6, 16
KEY = "ab" * 32
IDENTITY: dict[str, Json] = {"data": "d" * 64, "tolerance": 1.0}


def candidate(version: str) -> Candidate:
    return Candidate(name="linear", rung=2, kind="fake", settings={"version": version, "text": "größer" * 50})


def manifest(version: str) -> Manifest:
    return Manifest(
        format=1,
        ockham="0.1.0",
        task="classify",
        kind="fake",
        candidate=candidate(version),
        labels=("no", "yes"),
        inputs=("text",),
        target="label",
        dataset="d" * 64,
        files={},
    )


def key(version: str) -> str:
    return ("0" if version == "old" else "1") * 64


def keep(run: Run, version: str) -> None:
    run.save("report", KEY, candidate(version))


def seal(run: Run, version: str) -> None:
    with run.staging() as folder:
        save_bytes(folder / "weights" / "model.bin", version.encode() * 1000)
        save_bytes(folder / "labels.json", b'["no","yes"]')
        seal_bundle(folder, manifest(version))
        run.commit_artifact("model", key(version), folder)


def publish(run: Run, version: str) -> None:
    run.publish("verdict.json", version.encode() * 100)


def publish_folder(run: Run, version: str) -> None:
    run.publish_folder("bundle", run.artifact("model", key(version)) or Path("/nowhere"))


def append(run: Run, version: str) -> None:
    row = {"opening": version, "why": "w" * 200}
    if row not in run.rows("openings"):
        run.append("openings", row)


STEPS: tuple[Callable[[Run, str], None], ...] = (keep, seal, publish, publish_folder, append)


def save(path: Path, version: str, done: Callable[[], object]) -> None:
    """Do what a climb does; ``done`` is called after each of the six steps."""
    with open_run(path, IDENTITY) as run:
        done()
        for step in STEPS:
            step(run, version)
            done()


class PythonFault:
    """Interrupt the functions of `os`, where no compiler is at hand. The exchange of two names is switched off."""

    def __init__(self, at: int, mode: int, pipe: int) -> None:
        self.at, self.mode, self.pipe, self.seen = at, mode & 15, pipe, 0
        self.write = os.write
        for name in ("fsync", "fdatasync", "ftruncate", "truncate", "rename", "replace", "renames", "link", "symlink"):
            setattr(os, name, self.guarded(getattr(os, name), name in ("fsync", "fdatasync", "link", "symlink")))
        for name in ("unlink", "remove", "rmdir", "chmod", "fchmod"):
            setattr(os, name, self.guarded(getattr(os, name), needs=False))
        for name in ("mkdir", "write", "pwrite", "writev", "sendfile", "copy_file_range"):
            setattr(os, name, self.guarded(getattr(os, name), needs=True))
        opener = os.open

        def open_(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
                return opener(path, flags, *rest, **named)
            return int(self.guarded(opener, bool(flags & os.O_CREAT))(path, flags, *rest, **named))

        os.open = open_
        setattr(recovery, "exchange", lambda first, second: False)  # noqa: B010 - the name is not exported

    def guarded(self, call: Callable[..., Any], needs: bool) -> Callable[..., Any]:
        is_write = getattr(call, "__name__", "") == "write"

        def guard(*given: Any, **named: Any) -> Any:
            if is_write and given[0] == self.pipe:
                return call(*given, **named)
            if self.mode == TORN and not is_write:
                return call(*given, **named)
            self.seen += 1
            if self.mode == COUNT or self.seen < self.at:
                return call(*given, **named)
            if self.seen > self.at:
                if self.mode == DEAD or (self.mode == FULL and needs):
                    self.refuse()
                return call(*given, **named)
            if self.mode == TORN:
                call(given[0], given[1][: len(given[1]) // 2])
            if self.mode == KILL_AFTER:
                call(*given, **named)
            self.write(self.pipe, b"F")
            if self.mode in (KILL_BEFORE, KILL_AFTER, TORN):
                os.kill(os.getpid(), signal.SIGKILL)
            return self.refuse()

        return guard

    def refuse(self) -> NoReturn:
        number = errno.ENOSPC if self.mode == FULL else errno.EIO
        raise OSError(number, os.strerror(number))


def child(request: dict[str, Any], pipe: int) -> None:
    """Save once with a fault armed, and say on the pipe how far it came."""
    python: PythonFault | None = None
    library = ctypes.CDLL(None)
    os.write(pipe, b"BEGIN")
    if request["injector"] == "preload":
        library.fault_arm(ctypes.c_long(request["at"]), request["mode"], pipe)
    elif request["injector"] == "python":
        python = PythonFault(request["at"], request["mode"], pipe)
    try:
        save(Path(request["path"]), request["version"], lambda: os.write(pipe, b"."))
        outcome = "ok"
    except OckhamError as error:
        outcome = error.code
    seen = library.fault_disarm() if request["injector"] == "preload" else python.seen if python else 0
    os.write(pipe, b"END" + json.dumps({"outcome": outcome, "calls": seen}).encode())


def serve() -> None:
    # What is imported on demand is imported before the first fork: an import reads files, and costs time.
    # A warning on stderr is a write too, and not one of the store's.
    logging.disable(logging.CRITICAL)
    warm = Path(sys.argv[1])
    save(warm, "old", lambda: None)
    save(warm, "new", lambda: None)
    for line in sys.stdin:
        request = json.loads(line)
        reader, writer = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reader)
            status = 1
            try:
                child(request, writer)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(process, 0)
        head, _, tail = said.partition(b"END")
        reply = {
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "fired": head.count(b"F"),
            "steps": head.count(b"."),
            **(json.loads(tail) if tail else {"outcome": None, "calls": None}),
        }
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
