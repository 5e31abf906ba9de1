"""One run folder: kept, found, refused, rebuilt."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ockham.errors import Defect, RunError, StoreError
from ockham.records import Answer, Candidate, Estimate, Json, Report, Score
from ockham.store import identity_of, open_run, save_bytes, save_text

KEY = "ab" * 32
IDENTITY: dict[str, Json] = {"dataset": "d" * 64, "requirements": {"min_accuracy": 0.9}, "seed": 1}
CANDIDATE = Candidate(name="linear", rung=2, kind="linear", settings={"c": 0.1})
REPORT = Report(
    candidate=CANDIDATE,
    dataset="d" * 64,
    spec="s" * 64,
    side="test",
    metrics={"accuracy": Estimate(value=0.1 + 0.2, low=0.25, high=1 / 3, n=3)},
    per_label=(),
    scores=(
        Score(example="1", answer=None, target="größer\n", value=None),
        Score(example="2", answer="a", target="a", value=1),
    ),
    profile=None,
    artifact_mb=None,
    fit_seconds=1e-9,
)


def tree(path: Path) -> dict[str, bytes | None]:
    return {p.relative_to(path).as_posix(): p.read_bytes() if p.is_file() else None for p in sorted(path.rglob("*"))}


def test_what_is_kept_is_found_again_in_another_opening(tmp_path: Path) -> None:
    with open_run(tmp_path / "a" / "run", IDENTITY) as run:
        run.save("report", KEY, REPORT)
        run.save("answers", "cd" * 32, (Answer(value="x"), Answer(value=None, confidence=0.5)))
        run.save("counts", "short-key", {"a": 1, "b": 2})
    with open_run(tmp_path / "a" / "run", IDENTITY) as run:
        assert run.load("report", KEY, Report) == REPORT
        assert run.load("answers", "cd" * 32, tuple[Answer, ...]) == (
            Answer(value="x"),
            Answer(value=None, confidence=0.5),
        )
        assert run.load("counts", "short-key", dict[str, int]) == {"a": 1, "b": 2}
        assert run.load("report", "ef" * 32, Report) is None
        assert run.rebuilt == 0


def test_keeping_twice_writes_once_and_keeping_anew_replaces(tmp_path: Path) -> None:
    with open_run(tmp_path, IDENTITY) as run:
        run.save("candidate", KEY, CANDIDATE)
        place = tmp_path / "records" / "candidate" / f"{KEY[:32]}.json"
        before = place.stat().st_ino
        run.save("candidate", KEY, CANDIDATE)
        assert place.stat().st_ino == before
        other = Candidate(name="x", rung=0, kind="constant")
        run.save("candidate", KEY, other)
        assert run.load("candidate", KEY, Candidate) == other


def test_a_list_is_sorted_by_key_and_leaves_damage_out(tmp_path: Path) -> None:
    keys = [digit * 64 for digit in "c1a"]
    with open_run(tmp_path, IDENTITY) as run:
        assert run.list("candidate", Candidate) == []
        for rung, key in enumerate(keys):
            run.save("candidate", key, Candidate(name=key[0], rung=rung, kind="fake"))
        assert [(key[0], found.name) for key, found in run.list("candidate", Candidate)] == [
            ("1", "1"),
            ("a", "a"),
            ("c", "c"),
        ]
        (tmp_path / "records" / "candidate" / f"{keys[2][:32]}.json").write_bytes(b"")
        assert [key[0] for key, _ in run.list("candidate", Candidate)] == ["1", "c"]
        assert run.rebuilt == 1


def test_s03_an_entry_with_one_changed_byte_is_moved_aside_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_run(tmp_path, IDENTITY) as run:
        run.save("report", KEY, REPORT)
        place = tmp_path / "records" / "report" / f"{KEY[:32]}.json"
        whole = place.read_bytes()
        for count, at in enumerate(range(0, len(whole), 7), start=1):
            place.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with caplog.at_level(logging.WARNING):
                assert run.load("report", KEY, Report) is None, f"byte {at}"
            assert run.rebuilt == count
            assert not place.exists()
        assert len(list((tmp_path / "aside").iterdir())) == count
        assert "größer" not in caplog.text
        run.save("report", KEY, REPORT)
        assert place.read_bytes() == whole


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"{}",
        b"null",
        b'{"schema":2,"key":"%s","sha256":"%s","payload":{}}\n' % (KEY.encode(), b"0" * 64),
    ],
)
def test_s03_a_foreign_or_cut_entry_counts_as_missing(tmp_path: Path, entry: bytes) -> None:
    with open_run(tmp_path, IDENTITY) as run:
        save_bytes(tmp_path / "records" / "candidate" / f"{KEY[:32]}.json", entry)
        assert run.load("candidate", KEY, Candidate) is None
        assert run.rebuilt == 1


def test_an_entry_of_another_key_type_or_form_counts_as_missing(tmp_path: Path) -> None:
    with open_run(tmp_path, IDENTITY) as run:
        run.save("candidate", KEY, CANDIDATE)
        assert run.load("candidate", KEY[:32] + "0" * 32, Candidate) is None
        run.save("candidate", KEY, {"name": "linear", "rung": 2, "kind": "linear", "settings": {}, "new_field": 1})
        assert run.load("candidate", KEY, Candidate) is None
        run.save("candidate", KEY, {"name": "linear", "rung": 2, "kind": "linear"})
        assert run.load("candidate", KEY, Candidate) is None
        run.save("candidate", KEY, {"name": "linear", "rung": "2", "kind": "linear", "settings": {}})
        assert run.load("candidate", KEY, Candidate) is None
        assert run.rebuilt == 4


@pytest.mark.parametrize(("kind", "key"), [("../x", KEY), ("a", "../x"), ("", KEY), ("a", "x" * 33), ("a", "A/B")])
def test_c04_a_name_that_could_leave_the_folder_is_a_defect(tmp_path: Path, kind: str, key: str) -> None:
    with open_run(tmp_path, IDENTITY) as run, pytest.raises(Defect):
        run.save(kind, key, CANDIDATE)


@pytest.mark.parametrize("name", ["lock", "run.json", "records", "../x", ".tmp-0", ".swap-bundle"])
def test_a_published_name_cannot_be_the_stores_own(tmp_path: Path, name: str) -> None:
    with open_run(tmp_path, IDENTITY) as run, pytest.raises(Defect):
        run.publish(name, b"")


def test_a_closed_run_cannot_be_used(tmp_path: Path) -> None:
    with open_run(tmp_path, IDENTITY) as run:
        pass
    run.close()
    with pytest.raises(Defect, match="after it was closed"):
        run.publish("verdict.json", b"")


def test_c06_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    with open_run(tmp_path, IDENTITY):
        pass
    before = tree(tmp_path)
    changed: dict[str, Json] = {"dataset": "d" * 64, "requirements": {"min_accuracy": 0.8, "max_p95_ms": 100}}
    with pytest.raises(RunError) as caught:
        open_run(tmp_path, changed)
    assert caught.value.code == "E_RUN_CHANGED"
    assert "requirements.max_p95_ms was not set, now 100" in caught.value.message
    assert "requirements.min_accuracy was 0.9, now 0.8" in caught.value.message
    assert "seed was 1, now not set" in caught.value.message
    assert "dataset" not in caught.value.message
    assert "--out" in caught.value.fix
    assert tree(tmp_path).keys() == before.keys()
    with open_run(tmp_path, IDENTITY):
        assert identity_of(tmp_path) == IDENTITY


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema":1}', b"[" * 100_000, b"\xff"])
def test_a_damaged_run_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    for attempt in (lambda: open_run(tmp_path, IDENTITY), lambda: identity_of(tmp_path)):
        with pytest.raises(RunError, match="cannot be read") as caught:
            attempt()
        assert caught.value.code == "E_RUN_CHANGED"


def test_c09_a_run_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(b'{"schema":2,"identity":{},"more":1}')
    with pytest.raises(RunError, match="has schema 2; this version reads schema 1") as caught:
        open_run(tmp_path, IDENTITY)
    assert caught.value.code == "E_RUN_CHANGED"


def test_a_folder_with_other_content_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="1 other files or folders and no run") as caught:
        open_run(tmp_path, IDENTITY)
    assert caught.value.code == "E_RUN_MISSING"
    assert tree(tmp_path) == {"thesis.txt": b"mine"}
    with pytest.raises(RunError, match="not a folder"):
        open_run(tmp_path / "thesis.txt", IDENTITY)


def test_a_run_that_must_exist_is_not_made(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(RunError) as caught:
            open_run(path, IDENTITY, create=False)
        assert caught.value.code == "E_RUN_MISSING"
        with pytest.raises(RunError, match=r"has no run\.json"):
            identity_of(path)
    assert tree(tmp_path) == {}


def test_a_users_file_in_a_run_folder_stays(tmp_path: Path) -> None:
    with open_run(tmp_path, IDENTITY):
        (tmp_path / "notes.txt").write_text("mine")
    with open_run(tmp_path, IDENTITY):
        assert (tmp_path / "notes.txt").read_text() == "mine"


def test_g04_files_are_their_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with open_run(tmp_path / "new" / "run", IDENTITY) as run:
            run.save("candidate", KEY, CANDIDATE)
            run.publish("verdict.json", b"{}")
            run.append("openings", {"why": "measured"})
    finally:
        os.umask(old)
    modes = {oct(p.stat().st_mode & 0o777) for p in (tmp_path / "new").rglob("*") if p.is_file()}
    folders = {oct(p.stat().st_mode & 0o777) for p in [tmp_path / "new", *(tmp_path / "new").rglob("*")] if p.is_dir()}
    assert (modes, folders) == ({"0o600"}, {"0o700"})


def test_a_file_written_piece_by_piece_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", {}) as run:
        place = run.publish_in("clean", "a.jsonl", b"old")
        new = run.begin_in("clean", "a.jsonl")
        new.write(b"first ")
        new.write(bytearray(b"second"))
        assert place.read_bytes() == b"old"
        new.finish()
        new.drop()  # too late: it is there
        assert place.read_bytes() == b"first second"
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        other = run.begin_in("clean", "b.jsonl")
        other.write(b"half")
        other.drop()
        assert os.listdir(place.parent) == ["a.jsonl"]  # noqa: PTH208 - the names alone
        (place.parent / "c.jsonl").symlink_to("/dev/null")
        with pytest.raises(StoreError, match="not a plain file"):
            run.begin_in("clean", "c.jsonl")


def test_a_piece_that_the_disk_refuses_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_run(tmp_path / "run", {}) as run:
        place = run.publish_in("clean", "a.jsonl", b"old")
        new = run.begin_in("clean", "a.jsonl")

        def full(descriptor: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "full")

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(StoreError, match="ENOSPC"):
                new.write(b"more")
        new.drop()
        assert [path.name for path in place.parent.iterdir()] == ["a.jsonl"]
        assert place.read_bytes() == b"old"


def test_s04_a_save_follows_no_link_and_touches_no_device(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(StoreError, match="not a plain file") as caught:
            save_text(tmp_path / name, "new")
        assert caught.value.code == "E_DISK"
    assert (tmp_path / "target").read_text() == "mine"
    save_text(tmp_path / "ä.txt", "größer\r\n")
    assert (tmp_path / "ä.txt").read_bytes() == "größer\r\n".encode()


def test_s01_a_refusing_disk_is_named_with_place_reason_and_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_bytes(tmp_path / "verdict.json", b"old")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError) as caught:
        save_bytes(tmp_path / "verdict.json", b"secret text")
    monkeypatch.undo()
    assert caught.value.code == "E_DISK"
    assert "saving 11 bytes failed: ENOSPC (No space left on device)" in caught.value.message
    assert str(tmp_path / "verdict.json") in caught.value.message
    assert "free some space" in caught.value.fix
    assert "secret" not in str(caught.value)
    assert tree(tmp_path) == {"verdict.json": b"old"}


def test_a_disk_that_takes_little_at_a_time_gets_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:3]))
    save_bytes(tmp_path / "f", b"0123456789")
    assert (tmp_path / "f").read_bytes() == b"0123456789"


def test_a_journal_keeps_order_and_cuts_off_a_torn_row(tmp_path: Path) -> None:
    with open_run(tmp_path, IDENTITY) as run:
        assert run.rows("openings") == []
        run.append("openings", {"n": 1, "text": "größer\n"})
        run.append("openings", {"n": 2})
    with (tmp_path / "openings.jsonl").open("ab") as journal:
        journal.write(b'{"n":3,"te' + b"x" * 200_000)
    with open_run(tmp_path, IDENTITY) as run:
        assert run.rows("openings") == [{"n": 1, "text": "größer\n"}, {"n": 2}]
        with (tmp_path / "openings.jsonl").open("ab") as journal:
            journal.write(b'{"n":3')
        assert len(run.rows("openings")) == 2
        run.append("openings", {"n": 4})
        assert [row["n"] for row in run.rows("openings")] == [1, 2, 4]
    (tmp_path / "openings.jsonl").write_bytes(b'{"n":1}\n{"n":\n{"n":3}\n')
    with open_run(tmp_path, IDENTITY) as run, pytest.raises(StoreError, match="line 2 is damaged"):
        run.rows("openings")


def test_a_row_refused_by_the_disk_does_not_turn_up_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_run(tmp_path, IDENTITY) as run:
        run.append("openings", {"n": 1})

        def broken(descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(StoreError, match="EIO"):
            run.append("openings", {"n": 2})
        monkeypatch.undo()
        assert run.rows("openings") == [{"n": 1}]


HOLDER = """
import sys, time
from pathlib import Path
from ockham.store import open_run
with open_run(Path(sys.argv[1]), {}):
    print("open", flush=True)
    time.sleep(60)
