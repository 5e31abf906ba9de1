"""JSON documents that are one table: as pandas writes frames, as SQuAD nests questions, and texts listed by label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ockham.readers.forms.form import Cells, is_object_list, is_texts

Record = dict[str, object]
_LEAST = 2
_MOST_LABELS = 1_000
_LEAST_TEXTS = 20


def frame_records(document: Cells) -> list[Record] | None:
    """Return the rows of a frame that pandas wrote in JSON: by columns, by rows, or split into names and rows."""
    names, rows = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
        return [dict(zip(map(str, names), row, strict=True)) for row in rows if len(row) == len(names)]
    values = list(document.values())
    if len(values) < _LEAST:
        return None
    if all(isinstance(value, Mapping) for value in values):
        return _nested_records(document)
    lists = [value for value in values if isinstance(value, list)]
    if len(lists) == len(values) and len({len(value) for value in lists}) == 1 and len(lists[0]) >= _LEAST:
        return [dict(zip(document, row, strict=True)) for row in zip(*lists, strict=True) if _are_plain(row)] or None
    return None


def _nested_records(document: Cells) -> list[Record] | None:
    """Return rows of an object of objects: the outer keys are columns where the inner ones count rows, else rows."""
    inner = [value for value in document.values() if isinstance(value, Mapping)]
    keys = list(inner[0])
    if len(keys) < _LEAST or not all(list(value) == keys for value in inner):
        return None
    if not all(_are_plain(value.values()) for value in inner):
        return None
    if all(key.isdecimal() for key in keys) and not all(key.isdecimal() for key in document):
        return [{name: value[key] for name, value in zip(document, inner, strict=True)} for key in keys]
    return [dict(value) for value in inner]


def _are_plain(values: Iterable[object]) -> bool:
    return not any(isinstance(value, (Mapping, list)) for value in values)


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
    if not is_object_list(articles) or not any("paragraphs" in article for article in _objects(articles)):
        return None
    return [
        {"context": passage.get("context"), "question": entry.get("question"), "answers": entry.get("answers")}
        for article in _objects(articles)
        for passage in _objects(article.get("paragraphs"))
        for entry in _objects(passage.get("qas"))
    ]


def _objects(value: object) -> list[Mapping[str, object]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
