"""What libraries choose by the processor: the other side of each choice, wherever it can be forced, ends the same.

docs/design/011-processors.md lists the choices. Here a process computes as on a processor without vector instructions
beyond those that every x86-64 has, and another one as its own processor lets it.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import tiny_gguf
from tests.e2e.test_curate_kill import corpus

from ockham.llm.llamacpp import Engine, EngineSpec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="forces choices among x86-64 processors"),
]

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("processor_child.py")
NUMPY: Any = importlib.import_module("numpy._core._multiarray_umath")  # which has no types
OLD = {
    "ARROW_USER_SIMD_LEVEL": "NONE",
    "ATEN_CPU_CAPABILITY": "default",
    "NPY_DISABLE_CPU_FEATURES": " ".join(NUMPY.__cpu_dispatch__),
    "NUMBA_CPU_NAME": "generic",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
}
"""Choices of a processor of 2008, each as its library lets itself be told."""


def child(what: str, *given: str, **forced: str) -> Any:
    """Let a process compute something; where choices are forced, its kernels stand in a folder of their own."""
    unforced = {name: value for name, value in os.environ.items() if name not in OLD}
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    own = {"OCKHAM_KERNELS": str(Path(os.environ["OCKHAM_KERNELS"]) / "generic")} if forced else {}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(CHILD), what, *given],
        capture_output=True,
        check=True,
        text=True,
        env=unforced | {"PYTHONPATH": path} | own | forced,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_curated_data_is_the_same_to_the_last_byte(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="the extra curate is not installed")
    source = str(corpus(tmp_path / "a.jsonl"))
    here = child("curate", source, str(tmp_path / "here"))
    old = child("curate", source, str(tmp_path / "old"), **OLD)
    assert old["chose"] == "generic" != here["chose"]
    assert len([name for name in here["found"] if name.startswith("clean/")]) >= 1
    assert old["found"] == here["found"]


def test_a_head_answers_the_same_with_every_linear_algebra() -> None:
    here = child("solve", "", "")
    old = child("solve", "", "", **OLD)
    assert old["chose"]["blas"] == ["Nehalem"] != here["chose"]["blas"]
    assert not {*OLD["NPY_DISABLE_CPU_FEATURES"].split()} & {*old["chose"]["numpy"]}
    assert old["answers"] == here["answers"]
    # The solver ends where the gradient is small enough, and sums in another order end it elsewhere near the optimum.
    assert np.array(old["found"]) == pytest.approx(np.array(here["found"]), abs=2e-3)


@pytest.mark.tune
def test_a_tuning_step_is_the_same_within_its_precision(tmp_path: Path) -> None:
    from tests.integration.tuning.test_decoder_tuning import LOSS, SLOPES

    here = child("tune", "", str(tmp_path / "here"))
    old = child("tune", "", str(tmp_path / "old"), **OLD)
    assert old["chose"] == "DEFAULT" != here["chose"]
    for precision, tolerance in LOSS.items():
        one, other = old["found"][precision], here["found"][precision]
        assert one["loss"] == pytest.approx(other["loss"], rel=tolerance)
        slopes = np.array(other["slopes"])
        assert np.array(one["slopes"]) == pytest.approx(slopes, abs=SLOPES[precision] * np.abs(slopes).max())


def test_answers_do_not_depend_on_the_engines_threads(tmp_path: Path) -> None:
    """How many there are is measured anew on each machine (`ockham.llm.thread_count`); sums are never divided."""
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    found = []
    for threads in (1, 2, 3):
        engine = Engine(weights, EngineSpec(context=256, slots=1, threads=threads))
        try:
            prompt = engine.tokens("the parcel is late", special=False)
            found.append(engine.likelihoods(prompt, list(range(5, 25)), slot=0))
        finally:
            engine.close()
    assert found[0] == found[1] == found[2]
