"""Canonical JSON: equal values have equal bytes, and so equal digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def plain(value: Any) -> Any:  # noqa: ANN401 - the one door from records to JSON
    """Turn a record into plain JSON values (dataclasses to dicts, tuples to lists, non-finite floats refused)."""
    if value is None or isinstance(value, (str, int)):  # nearly all values there are
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a record holds a number that is not finite")
    return value


def canonical(value: Any) -> bytes:  # noqa: ANN401
    """Return the one JSON text of a value: sorted keys, no spaces, floats to 12 significant digits, UTF-8."""
    text = json.dumps(_round_floats(plain(value)), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode()


def digest(value: Any) -> str:  # noqa: ANN401
    """Name a value by the SHA-256 of its canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _round_floats(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {key: _round_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_round_floats(item) for item in value]
    return value
