"""Prodigy: every annotation has an answer, and only what was accepted is an example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ockham.readers.chat import UnsoundError
from ockham.readers.columns import INPUTS, plain_name
from ockham.readers.forms import spans
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all, is_object_list, items_in
from ockham.readers.forms.spans import TextSpan

_ANSWERS = ("accept", "reject", "ignore")
_OWN = (
    "answer", "accept", "options", "label", "spans", "tokens", "meta", "config", "html", "_input_hash", "_task_hash",
    "_view_id", "_timestamp", "_annotator_id", "_session_id", "_is_binary", "versions", "priority", "score", "cats",
)  # fmt: skip
_LABEL = "label"


def _open(sample: FormSample) -> FormReader | None:
    if not is_all(sample.values("answer"), lambda value: value in _ANSWERS):
        return None
    if not ({"_input_hash", "_task_hash", "_view_id", "options", "spans", "tokens"} & set(sample.columns)):
        return None
    kind = _kind(sample)
    labels = {value for value in sample.values(_LABEL) if isinstance(value, str)}
    # One label that is accepted or rejected is a question of yes or no, and "no" is an answer to it.
    single = labels.pop() if kind == _LABEL and len(labels) == 1 else None
    target = spans.TARGET if kind == "spans" else _LABEL
    others = sample.others(*_OWN)
    counts: Counter[str] = Counter()

    def convert(cells: Cells) -> Cells | LeftOut:
        row = {name: cells[name] for name in others if name in cells}
        if not sample.request.labelled:
            return row
        answer = cells.get("answer")
        if answer != "accept" and not (single and answer == "reject"):
            return LeftOut(f"answer_{answer if answer in _ANSWERS else 'missing'}")
        if single:
            counts["single"] += 1
            return {**row, target: single if answer == "accept" else f"not {single}"}
        value = _target(kind, cells)
        return value if isinstance(value, LeftOut) else {**row, target: value}

    def remarks() -> list[str]:
        return ["the task was about one label: the target of rejected rows is 'not' and its name"] if counts else []

    text = next((name for name in others if plain_name(name) in INPUTS), None)
    return FormReader(
        columns=(*others, target),
        convert=convert,
        inputs=(text,) if text else (),
        target=target,
        spans=kind == "spans",
        remarks=remarks,
    )


def _kind(sample: FormSample) -> str:
    if sample.values("accept") or sample.values("options"):
        return "accept"
    if sample.values("cats"):
        return "cats"
    return "spans" if any(sample.values("spans")) and not sample.values(_LABEL) else _LABEL


def _target(kind: str, cells: Cells) -> object:
    if kind == "accept":
        return [_option(cells.get("options"), key) for key in items_in(cells.get("accept"))]
    if kind == "cats":
        return accepted_cats(cells.get("cats"))
    if kind == "spans":
        text = cells.get("text")
        if not isinstance(text, str):
            raise UnsoundError("the text is not a string")
        return spans.fields_of(text, _spans_of(cells.get("spans")))
    return cells.get(_LABEL)


def accepted_cats(cats: object) -> list[str]:
    """Return the names of the categories that are true, or at least half so. Raises `UnsoundError` for no object."""
    if not isinstance(cats, Mapping):
        raise UnsoundError("the categories are not an object")
    return [str(name) for name, value in cats.items() if isinstance(value, (int, float)) and value >= 0.5]


def _option(options: object, key: object) -> str:
    """Return an option by its id, or by its text where the id is a number."""
    if isinstance(key, str) and not key.isdigit():
        return key
    for option in options if is_object_list(options) and isinstance(options, list) else ():
        if str(option.get("id")) == str(key) and isinstance(option.get("text"), str):
            return str(option["text"])
    return str(key)


def _spans_of(value: object) -> Iterator[TextSpan]:
    for entry in items_in(value):
        span = entry if isinstance(entry, Mapping) else {}
        start, end, name = span.get("start"), span.get("end"), span.get("label")
        if not isinstance(start, int) or not isinstance(end, int) or not isinstance(name, str):
            raise UnsoundError("a span has no start, end and label")
        yield TextSpan(start, end, name, span.get("text"))


PRODIGY = Form(
    name="Prodigy",
    recognised="`answer` is accept, reject or ignore in every record, next to `_input_hash`, `_view_id`,"
    " `options` or `spans`",
    taken="only accepted records: the target is `label`, the options in `accept`, the true `cats`, or the `spans`"
    " as fields. If the task was about a single label, rejected records are examples of `not LABEL`",
    open=_open,
)
