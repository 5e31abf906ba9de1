"""The benchmark scripts start, and the hand-written rungs measure what they say."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from benchmarks import table

from ockham.sealed import switches

ROOT = Path(__file__).parents[2]
MAIL = ROOT / "examples" / "support_mail.csv"
SWITCHES = {switch.name: switch.value for switch in switches.SWITCHES}
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py") if path.stem != "table")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


EACH_HELP = """
import contextlib, io, json, runpy, sys
told = {}
for name in sys.argv[1:]:
    text = io.StringIO()
    sys.argv[:] = [name, "--help"]
    with contextlib.redirect_stdout(text):
        try:
            runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            told[name] = [end.code or 0, text.getvalue().startswith("usage:")]
print(json.dumps(told))
"""


def test_every_benchmark_starts_without_its_peers() -> None:
    """One after the other in one process, which loads what they share once."""
    done = run(sys.executable, "-c", EACH_HELP, *NAMES)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: [0, True] for name in NAMES}


def test_bench_lists_the_benchmarks() -> None:
    done = run(ROOT / "scripts" / "bench", "no-such-benchmark")
    assert done.returncode == 2
    assert [name for name in NAMES if name not in done.stderr.split()] == ["handwritten"]


def test_benchmarks_and_their_peers_are_told_to_report_nothing(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase $1 in -m) env ;; *) exec "{sys.executable}" "$@" ;; esac\n')
    python.chmod(0o700)
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES} | {"PYTHON": str(python)}
    done = subprocess.run(
        [ROOT / "scripts" / "bench", "startup"], env=environment, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert {name: told.get(name) for name in SWITCHES} == SWITCHES
    assert {name: table.ENVIRONMENT.get(name) for name in SWITCHES} == SWITCHES


@pytest.mark.slow
def test_handwritten_constant_scores_the_share_of_the_largest_label(tmp_path: Path) -> None:
    with MAIL.open(encoding="utf-8", newline="") as file:
        labels = Counter(row["label"] for row in csv.DictReader(file))
    largest, count = labels.most_common(1)[0]
    out = tmp_path / "deep" / "constant.json"
    script = ROOT / "benchmarks" / "handwritten.py"
    columns = ("--input", "subject", "--input", "body", "--target", "label")
    done = run(sys.executable, script, "constant", "--train", MAIL, "--test", MAIL, "--out", out, *columns)
    assert done.returncode == 0, done.stderr
    told, written = json.loads(done.stdout), json.loads(out.read_text(encoding="utf-8"))
    assert told["accuracy"] == pytest.approx(count / labels.total())
    # Only one label is ever answered: its precision is the accuracy and its recall 1, every other F1 is 0.
    share = count / labels.total()
    assert told["f1_macro"] == pytest.approx(2 * share / (share + 1) / len(labels))
    assert set(written.pop("answers")) == {largest}
    assert written == told
    assert told["peak_rss_mb"] > 1


def test_the_plan_of_a_measured_model_stands_beside_what_was_measured() -> None:
    from benchmarks.plan_accuracy import compared

    row = {"model": "SmolLM2-135M", "quantization": "q8_0", "context": 256, "threads": 1}
    pairs = compared({**row, "prompt": 238, "read": 2.0, "step": 0.02, "peak": 242.0}, (20.0, 100.0))
    assert [measured for _, measured in pairs.values()] == [242.0, 119.0, 50.0]
    assert all(predicted > 0 for predicted, _ in pairs.values())
