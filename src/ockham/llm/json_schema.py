"""What training targets that are JSON objects have in common, as a JSON schema to decode under."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

MAX_DEPTH = 16

PLAIN = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}
"""What the engine's grammar is told beside a schema: white space as `json.dumps` writes it and no other, since a small
model may otherwise write line breaks until its limit."""


def infer(targets: Sequence[str]) -> dict[str, Any]:
    """Return the narrowest schema of these kinds that every target fits: types, required keys, arrays' elements.

    A key that stands in every object is required; no key that was never seen is allowed. Targets that are not JSON
    objects are passed over; with none left any object fits.
    """
    objects = [value for value in map(_read, targets) if isinstance(value, dict)]
    return _object(objects, 0) if objects else {"type": "object"}


def ask_every_field(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of objects under which every field is written, in its order: null where a text has no value.

    A model that is only prompted tends to end an object after a field or two where the others are optional.
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return schema
    optional = set(properties) - set(schema.get("required", ()))
    asked = {key: _or_null(value) if key in optional else value for key, value in properties.items()}
    return {**schema, "properties": asked, "required": list(properties)}


def fill(target: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return an object with every field of a schema, in its order: null for those that it does not have."""
    properties = schema.get("properties", {})
    rest = {key: value for key, value in target.items() if key not in properties}
    return {**{key: target.get(key) for key in properties}, **rest}


def leave_out_null(answer: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the fields that are null and need not be there: the form that targets have."""
    required = set(schema.get("required", ()))
    properties = schema.get("properties", {})
    return {
        key: value
        for key, value in answer.items()
        if value is not None or key in required or _allows_null(properties.get(key, {}))
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if _allows_null(schema):
        return schema
    return {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}


def _allows_null(schema: dict[str, Any]) -> bool:
    return any(kind.get("type") == "null" for kind in schema.get("anyOf", [schema]))


def _read(target: str) -> object:
    try:
        return json.loads(target)
    except (ValueError, RecursionError):
        return None


def _schema(values: Sequence[Any], depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        return {}
    kinds: list[dict[str, Any]] = []
    if objects := [value for value in values if isinstance(value, dict)]:
        kinds.append(_object(objects, depth))
    if arrays := [value for value in values if isinstance(value, list)]:
        items = [item for array in arrays for item in array]
        kinds.append({"type": "array", "items": _schema(items, depth + 1)} if items else {"type": "array"})
    if any(isinstance(value, str) for value in values):
        kinds.append({"type": "string"})
    if any(isinstance(value, float) for value in values):
        kinds.append({"type": "number"})
    elif any(type(value) is int for value in values):
        kinds.append({"type": "integer"})
    if any(isinstance(value, bool) for value in values):
        kinds.append({"type": "boolean"})
    if any(value is None for value in values):
        kinds.append({"type": "null"})
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _object(objects: Sequence[dict[str, Any]], depth: int) -> dict[str, Any]:
    keys = list(dict.fromkeys(key for object_ in objects for key in object_))
    properties = {key: _schema([object_[key] for object_ in objects if key in object_], depth + 1) for key in keys}
    required = [key for key in keys if all(key in object_ for object_ in objects)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
