"""A fit on rows in another language says what that means for the encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.data.test_languages import GERMAN, JAPANESE

from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import load_result
from ockham.records import Progress


@pytest.mark.parametrize(("texts", "language"), [(GERMAN, "German"), (JAPANESE, "Japanese")])
def test_a_fit_on_german_or_japanese_rows_names_a_multilingual_encoder(
    texts: list[str], language: str, tmp_path: Path
) -> None:
    marks = [chr(first) * 3 + chr(second) * 2 for first in range(97, 109) for second in range(97, 109)]
    rows = [{"text": f"{text} {mark}", "label": "ab"[n % 2]} for mark in marks for n, text in enumerate(texts)][:90]
    heard: list[Progress] = []
    fit(rows, FitSpec(rungs=("constant",)), out=tmp_path / "run", on_progress=heard.append)
    [said] = [one.message for one in heard if "most rows look like" in one.message]
    assert said.startswith(f"note: most rows look like {language}, and the built-in encoder was trained on English")
    assert "--encoder sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2" in said
    assert any("most rows look like" in warning for warning in load_result(tmp_path / "run").ingest.warnings)
    named = FitSpec(rungs=("constant",), encoder=("some/encoder",))
    fit(rows, named, out=tmp_path / "named", on_progress=heard.append)
    assert any("must have been trained on it" in one.message for one in heard)
