"""A column for each field: several target columns, whose cells in a row are the fields of one object."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.columns import list_columns, plain_name, spelling_of
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample
from ockham.readers.table import text_of
from ockham.readers.target_names import join_names, split_names


def _open(sample: FormSample) -> FormReader | None:
    request = sample.request
    if not request.target or not request.labelled or request.headerless:
        return None
    names, target = split_names(request.target, sample.columns), request.target
    if not any(spelling_of(name, sample.columns) for name in names):
        return None  # a name with commas in it may be that of another form's column
    if len(names) < 2 and not (request.fields and _holds_values(sample, names[0])):
        return None
    columns = _find_columns(sample, names)
    group = {plain_name(request.group or "")}
    others = tuple(name for name in sample.columns if name not in columns.values() or plain_name(name) in group)
    empty = 0

    def convert(cells: Cells) -> Cells:
        nonlocal empty
        values = {name: _field(cells.get(column)) for name, column in columns.items()}
        fields = {name: value for name, value in values.items() if value != ""}
        empty += len(values) - len(fields)
        return {**{name: cells[name] for name in others if name in cells}, target: fields or None}

    def remarks() -> list[str]:
        *most, last = map(printable, names)
        fields = f"the fields {', '.join(most)} and {last}" if most else f"the field {last}"
        cells = "1 empty cell is a field" if empty == 1 else f"{empty:,} empty cells are fields"
        without = f"; {cells} that the row does not have" if empty and most else ""
        return [f"each row's target is one object with {fields}{without}"]

    return FormReader(columns=(*others, target), convert=convert, target=target, remarks=remarks)


def _holds_values(sample: FormSample, name: str) -> bool:
    """Tell whether the cells of a column are plain values, and not objects whose fields they name themselves."""
    column = spelling_of(name, sample.columns)
    values = [] if column is None else sample.values(column)
    return not any(isinstance(value, (dict, list)) or text_of(value).lstrip()[:1] in ("{", "[") for value in values)


def _find_columns(sample: FormSample, names: Sequence[str]) -> Mapping[str, str]:
    """Return the column of each name.

    Raises `DataError`: ``E_LABEL_MISSING`` where there is none, ``E_COLUMN`` where one is named twice, or is the input.
    """
    columns = {name: spelling_of(name, sample.columns) for name in names}
    if not all(columns.values()):
        raise _no_column(sample, columns)
    plain = [plain_name(name) for name in names]
    twice = next((name for name in names if plain.count(plain_name(name)) > 1), None)
    if twice is not None:
        message = f"{sample.request.source}: the target names column {printable(twice)!r} twice"
        raise DataError("E_COLUMN", message, fix="name each column once with --target")
    inputs = {plain_name(name) for name in sample.request.inputs}
    both = next((name for name in names if plain_name(name) in inputs), None)
    if both is not None:
        message = f"{sample.request.source}: column {printable(both)!r} is named as both input and target"
        raise DataError("E_COLUMN", message, fix="name different columns with --input and --target")
    return columns


def _no_column(sample: FormSample, columns: Mapping[str, str]) -> DataError:
    near = {
        name: difflib.get_close_matches(name, sample.columns, n=1) for name, column in columns.items() if not column
    }
    missing = next(iter(near))
    listing = list_columns(sample.columns, sample.request)
    message = f"{sample.request.source} has no column {printable(missing)!r}{listing}"
    if all(near.values()):
        meant = join_names([column or near[name][0] for name, column in columns.items()])
        fix = f"did you mean --target {printable(meant)}?"
    else:
        fix = "name columns that it has with --target, separated by commas"
    return DataError("E_LABEL_MISSING", message, fix=fix)


def _field(cell: object) -> object:
    """Return the value of a field: lists and objects as they are, all else as text, since it is found in a text."""
    if hasattr(cell, "tolist"):  # numpy, in the cells of a frame
        cell = cell.tolist()
    return (cell or "") if isinstance(cell, (dict, list)) else text_of(cell).strip()


FIELD_COLUMNS = Form(
    name="a column for each field",
    recognised="several columns named with `--target` (`--target company,date,total`, or once for each column), or one"
    " with `--task extract`, in a table of any format",
    taken="the cells of these columns are the fields of one object, under the names that `--target` gives them; an"
    " empty cell is a field that the row does not have, and a row whose cells are all empty has no target and is"
    " dropped",
    open=_open,
)
