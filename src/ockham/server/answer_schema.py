"""JSON schemas that clients send: which are taken, and whether an answer fits one. Values only.

The engine holds what it writes to a schema; one that it does not understand it passes over in silence. So a schema is
looked through before it is asked, and the answer is held against it afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ockham.server.api_error import ApiError

Schema = Mapping[str, Any]
MOST_BYTES, MOST_PARTS, MOST_DEPTH, MOST_COUNT, LONGEST_PATTERN = 64 << 10, 1_000, 16, 1_000, 256
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "null": (type(None),),
    "object": (dict,), "array": (list,),
}  # fmt: skip
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_WORDS = ("title", "description", "default", "examples", "$schema", "$id", "$comment", "strict", "format", "deprecated")
_ONE, _MANY, _NAMED = ("items", "additionalProperties"), ("anyOf", "oneOf", "allOf", "prefixItems"), ("properties",)
_OTHERS = ("type", "enum", "const", "required", "pattern", "$ref", "$defs", "definitions")
_KNOWN = frozenset((*_COUNTS, *_NUMBERS, *_WORDS, *_ONE, *_MANY, *_NAMED, *_OTHERS))


def check_schema(schema: object, param: str) -> Schema:
    """Return a schema that the engine can hold answers to. Raises `ApiError` (400) that says what it cannot.

    It may refer to its own ``$defs``, and not to itself or to an address.
    """
    if not isinstance(schema, Mapping):
        raise _refusal("it is not an object", param)
    try:
        size = len(orjson.dumps(schema))
    except (TypeError, orjson.JSONEncodeError):
        raise _refusal("it cannot be read", param) from None
    if size > MOST_BYTES:
        raise _refusal(f"it has more than {MOST_BYTES >> 10} KiB", param)
    _Walk(schema, param).visit(schema, 0)
    return schema


class _Walk:
    """A walk through all parts of a schema, those it refers to included as often as it does."""

    def __init__(self, root: Schema, param: str) -> None:
        self._root = root
        self._param = param
        self._parts = 0

    def visit(self, part: object, depth: int) -> None:
        self._parts += 1
        if isinstance(part, bool):
            return
        if not isinstance(part, Mapping):
            raise self._error("a part of it is not an object")
        if depth > MOST_DEPTH or self._parts > MOST_PARTS:
            raise self._error(f"it is nested more than {MOST_DEPTH} deep, has over {MOST_PARTS} parts, or recurs")
        if not part.keys() <= _KNOWN:
            raise self._error(f"it has keywords other than {', '.join(sorted(_KNOWN - set(_WORDS)))}")
        self._check_values(part)
        if "$ref" in part:
            self.visit(refer(self._root, part["$ref"], self._param), depth + 1)
        for name in _ONE:
            if name in part:
                self.visit(part[name], depth + 1)
        for name in _MANY:
            self._visit_all(part.get(name, ()), depth)
        properties = part.get("properties", {})
        if not isinstance(properties, Mapping):
            raise self._error("its properties are not an object")
        self._visit_all(list(properties.values()), depth)

    def _visit_all(self, parts: object, depth: int) -> None:
        if not isinstance(parts, (list, tuple)):
            raise self._error("a list of schemas in it is none")
        for part in parts:
            self.visit(part, depth + 1)

    def _check_values(self, part: Schema) -> None:
        kinds = part.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not isinstance(kinds, list) or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
            raise self._error(f"a type is none of {', '.join(_TYPES)}")
        for name in _COUNTS:
            if name in part and (type(part[name]) is not int or not 0 <= part[name] <= MOST_COUNT):
                raise self._error(f"{name} is not a number up to {MOST_COUNT}")
        for name in _NUMBERS:
            if name in part and (isinstance(part[name], bool) or not isinstance(part[name], (int, float))):
                raise self._error(f"{name} is not a number")
        for name in ("enum", "required"):
            if name in part and not (isinstance(part[name], list) and part[name]) and part[name] != []:
                raise self._error(f"{name} is not a list")
        if not all(isinstance(name, str) for name in part.get("required", ())):
            raise self._error("a required property has no name")
        self._check_pattern(part.get("pattern", ""))

    def _check_pattern(self, pattern: object) -> None:
        if not isinstance(pattern, str) or len(pattern) > LONGEST_PATTERN or re.search(r"\{\d{3,}|\(\?", pattern):
            what = f"a pattern has over {LONGEST_PATTERN} characters, groups with ?, or counts beyond 99"
            raise self._error(what)
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError):
            raise self._error("a pattern is no regular expression") from None

    def _error(self, what: str) -> ApiError:
        return _refusal(what, self._param)


def refer(root: Schema, target: object, param: str) -> object:
    """Return the part of a schema that a reference names. Raises `ApiError` (400) for any other."""
    steps = target.split("/") if isinstance(target, str) else []
    if len(steps) != 3 or steps[0] != "#" or steps[1] not in ("$defs", "definitions"):
        raise _refusal("it refers to something else than its own $defs", param)
    parts = root.get(steps[1])
    if not isinstance(parts, Mapping) or steps[2] not in parts:
        raise _refusal("it refers to a definition that is not there", param)
    return parts[steps[2]]


def fits(value: object, schema: Schema, root: Schema | None = None) -> bool:
    """Tell whether a JSON value fits a schema that was checked; formats and patterns are left to the engine."""
    root = schema if root is None else root
    parts = [*schema.get("allOf", ()), *([refer(root, schema["$ref"], "")] if "$ref" in schema else [])]
    if not _is_allowed(value, schema) or not all(_fits_part(value, part, root) for part in parts):
        return False
    if "anyOf" in schema and not any(_fits_part(value, part, root) for part in schema["anyOf"]):
        return False
    if isinstance(value, dict):
        return _fits_object(value, schema, root)
    items = schema.get("items", True)
    return not isinstance(value, list) or all(_fits_part(item, items, root) for item in value)


def _is_allowed(value: object, schema: Schema) -> bool:
    """Tell whether a value is of the types of a schema, and one of its values where it lists them."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    is_typed = not kinds or any(_is_of(value, kind) for kind in kinds)
    return is_typed and value in schema.get("enum", [value]) and value == schema.get("const", value)


def _fits_part(value: object, part: object, root: Schema) -> bool:
    return part if isinstance(part, bool) else isinstance(part, Mapping) and fits(value, part, root)


def _fits_object(value: Mapping[str, object], schema: Schema, root: Schema) -> bool:
    properties: Schema = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    required: Sequence[str] = schema.get("required", ())
    return all(name in value for name in required) and all(
        _fits_part(item, properties.get(name, others), root) for name, item in value.items()
    )


def _is_of(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _refusal(what: str, param: str) -> ApiError:
    return ApiError(400, f"The JSON schema cannot be used: {what}", code="invalid_json_schema", param=param)
