"""Artifacts and bundles: sealed, checked wherever they are, never changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ockham.errors import BundleError, Defect, StoreError
from ockham.records import Candidate, Manifest
from ockham.store import Run, encode, open_run, read_bundle, recovery, seal_bundle, verify_folder
from ockham.store.atomic import exchange

KEY = "ab" * 32
MANIFEST = Manifest(
    format=1,
    ockham="0.1.0",
    task="classify",
    kind="fake",
    candidate=Candidate(name="fake", rung=0, kind="fake"),
    labels=("no", "yes"),
    inputs=("text",),
    target="label",
    dataset="d" * 64,
    files={},
)


def fill(folder: Path, weights: bytes = b"weights") -> Manifest:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "a.bin").write_bytes(weights)
    (folder / "labels.json").write_bytes(b"[]")
    return seal_bundle(folder, MANIFEST)


def sealed(run: Run, key: str = KEY, weights: bytes = b"weights") -> Path:
    with run.staging() as folder:
        fill(folder, weights)
        return run.commit_artifact("model", key, folder)


def test_a_bundle_says_what_it_holds_and_can_be_moved(tmp_path: Path) -> None:
    manifest = fill(tmp_path / "bundle")
    assert manifest.files == {
        "labels.json": "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
        "model/a.bin": hashlib.sha256(b"weights").hexdigest(),
    }
    shutil.copytree(tmp_path / "bundle", tmp_path / "elsewhere")
    assert read_bundle(tmp_path / "elsewhere") == manifest
    verify_folder(tmp_path / "elsewhere")


def damage(folder: Path, what: str) -> None:
    weights = folder / "model" / "a.bin"
    if what == "was changed":
        weights.write_bytes(b"weightz")
    elif what == "is missing":
        weights.unlink()
    elif what == "is not part of it":
        (folder / "model" / "b.bin").write_bytes(b"")
    elif what == "is a link":
        shutil.move(weights, folder.parent / "outside")
        weights.symlink_to(folder.parent / "outside")
    else:
        os.mkfifo(folder / "model" / "pipe")


@pytest.mark.parametrize("what", ["was changed", "is missing", "is not part of it", "is a link", "or a device"])
def test_the_first_wrong_file_is_named(tmp_path: Path, what: str) -> None:
    fill(tmp_path / "bundle")
    with open_run(tmp_path / "run", {}) as run:
        artifact = sealed(run)
        for folder in (tmp_path / "bundle", artifact):
            damage(folder, what)
            name = {"is not part of it": "b.bin", "or a device": "pipe"}.get(what, "a.bin")
            with pytest.raises(BundleError, match=f"{folder}/model/{name} .*{what}") as caught:
                verify_folder(folder)
            assert caught.value.code == "E_BUNDLE"
        assert run.artifact("model", KEY) is None
        assert run.rebuilt == 1
        assert [p.name for p in (tmp_path / "run" / "aside").iterdir()] == [f"model-{KEY[:32]}.0"]
        assert run.artifact("model", sealed(run).name + KEY[32:]) == artifact


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../outside", "a//b", "./a", "", "a\\b", "a\0b"])
def test_a_list_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_bytes(b"")
    manifest = fill(tmp_path / "bundle")
    evil = dataclasses.replace(manifest, files={**manifest.files, name: "0" * 64})
    (tmp_path / "bundle" / "bundle.json").write_bytes(encode(evil))
    with pytest.raises(BundleError, match="lists a file outside the folder"):
        read_bundle(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda data: b"", "cannot be read"),
        (lambda data: data[:-9], "cannot be read"),
        (lambda data: b"[" * 100_000, "cannot be read"),
        (lambda data: data.replace(b'"format":1', b'"format":2'), "has format 2; this version reads format 1"),
        (lambda data: data.replace(b'"format":1', b'"format":"1"'), "1 of its values are not of the right type"),
        (lambda data: data.replace(b'"format":1', b'"format":1,"more":1'), "its fields are not those of this version"),
    ],
)
def test_a_damaged_or_foreign_manifest_is_refused(tmp_path: Path, change: Callable[[bytes], bytes], what: str) -> None:
    fill(tmp_path)
    (tmp_path / "bundle.json").write_bytes(change((tmp_path / "bundle.json").read_bytes()))
    with pytest.raises(BundleError, match=what):
        read_bundle(tmp_path)


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    for folder, what in ((tmp_path, "is not a bundle"), (tmp_path / "none", "is not a folder")):
        for check in (read_bundle, verify_folder):
            with pytest.raises(BundleError, match=what):
                check(folder)
    (tmp_path / "bundle.json").mkdir()
    with pytest.raises(BundleError, match="is not a plain file"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("change", [b"", b"{}", b"[]", b"[" * 100_000, b'{"schema":1,"kind":"model","files":{}}'])
def test_a_damaged_seal_is_moved_aside(tmp_path: Path, change: bytes) -> None:
    with open_run(tmp_path, {}) as run:
        artifact = sealed(run)
        (artifact / "MANIFEST.json").write_bytes(change)
        assert run.artifact("model", KEY) is None
        assert not artifact.exists()


def test_sealing_again_changes_nothing_and_staging_is_emptied(tmp_path: Path) -> None:
    with open_run(tmp_path, {}) as run:
        first = sealed(run)
        inode = first.stat().st_ino
        assert sealed(run) == first
        assert first.stat().st_ino == inode
        assert json.loads((first / "MANIFEST.json").read_bytes())["key"] == KEY
        assert list((tmp_path / "staging").iterdir()) == []
        with run.staging() as folder:
            (folder / "half").write_bytes(b"")
        assert list((tmp_path / "staging").iterdir()) == []


def test_what_is_needed_on_the_way_alone_does_not_wait_for_the_disk_and_damage_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xxhash = pytest.importorskip("xxhash", reason="the extra curate is not installed")
    with open_run(tmp_path, {}) as run:
        sealed(run)
        with run.staging() as folder, monkeypatch.context() as patch:
            (folder / "rows.bin").write_bytes(b"rows")
            (folder / "empty.bin").write_bytes(b"")
            patch.setattr(os, "fsync", lambda descriptor: pytest.fail(f"waits for the disk ({descriptor})"))
            place = run.commit_artifact("model", "1" * 64, folder, lasting=False)
        listed = json.loads((place / "MANIFEST.json").read_bytes())["files"]
        assert listed["rows.bin"] == f"xxh3:{xxhash.xxh3_128_hexdigest(b'rows')}"
        assert listed["empty.bin"] == f"xxh3:{xxhash.xxh3_128_hexdigest(b'')}"
        assert run.artifact("model", "1" * 64) == place
        (place / "rows.bin").write_bytes(b"r0ws")  # as a power cut may leave it
        assert run.artifact("model", "1" * 64) is None
        assert run.rebuilt == 1


def test_a_link_in_a_staging_folder_is_a_defect(tmp_path: Path) -> None:
    with open_run(tmp_path, {}) as run, run.staging() as folder:
        (folder / "link").symlink_to("/etc/passwd")
        with pytest.raises(Defect, match="not a plain file"):
            run.commit_artifact("model", KEY, folder)
        with pytest.raises(Defect, match="not a plain file"):
            seal_bundle(folder, MANIFEST)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_published_folder_is_a_copy_that_replaces_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(recovery, "exchange", lambda first, second: False)
    with open_run(tmp_path, {}) as run:
        old, new = sealed(run, "0" * 64, b"old"), sealed(run, "1" * 64, b"new")
        bundle = run.publish_folder("bundle", old)
        verify_folder(bundle)
        assert not (bundle / "MANIFEST.json").exists()
        assert run.publish_folder("bundle", new) == bundle
        assert (bundle / "model" / "a.bin").read_bytes() == b"new"
        (bundle / "model" / "a.bin").write_bytes(b"my own change")
        assert run.artifact("model", "1" * 64) == new
        run.publish_folder("bundle", old)
        assert read_bundle(bundle) == read_bundle(old)
        # What the user has changed is not thrown away.
        assert (tmp_path / "aside" / "bundle.0" / "model" / "a.bin").read_bytes() == b"my own change"
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"lock", "run.json", "artifacts", "staging", "aside", "bundle"}


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_replacement_that_fails_half_way_leaves_a_whole_folder_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    with open_run(tmp_path, {}) as run:
        old, new = sealed(run, "0" * 64, b"old"), sealed(run, "1" * 64, b"new")
        bundle = run.publish_folder("bundle", old)
        rename, calls = os.rename, []

        def breaking(source: Path, target: Path) -> None:
            calls.append(source)
            if len(calls) == failing:
                raise OSError(5, "Input/output error")
            rename(source, target)

        monkeypatch.setattr(recovery, "exchange", lambda first, second: False)
        monkeypatch.setattr(os, "rename", breaking)
        with pytest.raises(StoreError, match="EIO"):
            run.publish_folder("bundle", new)
        monkeypatch.undo()
        assert (bundle / "model" / "a.bin").read_bytes() == b"old"
        verify_folder(bundle)
        assert {path.name for path in tmp_path.iterdir()} == {"lock", "run.json", "artifacts", "staging", "bundle"}


def test_publishing_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    with open_run(tmp_path, {}) as run:
        bundle = run.publish_folder("bundle", sealed(run))
        with pytest.raises(StoreError, match="ENOENT"):
            run.publish_folder("bundle", tmp_path / "none")
        verify_folder(bundle)
        with pytest.raises(StoreError):
            run.publish_folder("bundle", tmp_path / "run.json")
        verify_folder(bundle)
        assert {path.name for path in tmp_path.iterdir()} == {"lock", "run.json", "artifacts", "staging", "bundle"}


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every folder")
def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path: Path) -> None:
    fill(tmp_path / "bundle")
    (tmp_path / "bundle" / "model").chmod(0)
    try:
        with pytest.raises(BundleError, match="Permission denied"):
            verify_folder(tmp_path / "bundle")
        with open_run(tmp_path / "run", {}) as run, pytest.raises(StoreError, match="EACCES"):
            run.publish_folder("bundle", tmp_path / "bundle")
    finally:
        (tmp_path / "bundle" / "model").chmod(0o700)


def test_two_names_change_places_or_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    done = exchange(tmp_path / "a", tmp_path / "b")
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == (("2", "1") if done else ("1", "2"))
    if done:
        with pytest.raises(FileNotFoundError):
            exchange(tmp_path / "a", tmp_path / "none")
