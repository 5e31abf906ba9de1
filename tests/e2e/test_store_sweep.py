"""Interrupt a save at each of its calls that change the disk, in every way, and look at what is left (K01-K15, S01).

The save is what a climb does: open the run, keep a record, seal an artifact, publish a file and a folder, add a row to
a journal; into a new folder, over the results of an earlier climb, and over the debris of a killed one. For k = 1,
2, … its k-th call is hit, until a save ends without being hit. After every hit the run must show the state before or
after the step that was hit, whole, and the same save done again must end with the same bytes as one that was never
interrupted.

Two injectors: a library loaded before libc, which sees every call that Python, `shutil` and `ctypes` make (needs gcc),
and wrappers around `os`, which run everywhere. That neither misses a call is tested too: both count the same calls, and
a system-call trace of the same save (needs strace) holds no call that changes the disk beyond those counted.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import store_child as child

from ockham.records import Candidate
from ockham.store import open_run, read_bundle, verify_folder

REPOSITORY = Path(__file__).parents[2]
KILLS = (child.KILL_BEFORE, child.KILL_AFTER, child.TORN)
MODES = (*KILLS, child.FULL, child.EIO_ONCE, child.DEAD)
# System calls that change the disk: those that open for reading only are not among them.
CHANGING = re.compile(
    r"(open(at)?\(.*O_(WRONLY|RDWR|CREAT|TRUNC)|(p?writev?(64)?|fsync|fdatasync|f?truncate|rename(at2?)?|(sym)?link(at)?"
    r"|unlink(at)?|mkdir(at)?|rmdir|f?chmod(at2?)?|sendfile|copy_file_range)\()"
)
HARMLESS = set(
    re.findall(
        r"\w+",
        "access brk close dup exit_group fcntl flock fstat futex getcwd getdents64 getpid getrandom getuid ioctl lseek "
        "lstat madvise mmap mprotect mremap munmap newfstatat pread64 prctl read readlink rt_sigaction rt_sigprocmask "
        "rt_sigreturn sched_yield stat statx uname",
    )
)
NAMES = {
    child.KILL_BEFORE: "kill before",
    child.KILL_AFTER: "kill after",
    child.TORN: "kill inside a write",
    child.FULL: "disk full",
    child.EIO_ONCE: "one EIO",
    child.DEAD: "disk dead",
}


class Server:
    """The forking process, and the injector it was started with."""

    def __init__(self, folder: Path, library: Path | None, prefix: tuple[str, ...] = ()) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])}
        if library is not None:
            environment["LD_PRELOAD"] = str(library)
        self.process = subprocess.Popen(
            [*prefix, sys.executable, child.__file__, str(folder / "warm")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def save(self, path: Path, version: str, injector: str, at: int = 0, mode: int = child.COUNT) -> dict[str, Any]:
        request = {"path": str(path), "version": version, "injector": injector, "at": at, "mode": mode}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        reply: dict[str, Any] = json.loads(self.process.stdout.readline())
        return reply

    def close(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    """Lend a folder in memory where there is one: thousands of fsync calls would otherwise wear a real disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def library(quick: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs gcc on Linux to build the library that interrupts calls")
    built = quick / "fault.so"
    source = Path(__file__).with_name("store_fault.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(built), str(source), "-ldl"], check=True)
    return built


@pytest.fixture(scope="module")
def python_server(quick: Path) -> Iterator[Server]:
    server = Server(quick / "python", None)
    yield server
    server.close()


@pytest.fixture(scope="module")
def preload_server(quick: Path, library: Path) -> Iterator[Server]:
    server = Server(quick / "preload", library)
    yield server
    server.close()


def tree(path: Path) -> dict[str, bytes | None]:
    """Read all there is below a folder, but for the lock, which names its last holder."""
    found = {p.relative_to(path).as_posix(): p.read_bytes() if p.is_file() else None for p in path.rglob("*")}
    return {name: data for name, data in found.items() if name != "lock"}


def look(path: Path) -> tuple[object, ...]:
    """Reopen a run and say what each of its six steps has left: old, new, or nothing."""
    if not (path / "run.json").exists():
        return (None,) * 6
    with open_run(path, child.IDENTITY, create=False) as run:
        record = run.load("report", child.KEY, Candidate)
        artifact = run.artifact("model", child.key("new"))
        verdict = (path / "verdict.json").read_bytes() if (path / "verdict.json").exists() else b""
        bundle = read_bundle(path / "bundle") if (path / "bundle").exists() else None
        rows = [row["opening"] for row in run.rows("openings")]
        assert run.rebuilt == 0
        assert not [name for name in tree(path) if ".tmp-" in name or ".swap-" in name or name.startswith("staging/")]
        assert verdict in (b"", b"old" * 100, b"new" * 100)
        return (
            True,
            record and record.settings["version"],
            artifact is not None,
            verdict[:3],
            bundle and bundle.candidate.settings["version"],
            rows,
        )


def prepare(path: Path, kind: str) -> None:
    if kind != "into a new folder":
        child.save(path, "old", lambda: None)
    if kind == "over debris":
        # Two replacements of folders stopped at their two delicate points, a row cut off, and temporary names.
        shutil.copytree(path / "bundle", path / "other")
        shutil.copytree(path / "bundle", path / ".swap-other")
        shutil.copytree(path / "bundle", path / ".tmp-1")
        (path / "bundle").rename(path / ".swap-bundle")
        with (path / "openings.jsonl").open("ab") as journal:
            journal.write(b'{"opening":"new","why":"ww')
        for name in (".tmp-0", "records/report/.tmp-0", "staging/left"):
            (path / name).write_bytes(b"half")


def states(folder: Path, kind: str) -> tuple[list[tuple[object, ...]], dict[str, bytes | None]]:
    """Save once undisturbed: what is seen before the first step and after each, and the bytes at the end."""
    path = folder / "whole"
    prepare(path, kind)
    before = look(path)
    child.save(path, "new", lambda: None)
    after = look(path)
    seen = [before]
    for step in range(6):
        start = (True, None, False, b"", None, []) if kind == "into a new folder" and step == 0 else seen[-1]
        seen.append(start if step == 0 else (*seen[-1][:step], after[step], *seen[-1][step + 1 :]))
    assert seen[-1] == after
    return seen, tree(path)


def sweep(server: Server, injector: str, kind: str, mode: int, folder: Path) -> int:
    """Hit each call in turn; give the number of calls that were hit."""
    expected, final = states(folder, kind)
    origin = folder / "origin"
    prepare(origin, kind)
    at = 0
    while True:
        at += 1
        path = folder / "run"
        if origin.exists():
            shutil.copytree(origin, path)
        reply = server.save(path, "new", injector, at, mode)
        where = f"{NAMES[mode]}, call {at}, after {reply['steps']} steps: {reply}"
        if reply["fired"] == 0:
            assert reply["outcome"] == "ok", where
            assert tree(path) == final, where
            shutil.rmtree(path)
            return at - 1
        assert reply["fired"] == 1, where
        assert reply["signal"] == (signal.SIGKILL if mode in KILLS else 0), where
        if mode not in KILLS:
            assert reply["outcome"] in ("ok", "E_DISK"), where
        if (path / "bundle").exists():
            verify_folder(path / "bundle")
        elif kind != "into a new folder":
            assert kind == "over debris" or injector == "python", f"the name was free for a moment: {where}"
            verify_folder(path / ".swap-bundle")
        assert look(path) in expected[reply["steps"] : reply["steps"] + 2], where
        child.save(path, "new", lambda: None)
        assert tree(path) == final, where
        shutil.rmtree(path)


@pytest.mark.parametrize("mode", MODES, ids=NAMES.get)
@pytest.mark.parametrize("kind", ["into a new folder", "over an older climb", "over debris"])
def test_k10_k11_k13_k14_every_call_of_a_save_may_be_the_last(
    preload_server: Server, quick: Path, kind: str, mode: int
) -> None:
    with tempfile.TemporaryDirectory(dir=quick) as folder:
        hits = sweep(preload_server, "preload", kind, mode, Path(folder))
    assert hits >= (10 if mode == child.TORN else 60)


@pytest.mark.parametrize("mode", [child.KILL_BEFORE, child.KILL_AFTER, child.FULL], ids=NAMES.get)
def test_s05_every_call_may_be_the_last_where_names_cannot_be_exchanged(
    python_server: Server, quick: Path, mode: int
) -> None:
    with tempfile.TemporaryDirectory(dir=quick) as folder:
        hits = sweep(python_server, "python", "over an older climb", mode, Path(folder))
    assert hits >= 60


def test_both_injectors_see_the_same_calls(preload_server: Server, python_server: Server, quick: Path) -> None:
    with tempfile.TemporaryDirectory(dir=quick) as folder:
        mode = child.COUNT | child.NO_EXCHANGE
        for kind in ("into a new folder", "over an older climb", "over debris"):
            calls = []
            for server, injector in ((preload_server, "preload"), (python_server, "python")):
                path = Path(folder, f"{kind}, {injector}")
                prepare(path, kind)
                calls.append(server.save(path, "new", injector, 0, mode)["calls"])
            assert calls[0] == calls[1] > 60


def test_a_trace_of_the_system_calls_holds_no_other_change(library: Path, quick: Path, tmp_path: Path) -> None:
    tracer = shutil.which("strace")
    if tracer is None or subprocess.run([tracer, "-f", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs strace, and leave to trace")
    trace = tmp_path / "trace"
    server = Server(quick / "traced", library, (tracer, "-f", "-o", str(trace)))
    path = quick / "traced-run"
    prepare(path, "over debris")
    calls = server.save(path, "new", "preload")["calls"]
    server.close()
    process, window = "", []
    for line in trace.read_text().splitlines():
        number, _, call = line.partition(" ")
        if "write(" in call and '"BEGIN"' in call:
            process = number
        elif '"END' in call:
            break
        elif number == process and "resumed>" not in call:
            window.append(call.strip())
    changing = [call for call in window if CHANGING.match(call) and '"."' not in call]
    assert len(changing) == calls > 60
    others = {call.split("(")[0] for call in window if call not in changing}
    assert others - HARMLESS - {"open", "openat", "write"} == set()


def test_k18_ten_kills_in_a_row_also_while_a_killed_run_is_put_in_order(preload_server: Server, quick: Path) -> None:
    draw = random.Random(18)
    fired = 0
    with tempfile.TemporaryDirectory(dir=quick) as name:
        folder = Path(name)
        _, final = states(folder, "over debris")
        for number in range(25):
            path = folder / f"run{number}"
            prepare(path, "over debris")
            for _ in range(10):
                # Low numbers come first at every opening: they hit the clearing up itself.
                at, mode = draw.choice((draw.randint(1, 12), draw.randint(1, 80))), draw.choice(KILLS)
                fired += preload_server.save(path, "new", "preload", at, mode)["fired"]
            child.save(path, "new", lambda: None)
            assert tree(path) == final
            shutil.rmtree(path)
    assert fired > 100
