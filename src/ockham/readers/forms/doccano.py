"""doccano: classes, spans, and spans with relations, as its JSONL export writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ockham.errors import DataError
from ockham.readers.chat import UnsoundError
from ockham.readers.columns import plain_name
from ockham.readers.forms import spans
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
)
from ockham.readers.forms.spans import TextSpan

_TEXTS = ("text", "data")
_LABELS = ("label", "labels")
_UNLABELLED = LeftOut("not_labelled")


def _open_classes(sample: FormSample) -> FormReader | None:
    """Lists of labels come as they are: one of them is a label, and several are several labels a row."""
    text, label = _column(sample, _TEXTS), _column(sample, _LABELS)
    if text is None or label is None or "Comments" not in sample.columns or not is_all(sample.values(label), is_texts):
        return None
    return FormReader(columns=sample.columns, convert=lambda cells: cells, inputs=(text,), target=label)


def _open_old(sample: FormSample) -> FormReader | None:
    """Read the older exports, in which annotations name labels by their numbers."""
    text = _column(sample, _TEXTS)
    values = sample.values("annotations")
    if text is None or not is_all(values, is_object_list) or not any(values):
        return None
    entries = [entry for value in values for entry in objects_in(value)]
    if not all("label" in entry and "user" in entry for entry in entries):
        return None
    if all("start_offset" in entry for entry in entries):
        return _span_reader(sample, text, "annotations")
    others = sample.others("annotations")

    def convert(cells: Cells) -> Cells | LeftOut:
        row = {name: cells[name] for name in others if name in cells}
        labels = [str(entry.get("label")) for entry in objects_in(cells.get("annotations"))]
        if not sample.request.labelled:
            return row
        return {**row, "label": labels} if labels else _UNLABELLED

    return FormReader(columns=(*others, "label"), convert=convert, inputs=(text,), target="label")


def _open_both(sample: FormSample) -> FormReader | None:
    """Read intents and slots of one text: the ones or the others, as the user says."""
    text, named = _column(sample, _TEXTS), plain_name(sample.request.target or "")
    entities = sample.values("entities")
    if text is None or not any(entities) or not is_all(entities, _is_span_list) or not any(sample.values("cats")):
        return None
    if not is_all(sample.values("cats"), is_texts) or not sample.request.labelled:
        return None
    if named == "entities":
        return _span_reader(sample, text, "entities", target="entities")
    if named == "cats":
        return FormReader(columns=sample.others("entities"), convert=lambda cells: cells, inputs=(text,), target="cats")
    raise DataError(
        "E_COLUMN",
        f"{sample.request.source} contains both classes (cats) and spans (entities) for each text",
        fix="choose one: --target cats or --target entities",
    )


def _open_spans(sample: FormSample) -> FormReader | None:
    text, label = _column(sample, _TEXTS), _column(sample, (*_LABELS, "entities"))
    if text is None or label is None:
        return None
    values = sample.values(label)
    if not any(values) or not is_all(values, _is_span_list):
        return None
    return _span_reader(sample, text, label)


def _open_relations(sample: FormSample) -> FormReader | None:
    text = _column(sample, _TEXTS)
    entities = sample.values("entities")
    if text is None or not any(entities) or not is_all(entities, _is_entity_list):
        return None
    return _span_reader(sample, text, "entities", relations=True)


def _span_reader(
    sample: FormSample, text: str, label: str, *, relations: bool = False, target: str = spans.TARGET
) -> FormReader:
    others = sample.others(label, *(["relations"] if relations else []))
    counts: Counter[str] = Counter()
    # doccano writes an empty list for a text that nobody has looked at; spaCy and CoNLL name what is there.
    unlabelled = label != "entities" or relations

    def convert(cells: Cells) -> Cells | LeftOut:
        row = {name: cells[name] for name in others if name in cells}
        counts["relations"] += bool(cells.get("relations")) if relations else 0
        if not sample.request.labelled:
            return row
        words = cells.get(text)
        if not isinstance(words, str):
            raise UnsoundError("the text is not a string")
        if not cells.get(label) and unlabelled:
            return _UNLABELLED
        fields = spans.fields_of(words, _spans_of(cells.get(label)))
        return fields if isinstance(fields, LeftOut) else {**row, target: fields}

    def remarks() -> list[str]:
        return [f"records with relations, which are not used: {counts['relations']:,}"] if counts["relations"] else []

    return FormReader(
        columns=(*others, target),
        convert=convert,
        inputs=(text,),
        target=target,
        spans=True,
        remarks=remarks,
    )


def _spans_of(value: object) -> Iterator[TextSpan]:
    for entry in items_in(value):
        if isinstance(entry, Mapping):
            start, end, name = (entry.get(key) for key in ("start_offset", "end_offset", "label"))
        elif isinstance(entry, list) and len(entry) == 3:
            start, end, name = entry
        else:
            raise UnsoundError("a span has no start, end and name")
        if not isinstance(start, int) or not isinstance(end, int) or not isinstance(name, (str, int)):
            raise UnsoundError("a span has no start, end and name")
        yield TextSpan(start, end, str(name))


def _column(sample: FormSample, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in sample.columns), None)


def _is_span_list(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, list)
        and len(entry) == 3
        and isinstance(entry[0], int)
        and isinstance(entry[1], int)
        and isinstance(entry[2], str)
        for entry in value
    )


def _is_entity_list(value: object) -> bool:
    return (
        is_object_list(value)
        and isinstance(value, list)
        and all({"start_offset", "end_offset", "label"} <= entry.keys() for entry in value)
    )


DOCCANO_OLD = Form(
    name="doccano annotations",
    recognised="`text`, and `annotations` with a `label` and a `user` each",
    taken="the label, a number in this export, is the target; annotations with a `start_offset` become fields",
    open=_open_old,
)
DOCCANO_BOTH = Form(
    name="doccano intents and slots",
    recognised="`text`, with lists of labels in `cats` and spans in `entities`",
    taken="refused until you name `cats` or `entities` with `--target`",
    open=_open_both,
)
DOCCANO = Form(
    name="doccano classes",
    recognised="`text` (or `data`), lists of labels in `label`, and `Comments`",
    taken="the label of a row is the target; a row without a label is dropped; rows with several labels are reported",
    open=_open_classes,
)
DOCCANO_SPANS = Form(
    name="doccano spans",
    recognised="`text` (or `data`), and lists of `[start, end, name]` in `label`, `labels` or `entities`",
    taken="spans become fields; rows without a span are not labelled and are dropped",
    open=_open_spans,
)
DOCCANO_RELATIONS = Form(
    name="doccano relations",
    recognised="`text`, and objects with `start_offset`, `end_offset` and `label` in `entities`",
    taken="entities become fields; relations are counted but not used",
    open=_open_relations,
)
