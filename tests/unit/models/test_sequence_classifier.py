"""A classifier that was made elsewhere says how much of a text it left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests import tiny_classifier
from tests.tiny_classifier import LABELS

from ockham.models import model_files, sequence_classifier
from ockham.models.sequence_classifier import ClassifierSettings


@pytest.mark.tune
@pytest.mark.parametrize(
    ("engine", "graph", "write"),
    [("onnx", "model.onnx", tiny_classifier.write_onnx), ("transformers", "", tiny_classifier.write_transformers)],
)
def test_the_share_of_a_text_that_is_not_read_is_told(
    engine: sequence_classifier.Engine, graph: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    write(tmp_path / sequence_classifier.MODEL)
    settings = ClassifierSettings(engine=engine, labels=LABELS, max_tokens=32, graph=graph)
    model_files.write(settings, tmp_path / sequence_classifier.FILE)
    model = sequence_classifier.load(tmp_path)
    short, exact, long = model.answer(["parcel late", "milk " * 30, "milk " * 304])
    assert (short.tokens_in, short.unread) == (4, 0)
    assert (exact.tokens_in, exact.unread) == (32, 0)
    assert long.tokens_in == 32
    assert long.unread == pytest.approx(1 - 32 / 306)
