"""A run is about an encoder's files, not about its name: other files under it are another run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests import tiny_encoder

from ockham.errors import RunError
from ockham.ladder.fit import FitSpec, fit
from ockham.records import Verdict
from ockham.store import identity_of


@pytest.mark.parametrize("layout", ["modules", "model2vec"])
def test_an_encoder_whose_files_were_replaced_is_another_one(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tiny_encoder.write_static(tmp_path / "static", layout)
    rows = tiny_encoder.labelled_rows()

    def run(out: str | None = None) -> Verdict:
        return fit(rows, FitSpec(rungs=("encoder",), encoder=("static",), all=True), out=out)

    first, again = run(), run()
    assert first.run == again.run
    weights = next(folder.rglob("model.safetensors"))
    kept = weights.stat()
    arrays = load_file(weights)
    name = next(name for name, array in arrays.items() if array.ndim == 2)
    save_file({**arrays, name: np.ascontiguousarray(arrays[name][::-1])}, weights)
    os.utime(weights, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # as a copy may bring its time along
    assert weights.stat().st_size == kept.st_size
    other = run()
    assert other.run != first.run
    assert identity_of(Path(other.run))["encoder"] == identity_of(Path(first.run))["encoder"] == ["static"]
    with pytest.raises(RunError, match=r"was made with other settings: encoder_files\.static was"):
        run(first.run)
    tokenizer = next(folder.rglob("tokenizer.json"))
    tokenizer.write_text(tokenizer.read_text() + "\n")
    assert run().run not in (first.run, other.run)


def test_the_files_of_an_encoder_that_no_rung_uses_are_not_looked_at(tmp_path: Path) -> None:
    rows = tiny_encoder.labelled_rows()
    fit(rows, FitSpec(rungs=("constant",), encoder=("nowhere",), all=True), out=tmp_path / "run")
    assert identity_of(tmp_path / "run")["encoder"] == ["nowhere"]
    assert "encoder_files" not in identity_of(tmp_path / "run")
