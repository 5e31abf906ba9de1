"""A word that tells the label is seen in rows that are sorted by label, too."""

from __future__ import annotations

import pytest

from ockham.data import label_leak
from ockham.records import Example


@pytest.mark.parametrize("rows", [20, 39, 41, 400])
def test_rows_that_are_sorted_by_label_are_looked_at_from_first_to_last(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_leak, "ROWS", 20)
    labels = sorted("ab"[n % 2] for n in range(rows))
    examples = [Example(id=str(n), input=f"ticket {label}x{n} for you", target=label) for n, label in enumerate(labels)]
    assert label_leak.leak_warning(examples) is not None
