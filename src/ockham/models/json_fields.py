"""The fields of JSON objects whose values stand in a text: which a schema has, and an object made of values found.

A field is its path of keys. Objects inside lists are no fields: values alone do not say which of them belong together.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
"""The keys that lead to a value."""

NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", re.ASCII)
_NUMERIC = {"integer", "number"}
_SCALAR = {"string", *_NUMERIC}
_NOTHING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a schema: what it may hold, and whether it may hold several."""

    path: Path
    text: bool
    whole: bool
    """Its numbers are whole numbers."""
    repeated: bool


def of_schema(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """Return the fields of a schema whose values are texts or numbers, in its order."""
    return tuple(_fields(schema, ()))


def values(target: Mapping[str, Any]) -> Iterator[tuple[Path | None, object]]:
    """Return what an object says, with its path; ``None`` where it has none or is neither text nor number.

    What is empty (an empty text, list or object, or null) says nothing.
    """
    yield from _leaves(target, ())


def number(text: str) -> int | float | None:
    """Read a number as people write it in a text, ``1,200.50`` too; ``None`` for what is none."""
    if NUMBER.fullmatch(text) is None:
        return None
    plain = text.replace(",", "")
    if "." not in plain:
        return int(plain) if len(plain) <= 300 else None
    value = float(plain)
    return value if math.isfinite(value) else None


def fits(field: Field, text: str) -> bool:
    """Tell whether a field may hold a text."""
    if field.text:
        return True
    value = number(text)
    return value is not None and (not field.whole or value == int(value))


def object_of(schema: Mapping[str, Any], by_path: Mapping[Path, Sequence[str]]) -> dict[str, Any]:
    """Make an object of the texts found for each path, in the order and with the types of the schema.

    Fields without a text are left out; required ones are empty (null where the schema knows null, ``""``, ``[]`` or
    ``{}``). A required number or truth value that was not found has no empty form and is left out.
    """
    return _object(schema, (), by_path)


def leave_empty(value: str | None, names: Collection[str]) -> tuple[str | None, int]:
    """Return an object, written as JSON, whose fields of these paths are null, and how many of them had said something.

    Paths are written with dots. An object of which nothing is left is ``None``; text that is no object stays as it is.
    """
    try:
        parsed = json.loads(value or "null")
    except (ValueError, RecursionError):
        return value, 0
    emptied = _empty_fields(parsed, "", names) if isinstance(parsed, dict) else 0
    if not emptied:
        return value, 0
    return (json.dumps(parsed, ensure_ascii=False) if any(True for _ in values(parsed)) else None), emptied


def _empty_fields(target: dict[str, Any], prefix: str, names: Collection[str]) -> int:
    """Set fields of an object to null, and return how many of them had said something."""
    count = 0
    for key, item in target.items():
        name = f"{prefix}{key}"
        if name in names and any(True for _ in _leaves(item, ())):
            target[key] = None
            count += 1
        elif isinstance(item, dict):
            count += _empty_fields(item, f"{name}.", names)
    return count


def _alternatives(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(alternative.get("type")): alternative for alternative in schema.get("anyOf", [schema])}


def _fields(schema: Mapping[str, Any], path: Path) -> Iterator[Field]:
    kinds = _alternatives(schema)
    items = _alternatives(kinds["array"].get("items", {})) if "array" in kinds else {}
    scalars = _SCALAR & {*kinds, *items}
    if path and scalars:
        yield Field(path=path, text="string" in scalars, whole="number" not in scalars, repeated="array" in kinds)
    if "object" in kinds:
        for key, child in kinds["object"].get("properties", {}).items():
            yield from _fields(child, (*path, key))


def _leaves(value: object, path: Path) -> Iterator[tuple[Path | None, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, (dict, list)):
                yield from ((None, leaf) for _, leaf in _leaves(item, path))
            else:
                yield from _leaves(item, path)
    elif isinstance(value, str):
        if value.strip():
            yield path, value
    elif value is not None:
        yield (None if isinstance(value, bool) else path), value


def _object(schema: Mapping[str, Any], path: Path, by_path: Mapping[Path, Sequence[str]]) -> dict[str, Any]:
    out = {}
    for key, child in schema.get("properties", {}).items():
        value = _value(child, (*path, key), by_path)
        if value is _NOTHING and key in schema.get("required", ()):
            value = _empty(child, (*path, key), by_path)
        if value is not _NOTHING:
            out[key] = value
    return out


def _value(schema: Mapping[str, Any], path: Path, by_path: Mapping[Path, Sequence[str]]) -> object:
    kinds, texts = _alternatives(schema), by_path.get(path, ())
    if "object" in kinds and any(len(deeper) > len(path) and deeper[: len(path)] == path for deeper in by_path):
        return _object(kinds["object"], path, by_path)
    if texts and "array" in kinds and (len(texts) > 1 or not _SCALAR & set(kinds)):
        items = _alternatives(kinds["array"].get("items", {}))
        return [value for text in texts if (value := _scalar(items, text)) is not _NOTHING]
    return _scalar(kinds, texts[0]) if texts else _NOTHING


def _scalar(kinds: Mapping[str, Any], text: str) -> object:
    """Return a text as a number where it should be one, and as it is where it may be."""
    value = number(text) if _NUMERIC & set(kinds) else None
    if value is not None and "number" not in kinds:
        value = int(value) if value == int(value) else None
    # "007" is a number only where nothing but numbers may stand.
    if value is not None and ("string" not in kinds or json.dumps(value) == text):
        return value
    return text if "string" in kinds else _NOTHING


def _empty(schema: Mapping[str, Any], path: Path, by_path: Mapping[Path, Sequence[str]]) -> object:
    kinds = _alternatives(schema)
    if "null" in kinds:
        return None
    if "array" in kinds:
        return []
    if "string" in kinds:
        return ""
    return _object(kinds["object"], path, by_path) if "object" in kinds else _NOTHING
