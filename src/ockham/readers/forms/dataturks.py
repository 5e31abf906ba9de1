"""DataTurks and what copied its form: a content, and labels or spans whose last character is a part of them."""

from __future__ import annotations

from collections.abc import Mapping

from ockham.readers.chat import UnsoundError
from ockham.readers.forms import spans
from ockham.readers.forms.annotators import UNLABELLED
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, objects_in
from ockham.readers.forms.spans import TextSpan

_TEXT, _GIVEN = "content", "annotation"


def _open(sample: FormSample) -> FormReader | None:
    values = sample.values(_GIVEN)
    if _TEXT not in sample.columns or not values:
        return None
    classes = all(isinstance(value, Mapping) and isinstance(value.get("labels"), list) for value in values)
    regions = all(isinstance(value, list) and all("points" in entry for entry in objects_in(value)) for value in values)
    if not classes and not (regions and any(values)):
        return None
    target = "labels" if classes else spans.TARGET

    def convert(cells: Cells) -> Cells | LeftOut:
        text, given = cells.get(_TEXT), cells.get(_GIVEN)
        if not isinstance(text, str):
            raise UnsoundError("the content is not a string")
        if not sample.request.labelled:
            return {_TEXT: text}
        if not given:
            return UNLABELLED
        answer = given.get("labels") if isinstance(given, Mapping) else spans.fields_of(text, _spans_of(given))
        return answer if isinstance(answer, LeftOut) else {_TEXT: text, target: answer}

    return FormReader(columns=(_TEXT, target), convert=convert, inputs=(_TEXT,), target=target, spans=not classes)


def _spans_of(given: object) -> list[TextSpan]:
    regions: list[TextSpan] = []
    for entry in objects_in(given):
        labels = entry.get("label")
        for point in objects_in(entry.get("points")):
            start, end = point.get("start"), point.get("end")
            if not isinstance(start, int) or not isinstance(end, int) or not labels:
                raise UnsoundError("a span has no start, end and label")
            name = labels[0] if isinstance(labels, list) else labels
            regions.append(TextSpan(start, end + 1, str(name), point.get("text")))
    return regions


DATATURKS = Form(
    name="DataTurks",
    recognised="`content` with `annotation`, whose entries have `labels`, or a `label` and `points`",
    taken="the content is the input, the label the target; spans become fields",
    open=_open,
)
