"""Records whose text and label stand in objects of their own, none of them at the top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ockham.readers.columns import INPUTS, TARGETS, plain_name
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample

_DEEP = 4
_SHARE = 0.5


def _open_nested(sample: FormSample) -> FormReader | None:
    if any(isinstance(value, str) and plain_name(name) in _USUAL for row in sample.rows for name, value in row.items()):
        return None
    inputs = _paths(sample, INPUTS)
    targets = _paths(sample, TARGETS)
    if len(inputs) != 1 or len(targets) != 1:
        return None
    text, label = inputs[0], targets[0]

    def convert(cells: Cells) -> Cells:
        flat = dict(_leaves(cells))
        return {name: flat.get(name) for name in (text, label)}

    return FormReader(columns=(text, label), convert=convert, inputs=(text,), target=label)


def _paths(sample: FormSample, names: tuple[str, ...]) -> list[str]:
    """Return the paths to a text with one of these names that most of the first records have."""
    counts: dict[str, int] = {}
    for row in sample.rows:
        for path, value in _leaves(row):
            if "." in path and isinstance(value, str) and plain_name(path.rpartition(".")[2]) in names:
                counts[path] = counts.get(path, 0) + 1
    return [path for path, count in counts.items() if count >= _SHARE * len(sample.rows)]


def _leaves(cells: Mapping[str, object], before: str = "", depth: int = 1) -> Iterator[tuple[str, object]]:
    """Yield what is no object, with the names on the way to it."""
    for name, value in cells.items():
        if isinstance(value, Mapping) and depth < _DEEP:
            yield from _leaves(value, f"{before}{name}.", depth + 1)
        else:
            yield f"{before}{name}", value


_USUAL = frozenset({*INPUTS, *TARGETS})
NESTED = Form(
    name="nested records",
    recognised="objects inside the records, one with a usual name for the input and one with a usual name for the"
    " target, and no such text outside of them",
    taken="the text and the label, each named by its path (`ticket.text`)",
    open=_open_nested,
)
