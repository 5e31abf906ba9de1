"""Categories by name: spaCy's `cats`, and tables with a column of 0 and 1 for each label."""

from __future__ import annotations

from ockham.readers.columns import INPUTS, TARGETS, plain_name
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all
from ockham.readers.forms.prodigy import accepted_cats
from ockham.readers.row_status import NAMES

_ONES = {"1", "true", "1.0"}
_BITS = _ONES | {"0", "false", "0.0"}
_LEAST = 3


def _open_cats(sample: FormSample) -> FormReader | None:
    if not is_all(sample.values("cats"), lambda value: isinstance(value, dict)):
        return None
    others = sample.others("cats")

    def convert(cells: Cells) -> Cells | LeftOut:
        row = {name: cells[name] for name in others if name in cells}
        return {**row, "cats": accepted_cats(cells.get("cats"))} if sample.request.labelled else row

    return FormReader(columns=(*others, "cats"), convert=convert, target="cats")


def _open_columns(sample: FormSample) -> FormReader | None:
    names = [name for name in sample.columns if plain_name(name) not in NAMES]
    if sample.request.target or any(plain_name(name) in TARGETS for name in names):
        return None
    hot = [name for name in names if is_all((row.get(name) for row in sample.rows), _is_bit)]
    texts = [name for name in names if plain_name(name) in INPUTS and name not in hot]
    if len(hot) < _LEAST or not texts or len(sample.rows) < 2:
        return None
    others = tuple(name for name in sample.columns if name not in hot)

    without = 0

    def convert(cells: Cells) -> Cells | LeftOut:
        nonlocal without
        labels = [name for name in hot if _plain_bit(cells.get(name)) in _ONES]
        without += not labels
        return {**{name: cells[name] for name in others if name in cells}, "labels": labels}

    def remarks() -> list[str]:
        if not without or not sample.request.labelled:
            return []
        rows, they = ("1 row has", "it counts") if without == 1 else (f"{without:,} rows have", "they count")
        return [
            f'{rows} no 1 in a label column; {they} as unlabelled (if that means "none of these", add such a column)'
        ]

    return FormReader(columns=(*others, "labels"), convert=convert, target="labels", remarks=remarks)


def _is_bit(value: object) -> bool:
    return _plain_bit(value) in _BITS


def _plain_bit(value: object) -> str:
    return str(value).strip().casefold()


SPACY_CATS = Form(
    name="spaCy cats",
    recognised='an object of categories and numbers in `cats`, next to a text or as `[text, {"cats": {…}}]`',
    taken="the category with at least 0.5 is the target; if there are several, the row has several labels, and if"
    " there is none, it has no label",
    open=_open_cats,
)
MULTI_HOT = Form(
    name="a column for each label",
    recognised="at least three columns of 0 and 1 (or true and false), a text, and no column with a usual name"
    " for the target",
    taken="the names of the columns with a 1 are the labels of a row; a row without any has no label and is dropped,"
    " which a note counts",
    open=_open_columns,
)
