"""Models that learn from words read rows without the text that all share, in training and when they serve."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sample_letters import FORMS, framed, letters

from ockham import store
from ockham.data.prepare import Prepared, prepare
from ockham.data.shared_text import SharedText
from ockham.data.split import SplitSpec
from ockham.errors import ModelError
from ockham.evals import metrics
from ockham.ladder.fit import FitSpec, fit
from ockham.models import backend, linear, lookup
from ockham.models.backend import SHARED, Model, ShortReader, load_model
from ockham.readers.read import ReadSpec
from ockham.records import Example

LETTERS = letters()


def prepared(form: str) -> Prepared:
    rows = [{"text": framed(form, text, number), "label": label} for number, (text, label) in enumerate(LETTERS)]
    return prepare(rows, ReadSpec(), SplitSpec(), test=None, task_name=None, on_progress=lambda _: None)


def serve(fitted: Prepared, kind: str, folder: Path) -> Model:
    """Fit a model on what models read, and load it as it is served."""
    train, valid = ([fitted.short[row] for row in side] for side in (fitted.split.train, fitted.split.valid))
    if kind == "linear":
        linear.fit(train, valid, folder, metric=metrics.share_right, seed=0)
    else:
        lookup.learn([*train, *valid]).save(folder)
    backend.save_shared_text(fitted.shared, folder)
    return load_model(kind, folder)


def accuracy(fitted: Prepared, model: Model) -> float:
    rows: list[Example] = [fitted.dataset.examples[row] for row in fitted.split.test]
    answers = model.answer([row.input for row in rows])
    return sum(answer.value == row.target for answer, row in zip(answers, rows, strict=True)) / len(rows)


@pytest.fixture(scope="module", params=["linear", "lookup"])
def bare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float]:
    """Return a kind of model and its accuracy on rows without shared text."""
    rows = prepared("bare")
    return request.param, accuracy(rows, serve(rows, request.param, tmp_path_factory.mktemp("bare")))


@pytest.mark.parametrize("form", FORMS)
def test_linear_and_lookup_are_as_good_behind_shared_text_as_without(
    form: str, bare: tuple[str, float], tmp_path: Path
) -> None:
    kind, expected = bare
    assert expected > 0.9
    wrapped = prepared(form)
    assert accuracy(wrapped, serve(wrapped, kind, tmp_path)) == pytest.approx(expected, abs=0.03)


def test_what_models_do_not_read_is_learnt_from_the_rows_they_learn_from() -> None:
    fitted = prepared("109 words")
    assert fitted.shared.passages[0].words > 100
    assert prepared("bare").shared == SharedText()


def test_the_bundle_holds_what_its_model_does_not_read_and_serves_so(tmp_path: Path) -> None:
    rows = [{"text": framed("109 words", text, 0), "label": label} for text, label in LETTERS]
    fit(rows, FitSpec(rungs=("linear",), all=True), out=tmp_path)
    folder = tmp_path / "bundle"
    manifest = store.read_bundle(folder)
    assert SHARED in manifest.files
    model, plain = load_model(manifest.kind, folder), backend.load_backend(manifest.kind).load(folder)
    assert isinstance(model, ShortReader)
    inputs = [row["text"] for row in rows[:20]]
    assert model.answer(inputs) == plain.answer([text for text, _ in LETTERS[:20]])
    assert model.answer(inputs) == [model.answer([text])[0] for text in inputs]
    assert model.answer([]) == []
    (folder / SHARED).write_text('{"passages": [{"tokens": 3}]}')
    with pytest.raises(ModelError) as caught:
        load_model(manifest.kind, folder)
    assert caught.value.code == "E_MODEL_FORMAT"


def test_a_model_of_rows_that_share_nothing_reads_everything(tmp_path: Path) -> None:
    model = serve(prepared("bare"), "lookup", tmp_path)
    assert not (tmp_path / SHARED).exists()
    assert not isinstance(model, ShortReader)
