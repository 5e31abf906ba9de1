"""A bundle as a scikit-learn classifier: the conventions that a text classifier can hold, checked one by one."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tests.integration.bundles.test_loaded_model import seal
from tests.integration.serving.test_process import ROWS

from ockham.errors import BundleError, ConfigError, DataError
from ockham.models import linear, lookup
from ockham.sklearn import Classifier

TEXTS = [row.input for row in ROWS]
TARGETS = [row.target for row in ROWS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seal(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Iterator[Classifier]:
    fitted = Classifier(folder)
    yield fitted
    fitted.close()


def test_labels_and_probabilities_are_those_of_the_model(classifier: Classifier) -> None:
    model = linear.learn(ROWS, 1.0, seed=0, temperature=0.5)
    answers = model.answer(TEXTS)
    labels, shares = classifier.predict(TEXTS), classifier.predict_proba(TEXTS)
    assert labels.tolist() == [answer.value for answer in answers]
    assert shares.shape == (len(TEXTS), 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.max(axis=1).tolist() == [answer.confidence for answer in answers]
    assert classifier.classes_[shares.argmax(axis=1)].tolist() == labels.tolist()
    assert classifier.classes_.tolist() == sorted(set(TARGETS))


def test_it_works_in_metrics_and_pipelines(classifier: Classifier) -> None:
    assert classifier.score(TEXTS, TARGETS) == accuracy_score(TARGETS, classifier.predict(TEXTS))
    assert log_loss(TARGETS, classifier.predict_proba(TEXTS), labels=classifier.classes_) < 1
    strip = FunctionTransformer(lambda texts: [text.strip() for text in texts])
    assert make_pipeline(strip, classifier).predict([f" {TEXTS[0]} "]).tolist() == [TARGETS[0]]
    assert is_classifier(classifier)


def test_lists_arrays_series_and_frames_are_alike(classifier: Classifier, tmp_path: Path) -> None:
    expected = classifier.predict(TEXTS[:5]).tolist()
    column = np.array(TEXTS[:5], dtype=object)
    for inputs in (
        tuple(TEXTS[:5]),
        column,
        column.reshape(-1, 1),
        pd.Series(TEXTS[:5]),
        pd.DataFrame({"text": column}),
    ):
        assert classifier.predict(inputs).tolist() == expected
    several = Classifier(seal(tmp_path, ("subject", "body")))
    frame = pd.DataFrame({"body": ["late"], "subject": ["parcel"], "other": [1]})
    assert several.predict(frame).tolist() == ["delivery"]
    several.close()


def test_a_copy_and_a_pickle_hold_the_path_and_no_weights(
    classifier: Classifier, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert clone(classifier).get_params() == {"bundle": folder} == classifier.get_params()
    classifier.predict(TEXTS[:1])
    monkeypatch.chdir(folder.parent)
    data = pickle.dumps(Classifier(folder.name))
    assert len(data) < 1000
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(data)
    assert again.predict(TEXTS[:3]).tolist() == TARGETS[:3]
    again.close()
    again._digest = "sha256:" + "0" * 64
    with pytest.raises(BundleError, match="another one"):
        again.predict(TEXTS[:1])


def test_what_has_no_label_is_refused_by_its_place(classifier: Classifier) -> None:
    with pytest.raises(DataError, match="1 of 3 inputs have no label: 2"):
        classifier.predict(["a", " ", "b"])
    with pytest.raises(DataError, match="1 of 2 texts are blank: 1"):
        classifier.predict_proba(["", "b"])
    with pytest.raises(ConfigError, match="already fitted"):
        classifier.fit(TEXTS, TARGETS)


def test_a_model_without_probabilities_makes_none_up(tmp_path: Path) -> None:
    from tests.integration.serving.test_process import bundle

    lookup.learn(ROWS).save(tmp_path)
    nearest = Classifier(bundle(tmp_path, "lookup", sorted(set(TARGETS))))
    assert nearest.predict(TEXTS[:2]).tolist() == TARGETS[:2]
    with pytest.raises(ConfigError, match="no probability for each label"):
        nearest.predict_proba(TEXTS[:2])
    assert nearest.predict(TEXTS[:2]).tolist() == TARGETS[:2], "the process goes on"
    nearest.close()
