"""Where outputs cannot go: found before the work, said with another way out, and never a fault of ours."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sample_account import bare_account

from ockham.cli import run as command
from ockham.errors import OckhamError, StoreError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import ACCOUNT, run_name, write_report
from ockham.store import check_folder, check_place, encode, open_run


def refusing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let nothing be opened for writing, as on a disk that is read-only."""
    opening: Callable[..., int] = os.open

    def reading(path: Any, flags: int, *args: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(number, os.strerror(number), path)
        return opening(path, flags, *args, **named)

    monkeypatch.setattr(os, "open", reading)


def finished(folder: Path) -> Path:
    with open_run(folder, {"dataset": "x"}) as run:
        run.publish(ACCOUNT, encode(bare_account()) + b"\n")
    return folder


def test_s01_the_report_of_a_run_on_a_read_only_disk_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished(tmp_path / "run")
    page = write_report(folder).read_bytes()
    with monkeypatch.context() as patch:
        refusing(patch, errno.EROFS)
        with pytest.raises(StoreError) as caught:
            write_report(folder)
    assert "EROFS" in caught.value.message
    assert "ockham report RUN --out FILE" in caught.value.fix
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert command(["report", str(folder), "--out", str(tmp_path / "here" / "page.html")]) in (0, None)
    assert capsys.readouterr().out == f"{tmp_path}/here/page.html\n"
    assert (tmp_path / "here" / "page.html").read_bytes() == page
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("name", [b"run\xff", b"file", b"file/run", b"foreign", b"x" * 300])
def test_s01_a_folder_that_cannot_take_a_run_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("x")
    monkeypatch.setattr(sys.modules[fit.__module__], "prepare", lambda *_, **__: pytest.fail("the data were read"))
    out = tmp_path / os.fsdecode(name)
    with pytest.raises(OckhamError) as caught:
        fit("in.csv", FitSpec(), out=out)
    assert caught.value.code in ("E_CONFIG", "E_DISK", "E_RUN_MISSING")
    assert caught.value.exit_status == 2
    assert caught.value.fix
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "foreign"]


def test_s01_runs_that_is_a_file_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("x")
    monkeypatch.setattr(sys.modules[fit.__module__], "prepare", lambda *_, **__: pytest.fail("the data were read"))
    with pytest.raises(StoreError, match="ENOTDIR"):
        fit("in.csv", FitSpec())


def test_s01_places_are_looked_at_without_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(monkeypatch, errno.EROFS)
    check_place(tmp_path / "new" / "folder" / "file.csv")
    check_folder(tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "link").symlink_to("nowhere")
    for strange in (tmp_path, tmp_path / "link", Path("/dev/null")):
        with pytest.raises(StoreError, match="is not a plain file"):
            check_place(strange)


@pytest.mark.parametrize(("why", "name"), [("readonly", "EROFS"), ("forbidden", "EACCES")])
def test_s01_a_place_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, name: str
) -> None:
    state = os.statvfs(tmp_path)

    class ReadOnly:
        f_flag = state.f_flag | os.ST_RDONLY

    if why == "readonly":
        monkeypatch.setattr(os, "statvfs", lambda _: ReadOnly)
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreError) as caught:
        check_place(tmp_path / "file.csv")
    assert name in caught.value.message
    assert "write to another folder" in caught.value.fix


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("mails.csv", "mails"), ("tickets/data.csv", "tickets"), ("tickets/train.jsonl", "tickets"),
        ("tickets", "tickets"), ("tickets/v2.final.csv", "v2.final"),
    ],
)  # fmt: skip
def test_a_run_is_named_after_what_tells_its_data_apart(source: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "tickets").mkdir()
    assert run_name(tmp_path / source, Path(source).name) == name


def test_a_run_on_rows_in_memory_is_named_after_their_kind() -> None:
    assert run_name([{"text": "a"}], "list of dicts") == "list of dicts"
