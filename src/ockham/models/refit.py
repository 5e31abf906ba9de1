"""When a model is fitted anew with the validation rows, after they have made a choice."""

from __future__ import annotations

MANY_ROWS = 20_000
FEW = 1 / 15


def is_worthwhile(train_rows: int, valid_rows: int) -> bool:
    """Whether to learn from the validation rows too.

    Not where more than `MANY_ROWS` were learnt from and the validation rows would add less than `FEW` of them: fitting
    anew would take as long as all before it, for next to nothing.
    """
    return train_rows <= MANY_ROWS or valid_rows >= FEW * train_rows
