"""A linear candidate as a scikit-learn pipeline in a skops file: no pickle, and nothing of ockham to load it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.bundles.export_source import ExportSource
from ockham.bundles.onnx_folder import finish_folder, write_labels, write_program
from ockham.errors import ModelError
from ockham.models import counting, linear, model_files, tfidf
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL = "model.skops"


def write_folder(source: ExportSource, out: Path) -> None:
    """Write the pipeline, a program, a test row and a model card into a new folder, and try the program.

    Raises `ModelError`: ``E_MODEL_MISSING`` where skops is not installed, ``E_PARITY`` where the program's answer to
    the test row is not the bundle's.
    """
    if importlib.util.find_spec("skops") is None:
        raise ModelError("E_MODEL_MISSING", "exporting to scikit-learn needs skops", fix=install_command("sklearn"))
    import sklearn
    from skops import io

    io.dump(pipeline(source.folder), out / MODEL)
    write_labels(source, linear.load(source.folder).settings.labels, out)
    write_program("answer_sklearn", out)
    finish_folder(source, out, form="a scikit-learn pipeline", needs=f"scikit-learn=={sklearn.__version__} skops")


def pipeline(folder: Path) -> Any:  # noqa: ANN401 - a Pipeline
    """Make a fitted scikit-learn pipeline of a linear bundle: its ``predict_proba`` is the bundle's.

    The classifier of the bundle is linear with one temperature, which is what a logistic regression is once its weights
    are divided by it.
    """
    from sklearn.pipeline import FeatureUnion, Pipeline

    terms = model_files.read(tfidf.Terms, folder / tfidf.TERMS)
    idf = model_files.read_arrays(folder / tfidf.WEIGHTS, ("words", "characters"))
    words = {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": counting.WORD}
    characters = {"analyzer": "char_wb", "ngram_range": counting.WIDTHS}
    features = FeatureUnion(
        [
            ("words", _vectorizer(terms.words, idf["words"], **words)),
            ("characters", _vectorizer(terms.characters, idf["characters"], **characters)),
        ]
    )
    return Pipeline([("features", features), ("classifier", _classifier(linear.load(folder)))])


def _vectorizer(terms: tuple[str, ...], idf: NDArray[np.float32], **options: Any) -> Any:  # noqa: ANN401
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    columns = {term: column for column, term in enumerate(terms)}
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, vocabulary=columns, **options)
    vectorizer.idf_ = idf
    return vectorizer


def _classifier(model: linear.Linear) -> Any:  # noqa: ANN401 - a LogisticRegression
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    weight, bias = (array.astype(np.float64).T / model.settings.temperature for array in (model.weight, model.bias))
    if len(bias) == 2:  # of two labels scikit-learn keeps one margin, that of the second over the first
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    classifier = LogisticRegression(C=model.settings.strength)
    classifier.classes_ = np.array(model.settings.labels)
    classifier.coef_, classifier.intercept_ = weight.astype(np.float32), bias.astype(np.float32)
    classifier.n_features_in_, classifier.n_iter_ = weight.shape[1], np.array([0], np.int32)
    return classifier
