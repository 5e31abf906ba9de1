"""Refuse a damaged or hostile safetensors file by its head, before a library opens it.

The format: eight bytes with the header's length, a JSON object that gives every tensor's type, shape and place, then
the tensors, one after the other, to the end of the file (https://github.com/huggingface/safetensors#format). A pickle
or an archive under this name fails at the first step, and is never opened as what it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ockham.errors import ModelError

MAX_HEADER = 16 << 20
MAX_DIMENSIONS = 16

BITS: Mapping[str, int] = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
}
_FIX = "get the file again from where it came"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor: its type, shape and bytes from ``begin`` to ``end`` after the header."""

    type: str
    shape: tuple[int, ...]
    begin: int
    end: int


class _TwiceError(ValueError):
    """A name that is there twice in one JSON object."""


def inspect(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file's header and check it against the file's size; gives the tensors by name.

    Raises `ModelError`: ``E_MODEL_MISSING`` where the file cannot be read, ``E_MODEL_FORMAT`` where it is not whole or
    not of this format.
    """
    try:
        with path.open("rb") as stream:
            nbytes = stream.seek(0, 2)
            stream.seek(0)
            length = int.from_bytes(stream.read(8), "little")
            if nbytes < 10 or length < 2 or length > min(MAX_HEADER, nbytes - 8):
                _refuse(path, "is not a safetensors file, or is cut off")
            raw = stream.read(length)
    except OSError as error:
        what = f"{path.name}: cannot be read ({error.strerror})"
        raise ModelError("E_MODEL_MISSING", what, fix="name a folder with the model's files") from None
    tensors = {}
    for place, (name, entry) in enumerate(_header(path, raw).items()):
        tensor = _tensor(entry)
        if tensor is None:
            _refuse(path, f"tensor {place + 1} has a type, shape or place that cannot be")
        tensors[name] = tensor
    at = 0
    for tensor in sorted(tensors.values(), key=lambda one: (one.begin, one.end)):
        if tensor.begin != at:
            _refuse(path, f"tensors overlap, or leave a gap, at byte {8 + length + at}")
        at = tensor.end
    if 8 + length + at != nbytes:
        _refuse(path, f"the file has {nbytes} bytes, its tensors end at {8 + length + at}")
    return tensors


def _header(path: Path, raw: bytes) -> dict[str, object]:
    try:
        header = json.loads(raw.decode(), object_pairs_hook=_once) if raw[:1] == b"{" else None
    except _TwiceError:
        _refuse(path, "the header has a name twice")
    except (ValueError, RecursionError):
        _refuse(path, "the header is not JSON")
    if not isinstance(header, dict):
        _refuse(path, "the header is not a JSON object")
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(value, str) for value in about.values()):
        _refuse(path, "the header's metadata are not texts")
    return header


def _refuse(path: Path, what: str) -> NoReturn:
    raise ModelError("E_MODEL_FORMAT", f"{path.name}: {what}", fix=_FIX)


def _tensor(entry: object) -> Tensor | None:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return None
    bits = BITS.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    shape, place = (_counts(entry[name]) for name in ("shape", "data_offsets"))
    if bits is None or shape is None or place is None or len(shape) > MAX_DIMENSIONS or len(place) != 2:
        return None
    begin, end = place
    # Python's numbers do not overflow: a product that would wrap in 64 bits is simply not the size here.
    if math.prod(shape) * bits != (end - begin) * 8:
        return None
    return Tensor(type=entry["dtype"], shape=shape, begin=begin, end=end)


def _counts(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not all(type(item) is int and 0 <= item < 2**63 for item in value):
        return None
    return tuple(value)


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found
