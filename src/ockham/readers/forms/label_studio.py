"""Label Studio: the full JSON export, JSON-MIN, and its CSV and TSV, which hold the same cells as JSON-MIN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ockham.readers.chat import UnsoundError
from ockham.readers.columns import INPUTS, plain_name
from ockham.readers.forms import spans
from ockham.readers.forms.annotators import UNLABELLED, choose_question, common_value
from ockham.readers.forms.form import (
    Cells,
    Form,
    FormReader,
    FormSample,
    LeftOut,
    is_all,
    is_object_list,
    is_texts,
    items_in,
    objects_in,
    parse_cell,
)
from ockham.readers.forms.spans import TextSpan

_META = ("annotator", "annotation_id", "created_at", "updated_at", "lead_time")
_CANCELLED = LeftOut("was_cancelled")
_REGIONS = ("labels", "hypertextlabels", "paragraphlabels", "rectanglelabels", "timeserieslabels")


def _open_full(sample: FormSample) -> FormReader | None:
    holder = next(
        (name for name in ("annotations", "completions") if is_all(sample.values(name), is_object_list)), None
    )
    if holder is None or not is_all(sample.values("data"), lambda value: isinstance(value, Mapping)):
        return None
    fields = dict.fromkeys(str(name) for data in sample.values("data") if isinstance(data, Mapping) for name in data)
    controls: dict[str, bool] = {}
    notes: set[str] = set()
    for row in sample.rows:
        for result in _results(row.get(holder)):
            name = str(result.get("from_name"))
            controls[name] = controls.get(name, False) or result.get("type") in _REGIONS
            notes.update([name] if result.get("type") == "textarea" else [])
    control = choose_question(sample, sorted(controls, key=notes.__contains__), tool="Label Studio", what="controls")
    others = tuple(name for name in fields if name != control)
    texts = [name for name in others if _is_text_field(sample, name)]
    is_spans = bool(control) and controls[control]
    request = sample.request

    def convert(cells: Cells) -> Cells | LeftOut:
        data = cells.get("data")
        if not isinstance(data, Mapping):
            raise UnsoundError("the task has no data")
        row = {name: data[name] for name in others if name in data}
        if not request.labelled or not control:
            return row
        annotations = cells.get(holder)
        valid = [entry for entry in objects_in(annotations) if not entry.get("was_cancelled")]
        if not valid:
            return _CANCELLED if annotations else UNLABELLED
        checked = [entry for entry in valid if entry.get("ground_truth")] or valid
        answer = common_value([_value(entry, control, data) for entry in checked])
        return answer if isinstance(answer, LeftOut) else {**row, control: answer}

    return FormReader(
        columns=(*others, *([control] if control else [])),
        convert=convert,
        inputs=tuple(texts) if len(texts) == 1 else (),
        target=control or None,
        spans=is_spans,
    )


def _is_text_field(sample: FormSample, name: str) -> bool:
    """Tell a field of texts: by its usual name, or by values of several words."""
    values = [data.get(name) for data in sample.values("data") if isinstance(data, Mapping)]
    texts = [value for value in values if isinstance(value, str)]
    if not texts or len(texts) < len(values) // 2:
        return False
    return plain_name(name) in INPUTS or sum(len(text.split()) for text in texts) >= 3 * len(texts)


def _results(annotations: object) -> list[Mapping[str, object]]:
    return [
        result
        for annotation in objects_in(annotations)
        for result in objects_in(annotation.get("result"))
        if result.get("from_name")
    ]


def _value(annotation: Mapping[str, object], control: str, data: Mapping[str, object]) -> object:
    """Return what an annotation says by one control: labels, a text, a number, or an object of spans."""
    results = [result for result in _results([annotation]) if result.get("from_name") == control]
    values = [value for result in results if isinstance(value := result.get("value"), Mapping)]
    if any(result.get("type") in _REGIONS for result in results):
        return _span_fields(values, data)
    if not values:
        return UNLABELLED
    labels = [label for value in values for label in _labels(value)]
    return labels[0] if len(labels) == 1 else labels


def _labels(value: Mapping[str, object]) -> list[object]:
    """Return what a choice, a text area, a rating, a number or a taxonomy holds."""
    for name in ("choices", "text", "rating", "number", "datetime", "taxonomy"):
        if name in value:
            held = value[name]
            entries = held if isinstance(held, list) else [held]
            return ["/".join(map(str, entry)) if isinstance(entry, list) else entry for entry in entries]
    return []


def _span_fields(values: Sequence[Mapping[str, object]], data: Mapping[str, object]) -> object:
    """Return the spans as fields; where the export names no text beside them, they are found in the task's data."""
    names = [
        name for name in ("labels", "hypertextlabels", "paragraphlabels") if any(name in value for value in values)
    ]
    regions: list[TextSpan] = []
    for value in values:
        start, end = value.get("start"), value.get("end")
        labels = [label for name in names for label in items_in(value.get(name))]
        if not isinstance(start, int) or not isinstance(end, int) or not labels:
            raise UnsoundError("a span has no label, or no start and end in plain text")
        regions += [TextSpan(start, end, str(label), value.get("text")) for label in labels]
    texts = sorted((text for text in data.values() if isinstance(text, str)), key=len, reverse=True)
    fields = (spans.fields_of(text, regions) for text in texts)
    return next((each for each in fields if each != spans.OUTSIDE), spans.OUTSIDE)


def _open_min(sample: FormSample) -> FormReader | None:
    if sum(name in sample.columns for name in _META) < 3 or "annotation_id" not in sample.columns:
        return None
    others = sample.others(*_META, "id", "inner_id", "file_upload", "sentiment_id")
    regions = [name for name in others if is_all(map(parse_cell, sample.values(name)), _is_regions)]
    spanned = regions[0] if len(regions) == 1 else None
    request = sample.request

    def convert(cells: Cells) -> Cells | LeftOut:
        row = {name: _plain_value(cells[name]) for name in others if name in cells}
        if spanned is None or not request.labelled:
            return row
        fields = _span_fields(
            objects_in(parse_cell(cells.get(spanned))), {k: v for k, v in row.items() if k != spanned}
        )
        return fields if isinstance(fields, LeftOut) else {**row, spanned: fields}

    return FormReader(columns=others, convert=convert, target=spanned, spans=spanned is not None)


def _is_regions(value: object) -> bool:
    return bool(value) and is_object_list(value) and isinstance(value, list) and all("start" in item for item in value)


def _plain_value(value: object) -> object:
    held = parse_cell(value)
    if isinstance(held, Mapping) and _labels(held):
        return _labels(held)
    return held if is_texts(held) or is_object_list(held) else value


LABEL_STUDIO = Form(
    name="Label Studio JSON",
    recognised="`data` with the fields of the task, and `annotations` (or `completions`) with a `result`",
    taken="the text field is the input; the chosen label, text, rating or taxonomy is the target, and spans"
    " become fields. Cancelled annotations are dropped, a ground truth takes precedence, and a task whose"
    " annotators disagree is dropped. With several controls, name one with `--target`",
    open=_open_full,
)
LABEL_STUDIO_MIN = Form(
    name="Label Studio JSON-MIN or CSV",
    recognised="`annotation_id` and at least two of `annotator`, `created_at`, `updated_at` and `lead_time`",
    taken='the columns that Label Studio did not add, found by their usual names; `{"choices": […]}` in a cell is'
    " a set of labels, and lists of spans become fields",
    open=_open_min,
)
