"""Which rows a bundle has seen: digests of the training and validation rows, without their texts.

A measurement on rows of the user's own can then say how many of them are new. The sealed test rows are not among them.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ockham.data.normalize import exact_key, near_key
from ockham.records import Side, TaskName

FILE = "seen.bin"
SIDES: tuple[Side, ...] = ("train", "valid")
_SALT_BYTES = 16
_SIZE = 8
"""Bytes of a digest that are kept: a million new rows meet one of 10 million by chance once in a million times."""
_HEAD = struct.Struct(f">{_SALT_BYTES}s{len(SIDES)}Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRows:
    """The digests of a bundle's rows, by the side of the split that they stood on."""

    salt: bytes
    digests: Mapping[Side, frozenset[bytes]]

    def side_of(self, text: str, task: TaskName) -> Side | None:
        """Say where an input stood in the bundle's data, ``None`` where it is new to it."""
        digest = _digest(self.salt, text, task)
        return next((side for side in SIDES if digest in self.digests[side]), None)


def pack(inputs: Mapping[Side, Sequence[str]], task: TaskName) -> bytes:
    """Write the digests of the inputs of each side; equal rows give equal bytes, whatever their order and labels.

    The salt follows from all inputs together, so the digests of two data sets cannot be compared.
    """
    whole = hashlib.sha256()
    for digest in sorted(_digest(b"", text, task) for side in SIDES for text in inputs.get(side, ())):
        whole.update(digest)
    salt = whole.digest()[:_SALT_BYTES]
    sides = [sorted({_digest(salt, text, task) for text in inputs.get(side, ())}) for side in SIDES]
    return _HEAD.pack(salt, *map(len, sides)) + b"".join(digest for side in sides for digest in side)


def unpack(data: bytes) -> SeenRows | None:
    """Read what `pack` wrote; ``None`` for anything else."""
    if len(data) < _HEAD.size:
        return None
    salt, *counts = _HEAD.unpack_from(data)
    if len(data) != _HEAD.size + _SIZE * sum(counts):
        return None
    digests: dict[Side, frozenset[bytes]] = {}
    start = _HEAD.size
    for side, count in zip(SIDES, counts, strict=True):
        end = start + _SIZE * count
        digests[side] = frozenset(data[at : at + _SIZE] for at in range(start, end, _SIZE))
        start = end
    return SeenRows(salt=salt, digests=digests)


def _digest(salt: bytes, text: str, task: TaskName) -> bytes:
    """Digest what makes two rows one to the split: case, digits and punctuation do not count.

    The order of words does not either where options are asked in an order drawn anew.
    """
    key = near_key(text)
    if not any(map(str.isalpha, key)):
        key = exact_key(text)
    if task == "choose":
        key = " ".join(sorted(key.split()))
    return hashlib.sha256(salt + key.encode("utf-8", "surrogatepass")).digest()[:_SIZE]
