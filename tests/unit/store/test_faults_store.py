"""Disks, clocks and several at once, where a run is kept: P02, P04, P05, P06, S02, S04, S05, T02."""

from __future__ import annotations

import ast
import errno
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ockham.curation import executors
from ockham.errors import DataError, RunError, StoreError
from ockham.ladder import fit, run_identity
from ockham.ladder.fit import FitSpec
from ockham.readers import local_file
from ockham.rungs import decoder_rungs, decoder_tuned, decoder_weights, early_rejection
from ockham.store import open_run

SOURCE = Path(__file__).parents[3] / "src" / "ockham"

FIRST = """
import sys, time
from pathlib import Path
from ockham.errors import RunError
from ockham.store import open_run
begin, folder = float(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
for number in range(20):
    time.sleep(max(0.0, begin + 0.05 * number - time.time()))
    try:
        with open_run(folder / str(number), {"same": True}) as run:
            run.append("openings", {"number": number})
            print("opened", flush=True)
    except RunError as error:
        print(error.code, flush=True)
"""


def test_p02_of_first_starts_at_once_each_opens_whole_or_is_refused(tmp_path: Path) -> None:
    begin = str(time.time() + 3)
    command = [sys.executable, "-c", FIRST, begin, str(tmp_path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    told = [child.communicate(timeout=60) for child in children]
    assert [error for _, error in told] == [""] * 3
    words = [line for out, _ in told for line in out.split()]
    assert set(words) <= {"ready", "opened", "E_RUN_LOCKED"}
    opened = 0
    for number in range(20):
        with open_run(tmp_path / str(number), {"same": True}, create=False) as run:
            rows = run.rows("openings")
        assert 1 <= len(rows) <= 3
        opened += len(rows)
        assert sorted(os.listdir(tmp_path / str(number))) == ["lock", "openings.jsonl", "run.json"]  # noqa: PTH208
    assert opened == words.count("opened")
    assert words.count("opened") + words.count("E_RUN_LOCKED") == 60


def held_by(folder: Path, content: bytes) -> RunError:
    """Hold the lock as another machine would whose file system this is, and open the run here."""
    import fcntl

    with open_run(folder, {}):
        pass
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(content)
        lock.flush()
        with pytest.raises(RunError) as caught:
            open_run(folder, {})
    return caught.value


def test_p04_a_run_held_on_another_machine_is_refused_and_the_machine_named(tmp_path: Path) -> None:
    error = held_by(tmp_path / "run", json.dumps({"pid": 7, "host": "other\x1b[31m"}).encode())
    assert error.code == "E_RUN_LOCKED"
    assert "in use by process 7 on 'other\\x1b[31m'" in error.message
    assert "another process" in held_by(tmp_path / "torn", b'{"pid": 7, "ho').message
    with open_run(tmp_path / "run", {}):  # what counts is the lock, not what the file says
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_s05_p04_where_files_cannot_be_locked_no_run_is_begun(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StoreError, match="this file system cannot lock files") as caught:
        open_run(tmp_path / "run", {})
    assert "--out" in caught.value.fix
    assert not (tmp_path / "run" / "run.json").exists()


def test_s05_no_two_names_of_the_store_differ_by_case_alone(tmp_path: Path) -> None:
    """What a run writes, on a file system that takes upper and lower case for the same."""
    with open_run(tmp_path, {}) as run:
        run.save("built", "ab" * 32, {"a": 1})
        for name in ("verdict.json", "report.html", "account.json"):
            run.publish(name, b"{}")
        run.append("openings", {"a": 1})
    names = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert len({name.casefold() for name in names}) == len(names)
    assert [name for name in names if name != name.lower()] == []


def calls(name: str) -> list[str]:
    """Name the files of the source that call a function by this name."""
    return [
        path.relative_to(SOURCE).as_posix()
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name)
    ]


def test_p05_processes_are_started_anew_and_forked_only_with_one_thread() -> None:
    # All fork before anything heavy is imported: the broker and what asks endpoints while there is one thread, the
    # converter as a process of its own.
    assert calls("os.fork") == ["api/egress.py", "convert/llamacpp_converter.py", "sealed/broker.py"]
    assert calls("multiprocessing.Process") == []
    with executors.open_executor(2) as crew:
        assert crew.pool is not None
        assert crew.pool.submit(eval, "'pytest' in __import__('sys').modules").result() is False


def rows() -> list[dict[str, str]]:
    draw = random.Random(3)
    words = {label: ["".join(draw.choices("abcdefgh", k=5)) for _ in range(40)] for label in "ab"}
    return [{"text": " ".join(draw.choices(words[label], k=6)), "label": label} for label in "ab" * 40]


def test_p06_a_run_of_another_version_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = FitSpec(inputs=("text",), target="label", rungs=("no such rung",))

    class Begun(Exception):  # noqa: N818 - no fault
        """The run is open: nothing of it needs to be built here."""

    def begin(*_: object, **__: object) -> None:
        raise Begun

    monkeypatch.setattr(fit, "climb", begin)
    monkeypatch.setattr(fit, "choose_rungs", lambda _: [])
    for _ in range(2):
        with pytest.raises(Begun):
            fit.fit(rows(), spec, out=tmp_path / "run")
    monkeypatch.setattr(run_identity, "__version__", "99.0")
    with pytest.raises(RunError) as caught:
        fit.fit(rows(), spec, out=tmp_path / "run")
    assert caught.value.code == "E_RUN_CHANGED"
    assert 'ockham was "0.' in caught.value.message
    assert 'now "99.0"' in caught.value.message
    assert "--out" in caught.value.fix


def test_s02_what_the_disk_cannot_hold_is_refused_with_the_figure_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    with (model / "model.safetensors").open("wb") as weights:
        weights.truncate(2_000_000_000)  # of holes: nothing is written
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3_000_000_000))
    monkeypatch.setattr(early_rejection, "reject_early", lambda *_: "it was asked")
    (rung,) = [one for one in decoder_rungs.rungs([str(model)]) if one.name == "decoder-tuned:model"]

    class Material:
        run = type("Run", (), {"path": tmp_path})
        plan: Any = None

    monkeypatch.setattr(decoder_rungs, "_untunable", lambda *_: None)
    assert rung.skip_reason(Material()) == "tuning it needs about 10 GB of disk, 3 GB are free"  # type: ignore[arg-type]
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=30_000_000_000))
    assert rung.skip_reason(Material()) == "it was asked"  # type: ignore[arg-type]
    assert decoder_tuned.lacks_disk(2.0, 9.9) is not None
    assert decoder_tuned.lacks_disk(2.0, 10.0) is None


