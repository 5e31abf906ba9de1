"""A classifier that was made elsewhere says how much of a text it left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import tiny_classifier
from tests.tiny_classifier import LABELS

from ockham.errors import ModelError
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


def test_threads_of_a_graph_sleep_where_they_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    tokenizers = pytest.importorskip("tokenizers")
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")).save(f"{tmp_path}/tokenizer.json")
    seen: list[str] = []

    def open_session(_graph: str, options: Any, providers: object) -> None:
        seen.append(options.get_session_config_entry("session.intra_op.allow_spinning"))
        raise RuntimeError(f"nothing to open for {providers}")

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    with pytest.raises(ModelError, match="cannot be loaded"):
        sequence_classifier._open_onnx(tmp_path, ClassifierSettings(engine="onnx", labels=LABELS, max_tokens=32))
    assert seen == ["0"]
