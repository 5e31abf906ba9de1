"""The folder of a curation: what a failure leaves in it, other data in the same folder, the same report each time."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import random
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("numba", reason="the extra curate is not installed")

from ockham.cli.commands import run as command
from ockham.curation import map_stage, spill
from ockham.curation.curate import CurateSpec, curate, read_report, restart
from ockham.errors import DataError, OckhamError, RunError, StoreError
from ockham.readers import compressed_file, file_sample
from ockham.records import Progress
from ockham.records.curation import Step
from ockham.store import Run, open_run, replacing

EXACT = CurateSpec(steps=("exact",))
LOGGER = "ockham.curation.folder"


def lines(*texts: str) -> str:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def texts(count: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices("abcdefghijklmnop", k=60)) for _ in range(count)]


def content(folder: Path) -> dict[str, bytes]:
    """Give every file of a folder but the store's own."""
    own = ("lock", "run.json")
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in own]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if "records" not in path.parts}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Many chunks of rows."""
    before = map_stage._batches
    monkeypatch.setattr(map_stage, "_batches", lambda number, file, plan, most: before(number, file, plan, 1_500))
    path = tmp_path / "a.jsonl"
    path.write_text(lines(*texts(80), *texts(10)))
    return path


def stopping(stage: str, after: int, error: BaseException) -> Callable[[Progress], None]:
    """Raise an error when the work has told so many times of a stage."""
    allowed = iter(range(after))

    def stop(progress: Progress) -> None:
        if progress.stage == stage and next(allowed, None) is None:
            raise error

    return stop


def bomb(path: Path) -> Path:
    # It begins behind the first rows, which are looked at before anything is written where a packed file is large.
    repeated = pa.DictionaryArray.from_arrays(
        pa.array([0] * 2_500 + [1] * 2_000, pa.int32()), pa.array(["word", "word " * 100])
    )
    pq.write_table(pa.table({"text": repeated}), path, write_statistics=False)
    return path


def test_d12_a_parquet_bomb_leaves_nothing_and_the_folder_takes_other_data(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed_file, "FREE", 200_000)
    monkeypatch.setattr(file_sample, "MOST_PACKED", 0)  # a small one is read to its end before anything is written
    out = tmp_path / "runs" / "out"
    written: list[int] = []
    look = lambda _: written.append(len(list(out.glob("artifacts/chunk/*"))))  # noqa: E731 - one line of looking
    with pytest.raises(DataError) as caught:
        curate([source, bomb(tmp_path / "b.parquet")], EXACT, out=out, on_progress=look)
    assert caught.value.code == "E_FORMAT"
    assert "it expands to over 250 times its size" in caught.value.message
    assert max(written) > 3, "it had begun to keep chunks"
    assert not out.exists()
    assert curate(source, EXACT, out=out).report.rows == 90


@pytest.mark.parametrize("stage", ["examine", "write"])
def test_a_fault_that_a_rerun_cannot_mend_leaves_what_the_user_put_there(
    tmp_path: Path, source: Path, stage: str
) -> None:
    out = tmp_path / "out"

    def put(progress: Progress) -> None:
        if progress.stage == stage and (progress.done or 0) >= 0:
            (out / "clean").mkdir(exist_ok=True)
            (out / "clean" / "notes.txt").write_text("mine")
            raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        curate(source, EXACT, out=out, on_progress=put)
    assert content(out) == {"clean/notes.txt": b"mine"}
    assert [path.name for path in out.iterdir()] == ["clean"]


STOPS = [
    KeyboardInterrupt(),
    StoreError("E_DISK", "full", fix="free some"),
    MemoryError(),
    OSError(errno.EMFILE, "too many"),
    DataError("E_IO", "the share is away", fix="wait"),
]


@pytest.mark.parametrize("error", STOPS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", ["examine", "write"])
def test_s01_a_stopped_run_says_what_it_leaves_and_goes_on(
    tmp_path: Path, source: Path, stage: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    whole = curate(source, EXACT, out=tmp_path / "whole")
    out = tmp_path / "out"
    with caplog.at_level(logging.WARNING, LOGGER), pytest.raises(type(error)):
        curate(source, EXACT, out=out, on_progress=stopping(stage, 3, error))
    (said,) = caplog.messages
    assert f"{out} keeps the finished work" in said
    assert "to discard it, remove that folder" in said
    assert len(list(out.glob("artifacts/chunk/*"))) >= 3
    assert list(out.glob("staging/*")) == []
    assert curate(source, EXACT, out=out).report == whole.report
    assert content(out) == content(tmp_path / "whole")


def test_s01_a_full_disk_under_what_is_decided(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits on disk between the passes is written by other calls than chunks and shards."""
    monkeypatch.setattr(spill, "HELD", 50)
    opening = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **named: Any) -> Any:
        if mode == "ab":
            raise OSError(errno.ENOSPC, "no space")
        return opening(self, mode, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(StoreError) as caught:
            curate(source, EXACT, out=tmp_path / "out")
    assert caught.value.code == "E_DISK"
    assert "free some space" in caught.value.fix
    assert curate(source, EXACT, out=tmp_path / "out").report.rows == 90


@pytest.mark.parametrize("code", ["E_IO", "E_CHANGED"])
def test_nothing_is_said_to_be_unwritten_where_chunks_are(tmp_path: Path, source: Path, code: str) -> None:
    def change(progress: Progress) -> None:
        if progress.stage == "examine":
            if code == "E_IO":
                os.truncate(source, 5)
            else:
                source.write_text(lines("other"))

    with pytest.raises(DataError) as caught:
        curate(source, EXACT, out=tmp_path / "out", on_progress=change)
    assert "nothing was written" not in str(caught.value)


def changed(out: Path, source: Path, spec: CurateSpec = EXACT) -> RunError:
    with pytest.raises(RunError) as caught:
        curate(source, spec, out=out)
    assert caught.value.code == "E_RUN_CHANGED"
    assert "--restart" in caught.value.fix
    return caught.value


def test_other_data_are_named_and_replace_what_was_there_as_a_whole(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.jsonl").write_text(lines(*texts(20, ord(name))))
    out = tmp_path / "out"
    curate(folder, EXACT, out=out)
    before = content(out)
    (out / "notes.txt").write_text("mine")
    (out / "clean" / "notes.txt").write_text("mine too")
    (folder / "a.jsonl").write_text(lines(*texts(3)))
    (folder / "b.jsonl").rename(folder / "d.jsonl")
    error = changed(out, folder, CurateSpec(steps=("exact", "near")))
    assert "a.jsonl changed; b.jsonl is gone; d.jsonl is new; spec.steps was" in error.message
    assert "it keeps what it holds until the new run is done" in error.fix
    with pytest.raises(KeyboardInterrupt):
        restart(folder, EXACT, out=out, on_progress=stopping("examine", 2, KeyboardInterrupt()))
    assert {name: data for name, data in content(out).items() if name in before} == before
    assert read_report(out).report.rows == 60
    with pytest.raises(ValueError, match="a fault"):
        restart(folder, EXACT, out=out, on_progress=stopping("write", 0, ValueError("a fault")))
    assert not (out / ".next").exists()
    assert {name: data for name, data in content(out).items() if name in before} == before
    assert restart(folder, EXACT, out=out).report.rows == 43
    curate(folder, EXACT, out=tmp_path / "fresh")
    mine = {"notes.txt": b"mine", "aside/clean-notes.txt.0": b"mine too"}
    assert content(out) == content(tmp_path / "fresh") | mine
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []
    assert curate(folder, EXACT, out=out).report == read_report(out).report


def test_a_replacement_that_was_stopped_goes_on(tmp_path: Path, source: Path) -> None:
    other = tmp_path / "b.jsonl"
    other.write_text(lines(*texts(70, 5)))
    curate(source, EXACT, out=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        restart(other, EXACT, out=tmp_path / "out", on_progress=stopping("write", 1, KeyboardInterrupt()))
    seen: list[str] = []
    restart(other, EXACT, out=tmp_path / "out", on_progress=lambda progress: seen.append(progress.stage))
    assert "write" in seen
    assert "examine" not in seen
    with pytest.raises(KeyboardInterrupt):
        restart(source, EXACT, out=tmp_path / "out", on_progress=stopping("write", 1, KeyboardInterrupt()))
    (tmp_path / "c.jsonl").write_text(lines("one"))
    assert restart(tmp_path / "c.jsonl", EXACT, out=tmp_path / "out").report.rows == 1, "the other one is given up"


def test_other_data_where_nothing_was_finished(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        curate(source, EXACT, out=out, on_progress=stopping("write", 1, KeyboardInterrupt()))
    source.write_text(lines(*texts(30, 3)))
    assert "what was done is removed" in changed(out, source).fix
    restart(source, EXACT, out=out)
    curate(source, EXACT, out=tmp_path / "fresh")
    assert content(out) == content(tmp_path / "fresh")


def test_restart_is_for_curations_alone(tmp_path: Path, source: Path) -> None:
    open_run(tmp_path / "fitted", {"dataset": "x"}).close()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for folder in ("fitted", "mine"):
        with pytest.raises(RunError) as caught:
            restart(source, EXACT, out=tmp_path / folder)
        assert caught.value.code == "E_RUN_MISSING"
    assert restart(source, EXACT, out=tmp_path / "new").report.rows == 90
    assert restart(source, EXACT, out=tmp_path / "new").report.rows == 90


@pytest.mark.parametrize("call", ["rename", "unlink", "rmdir", "mkdir"])
def test_k18_a_replacement_is_finished_wherever_it_stops(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Stop it at each call that changes the disk; the command, with --restart or without, finds the new run whole."""
    other = tmp_path / "b.jsonl"
    other.write_text(lines("b", *texts(70, 5)))
    curate(other, EXACT, out=tmp_path / "fresh")
    curate(source, EXACT, out=tmp_path / "ready")
    before = content(tmp_path / "ready")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_over", lambda _: None)
        restart(other, EXACT, out=tmp_path / "ready")
    original: Callable[..., object] = getattr(os, call)
    stops = 0
    for place in range(60):
        out = Path(shutil.copytree(tmp_path / "ready", tmp_path / f"out{place}"))
        left = iter(range(place))

        def once(*args: Any, left: Any = left, **named: Any) -> object:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return original(*args, **named)

        monkeypatch.setattr(os, call, once)
        with suppress(KeyboardInterrupt):
            replacing.take_over(out)
        monkeypatch.setattr(os, call, original)
        stopped = next(left, None) is None
        if (out / ".next").exists():
            assert {name: data for name, data in content(out).items() if ".next" not in name} == before
            restart(other, EXACT, out=out)
        else:
            (restart if place % 2 else curate)(other, EXACT, out=out)
        assert content(out) == content(tmp_path / "fresh")
        assert not [path for path in out.iterdir() if path.name.startswith(".")]
        if not stopped:
            break
        stops += 1
    assert stops >= {"rename": 8, "unlink": 2, "rmdir": 2, "mkdir": 1}[call]


def varied(path: Path) -> Path:
    """Rows that are left out for several reasons, changed in several ways, and in several languages."""
    boat = "the boat lay at the wall with its nets"
    rows = [
        boat,
        boat.upper(),
        f"{boat}!",
        f"({boat})",
        boat,
        "",
        "mail a@b.org or 10.0.0.1",
        "<p>a page</p> &amp; more",
    ]
    rows += [
        "schÃ¶n wird es am Meer und das Boot liegt an der Mauer",
        "a zero\u200bwidth blank",
        "c'est la vie à la mer",
    ]
    path.write_text(lines(*rows))
    return path


def test_report_and_json_are_the_same_when_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped before its report is written, called again when it is done, or read again."""
    source = varied(tmp_path / "a.jsonl")
    without: tuple[Step, ...] = ("length", "quality", "repetition")
    spec = CurateSpec(personal="redact", skip=without)
    flags = ["curate", str(source), "--personal", "redact", "-q", "--workers", "1"]
    flags += [word for step in without for word in ("--skip", step)]
    done = curate(source, spec, out=tmp_path / "whole")
    assert list(done.report.left_out) == ["normalised_duplicate", "empty", "exact_duplicate"]
    assert list(done.report.changes) == ["encoding", "html", "characters", "personal"]
    wanted = content(tmp_path / "whole")
    stopped = tmp_path / "stopped"
    publish = Run.publish
    for name in ("report.json", "report.html"):

        def stop(run: Run, given: str, data: bytes, name: str = name) -> Path:
            if given == name:
                raise KeyboardInterrupt
            return publish(run, given, data)

        monkeypatch.setattr(Run, "publish", stop)
        with pytest.raises(KeyboardInterrupt):
            curate(source, spec, out=stopped)
    monkeypatch.setattr(Run, "publish", publish)
    resumed = curate(source, spec, out=stopped)
    assert content(stopped) == wanted
    assert repr(resumed.report) == repr(done.report) == repr(read_report(stopped).report)
    for form in ([], ["--json"]):
        said = []
        for out in (tmp_path / f"fresh{len(form)}", tmp_path / f"fresh{len(form)}", stopped):
            capsys.readouterr()
            assert command([*flags, *form, "-o", str(out)]) == 0
            said.append(capsys.readouterr().out.replace(str(out), "OUT"))
            assert content(out) == wanted
        assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("kind", ["file", "under a file", "foreign", "long"])
def test_a_folder_that_cannot_be_used_is_refused_before_any_work(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("x")
    out = tmp_path / {"under a file": "file/out", "long": "x" * 300}.get(kind, kind)
    monkeypatch.setattr(
        sys.modules[curate.__module__], "prepare_curation", lambda *_: pytest.fail("the data were read")
    )
    for verb in (curate, restart):
        with pytest.raises(OckhamError) as caught:
            verb(source, EXACT, out=out)
        assert caught.value.code in ("E_RUN_MISSING", "E_DISK")
        assert caught.value.fix


def test_the_command_says_how_to_begin_anew(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["-o", str(tmp_path / "out"), "--step", "exact", "-q", "--json", "--workers", "1"]
    assert command(["curate", str(source), *flags]) == 0
    source.write_text(lines("one", "two"))
    with pytest.raises(RunError) as caught:
        command(["curate", str(source), *flags])
    assert "a.jsonl changed" in caught.value.message
    capsys.readouterr()
    assert command(["curate", str(source), *flags, "--restart"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 2


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_half_characters_of_json_in_forms_that_have_none(tmp_path: Path, form: str) -> None:
    rows = (
        '{"text": "a", "k\\ud800": 1}\n{"text": "b", "other": "x\\udfff"}\n{"text": "c", "other": {"y\\ud800": []}}\n'
    )
    (tmp_path / "a.jsonl").write_text(rows)
    spec = CurateSpec(steps=("exact",), inputs=("text",), format=form)  # type: ignore[arg-type]  # a literal
    done = curate(tmp_path / "a.jsonl", spec, out=tmp_path / "out")
    again = curate(done.path / "clean", CurateSpec(steps=("exact",), inputs=("text",)), out=tmp_path / "again")
    written = [json.loads(line) for line in (again.path / "clean/00000.jsonl").read_text().splitlines()]
    assert [row["text"] for row in written] == ["a", "b", "c"]
    assert written[0]["k\\ud800"] == "1"
    assert written[1]["other"] == "x\\udfff"


def test_p01_a_lock_that_was_removed_meanwhile_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is given up removes its lock: who had opened that file holds nothing that others can see."""
    lock = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        (tmp_path / "out" / "lock").unlink()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(RunError) as caught:
        open_run(tmp_path / "out", {"verb": "curate"})
    assert caught.value.code == "E_RUN_LOCKED"
    monkeypatch.setattr(fcntl, "flock", lock)
    open_run(tmp_path / "out", {"verb": "curate"}).close()