@pytest.mark.parametrize("name", ["lock", "openings.jsonl", "verdict.json"])
def test_s04_no_planted_link_is_written_through(name: str, tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.write_bytes(b"mine\n")
    with open_run(folder, {}) as run:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(victim)
        deeds: dict[str, Callable[[], object]] = {
            "lock": lambda: open_run(folder, {}),
            "openings.jsonl": lambda: run.append("openings", {"a": 1}),
            "verdict.json": lambda: run.publish(name, b"{}"),
        }
        with pytest.raises(StoreError):
            deeds[name]()
    assert victim.read_bytes() == b"mine\n"


def test_t02_a_file_of_the_same_size_and_time_of_writing_is_another_one(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    path = model / "model.safetensors"
    path.write_bytes(b"one")
    os.utime(path, (1e9, 1e9))
    before = decoder_weights.signature(model)
    assert decoder_weights.signature(model) == before
    path.write_bytes(b"two")
    os.utime(path, (1e9, 1e9))
    assert decoder_weights.signature(model) != before
    other = tmp_path / "other"
    other.write_bytes(b"one")
    os.utime(other, (1e9, 1e9))
    other.replace(path)
    assert decoder_weights.signature(model) != before


@pytest.mark.parametrize("moment", [0, 2**31 + 5, 4_000_000_000])
def test_t02_times_of_files_decide_nothing_about_a_run(moment: float, tmp_path: Path) -> None:
    with open_run(tmp_path / "run", {"a": 1}) as run:
        run.save("built", "ab" * 32, {"a": 1})
    for path in (tmp_path / "run").rglob("*"):
        os.utime(path, (moment, moment))
    with open_run(tmp_path / "run", {"a": 1}) as run:
        assert run.load("built", "ab" * 32, dict[str, int]) == {"a": 1}
        assert run.rebuilt == 0


def test_t02_content_that_changed_within_the_same_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\na,b\n")
    os.utime(path, (1e9, 1e9))
    with local_file.open_file(path) as file:
        path.write_bytes(b"text,label\nc,d\n")
        os.utime(path, (1e9, 1e9))
        with pytest.raises(DataError) as caught:
            list(file.blocks())
    assert caught.value.code == "E_CHANGED"
