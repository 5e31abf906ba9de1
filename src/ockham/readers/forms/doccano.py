"""doccano: classes, spans, and spans with relations, as its JSONL export writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ockham.readers.chat import UnsoundError
from ockham.readers.forms import spans
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all, is_object_list, is_texts
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
    return _span_reader(sample, text, "entities", "relations")


def _span_reader(sample: FormSample, text: str, label: str, *more: str) -> FormReader:
    others = sample.others(label, *more)
    counts: Counter[str] = Counter()
    # doccano writes an empty list for a text that nobody has looked at; spaCy and CoNLL name what is there.
    unlabelled = label != "entities" or bool(more)

    def convert(cells: Cells) -> Cells | LeftOut:
        row = {name: cells[name] for name in others if name in cells}
        counts["relations"] += bool(cells.get("relations")) if more else 0
        if not sample.request.labelled:
            return row
        words = cells.get(text)
        if not isinstance(words, str):
            raise UnsoundError("the text is not text")
        if not cells.get(label) and unlabelled:
            return _UNLABELLED
        fields = spans.fields_of(words, _spans_of(cells.get(label)))
        return fields if isinstance(fields, LeftOut) else {**row, spans.TARGET: fields}

    def remarks() -> list[str]:
        return [f"{counts['relations']:,} records hold relations, which are not used"] if counts["relations"] else []

    return FormReader(
        columns=(*others, spans.TARGET),
        convert=convert,
        inputs=(text,),
        target=spans.TARGET,
        spans=True,
        remarks=remarks,
    )


def _spans_of(value: object) -> Iterator[TextSpan]:
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, Mapping):
            start, end, name = (entry.get(key) for key in ("start_offset", "end_offset", "label"))
        elif isinstance(entry, list) and len(entry) == 3:
            start, end, name = entry
        else:
            raise UnsoundError("a span is no start, end and name")
        if not isinstance(start, int) or not isinstance(end, int) or not isinstance(name, str):
            raise UnsoundError("a span is no start, end and name")
        yield TextSpan(start, end, name)


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


DOCCANO = Form(
    name="doccano classes",
    recognised="`text` (or `data`) and lists of labels in `label`, with `Comments`",
    taken="the one label of a row is the target; a row without a label is dropped; several labels a row are reported",
    open=_open_classes,
)
DOCCANO_SPANS = Form(
    name="doccano spans",
    recognised="`text` (or `data`), and lists of `[start, end, name]` in `label`, `labels` or `entities`",
    taken="an object of the spans' texts by their names (extract); rows without a span are not labelled and dropped,"
    " as are rows in which a span's text stands more than once",
    open=_open_spans,
)
DOCCANO_RELATIONS = Form(
    name="doccano relations",
    recognised="`text` and objects with `start_offset`, `end_offset` and `label` in `entities`",
    taken="the entities as spans (extract); relations are counted and not used",
    open=_open_relations,
)
