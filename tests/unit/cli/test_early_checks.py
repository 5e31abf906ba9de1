"""A command that cannot work says so at once: before a heavy library is loaded, or a process forked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.architecture.test_house import BANNED

from ockham import config
from ockham.errors import ConfigError
from ockham.rung_table import RUNGS
from ockham.rungs.registry import KNOWN

WRONG = {
    "fit": ("E_CONFIG", "name the file"),
    "fit nofile.csv": ("E_IO", "check the path"),
    "fit d.csv --rung liner": ("E_CONFIG", "did you mean linear?"),
    "fit d.csv --min-accuracy 9": ("E_CONFIG", "at most 1"),
    "fit d.csv --config other.toml": ("E_CONFIG", "did you mean min_accuracy?"),
    "fit d.csv --models ockham-nan": ("E_MODEL_MISSING", "did you mean ockham-nano?"),
    "fit d.csv --models ockham-nano,SmolLM2-135M-Instrct": ("E_MODEL_MISSING", "did you mean SmolLM2-135M-Instruct"),
    "fit d.csv --dry-run --models ockham-nan": ("E_MODEL_MISSING", "did you mean ockham-nano?"),
    "fit --dry-run": ("E_CONFIG", "name the file: ockham fit --dry-run FILE"),
    "tune d.csv --base ockham-nan": ("E_MODEL_MISSING", "did you mean ockham-nano?"),
    "eval owner/model d.csv": ("E_MODEL_MISSING", "fetch it first: hf download owner/model"),
    "tune nofile.csv --base ockham-nano": ("E_IO", "check the path"),
    "predict runs/none d.csv": ("E_RUN_MISSING", "create a run first"),
    "eval runs/none d.csv": ("E_RUN_MISSING", "create a run first"),
    "export runs/none --to onnx -o x": ("E_RUN_MISSING", "create a run first"),
    "verify runs/none": ("E_RUN_MISSING", "create a run first"),
    "report runs/none": ("E_RUN_MISSING", "create a run first"),
    "curate d.csv": ("E_CONFIG", "add -o FOLDER"),
    "decide --task classify": ("E_CONFIG", "these options are missing"),
}
SCRIPT = f"""
import sys
from ockham.cli import error_report, run
error_report.guard(lambda: run(sys.argv[1:]))
print("LOADED", *sorted(set({sorted(BANNED)!r}) & set(sys.modules)))
"""


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_said_before_anything_heavy_is_loaded(tmp_path: Path, line: str) -> None:
    (tmp_path / "d.csv").write_text("text,label\na,b\n")
    (tmp_path / "other.toml").write_text("[fit]\nmin_acuracy = 0.9\n")
    command = [sys.executable, "-c", SCRIPT, *line.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, text=True, stdin=subprocess.DEVNULL)
    code, fix = WRONG[line]
    assert done.stderr.startswith(f"{code}: ")
    assert fix in done.stderr
    assert done.stdout == "LOADED\n"


def test_the_names_of_rungs_are_those_of_the_ladder() -> None:
    numbers = {rung.name: rung.number for rung in KNOWN}
    assert sorted(RUNGS, key=lambda name: numbers[name]) == list(RUNGS)


def test_a_rung_that_there_is_not_is_refused_with_the_nearest() -> None:
    config.check_rungs(("linear", "decoder-tuned"))
    with pytest.raises(ConfigError) as caught:
        config.check_rungs(("linear", "decoder_tuned"))
    assert caught.value.message == "there is no rung 'decoder_tuned'"
    assert caught.value.fix.startswith("did you mean decoder-tuned?")
