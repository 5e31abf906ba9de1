"""Filters in `curate`: where they act, what is counted, what a resumed run may take over, and who runs them."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sample_package import SHOUTING, write_package

pytest.importorskip("numba", reason="the extra curate is not installed")

from ockham.cli.commands import run as command
from ockham.curation import map_stage
from ockham.curation.curate import Curated, curate, preview
from ockham.curation.curate_spec import CurateSpec
from ockham.errors import ConfigError, PlugError, RunError
from ockham.records import PlugSpec
from ockham.records.curation import Step

ROWS = (
    ("BUY NOW, BUY CHEAP, BUY HERE", "web"),
    ("A quiet line about the weather in spring.", "web"),
    ("AN OLD SIGN ABOVE THE DOOR", "archive"),
    ("a quiet line about THE WEATHER in spring", "web"),
    ("", "web"),
)
STEPS: tuple[Step, ...] = ("encoding", "exact")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with the filter `shouting` on the path of this process and of those that it starts."""
    folder = tmp_path / "site"
    put(folder, SHOUTING)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    sys.modules.pop("acme_shouting", None)


def put(folder: Path, code: str, version: str = "1.0") -> None:
    for old in folder.glob("*.dist-info"):
        old.rename(old.with_name(f"acme_shouting-{version}.dist-info"))
    write_package(folder, "filters", "shouting", code, version=version)
    sys.modules.pop("acme_shouting", None)
    importlib.invalidate_caches()
    for cached in folder.glob("__pycache__/*"):
        cached.unlink()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text, "source": source}) + "\n" for text, source in ROWS))
    return path


def spec(*filters: str | PlugSpec) -> CurateSpec:
    return CurateSpec(steps=STEPS, filters=filters)


def reasons(done: Curated) -> list[tuple[int, str]]:
    return [(row["record"], row["reason"]) for row in done.dropped_rows()]


