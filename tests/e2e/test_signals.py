"""K16 and K19: a command that is stopped or killed leaves no process and no file, and the same command goes on.

The commands here are not sealed: a sealed one has one process more, which hands signals on to the others
(`tests/e2e/test_sealed_command.py`, `tests/integration/sealed/test_jail.py`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc"),
]

STAGES = {"fit": ("measure: ", 1), "curate": ("read: ", 3)}
"""What a verb says before its children start, and how many these are: one that serves; two that examine, one that
watches over what they share."""
FIT = ("fit", "data.csv", "--rung", "lookup", "--unsealed", "--json", "--out", "run")
PIECES = ("--workers", "2", "--chunk-mb", "1")
CURATE = ("curate", "data.jsonl", "--step", "exact", "--step", "near", "--unsealed", *PIECES, "-o", "out")
COMMANDS = {"fit": FIT, "curate": CURATE}


class Place:
    """A folder to work in, with data, and a temporary folder that nothing else uses."""

    def __init__(self, folder: Path, numbers: Path) -> None:
        self.folder, self.temporary = folder, folder / "temporary"
        self.temporary.mkdir()
        rng = random.Random(3)
        words = {label: ["".join(rng.choices("abcdefgh", k=5)) for _ in range(40)] for label in "abc"}
        rows = [(" ".join(rng.choices(words[label], k=6)), label) for label in "abc" * 60]
        (folder / "data.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
        (folder / "data.jsonl").hardlink_to(numbers)

    @contextmanager
    def command(self, *args: str, before: Callable[[], object] | None = None) -> Iterator[subprocess.Popen[str]]:
        """Start a command as a terminal does, in a group of its own; in the end none of its processes is left."""

        def begin() -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests may ignore it
            if before is not None:
                before()

        child = subprocess.Popen(
            [sys.executable, "-m", "ockham", *args],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=begin,  # noqa: PLW1509 - this process has one thread
        )
        with child:
            try:
                yield child
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)

    def whole(self, *args: str) -> str:
        with self.command(*args) as child:
            out, err = child.communicate(timeout=240)
        assert child.returncode == 0, err
        return out

    def left(self) -> list[Path]:
        """Everything temporary that is still there: nothing may be."""
        inside = [path for path in self.folder.rglob("*") if path.name.startswith((".tmp-", ".swap-"))]
        return [*self.temporary.rglob("*"), *inside, *self.folder.glob("*/staging/*")]


def started(child: subprocess.Popen[str], verb: str, settle: float = 0.3) -> set[int]:
    """Read what a command says until its children are about to work; give these after ``settle`` seconds."""
    assert child.stderr is not None
    stage, least = STAGES[verb]
    said = []
    for line in child.stderr:
        said.append(line)
        if line.startswith(stage):
            break
    patience = time.monotonic() + 60
    while len(children := below(child.pid)) < least:
        assert child.poll() is None, "".join(said)
        assert time.monotonic() < patience
        time.sleep(0.01)
    time.sleep(settle)
    return children


def is_soon_empty(folder: Path) -> bool:
    patience = time.monotonic() + 10
    while any(folder.rglob("*")) and time.monotonic() < patience:
        time.sleep(0.05)
    return not any(folder.rglob("*"))


def below(parent: int) -> set[int]:
    """The processes that a process has started, and those that these have."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, fresh = set[int](), {parent}
    while fresh:
        fresh = {child for child, owner in parents.items() if owner in fresh}
        found |= fresh
    return found


def state(process: int) -> str:
    """One letter, as proc(5) has it; nothing for a process that is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def catches(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (mask,) = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def living(processes: set[int]) -> set[int]:
    return {process for process in processes if state(process) not in ("Z", "")}


def gone(processes: set[int], seconds: float = 15.0) -> bool:
    patience = time.monotonic() + seconds
    while living(processes) and time.monotonic() < patience:
        time.sleep(0.05)
    return not living(processes)


def result(text: str) -> list[Any]:
    """What a verdict rests on; times differ from run to run."""
    verdict = json.loads(text)
    lines = [[line["name"], line["status"], line["metrics"]] for line in verdict["candidates"]]
    return [verdict["chosen"], verdict["dataset"], lines]


def content(folder: Path) -> dict[str, bytes]:
    files = [*folder.glob("clean/*"), *folder.glob("quarantine/*"), *folder.glob("report.*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many rows, none of them twice, that two processes examine them, in several pieces for each."""
    texts = (" ".join(map(str, range(start, start + 300))) for start in range(0, 4_800_000, 300))
    path = tmp_path_factory.mktemp("numbers") / "data.jsonl"
    path.write_text("".join(f'{{"text":"{text}"}}\n' for text in texts))
    return path


