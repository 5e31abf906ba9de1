"""A run or a bundle as a scikit-learn classifier: it predicts in pipelines and metrics, and learns nothing there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, ClassifierMixin

from ockham import store
from ockham.bundles.loaded_model import LoadedModel, load
from ockham.errors import BundleError, ConfigError, DataError
from ockham.ladder.run_folder import bundle_of
from ockham.records import Manifest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

_LOADED, _DIGEST = "_model", "_digest"


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that `ockham fit` has made, for code that expects scikit-learn's.

    Inputs are a list, array or series of texts, or a frame where the model reads several columns. The model is loaded
    when it is first asked. A pickle or copy holds the path of the bundle and its digest, and no weights.
    """

    def __init__(self, bundle: str | os.PathLike[str]) -> None:
        """Name a run, whose chosen bundle is used, or a bundle."""
        self.bundle = bundle

    @property
    def classes_(self) -> NDArray[np.str_]:
        """The labels, sorted; the columns of `predict_proba`."""
        import numpy as np

        return np.array(self._manifest().labels)

    def fit(self, X: object, y: object = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's names
        """Refuse: the classifier was fitted by `ockham fit`. Raises `ConfigError` (``E_CONFIG``)."""
        message = "the bundle is already fitted, and scikit-learn cannot fit it again"
        fix = "make it with ockham.fit, or wrap it where a fit is asked for: sklearn.frozen.FrozenEstimator"
        raise ConfigError("E_CONFIG", message, fix=fix)

    def predict(self, X: object) -> NDArray[np.str_]:  # noqa: N803
        """Return the label of each input.

        Raises `DataError` (``E_FORMAT``) for inputs without a label: blank ones, and those to which the model gave no
        valid answer.
        """
        import numpy as np

        answers = self._load().predict(_rows(X))
        without = [str(number) for number, answer in enumerate(answers, 1) if answer.value is None]
        if without:
            message = f"{len(without)} of {len(answers)} inputs have no label: {', '.join(without[:10])}"
            raise DataError("E_FORMAT", message, fix="leave blank inputs out; ockham.load gives None for them")
        return np.array([answer.value for answer in answers], dtype=str)

    def predict_proba(self, X: object) -> NDArray[np.float64]:  # noqa: N803
        """Return the probability of each of ``classes_`` for each input: (inputs, classes).

        Raises `ConfigError` (``E_CONFIG``) for a model that knows the confidence of its answer alone: only linear
        models and encoders know the others, and none are made up.
        """
        import numpy as np

        rows = self._load().probabilities(_rows(X))
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.classes_))

    def close(self) -> None:
        """End the model's process; it is loaded again when it is asked again."""
        model: LoadedModel | None = self.__dict__.pop(_LOADED, None)
        if model is not None:
            model.close()

    def __sklearn_is_fitted__(self) -> bool:
        """Return true: a bundle was fitted before."""
        return True

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """Say that inputs are texts, and that no fit is needed."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Keep the bundle's whole path, and its digest, so that it is found again, and is still the same."""
        state = {name: value for name, value in super().__getstate__().items() if name != _LOADED}
        folder = self._folder()
        return {**state, "bundle": str(Path(self.bundle).absolute()), _DIGEST: store.bundle_digest(folder)}

    def _folder(self) -> Path:
        return bundle_of(Path(self.bundle))

    def _manifest(self) -> Manifest:
        manifest = store.read_bundle(self._folder())
        if manifest.task != "classify":
            message = f"the bundle does not classify: its task is {manifest.task}"
            raise ConfigError("E_CONFIG", message, fix="use ockham.load, which takes bundles of every task")
        return manifest

    def _load(self) -> LoadedModel:
        model: LoadedModel | None = self.__dict__.get(_LOADED)
        if model is None:
            self._manifest()
            digest = self.__dict__.get(_DIGEST)
            if digest is not None and store.bundle_digest(self._folder()) != digest:
                message = "the bundle is another one than when this classifier was stored"
                raise BundleError("E_BUNDLE", message, fix="make the classifier again: Classifier(RUN_OR_BUNDLE)")
            model = load(self._folder())
            setattr(self, _LOADED, model)
        return model


def _rows(inputs: Any) -> Any:  # noqa: ANN401 - whatever the user holds
    """Return an array with one dimension, or one column, as a list of texts; anything else as it is."""
    if hasattr(inputs, "columns") or hasattr(inputs, "column_names") or not hasattr(inputs, "tolist"):
        return inputs
    if getattr(inputs, "ndim", 1) == 2 and inputs.shape[1] == 1:
        inputs = inputs.ravel()
    return inputs.tolist()
