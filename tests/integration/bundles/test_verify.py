"""`ockham verify`: what was changed in a run or a bundle shows, and what was not holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.test_commands import Run, run

import ockham
from ockham import Check, Verification, store, verify
from ockham.errors import BundleError, ConfigError
from ockham.ladder.run_folder import bundle_of
from ockham.records import Verdict

__all__ = ["run"]

SPEC = ockham.FitSpec(rungs=("constant", "lookup"))


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Verdict]:
    rows = [
        {"text": f"{('invoice', 'parcel')[n % 2]} {n} {chr(97 + n % 26) * 9}", "label": ("pay", "send")[n % 2]}
        for n in range(60)
    ]
    folder = tmp_path_factory.mktemp("verify") / "run"
    return folder, ockham.fit(rows, SPEC, out=folder)


@pytest.fixture
def place(climbed: tuple[Path, Verdict], tmp_path: Path) -> Path:
    """A copy of the run, as it may be handed on."""
    shutil.copytree(climbed[0], tmp_path / "copy")
    return tmp_path / "copy"


def swap(folder: Path) -> None:
    """Put another bundle in place of one: its files, and a list that fits them."""
    manifest = store.read_bundle(folder)
    for path in folder.rglob("*.json"):
        if path.name != "bundle.json":
            path.write_text(path.read_text().replace("send", "sent"))
    store.seal_bundle(folder, manifest)


def failed(found: Verification) -> list[str]:
    assert found.ok == all(check.ok for check in found.checks)
    return [check.name for check in found.checks if not check.ok]


def test_a_run_records_the_digest_of_its_bundle_and_holds(place: Path, climbed: tuple[Path, Verdict]) -> None:
    verdict = climbed[1]
    assert verdict.chosen is not None
    assert verdict.bundle == store.bundle_digest(place / "bundle")
    assert json.loads((place / "verdict.json").read_text())["bundle"] == verdict.bundle
    found = verify(place)
    assert found.ok, found
    assert (found.kind, found.digest, found.path) == ("run", verdict.bundle, str(place))
    assert [check.name for check in found.checks] == [
        "bundle",
        "record",
        "candidate",
        "verdict",
        "facts",
        "artifacts",
        "evidence",
    ]
    assert verify(place, digest=verdict.bundle).checks[-1] == Check(
        name="digest", ok=True, detail="the bundle has the digest given"
    )


def test_a_bundle_alone_gives_its_digest_to_compare(place: Path, climbed: tuple[Path, Verdict]) -> None:
    digest = climbed[1].bundle
    assert digest is not None
    found = verify(place / "bundle")
    assert (found.ok, found.kind, found.digest) == (True, "bundle", digest)
    assert verify(place / "bundle", digest=digest.removeprefix("sha256:").upper()).ok
    assert failed(verify(place / "bundle", digest="0" * 64)) == ["digest"]


def test_a_bundle_that_was_swapped_with_its_list_shows(place: Path, climbed: tuple[Path, Verdict]) -> None:
    swap(place / "bundle")
    store.read_bundle(place / "bundle")  # in itself it is whole
    assert failed(verify(place)) == ["record"]
    assert failed(verify(place / "bundle")) == []
    assert failed(verify(place / "bundle", digest=climbed[1].bundle)) == ["digest"]


def rename(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["candidate"]["name"] = "another"
    (folder / "bundle.json").write_text(json.dumps(manifest))


def edit(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        found: dict[str, Any] = json.loads((folder / name).read_text())
        found["because"] = "it is the best by far"
        (folder / name).write_text(json.dumps(found))

    return change


def flatter(folder: Path) -> None:
    """Change a figure that the page of ``ockham serve`` shows."""
    found: dict[str, Any] = json.loads((folder / "facts.json").read_text())
    next(iter(found["candidates"].values()))["figures"][0]["value"] = "100 %"
    (folder / "facts.json").write_text(json.dumps(found))


def test_a_run_that_wrote_no_facts_down_is_whole(place: Path) -> None:
    (place / "facts.json").unlink()
    found = verify(place)
    assert found.ok
    assert "there is no facts.json, so `ockham serve` reads account.json" in [check.detail for check in found.checks]


def damage_artifact(folder: Path) -> None:
    swap(next(iter(sorted((folder / "artifacts" / "bundle").iterdir()))))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda folder: (folder / "bundle" / "extra.txt").write_text("x"), ["bundle", "candidate"]),
        (lambda folder: shutil.rmtree(folder / "bundle"), ["bundle", "record", "candidate"]),
        (lambda folder: rename(folder / "bundle"), ["record", "candidate"]),
        (edit("verdict.json"), ["verdict"]),
        (lambda folder: (folder / "verdict.json").unlink(), ["verdict"]),
        (flatter, ["facts"]),
        (lambda folder: (folder / "facts.json").write_text("{"), ["facts"]),
        (damage_artifact, ["artifacts"]),
        (lambda folder: (folder / "evidence.json").write_text("{}"), ["evidence"]),
    ],
)
def test_every_change_fails_its_own_check(place: Path, change: Callable[[Path], object], names: list[str]) -> None:
    change(place)
    assert failed(verify(place)) == names


def test_a_run_that_chose_nothing_has_no_bundle_to_check(tmp_path: Path) -> None:
    rows = [{"text": f"{n} {chr(97 + n % 26) * 9}", "label": ("pay", "send")[n % 2]} for n in range(60)]
    verdict = ockham.fit(rows, SPEC, ockham.Requirements(max_memory_mb=0.1), out=tmp_path / "run")
    assert (verdict.chosen, verdict.bundle) == (None, None)
    found = verify(tmp_path / "run")
    assert (found.ok, found.digest) == (True, None)
    assert [check.name for check in found.checks] == ["verdict", "facts", "artifacts", "evidence"]
    with pytest.raises(BundleError, match="chose no candidate"):
        bundle_of(tmp_path / "run")


def test_what_is_neither_run_nor_bundle_is_an_error(place: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError):
        verify(tmp_path / "empty")
    (place / "account.json").unlink()
    unfinished = verify(place)
    assert not unfinished.ok, "a run without its account has not come to a verdict"
    (place / "run.json").unlink()
    with pytest.raises(BundleError):
        verify(place / "artifacts")
    for digest in ("", "sha256:", "md5:" + "0" * 32, "0" * 63):
        with pytest.raises(ConfigError):
            verify(place / "bundle", digest=digest)


def test_the_command_prints_its_checks_and_leaves_with_2(place: Path, climbed: tuple[Path, Verdict], run: Run) -> None:
    status, out, err = run("verify", str(place))
    assert (status, err) == (0, "")
    assert out.startswith("holds  bundle: ")
    assert out.endswith(f"Digest: {climbed[1].bundle}\n")
    swap(place / "bundle")
    status, out, err = run("verify", str(place))
    assert (status, err) == (2, "")
    assert "FAILS  record: bundle.json is not the one that the verdict recorded\n" in out
    status, out, _ = run("verify", str(place), "--json")
    record = json.loads(out)
    assert status == 2
    assert record["ok"] is False
    assert {key: record["checks"][1][key] for key in ("name", "ok")} == {"name": "record", "ok": False}
    assert run("verify", str(place / "none"))[0] == 2
