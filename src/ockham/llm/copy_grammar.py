"""Objects whose values are copied from a text, as a grammar of the engine's (llguidance): no value can be made up.

Every field is written in its order. A value that is copied is a run of the text's words and marks, with one space for
any white space between them, or null where the schema allows it; other fields follow their schema.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ockham.llm import json_schema

_PIECES = re.compile(r"\s+|[^\W\d_]+|\d+|[\W_]")
_LONGEST = 100_000
"""Characters of a text that values are copied from."""
_LEAST = 5
"""Values that a field must have before it is held to the text."""
_SHARE = 0.98
"""A field is held to the text where so large a share of its values stand in theirs."""


def copied_fields(schema: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return the fields of a schema of objects whose values stand in their texts as they are, white space aside.

    ``pairs`` are texts with their targets, JSON objects. Only texts and lists of texts at the top of objects count.
    """
    values, hits = Counter[str](), Counter[str]()
    wanted = [name for name, kind in schema.get("properties", {}).items() if _is_text(kind)]
    for text, target in pairs:
        folded = _fold(text)
        said = json.loads(target)
        for name in wanted:
            own = said.get(name)
            for value in own if isinstance(own, list) else [own]:
                if isinstance(value, str) and value.strip():
                    values[name] += 1
                    hits[name] += _fold(value) in folded
    return tuple(name for name in wanted if values[name] >= _LEAST and hits[name] >= _SHARE * values[name])


def write_grammar(schema: Mapping[str, Any], copied: Collection[str], text: str) -> str | None:
    """Return the grammar of the objects of a schema for one text; ``None`` for a text that has no word.

    ``schema`` asks for every field (`ockham.llm.json_schema.ask_every_field`).
    """
    pieces = [" " if piece.isspace() else piece for piece in _PIECES.findall(text[:_LONGEST])]
    if not any(piece.strip() for piece in pieces):
        return None
    chunks = [json.dumps(piece, ensure_ascii=False)[1:-1] for piece in pieces]
    fields, rules = [], []
    for number, (name, kind) in enumerate(schema["properties"].items()):
        fields.append(f"{_literal(json.dumps(name) + ': ')} field{number}")
        rules.append(f"field{number}: {_copied_rule(kind) if name in copied else _plain_rule(kind)}")
    inner = f" {_literal(', ')} ".join(fields)
    copy = f'COPY: %regex {{"substring_chunks": {json.dumps(chunks)}}}'
    start = f"start: {_literal('{')} {inner} {_literal('}')}"
    return "\n".join(["%llguidance {}", start, *rules, f"TEXT: {_literal(chr(34))} COPY {_literal(chr(34))}", copy, ""])


def _copied_rule(kind: Mapping[str, Any]) -> str:
    """Return what a copied field may be: a text, a list of texts, or null, as its schema allows."""
    types = _types(kind)
    forms = []
    if "string" in types:
        forms.append("TEXT")
    if "array" in types:
        forms.append(f"{_literal('[')} (TEXT ({_literal(', ')} TEXT)*)? {_literal(']')}")
    if "null" in types:
        forms.append(_literal("null"))
    return " | ".join(forms)


def _plain_rule(kind: Mapping[str, Any]) -> str:
    return f"%json {json.dumps({**kind, **json_schema.PLAIN})}"


def _is_text(kind: Mapping[str, Any]) -> bool:
    """Tell whether a field holds texts alone, one or several."""
    items = [one.get("items", {}) for one in kind.get("anyOf", [kind]) if one.get("type") == "array"]
    types = _types(kind)
    return (
        types <= {"string", "array", "null"} and bool(types - {"null"}) and all(_types(i) == {"string"} for i in items)
    )


def _types(kind: Mapping[str, Any]) -> set[str]:
    return {str(one.get("type")) for one in kind.get("anyOf", [kind])}


def _fold(text: str) -> str:
    return " ".join(text.split())


def _literal(text: str) -> str:
    """Write a string of the grammar."""
    return json.dumps(text, ensure_ascii=True)
