"""Labelbox: its exports of texts, as lines of JSON (data rows with projects) and as the older list of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ockham.readers.forms import spans
from ockham.readers.forms.annotators import Answers, answered_reader
from ockham.readers.forms.form import (
    Cells,
    Form,
    FormReader,
    FormSample,
    LeftOut,
    is_all,
    object_at,
    objects_in,
    parse_cell,
)
from ockham.readers.forms.spans import TextSpan

_TEXT, _LABEL = "Labeled Data", "Label"
_SKIPPED = LeftOut("skipped")


def _open(sample: FormSample) -> FormReader | None:
    if is_all(sample.values("data_row"), lambda value: isinstance(value, Mapping)) and "projects" in sample.columns:
        return answered_reader(sample, "Labelbox", lambda cells: object_at(cells, "data_row").get("row_data"), _new)
    if {_TEXT, _LABEL} <= set(sample.columns):
        return answered_reader(sample, "Labelbox", lambda cells: cells.get(_TEXT), _old)
    return None


def _new(cells: Cells) -> Answers:
    projects = object_at(cells, "projects").values()
    labels = [label for project in projects for label in objects_in(object_at(project).get("labels"))]
    return [_answer(object_at(label, "annotations")) for label in labels]


def _old(cells: Cells) -> Answers:
    if cells.get("Skipped") in (True, "true", "True"):
        return _SKIPPED
    label = parse_cell(cells.get(_LABEL))
    return [_answer(label)] if isinstance(label, Mapping) else []


def _answer(annotations: Mapping[str, object]) -> dict[str, object]:
    answer: dict[str, object] = {}
    for entry in objects_in(annotations.get("classifications")):
        given = _answer_to(entry)
        if given is not None:
            answer[str(entry.get("name", entry.get("title")))] = given
    regions = list(_regions(annotations.get("objects")))
    return {**answer, spans.TARGET: regions} if regions else answer


def _answer_to(entry: Mapping[str, object]) -> object:
    """Return the answer to a question: the name of a choice, the names of several, or a text."""
    if "text_answer" in entry:
        return object_at(entry, "text_answer").get("content")
    several = next((entry[name] for name in ("checklist_answers", "answers") if name in entry), None)
    if several is not None:
        return [_name(each) for each in objects_in(several)]
    single = next((entry[name] for name in ("radio_answer", "answer") if name in entry), None)
    if isinstance(single, list):
        return [_name(each) for each in objects_in(single)]
    return _name(single) if isinstance(single, Mapping) else single


def _name(answer: Mapping[str, object]) -> object:
    return answer.get("name", answer.get("title", answer.get("value")))


def _regions(entries: object) -> Iterator[TextSpan]:
    """Yield the spans of a text; their last character is a part of them."""
    for entry in objects_in(entries):
        location = object_at(entry, "location") or object_at(entry, "data", "location")
        start, end = location.get("start"), location.get("end")
        if isinstance(start, int) and isinstance(end, int):
            yield TextSpan(start, end + 1, str(entry.get("name", entry.get("title"))))


LABELBOX = Form(
    name="Labelbox",
    recognised="`data_row` with `projects`, or `Labeled Data` with `Label`",
    taken="the text is the input, the answer to the question (radio, checklist or text) the target; entities"
    " become fields. Skipped rows are dropped, as are rows whose annotators disagree. With several questions,"
    " name one with `--target`",
    open=_open,
)