def content(folder: Path) -> dict[str, bytes]:
    files = [*folder.glob("clean/*"), *folder.glob("quarantine/*"), *folder.glob("report.*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def test_a_filter_of_a_package_leaves_rows_out_with_its_reason(site: Path, data: Path, tmp_path: Path) -> None:
    done = curate(data, spec("shouting:spare=archive"), out=tmp_path / "out")
    assert reasons(done) == [
        (1, "shouting.capitals"),
        (4, "normalised_duplicate"),
        (5, "empty"),
    ]
    report = done.report
    assert report.rows == 5 == report.unchanged + report.changed + report.quarantined
    assert report.left_out["shouting.capitals"] == 1
    rule = next(rule for rule in report.rules if rule.reason == "shouting.capitals")
    assert (rule.step, rule.left_out, rule.limit) == ("filter", 1, None)
    assert report.steps == ("encoding", "filter", "exact")
    assert [(use.name, use.package) for use in report.filters] == [("shouting", "acme-shouting 1.0")]
    assert report.filters[0].settings == {"most": 0.5, "spare": ["archive"]}
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "acme-shouting 1.0" in page
    assert "shouting.capitals" in page
    first = content(tmp_path / "out")
    curate(data, spec("shouting:spare=archive"), out=tmp_path / "out")
    assert content(tmp_path / "out") == first, "a finished run answers as before"


def test_filters_act_in_their_order_and_before_duplicates(site: Path, data: Path, tmp_path: Path) -> None:
    done = curate(data, spec("pattern:drop=SIGN,drop=quiet", "shouting"), out=tmp_path / "out")
    assert reasons(done) == [
        (1, "shouting.capitals"),
        (2, "pattern.match"),
        (3, "pattern.match"),
        (4, "pattern.match"),
        (5, "empty"),
    ]
    skipped = curate(data, CurateSpec(steps=STEPS, skip=("filter",), filters=("shouting",)), out=tmp_path / "skipped")
    assert "shouting.capitals" not in skipped.report.left_out
    assert skipped.report.filters == ()


def test_any_number_of_processes_and_any_chunks_give_the_same_bytes(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "many.jsonl"
    lines = [json.dumps({"text": f"{ROWS[n % 3][0]} {n} " + "x" * 500, "source": "web"}) for n in range(4_500)]
    path.write_text("\n".join(lines))
    whole = curate(path, spec("shouting:most=0.02"), out=tmp_path / "whole")
    monkeypatch.setattr(map_stage, "_WORTH", 0)
    curate(path, spec("shouting:most=0.02"), out=tmp_path / "parts", workers=2, chunk_mb=1)
    assert whole.report.left_out["shouting.capitals"] > 1_000
    assert content(tmp_path / "whole") == content(tmp_path / "parts")


def test_a_run_never_mixes_two_versions_or_settings(site: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    curate(data, spec("shouting"), out=out)
    with pytest.raises(RunError, match="filters"):
        curate(data, spec("shouting:most=0.9"), out=out)
    with pytest.raises(RunError, match="filters"):
        curate(data, spec(), out=out)
    put(site, SHOUTING, version="1.1")
    with pytest.raises(RunError, match="filters"):
        curate(data, spec("shouting"), out=out)
    put(site, SHOUTING)
    curate(data, spec("shouting"), out=out)
    put(site, SHOUTING + "# the same version, another file\n")
    with pytest.raises(RunError, match="filters"):
        curate(data, spec("shouting"), out=out)


def test_a_filter_that_fails_leaves_no_folder_and_tells_no_row(site: Path, data: Path, tmp_path: Path) -> None:
    put(site, SHOUTING.replace("letters = [", "raise ValueError(record.text)\n    letters = ["))
    with pytest.raises(PlugError, match=r"the filter shouting \(acme-shouting 1.0\) raised ValueError") as caught:
        curate(data, spec("shouting"), out=tmp_path / "out")
    assert "BUY" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_error_in_another_process_comes_back_as_it_is(
    site: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, SHOUTING.replace("return ['capitals'", "return ['capitals'").replace("else None for", "else 'x' for"))
    monkeypatch.setattr(map_stage, "_WORTH", 0)
    with pytest.raises(PlugError, match="neither None nor one of its REASONS"):
        curate(data, spec("shouting"), out=tmp_path / "out", workers=2)


def test_the_command_takes_filters_from_flags_and_from_the_settings_file(
    site: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = ("--step", "encoding", "--step", "exact", "--json")
    flags = ("--filter", "shouting:spare=archive,most=0.5", "--filter", "pattern:drop=nothing")
    assert command(["curate", str(data), "-o", "flags", *steps, *flags]) == 0
    by_flags = json.loads(capsys.readouterr().out)
    (tmp_path / "ockham.toml").write_text(
        '[[curate.filters]]\nname = "shouting"\nsettings = {spare = ["archive"], most = 0.5}\n'
        '[[curate.filters]]\nname = "pattern"\nsettings = {drop = ["nothing"]}\n'
    )
    assert command(["curate", str(data), "-o", "file", *steps]) == 0
    by_file = json.loads(capsys.readouterr().out)
    assert by_flags == by_file
    assert by_file["left_out"]["shouting.capitals"] == 1
    (tmp_path / "ockham.toml").write_text(
        '[curate]\nfilters = ["shouting:spare=archive,most=0.5", "pattern:drop=nothing"]\n'
    )
    assert command(["curate", str(data), "-o", "words", *steps]) == 0
    assert json.loads(capsys.readouterr().out) == by_flags
    with pytest.raises(ConfigError, match="did you mean shouting"):
        command(["curate", str(data), "-o", "none", "--filter", "shoutin"])


def test_a_dry_run_asks_filters_too(site: Path, data: Path) -> None:
    assert preview(data, spec("shouting")).left_out["shouting.capitals"] == 2


def test_labelled_rows_come_with_their_target(site: Path, tmp_path: Path) -> None:
    put(site, SHOUTING.replace("if shouts(record, spec)", "if record.target == 'loud'"))
    path = tmp_path / "rows.csv"
    path.write_text("text,label\none word,loud\nanother word,quiet\n")
    done = curate(path, CurateSpec(steps=STEPS, filters=("shouting",)), out=tmp_path / "out")
    assert reasons(done) == [(1, "shouting.capitals")]
