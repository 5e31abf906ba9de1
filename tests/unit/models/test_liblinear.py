"""LIBLINEAR from 32 bits: what scikit-learn's class answers, to the last bit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array
from sklearn.svm import LinearSVC, _base

from ockham.models import liblinear


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("is_there", [True, False])
def test_it_is_the_public_class_to_the_last_bit(classes: int, is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(classes)
    matrix = csr_matrix(random_array((300, 80), density=0.2, dtype=np.float32, rng=random))
    numbers = np.concatenate([np.arange(classes), random.integers(classes, size=300 - classes)])
    settings = {"C": 0.5, "random_state": 3, "max_iter": 200, "dual": True, "tol": 0.1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = LinearSVC(**settings).fit(matrix, numbers)
        asked: list[np.dtype] = []
        inner = _base._fit_liblinear

        def watched(data: object, *rest: object) -> object:
            asked.append(data.dtype)  # type: ignore[attr-defined]
            return inner(data, *rest)

        if is_there:
            monkeypatch.setattr(_base, "_fit_liblinear", watched)
        else:
            monkeypatch.delattr(_base, "_fit_liblinear")
        weight, bias = liblinear.fit(LinearSVC(**settings), matrix, numbers)
    assert asked == ([np.float32] if is_there else []), "no copy in 64 bits is made"
    np.testing.assert_array_equal(weight, expected.coef_)
    np.testing.assert_array_equal(bias, expected.intercept_)
