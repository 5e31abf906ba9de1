"""Schemas inferred from targets, checked by a validator that knows nothing of how they were made."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.llm import json_schema

KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    kind = schema.get("type")
    if kind in {"integer", "number"}:
        return not isinstance(value, bool) and isinstance(value, int if kind == "integer" else (int, float))
    if kind is not None and not isinstance(value, KINDS[kind]):
        return False
    if kind == "array":
        return all(fits(item, schema.get("items", {})) for item in value)
    known = schema.get("properties", {})
    return kind != "object" or (
        set(schema["required"]) <= set(value) <= set(known) and all(fits(value[k], known[k]) for k in value)
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(targets=st.lists(st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4), min_size=1, max_size=6))
def test_every_target_fits_its_schema_and_an_unknown_key_does_not(targets: list[dict[str, Any]]) -> None:
    schema = json_schema.infer([json.dumps(target) for target in targets])
    assert all(fits(target, schema) for target in targets)
    assert not fits({**targets[0], "never seen": 1}, schema)


def test_what_stands_everywhere_is_required_and_types_are_the_narrowest() -> None:
    rows = ['{"who": "a", "n": 1, "tags": ["x"]}', '{"who": null, "n": 2.5, "ok": true}', "no object", "[1]"]
    assert json_schema.infer(rows) == {
        "type": "object",
        "properties": {
            "who": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "n": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "ok": {"type": "boolean"},
        },
        "required": ["who", "n"],
        "additionalProperties": False,
    }


def test_without_any_object_any_object_fits() -> None:
    assert json_schema.infer(["x", ""]) == {"type": "object"}


def test_every_field_is_asked_for_and_null_is_left_out_again() -> None:
    targets = ['{"to": "Linz", "day": "Friday"}', '{"to": "Graz", "day": null, "time": 7}', '{"to": "Wels"}']
    schema = json_schema.infer(targets)
    asked = json_schema.ask_every_field(schema)
    assert asked["required"] == ["to", "day", "time"] == list(asked["properties"])
    assert asked["properties"]["time"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert asked["properties"]["day"] == schema["properties"]["day"], "it may be null already"
    assert asked["properties"]["to"] == {"type": "string"}, "it stands in every target"
    written = json_schema.fill({"to": "Wels"}, schema)
    assert list(written.items()) == [("to", "Wels"), ("day", None), ("time", None)]
    assert json_schema.leave_out_null(written, schema) == {"to": "Wels", "day": None}
    assert json_schema.ask_every_field({"type": "object"}) == {"type": "object"}
