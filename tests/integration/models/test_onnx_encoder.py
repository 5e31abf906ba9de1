"""Texts that are longer than an encoder: read in windows, the same in fitting, tuning and serving."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from tests import tiny_encoder

from ockham.convert import onnx_graph
from ockham.ladder.fit import FitSpec, fit
from ockham.models import encoder, onnx_encoder, sentence_encoder
from ockham.models.onnx_encoder import Embedder
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.records import Progress
from ockham.tuning import encoder_tuning, linear_head
from ockham.tuning.tune_spec import TuneSpec

FILL = tiny_encoder.WORDS[12:]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    """An encoder that takes 40 tokens, two of them its own."""
    return sentence_encoder.find(str(tiny_encoder.write(tmp_path_factory.mktemp("tiny"), "bert")))


@pytest.fixture(scope="module")
def embedder(found: SentenceEncoder) -> Embedder:
    graph, _ = onnx_graph.build(found, found.weights())
    settings = onnx_encoder.settings_of(found)
    return onnx_encoder.open_graph(graph, found.folder / "tokenizer.json", settings, threads=1)


def long_text(seed: int, words: int, last: str) -> str:
    draw = random.Random(seed)
    return " ".join([*draw.choices(FILL, k=words), *[last] * 3])


def unknown_words(seed: int) -> str:
    """Make words that the encoder does not know, and that no two texts share."""
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("bcdfghjklmnpqrstvwxz", k=7)) for _ in range(400))


def test_a_text_that_fits_is_read_as_it_was(embedder: Embedder) -> None:
    texts = ["parcel late", "", " ".join(FILL * 6), "milk"]
    windows = embedder.windows(texts)
    assert (list(windows.rows), windows.counts, windows.unread) == (embedder.tokens(texts), (1, 1, 1, 1), (0, 0, 0, 0))
    assert embedder.embed(texts).tobytes() == embedder.vectors(embedder.tokens(texts)).tobytes()


def test_the_end_of_a_long_text_is_read(embedder: Embedder) -> None:
    one, other = long_text(1, 100, "refund"), long_text(1, 100, "courier")
    windows = embedder.windows([one, "milk", other])
    assert windows.counts == (3, 1, 3)
    assert windows.unread == (0, 0, 0)
    assert embedder.tokens([one]) == embedder.tokens([other]), "the first window alone cannot tell them apart"
    first, short, second = embedder.embed([one, "milk", other])
    assert np.abs(first - second).max() > 1e-5
    assert short.tobytes() == embedder.embed(["milk"])[0].tobytes()
    assert np.linalg.norm(first) == pytest.approx(1.0, abs=1e-5)


def test_every_token_of_a_long_text_stands_in_a_window(embedder: Embedder) -> None:
    text = " ".join(random.Random(2).choices(tiny_encoder.WORDS, k=150))
    seen: list[int] = []
    whole = [embedder.tokenizer.token_to_id(word) for word in text.split()]
    for row in embedder.windows([text]).rows:
        assert len(row) <= 40
        inner = row[1:-1]
        start = next(at for at in range(len(seen) + 1) if whole[at : at + len(inner)] == inner and at >= len(seen) - 5)
        seen = whole[: start + len(inner)]
    assert seen == whole


def test_windows_are_bounded_and_what_is_not_read_is_counted(embedder: Embedder) -> None:
    texts = [long_text(3, 2000, "refund"), "milk", long_text(4, 100, "paid")]
    windows = embedder.windows(texts)
    assert windows.counts == (8, 1, 3)
    assert list(windows.unread) == [pytest.approx(1 - 8 * 38 / 2003, abs=0.03), 0, 0]
    refund = embedder.tokenizer.token_to_id("refund")
    assert refund in windows.rows[7], "the last window is always read"
    assert windows.rows[0] == embedder.tokens(texts)[0], "and so is the first"


def test_one_vector_is_made_of_several() -> None:
    vectors = np.array([[3, 0], [0, 4], [1, 1], [0, 0], [0, 0]], np.float32)
    pooled = onnx_encoder.pool(vectors, [2, 1, 2])
    assert pooled[0] == pytest.approx([3 * 3.5 / 5, 4 * 3.5 / 5])
    assert pooled[1].tolist() == [1, 1]
    assert pooled[2].tolist() == [0, 0]


def test_tuning_pools_as_serving_does() -> None:
    import torch

    vectors = np.random.default_rng(1).normal(size=(9, 5)).astype(np.float32)
    for counts in ([1] * 9, [2, 1, 5, 1], [9]):
        pooled = encoder_tuning._pool(torch.from_numpy(vectors), counts).numpy()
        assert pooled == pytest.approx(onnx_encoder.pool(vectors, counts), abs=1e-6)


def test_a_tuned_encoder_answers_long_texts_as_it_was_tuned(found: SentenceEncoder, embedder: Embedder) -> None:
    texts = [long_text(seed, 20 + 15 * (seed % 9), ("refund", "courier", "pump")[seed % 3]) for seed in range(24)]
    targets = [("a", "b", "c")[seed % 3] for seed in range(24)]
    windows = embedder.windows(texts)
    rows = encoder_tuning.EncoderRows(tokens=windows.rows, targets=targets, counts=windows.counts)
    assert max(windows.counts) > 3
    head = linear_head.solve(embedder.embed(texts), targets, 1.0)
    data = encoder_tuning.EncoderTrainingData(sentence=found, head=head, train=rows, valid=rows)

    class Nowhere:
        def load(self) -> None:
            return None

        def save(self, state: bytes) -> None:
            """Keep nothing."""

    spec = TuneSpec(epochs=2, batch=8, rank=2, learning_rate=1e-2)
    heard: list[list[str]] = []

    def metric(wanted: list[str], answers: list[str]) -> float:
        heard.append(list(answers))
        return float(len(heard))

    tuned = encoder_tuning.tune(data, spec, metric, Nowhere(), lambda _done, _total: None)  # type: ignore[arg-type]
    graph = onnx_graph.build(found, tuned.weights)[0]
    served = onnx_encoder.open_graph(graph, found.folder / "tokenizer.json", onnx_encoder.settings_of(found), threads=1)
    assert tuned.head.best(served.embed(texts)) == list(tuned.answers)


def test_a_fit_says_how_many_texts_are_long_and_serves_them_whole(tmp_path: Path, found: SentenceEncoder) -> None:
    ends = {"money": "refund", "post": "courier"}
    rows = [
        {"text": f"{unknown_words(number)} {long_text(number, 60 if number % 10 else 900, end)}", "label": label}
        for number in range(100)
        for label, end in [list(ends.items())[number % 2]]
    ]
    told: list[Progress] = []
    spec = FitSpec(inputs=("text",), target="label", rungs=("encoder",), encoder=(str(found.folder),))
    fit(rows, spec, out=tmp_path / "run", on_progress=told.append)
    notes = [progress.message for progress in told if "are read in windows" in progress.message]
    assert len(notes) == 1
    assert "are longer than 8 windows, and parts are not read" in notes[0]
    model = encoder.load(tmp_path / "run" / "bundle")
    (answer,) = model.answer([long_text(5, 200, "refund")])
    assert answer.tokens_in is not None
    assert answer.tokens_in > 200
