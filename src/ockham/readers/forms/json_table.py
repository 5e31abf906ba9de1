"""JSON documents that are one table: as pandas writes frames, as SQuAD nests questions, and texts listed by label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ockham.readers.columns import known_names, number_repeated
from ockham.readers.forms.form import Cells, is_object_list, is_texts, objects_in

Record = dict[str, object]
_LEAST = 2
_MOST_LABELS = 1_000
_LEAST_TEXTS = 20


def frame_records(document: Cells) -> list[Record] | None:
    """Return the rows of a frame that pandas wrote in JSON: by columns, by rows, or split into names and rows.

    A frame of one row, or with lists in its cells, is known by a usual name of one of its columns.
    """
    names, rows = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(rows, list):
        return _split_records(names, rows)
    values = list(document.values())
    if all(isinstance(value, Mapping) for value in values):
        return _nested_records(document)
    lists = [value for value in values if isinstance(value, list)]
    named = bool(known_names(document))
    if not _LEAST <= len(lists) == len(values) or len({len(value) for value in lists}) > 1:
        return None
    if len(lists[0]) < (1 if named else _LEAST) or not all(_are_cells(value, lists=named) for value in lists):
        return None
    return [dict(zip(document, row, strict=True)) for row in zip(*lists, strict=True)]


def _split_records(names: Sequence[object], rows: Sequence[object]) -> list[Record] | None:
    """Return the rows of a frame whose names stand apart; a name that comes again has its number behind it."""
    columns = number_repeated([str(name) for name in names])
    lists = [row for row in rows if isinstance(row, list) and len(row) == len(columns)]
    return [dict(zip(columns, row, strict=True)) for row in lists] if len(lists) == len(rows) else None


def _nested_records(document: Cells) -> list[Record] | None:
    """Return rows of an object of objects: the outer keys are columns where the inner ones name rows, else rows."""
    inner = [value for value in document.values() if isinstance(value, Mapping)]
    keys = list(inner[0]) if inner else []
    outside, inside = bool(known_names(document)), bool(known_names(keys))
    named = outside or inside
    if not all(list(value) == keys and _are_cells(value.values(), lists=named) for value in inner):
        return None
    numbered = all(map(str.isdecimal, document)), all(map(str.isdecimal, keys))
    by_column = numbered == (False, True) or (outside and not inside)
    columns, rows = (inner, keys) if by_column else (keys, inner)
    least = 1 if named and numbered[by_column] else _LEAST
    if len(columns) < _LEAST or len(rows) < least:
        return None
    if by_column:
        return [{name: value[key] for name, value in zip(document, inner, strict=True)} for key in keys]
    return [dict(value) for value in inner]


def _are_cells(values: Iterable[object], *, lists: bool) -> bool:
    """Tell whether values may be cells of a frame: no objects, and lists only where its columns have usual names."""
    return not any(isinstance(value, Mapping if lists else (Mapping, list)) for value in values)


def texts_by_label(document: Cells) -> list[Record] | None:
    """Return the rows of an object whose keys are labels and whose values are lists of texts, not all as long."""
    lists = list(document.values())
    if not _LEAST <= len(lists) <= _MOST_LABELS or not all(value and is_texts(value) for value in lists):
        return None
    return [{"text": text, "label": label} for label, texts in document.items() for text in _texts(texts)]


def labels_by_text(document: Cells) -> list[Record] | None:
    """Return the rows of an object whose keys are texts and whose values are their labels, which come again."""
    labels = list(document.values())
    if len(labels) < _LEAST_TEXTS or not all(isinstance(label, str) and "\n" not in label for label in labels):
        return None
    if 2 * len(set(labels)) > len(labels):
        return None
    return [{"text": text, "label": label} for text, label in document.items()]


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def squad_records(document: Cells) -> list[Record] | None:
    """Return a row for each question of SQuAD's articles; one that has no answer in its passage has an empty answer."""
    articles = document.get("data")
    if not is_object_list(articles) or not any("paragraphs" in article for article in objects_in(articles)):
        return None
    return [
        {"context": passage.get("context"), "question": entry.get("question"), "answers": entry.get("answers")}
        for article in objects_in(articles)
        for passage in objects_in(article.get("paragraphs"))
        for entry in objects_in(passage.get("qas"))
    ]
