"""GGUF files laid down byte by byte, so that each of them can be wrong in one place.

Written from the format's description alone; shares nothing with the reader under test.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

UINT8, INT8, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64 = 0, 1, 4, 5, 6, 7, 8, 9, 10
_FORMS = {UINT8: "B", INT8: "b", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?", UINT64: "Q"}


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value % 2**64)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return u64(len(raw)) + raw


def pair(key: str, kind: int, value: Any) -> bytes:
    body = text(value) if kind == STRING else struct.pack("<" + _FORMS[kind], value)
    return text(key) + u32(kind) + body


def array(key: str, kind: int, values: Sequence[Any]) -> bytes:
    items = [text(value) if kind == STRING else struct.pack("<" + _FORMS[kind], value) for value in values]
    return text(key) + u32(ARRAY) + u32(kind) + u64(len(values)) + b"".join(items)


def tensor(name: str, shape: Sequence[int], kind: int, offset: int) -> bytes:
    return text(name) + u32(len(shape)) + b"".join(u64(n) for n in shape) + u32(kind) + u64(offset)


@dataclass(kw_only=True)
class Gguf:
    """The parts of a small model's file; change one and lay it down."""

    magic: bytes = b"GGUF"
    version: int = 3
    counts: tuple[int, int] | None = None
    tokens: list[bytes] = field(default_factory=lambda: [b"a", b"b", b"<0x0A>", b"</s>"])
    types: list[int] = field(default_factory=lambda: [1, 1, 6, 3])
    layers: int = 2
    alignment: int = 32
    pairs: list[bytes] | None = None
    extra: list[bytes] = field(default_factory=list)
    tensors: list[bytes] | None = None
    data: bytes | None = None

    def metadata(self) -> list[bytes]:
        return [
            pair("general.architecture", STRING, "llama"),
            pair("llama.block_count", UINT32, self.layers),
            array("tokenizer.ggml.tokens", STRING, self.tokens),
            array("tokenizer.ggml.token_type", INT32, self.types),
        ]

    def laid(self) -> bytes:
        pairs = [*(self.metadata() if self.pairs is None else self.pairs), *self.extra]
        width = 32
        sizes = (width * len(self.tokens) * 2, width * 4)
        second = -(-sizes[0] // self.alignment) * self.alignment
        tensors = self.tensors
        if tensors is None:
            tensors = [
                tensor("token_embd.weight", (width, len(self.tokens)), 1, 0),
                tensor("output_norm.weight", (width,), 0, second),
            ]
        counts = self.counts or (len(tensors), len(pairs))
        head = self.magic + u32(self.version) + u64(counts[0]) + u64(counts[1]) + b"".join(pairs) + b"".join(tensors)
        data = bytes(second + sizes[1]) if self.data is None else self.data
        return head + bytes(-len(head) % self.alignment) + data
