"""The installed command on real files: what stands on stdout and stderr, exit statuses."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ockham.cli import commands

ROOT = Path(__file__).parents[2]
OCKHAM = Path(sys.executable).with_name("ockham")
COLUMNS = ("--input", "subject", "--input", "body", "--target", "label")
QUICK = ("--rung", "constant", "--rung", "linear")


def command(*args: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OCKHAM, *args], cwd=cwd, env={**os.environ, **environment}, capture_output=True, check=False, text=True
    )


@pytest.fixture(scope="module")
def run(mails: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One climb of the two quickest rungs over the example, as JSON."""
    folder = tmp_path_factory.mktemp("climb")
    done = command("fit", mails, *COLUMNS, *QUICK, "--json", "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_stdout_is_one_verdict_and_stderr_tells_the_way(
    run: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    from pydantic import TypeAdapter

    from ockham.records import Verdict

    folder, done = run
    verdict = TypeAdapter(Verdict).validate_json(done.stdout)
    assert done.stdout.count("\n") == 1
    assert verdict.chosen == "linear"
    assert verdict.exit_status == 0
    summary = verdict.dataset
    assert summary.rows == 214
    assert summary.rows == summary.train + summary.valid + summary.test + sum(summary.dropped.values())
    measured = {c.name: c for c in verdict.candidates if c.status == "measured"}
    assert set(measured) == {"constant", "linear"}
    assert measured["linear"].metrics["accuracy"].low > measured["constant"].metrics["accuracy"].high
    for stage in ("read", "split", "climb", "measure"):
        assert f"{stage}: " in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "run" / "report.html").stat().st_size > 10_000
    assert (folder / "run" / "bundle" / "bundle.json").exists()


def test_no_words_of_the_data_stand_on_stderr(mails: Path, run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = run
    with mails.open(encoding="utf-8", newline="") as stream:
        bodies = [row["body"].strip() for row in csv.DictReader(stream)]
    assert [body for body in bodies if len(body) > 20 and body[:20] in done.stderr] == []


def test_the_same_command_again_finds_everything_done(
    mails: Path, run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    folder, done = run
    again = command("fit", mails, *COLUMNS, *QUICK, "--json", "--out", "run", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == json.loads(done.stdout)


def test_a_bundle_answers_every_row(mails: Path, run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = run
    done = command("predict", "run", mails, "-o", "answers.csv", cwd=folder)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with (folder / "answers.csv").open(encoding="utf-8", newline="") as stream:
        answers = list(csv.DictReader(stream))
    with mails.open(encoding="utf-8", newline="") as stream:
        given = list(csv.DictReader(stream))
    assert len(answers) == len(given)
    right = sum(a["answer"] == g["label"] for a, g in zip(answers, given, strict=True))
    assert right > 0.7 * len(given)
    assert all(0 <= float(a["confidence"]) <= 1 for a in answers)


def test_a_bundle_is_measured_on_labelled_rows(mails: Path, run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = run
    done = command("eval", "run/bundle", mails, *COLUMNS, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    accuracy = report["metrics"]["accuracy"]
    assert report["candidate"]["name"] == "linear"
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert accuracy["value"] > 0.7


def test_a_report_is_written_again(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = run
    (folder / "run" / "report.html").unlink()
    done = command("report", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / done.stdout.strip()).read_bytes().startswith(b"<!")


def test_requirements_that_none_meets_leave_with_3(mails: Path, tmp_path: Path) -> None:
    done = command("fit", mails, *COLUMNS, "--rung", "constant", "--min-accuracy", "0.9", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "constant" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize(
    ("content", "flags", "code"),
    [
        ("", (), "E_EMPTY"),
        ("text,label\nhello,a\n", (), "E_TOO_FEW"),
        ("text,label\nhello,a\n", ("--target", "labl"), "E_LABEL_MISSING"),
        ("text,label\nhello,a\n", ("--input", "txt"), "E_COLUMN"),
        ("text,label\nhello,a\n", ("--epochs", "0"), "E_CONFIG"),
        ("text,label\nhello,a\n", ("--rung", "liner"), "E_CONFIG"),
    ],
)
def test_bad_input_is_two_lines_and_exit_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str,
    flags: Sequence[str],
    code: str,
) -> None:
    """Each in this process, and unsealed; one of them as a user calls it."""
    (tmp_path / "data.csv").write_text(content)
    monkeypatch.chdir(tmp_path)
    args = ("fit", "data.csv", "--quiet", *flags)
    with pytest.raises(SystemExit) as leaving:
        commands.main([*args, "--unsealed"])
    out, err = capsys.readouterr()
    assert (leaving.value.code, out) == (2, ""), err
    first, second = err.splitlines()
    assert first.startswith(f"{code}: ")
    assert second.startswith("  next: ")
    if code == "E_TOO_FEW":
        done = command(*args, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", err)


def test_a_locale_without_unicode_stops_nothing(tmp_path: Path) -> None:
    done = command("doctor", cwd=tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


@pytest.mark.slow
def test_the_language_model_that_comes_along_is_climbed_without_a_network(tmp_path: Path) -> None:
    lines = (ROOT / "examples" / "deliveries.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "few.jsonl").write_text("".join(lines[:25]), encoding="utf-8")
    rungs = ("--rung", "constant", "--rung", "decoder", "--models", "ockham-nano")
    done = command("fit", "few.jsonl", *rungs, "--json", "--out", "run", cwd=tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    by_name = {line["name"]: line for line in json.loads(done.stdout)["candidates"]}
    assert by_name["decoder:ockham-nano"]["status"] == "measured"
    export = ("export", "run", "--rung", "decoder:ockham-nano", "--to", "gguf", "-o", "exported")
    again = command(*export, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "exported" / "model.gguf").stat().st_size > 8_000_000
