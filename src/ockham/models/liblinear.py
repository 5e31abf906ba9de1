"""LIBLINEAR by way of scikit-learn, from numbers of 32 bits: its public class copies them into 64 bits first.

LIBLINEAR itself reads either, and computes in 64 bits from its own copy. Of 50 million terms the other one is 0.2 GB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


def fit(
    solver: Any,  # noqa: ANN401 - scikit-learn has no types
    matrix: csr_matrix,
    classes: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Do what ``solver.fit`` does, a `LinearSVC` that is dual, to the last bit: weights (classes, features), biases.

    ``classes`` are numbers from 0 on. The function that is called is not public: where it is gone, or takes other
    arguments, the class itself is asked.
    """
    from sklearn.svm import _base

    settings = solver.get_params()
    try:
        weight, bias, _ = _base._fit_liblinear(
            matrix,
            classes,
            settings["C"],
            settings["fit_intercept"],
            settings["intercept_scaling"],
            settings["class_weight"],
            settings["penalty"],
            True,
            settings["verbose"],
            settings["max_iter"],
            settings["tol"],
            settings["random_state"],
            settings["multi_class"],
            settings["loss"],
        )
    except (AttributeError, TypeError):
        solver.fit(matrix, classes)
        weight, bias = solver.coef_, solver.intercept_
    return weight, bias