"""


def test_p01_k16_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(RunError, match=f"in use by process {holder.pid} on '") as caught:
            open_run(tmp_path, {})
        assert caught.value.code == "E_RUN_LOCKED"
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert json.loads((tmp_path / "lock").read_bytes())["pid"] == holder.pid
    with open_run(tmp_path, {}):
        assert json.loads((tmp_path / "lock").read_bytes())["pid"] == os.getpid()
        with pytest.raises(RunError, match=f"process {os.getpid()}"):
            open_run(tmp_path, {})


WRITER = r"""
import sys
from pathlib import Path
from ockham.records import Candidate
from ockham.store import open_run
with open_run(Path(sys.argv[1]), {"b": 0.1, "\u00e4": {"y": 1, "x": [1e-9, True, None]}}) as run:
    names = {"gr\u00f6\u00dfe", "a", "i", "I"}
    run.save("set", "ab" * 32, {name: Candidate(name=name, rung=1, kind="\u0130I\u0131i") for name in names})
    run.append("openings", {"z": 1, "a": 1.5})
"""


def test_t01_t03_locale_time_zone_hash_seed_and_clock_change_no_byte(tmp_path: Path) -> None:
    settings = [
        {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "0"},
        {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1", "PYTHONUTF8": "0"},
        {"LC_ALL": "de_DE.ISO-8859-1", "TZ": "America/St_Johns", "PYTHONHASHSEED": "77", "HOME": "/nonexistent"},
    ]
    trees = []
    for number, setting in enumerate(settings):
        path = tmp_path / str(number)
        subprocess.run([sys.executable, "-c", WRITER, str(path)], check=True, env={**os.environ, **setting})
        os.utime(path / "run.json", (4e9, 4e9))
        trees.append({name: data for name, data in tree(path).items() if name != "lock"})
    assert trees[0] == trees[1] == trees[2]
    assert len([data for data in trees[0].values() if data]) == 3
