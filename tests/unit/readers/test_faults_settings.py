"""Settings that are hostile, point elsewhere, hold secrets or contradict each other: C02, C04, C05, C07."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from pathlib import Path

import pytest
from tests.integration.serving.test_process import bundle
from tests.unit.cli.test_commands import Run, run

from ockham import config, store
from ockham.errors import BundleError, ConfigError, DataError
from ockham.readers.read import ReadSpec, read

__all__ = ["run"]

CANARY = "canary-51f0"


def load(path: Path) -> ConfigError:
    began = time.process_time()
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert time.process_time() - began < 2
    assert caught.value.code == "E_CONFIG"
    assert CANARY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("fit: !!python/object/apply:os.system [touch canary-51f0]\n", "not valid TOML"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "not valid TOML"),
        ("[fit]\nx = " + "[" * 50_000 + "]" * 50_000, "too long or too deep"),
        ("[fit]\n" + ".".join(["a"] * 300_000) + " = 1\n", "line 2: a name has more than 32 dots"),
        ("[" + " . ".join(['"a"'] * 100_000) + "]\n", "line 1: a name has more than 32 dots"),
        ("[fit]\nx = {" + ".".join(["'a'"] * 100_000) + " = 1}\n", "line 2: a name has more than 32 dots"),
        ("[fit]\nx = 1" + "0" * 500_000 + "\n", "too long or too deep"),
    ],
    ids=["tag", "alias", "brackets", "name", "header", "inline", "digits"],
)
def test_c02_what_builds_objects_or_grows_is_refused_at_once(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "ockham.toml"
    path.write_text(content)
    assert said in load(path).message
    assert [item.name for item in tmp_path.iterdir()] == ["ockham.toml"]


def test_c02_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "ockham.toml"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    tracemalloc.start()
    assert "larger than 1 MB" in load(path).message
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_c02_names_and_numbers_of_an_honest_file_are_no_deep_names(tmp_path: Path) -> None:
    path = tmp_path / "ockham.toml"
    numbers = ", ".join(["0.1"] * 500)
    path.write_text(f'[fit]\ndata = "{"a." * 200}csv"\nshares = [{numbers}]\n[fit.endpoint]\nurl = "http://a.b.c/"\n')
    assert len(config.load(path)["fit"]["data"]) == 403  # type: ignore[arg-type]


def test_c04_a_bundle_names_no_file_outside_itself(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CANARY)
    for number, name in enumerate(("../secret", str(tmp_path / "secret"), "a/../../secret", "..\\secret", "~/secret")):
        folder = tmp_path / f"bundle{number}"
        folder.mkdir()
        (folder / "model.json").write_text("{}")
        bundle(folder, "constant")
        manifest = json.loads((folder / "bundle.json").read_text())
        manifest["files"][name] = manifest["files"]["model.json"]
        (folder / "bundle.json").write_text(json.dumps(manifest))
        for attempt in (store.read_bundle, store.verify_folder):
            with pytest.raises(BundleError) as caught:
                attempt(folder)
            assert CANARY not in str(caught.value)


def test_c04_a_link_in_a_bundle_that_leads_outside_is_no_file_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    bundle(folder, "constant")
    (folder / "model.json").unlink()
    (folder / "model.json").symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError):
        store.verify_folder(folder)


def test_c04_a_path_means_what_the_system_says_and_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell expands ``~``; in a file it is a name like another, and the message shows which path was meant."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"~/rows\.csv cannot be opened: No such file") as caught:
        read("~/rows.csv", ReadSpec())
    assert caught.value.code == "E_IO"
    (tmp_path / "a").mkdir()
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    assert read("a/../rows.csv", ReadSpec()).rows == 1


def write_rows(folder: Path) -> None:
    draw = random.Random(3)
    words = {label: ["".join(draw.choices("abcdefgh", k=5)) for _ in range(40)] for label in "ab"}
    rows = [f"{' '.join(draw.choices(words[label], k=6))},{label}\n" for label in "ab" * 40]
    (folder / "rows.csv").write_text(f"text,label\n{''.join(rows)}")


def test_c05_no_setting_takes_a_value_out_of_the_environment(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole command, with a reference where text may stand: the run holds the reference and never the secret."""
    write_rows(tmp_path)
    (tmp_path / "ockham.toml").write_text('[fit]\ndata = "rows.csv"\nout = "run-${HF_TOKEN}"\nrung = "constant"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", CANARY)
    status, out, err = run("fit", "--unsealed", "--json")
    assert status in (0, 3, 4), err
    assert json.loads(out)["run"] == "run-${HF_TOKEN}"
    told = [out, err, *(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*.*"))]
    assert len(told) > 8
    assert not [text for text in told if CANARY in text]


CONTRADICTIONS: list[tuple[str, tuple[str, ...], str]] = [
    ("fit", ("--input", "label", "--target", "label"), "named as both input and target"),
    ("fit", ("--judge-model", "m"), "the judge has no address"),
    ("fit", ("--endpoint-key-env", "NAME"), "the endpoint has no address"),
    ("predict", ("--endpoint-key-env", "NAME"), "the endpoint has no address"),
]


@pytest.mark.parametrize(("verb", "flags", "said"), CONTRADICTIONS)
def test_c07_settings_that_contradict_each_other_are_refused(
    verb: str, flags: tuple[str, ...], said: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path)
    named = ("rows.csv",) if verb == "fit" else ("bundle", "rows.csv")
    status, out, err = run(verb, *named, *flags)
    assert (status, out) == (2, "")
    assert said in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv"]
