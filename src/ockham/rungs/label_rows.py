"""The names and descriptions of labels as training rows, where cross-validation shows that they help.

With three rows a label, "cancel order" says as much as another row; with thirty it says nothing new. Names that say
nothing ("C3", "17") are not tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ockham.models import blend_weights
from ockham.records import Example
from ockham.rungs.out_of_fold import assign_folds
from ockham.rungs.rung import BuildInfo, RunContext

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_ROWS = 2000
"""Training rows up to which names are tried: beyond, they change nothing that can be measured."""
LEARNT_BY_ALL = -1
"""The fold of a row that every model of a cross-validation learns from."""
SETTING = "label_rows"
"""The setting of a rung that says from how many rows of this kind it has learnt."""
_LEAST_LETTERS = 3
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

CrossValidate = Callable[[Sequence[Example], Sequence[int]], "NDArray[np.float64]"]
"""Takes rows to learn from besides and the fold of each row; returns the margins of those that have a fold."""


def readable_name(label: str) -> str:
    """Return a label's name as words ("orderStatus_late" as "order Status late"), empty where it has none."""
    words = [word for word in re.split(r"[\W_]+", _CAMEL.sub(" ", label)) if word]
    is_readable = any(word.isalpha() and (len(word) >= _LEAST_LETTERS or not word.isascii()) for word in words)
    return " ".join(words) if is_readable else ""


def list_label_rows(context: RunContext) -> list[Example]:
    """Return the readable name of each label and its description as rows; none where the rows are many."""
    if context.config.task != "classify" or len(context.side("train")) > MOST_ROWS:
        return []
    pairs = [(label, readable_name(label)) for label in context.labels()]
    pairs += [(label, context.config.descriptions.get(label, "")) for label in context.labels()]
    return [
        Example(id=f"label {number}", input=text, target=label) for number, (label, text) in enumerate(pairs) if text
    ]


def choose_label_rows(context: RunContext, cross_validate: CrossValidate) -> list[Example]:
    """Return the rows of the labels, or none where models learn no better with them.

    Models with and without them are asked about rows that they have not seen; the smaller log-loss wins, each at its
    best temperature.
    """
    extra = list_label_rows(context)
    if not extra or len(context.labels()) < 2:
        return []
    rows = [*context.short_side("train"), *context.short_side("valid")]
    folds = assign_folds(context, rows)
    margins = [cross_validate(more, folds) for more in ((), extra)]
    plain, named = blend_weights.fit_weights(margins, [row.target for row in rows], context.labels()).member_losses
    return extra if named < plain else []


def used_label_rows(context: RunContext, built: BuildInfo) -> list[Example]:
    """Return the rows of the labels that a rung has learnt from."""
    return list_label_rows(context) if built.settings.get(SETTING) else []