@pytest.fixture
def place(tmp_path: Path, numbers: Path) -> Place:
    return Place(tmp_path, numbers)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, numbers: Path) -> list[Any]:
    whole = Place(tmp_path_factory.mktemp("fitted"), numbers)
    found = result(whole.whole(*FIT))
    assert whole.left() == []
    return found


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory, numbers: Path) -> dict[str, bytes]:
    whole = Place(tmp_path_factory.mktemp("curated"), numbers)
    whole.whole(*CURATE)
    assert whole.left() == []
    return content(whole.folder / "out")


def send(child: subprocess.Popen[str], number: int, whom: str) -> None:
    (os.killpg if whom == "group" else os.kill)(child.pid, number)


STOPS = [(signal.SIGTERM, "process"), (signal.SIGTERM, "group"), (signal.SIGHUP, "group"), (signal.SIGINT, "group")]


def last_line(number: int) -> str:
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    return f"stopped{by}; run the same command again to resume"


def stop(place: Place, args: Sequence[str], number: signal.Signals, whom: str) -> None:
    """Stop a command whose children work: it says so, and leaves neither a process nor a file."""
    with place.command(*args) as child:
        children = started(child, args[0])
        send(child, number, whom)
        out, err = child.communicate(timeout=120)
    assert (child.returncode, out) == (128 + number, ""), err
    assert err.splitlines()[-1] == last_line(number)
    assert "E_" not in err
    assert "Traceback" not in err
    assert gone(children)
    assert place.left() == []


def test_k19_a_stopped_fit_leaves_nothing_and_goes_on(place: Place, fitted: list[Any]) -> None:
    """One run, stopped in each way."""
    for number, whom in STOPS:
        stop(place, FIT, number, whom)
    assert result(place.whole(*FIT)) == fitted


def test_k19_a_stopped_curation_leaves_nothing_and_goes_on(place: Place, curated: dict[str, bytes]) -> None:
    """One curation, stopped in each way."""
    for number, whom in STOPS:
        stop(place, CURATE, number, whom)
    place.whole(*CURATE)
    assert content(place.folder / "out") == curated


@pytest.mark.parametrize("verb", ["fit", "curate"])
def test_k19_a_second_signal_ends_at_once_and_children_follow(verb: str, place: Place) -> None:
    with place.command(*COMMANDS[verb]) as child:
        children = started(child, verb, settle=0)
        for process in children:
            os.kill(process, signal.SIGSTOP)  # the command waits for them
        child.send_signal(signal.SIGINT)
        while catches(child.pid, signal.SIGINT):
            time.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=60)
        for process in living(children):
            os.kill(process, signal.SIGCONT)
    assert child.returncode == -signal.SIGTERM
    assert gone(children)
    assert list(place.temporary.rglob("*")) == []


@pytest.mark.parametrize("verb", ["fit", "curate"])
def test_k16_a_killed_command_takes_its_children_along(
    verb: str, place: Place, fitted: list[Any], curated: dict[str, bytes]
) -> None:
    with place.command(*COMMANDS[verb]) as child:
        children = started(child, verb)
        child.kill()
        child.communicate(timeout=60)
    assert gone(children)
    # A process that was started since they were counted may still be loading, and clears up when it hears of the end.
    assert is_soon_empty(place.temporary)
    out = place.whole(*COMMANDS[verb])
    assert place.left() == []
    if verb == "fit":
        assert result(out) == fitted
    else:
        assert content(place.folder / "out") == curated


def test_k19_a_process_that_is_held_and_let_go_finishes(place: Place, fitted: list[Any]) -> None:
    with place.command(*FIT) as child:
        held = {child.pid, *started(child, "fit")}
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in held:
                with suppress(ProcessLookupError):  # one that served a smaller rung may just have ended
                    os.kill(process, number)
            if number == signal.SIGSTOP:
                time.sleep(3)  # longer than a process that is asked to end is waited for
        out, err = child.communicate(timeout=240)
    assert child.returncode == 0, err
    assert result(out) == fitted
    assert place.left() == []


def test_k19_under_nohup_a_hangup_stops_nothing(place: Place, fitted: list[Any]) -> None:
    with place.command(*FIT, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as child:
        started(child, "fit")
        child.send_signal(signal.SIGHUP)
        out, err = child.communicate(timeout=240)
    assert child.returncode == 0, err
    assert result(out) == fitted
