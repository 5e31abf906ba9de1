"""A model that is named is measured, or the command is refused before any data is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny_gguf

from ockham import FitSpec, Requirements, fit
from ockham.errors import ConfigError


def test_a_language_model_that_no_named_rung_runs_is_refused(tmp_path: Path) -> None:
    spec = FitSpec(models=(str(tiny_gguf.write(tmp_path / "tiny.gguf")),), rungs=("constant", "linear"))
    with pytest.raises(ConfigError, match="--rung no rung that runs it") as refusal:
        fit(tmp_path / "there is no such file.csv", spec, Requirements(), out=tmp_path / "run")
    assert "--rung decoder" in refusal.value.fix
