"""Records to bytes and back. Equal records give equal bytes on every machine; damaged bytes give no record."""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ockham.errors import Defect, RunError
from ockham.records import plain

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
SCHEMA = 1
_HEAD = re.compile(rb'\{"schema":1,"key":"([^"\\]+)","sha256":"([0-9a-f]{64})","payload":')
_TAIL = b"}\n"


def encode(record: object) -> bytes:
    """Write a record, or a tuple or dict of them, as JSON: sorted keys, UTF-8, numbers exact.

    Unlike `records.canonical`, which names values, this loses nothing: ``decode(encode(x), type) == x``. Raises
    `Defect` for what JSON cannot hold (a number that is not finite, text that is not Unicode, an unknown type).
    """
    try:
        text = json.dumps(plain(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError):
        # The cause quotes the value, and values are the user's: it is left out on purpose.
        message = f"a {type(record).__name__} holds a value that cannot be stored"
        raise Defect("E_DEFECT", message, fix="please report this") from None


def decode(data: bytes, kind: type[T]) -> T:
    """Read a record back: types are checked strictly, unknown and missing fields are refused.

    Raises `RunError` (``E_RUN_CHANGED``), which never quotes the content.
    """
    from pydantic import ValidationError

    try:
        record: T = _adapter(cast("Any", kind)).validate_json(data, strict=True)
        # Pydantic skips fields that a standard dataclass does not know; comparing what came out with what went in
        # refuses them, and also a field that was left out and filled by its default.
        if plain(record) == json.loads(data):
            return record
        reason = "its fields are not those of this version"
    except ValidationError as error:
        reason = f"{error.error_count()} of its values are not of the right type"
    except ValueError:
        reason = "it is not whole"
    name = getattr(kind, "__name__", "record")
    raise RunError("E_RUN_CHANGED", f"a stored {name} cannot be read: {reason}", fix="make it again from its source")


def seal_entry(key: str, payload: bytes) -> bytes:
    """Wrap a payload with its key and its SHA-256."""
    digest = hashlib.sha256(payload).hexdigest()
    return (
        b'{"schema":%d,"key":"%s","sha256":"%s","payload":%s' % (SCHEMA, key.encode(), digest.encode(), payload) + _TAIL
    )


def open_entry(data: bytes) -> tuple[str, bytes] | None:
    """Take key and payload out of an entry; ``None`` where a single byte is not as it was written."""
    head = _HEAD.match(data)
    if head is None or not data.endswith(_TAIL):
        return None
    payload = data[head.end() : -len(_TAIL)]
    if hashlib.sha256(payload).hexdigest().encode() != head[2]:
        return None
    return head[1].decode("utf-8", "replace"), payload


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a type form, such as tuple[Example, ...], has no better type
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
