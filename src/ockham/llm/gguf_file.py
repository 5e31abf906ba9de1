"""Read the head of a GGUF file and refuse a damaged or hostile one, before native code sees it.

llama.cpp reads counts, sizes and offsets from the file and trusts most of them. Here every one is checked against the
file's real size and against caps, in plain Python, in well under a second and without holding tensors: what passes is
laid out as a language model (or an adapter of one) that the engine may open. Damage inside the weights cannot be seen
this way; it is what the SHA-256 of a bundle's files is for.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little endian).
"""

from __future__ import annotations

import functools
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeAlias

from ockham.errors import ModelError
from ockham.store.file_identity import file_identity

Scalar: TypeAlias = "bool | int | float | str"

MAX_TENSORS = 65_536
MAX_KEYS = 65_536
MAX_STRING = 16 << 20
MAX_METADATA = 64 << 20
MAX_STRINGS = 1_500_000
MAX_ALIGNMENT = 65_536
MAX_NAME = 63
MAX_LAYERS = 512
MAX_DIMENSIONS = 4

BLOCKS: Mapping[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}
"""Type number → its name, the weights in a block and the bytes of a block."""

_STRING, _ARRAY = 8, 9
_SCALARS: Mapping[int, struct.Struct] = {
    number: struct.Struct("<" + code)
    for number, code in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
_UINT32, _INT32, _FLOAT32 = 4, 5, 6
_TOKENS = "tokenizer.ggml.tokens"
_BYTE_TOKEN = 6
_BYTE_FORM = re.compile(rb"<0x[0-9A-F]{2}>")
# The engine reads these arrays through a pointer of this type, whatever type the file says (a narrower one would be
# read past its end); True where the array must have one element per token.
_READ_AS = {
    _TOKENS: (_STRING, True),
    "tokenizer.ggml.scores": (_FLOAT32, True),
    "tokenizer.ggml.token_type": (_INT32, True),
    "tokenizer.ggml.merges": (_STRING, False),
}
_FIX = "get the file again from where it came, or convert the model again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """An array in the metadata: its elements' type number and how many there are.

    Its content is held only where it may be numbers per layer: at most `MAX_LAYERS` of them.
    """

    kind: int
    count: int
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufTensor:
    """One tensor: shape as GGUF has it (fastest axis first), type name, and where it lies in the file, in bytes."""

    name: str
    shape: tuple[int, ...]
    type: str
    start: int
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """What a GGUF file says of itself.

    ``tokens`` is the vocabulary's size, 0 where there is none; ``listed_at`` the byte where the list of tensors begins.
    """

    metadata: Mapping[str, Scalar | Array]
    tensors: Mapping[str, GgufTensor]
    tokens: int
    nbytes: int
    alignment: int
    listed_at: int

    @property
    def architecture(self) -> str:
        """The architecture's name, such as ``llama``."""
        return str(self.metadata["general.architecture"])

    @property
    def is_adapter(self) -> bool:
        """Whether the file is a LoRA adapter, not a model."""
        return self.metadata.get("general.type") == "adapter"

    def number(self, name: str) -> int | None:
        """Return a whole number of the architecture's, such as ``context_length``; ``None`` where it has none."""
        value = self.metadata.get(f"{self.architecture}.{name}")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def numbers(self, name: str) -> tuple[int, ...] | None:
        """Return the whole numbers (or yes and no, as 1 and 0) of an array per layer; ``None`` where it has none."""
        value = self.metadata.get(f"{self.architecture}.{name}")
        if not isinstance(value, Array) or len(value.numbers) != value.count:
            return None
        whole = tuple(int(number) for number in value.numbers if number == int(number))
        return whole if len(whole) == value.count else None


def inspect(path: Path) -> GgufHeader:
    """Read a GGUF file's head and check that the whole file is laid out as it says.

    Once only, while the file stays as it is. Raises `ModelError`: ``E_MODEL_MISSING`` where the file cannot be read,
    ``E_MODEL_FORMAT`` (with the byte) where anything is not as the format has it, or over a cap.
    """
    try:
        identity = file_identity(path)
        return _read_head(path) if identity is None else _remember_head(path, identity)
    except OSError as error:
        raise ModelError(
            "E_MODEL_MISSING", f"{path.name}: cannot be read ({error.strerror})", fix="name a GGUF file"
        ) from None


@functools.lru_cache(maxsize=8)
def _remember_head(path: Path, identity: tuple[int, ...]) -> GgufHeader:  # noqa: ARG001 - it tells files apart
    return _read_head(path)


def _read_head(path: Path) -> GgufHeader:
    with path.open("rb") as stream:
        nbytes = stream.seek(0, 2)
        stream.seek(0)
        return _Reader(path.name, stream, nbytes).head()


class _Reader:
    """One pass over the head of an open file, never past its end."""

    def __init__(self, name: str, stream: BinaryIO, nbytes: int) -> None:
        self._name = name
        self._stream = stream
        self._nbytes = nbytes
        self._at = 0
        self._strings = 0
        self._tokens: list[bytes] = []
        self._types: tuple[int, ...] = ()

    def head(self) -> GgufHeader:
        if self._take(4) != b"GGUF":
            self._refuse("is not a GGUF file")
        version = self._uint32()
        if version not in (2, 3):
            self._refuse(f"GGUF version {version} (2 and 3 are read; a very large number is a big-endian file)")
        tensors, keys = self._uint64(), self._uint64()
        # No tensor takes fewer than 33 bytes here, no key fewer than 14.
        if tensors > min(MAX_TENSORS, self._nbytes // 33) or keys > min(MAX_KEYS, self._nbytes // 14):
            self._refuse("says it has more tensors or keys than it can hold")
        metadata = self._metadata(keys)
        listed_at, alignment = self._at, self._alignment(metadata)
        head = GgufHeader(
            metadata=metadata,
            tensors=self._tensors(tensors, alignment),
            tokens=len(self._tokens),
            nbytes=self._nbytes,
            alignment=alignment,
            listed_at=listed_at,
        )
        self._check_model(head)
        return head

    def _metadata(self, keys: int) -> dict[str, Scalar | Array]:
        metadata: dict[str, Scalar | Array] = {}
        for _ in range(keys):
            key = self._text(limit=65_535)
            if not key or key in metadata:
                self._refuse("has a key that is empty or there twice")
            metadata[key] = self._value(key)
            if self._at > MAX_METADATA:
                self._refuse(f"has more than {MAX_METADATA >> 20} MiB of metadata")
        return metadata

    def _value(self, key: str) -> Scalar | Array:
        kind = self._uint32()
        if kind == _STRING:
            return self._text(limit=MAX_STRING)
        if kind in _SCALARS:
            return self._scalar(kind)
        if kind != _ARRAY:
            self._refuse(f"has a value of the unknown type {kind}")
        element, count = self._uint32(), self._uint64()
        if element != _STRING and element not in _SCALARS:
            self._refuse(f"has an array of the type {element}, which is unknown or an array again")
        expected, _ = _READ_AS.get(key, (element, False))
        if element != expected:
            self._refuse(f"{key} has elements of type {element}, not {expected}")
        return Array(kind=element, count=count, numbers=self._array(key, element, count))

    def _array(self, key: str, element: int, count: int) -> tuple[float, ...]:
        size = 8 if element == _STRING else _SCALARS[element].size
        if count * size > self._nbytes - self._at:
            self._refuse("has an array longer than the file")
        if element != _STRING:
            if self._at + count * size > MAX_METADATA:
                self._refuse(f"has more than {MAX_METADATA >> 20} MiB of metadata")
            raw = self._take(count * size)
            if key == "tokenizer.ggml.token_type":
                self._types = struct.unpack(f"<{count}i", raw)
            form = _SCALARS[element].format[1:]
            return struct.unpack(f"<{count}{form}", raw) if count <= MAX_LAYERS else ()
        self._strings += count
        if self._strings > MAX_STRINGS:
            self._refuse(f"has more than {MAX_STRINGS:,} strings")
        keep = self._tokens if key == _TOKENS else None
        for _ in range(count):
            text = self._bytes(limit=MAX_STRING)
            if keep is not None:
                keep.append(text)
            if self._at > MAX_METADATA:
                self._refuse(f"has more than {MAX_METADATA >> 20} MiB of metadata")
        return ()

    def _alignment(self, metadata: Mapping[str, Scalar | Array]) -> int:
        value = metadata.get("general.alignment", 32)
        if type(value) is not int or not 1 <= value <= MAX_ALIGNMENT or value & (value - 1):
            self._refuse("general.alignment is not a power of two in range")
        return value

    def _tensors(self, count: int, alignment: int) -> dict[str, GgufTensor]:
        listed: dict[str, tuple[tuple[int, ...], str, int, int]] = {}
        for _ in range(count):
            name = self._text(limit=MAX_NAME)
            if not name or name in listed:
                self._refuse("has a tensor whose name is empty or there twice")
            listed[name] = self._tensor()
        begin = _pad_to(self._at, alignment)
        at = end = begin
        tensors = {}
        for name, (shape, kind, nbytes, offset) in listed.items():
            # The engine maps tensors by these offsets: they must follow one another without gap or overlap.
            if begin + offset != at:
                self._refuse(f"the tensor {name!a} does not begin where the one before it ends")
            tensors[name] = GgufTensor(name=name, shape=shape, type=kind, start=at, nbytes=nbytes)
            end = at + nbytes
            at = _pad_to(end, alignment)
        if not min(end, self._nbytes) == end <= self._nbytes <= max(at, begin):
            have = f"the file has {self._nbytes} bytes, its tensors end at {end}"
            self._refuse(f"{have}: it is cut off, or something follows it")
        return tensors

    def _tensor(self) -> tuple[tuple[int, ...], str, int, int]:
        dimensions = self._uint32()
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            self._refuse(f"has a tensor of {dimensions} dimensions")
        shape = tuple(self._uint64() for _ in range(dimensions))
        number = self._uint32()
        if number not in BLOCKS:
            self._refuse(f"has a tensor of the unknown type {number}")
        kind, block, size = BLOCKS[number]
        # Python's numbers do not overflow, so a product that would wrap in 64 bits is simply too large here.
        elements = math.prod(shape)
        if min(shape) < 1 or shape[0] % block or elements // block * size > self._nbytes:
            self._refuse("has a tensor whose shape fits neither its type nor the file")
        return shape, kind, elements // block * size, self._uint64()

    def _check_model(self, head: GgufHeader) -> None:
        name = head.metadata.get("general.architecture")
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
            self._refuse("general.architecture is missing or not a name")
        if not head.tensors:
            self._refuse("holds no tensor")
        if head.is_adapter:
            return
        layers = head.number("block_count")
        if layers is None or not 1 <= layers <= MAX_LAYERS:
            self._refuse(f"{name}.block_count is missing or not in 1 to {MAX_LAYERS}")
        for key, value in head.metadata.items():
            # A number per layer is copied into 512 places of 32 bits each.
            narrow = isinstance(value, Array) and value.kind not in (_UINT32, _INT32, _FLOAT32, 7, _STRING)
            if key.startswith(f"{name}.") and isinstance(value, Array) and (narrow or value.count > MAX_LAYERS):
                self._refuse(f"{key!a} is an array of a type or length that the engine does not read safely")
        self._check_vocabulary(head)

    def _check_vocabulary(self, head: GgufHeader) -> None:
        for key, (_, per_token) in _READ_AS.items():
            value = head.metadata.get(key)
            if value is not None and not isinstance(value, Array):
                self._refuse(f"{key} is not an array")
            if per_token and isinstance(value, Array) and value.count != head.tokens:
                self._refuse(f"{key} has {value.count} elements for {head.tokens} tokens")
        embedding = head.tensors.get("token_embd.weight")
        if not head.tokens or embedding is None or len(embedding.shape) != 2:
            self._refuse("has no vocabulary, or no matrix of token embeddings")
        if embedding.shape[1] != head.tokens:
            self._refuse(f"has {head.tokens} tokens, and embeddings for {embedding.shape[1]}")
        for key, value in head.metadata.items():
            if re.fullmatch(r"tokenizer\.ggml\.\w+_token_id", key) and not (
                type(value) is int and (0 <= value < head.tokens or value == 0xFFFFFFFF)
            ):
                self._refuse(f"{key} is not the number of a token")
        for token, kind in zip(self._tokens, self._types, strict=False):
            if kind == _BYTE_TOKEN and not _BYTE_FORM.fullmatch(token):
                self._refuse("has a byte token that names no byte")

    def _scalar(self, kind: int) -> bool | int | float:
        form = _SCALARS[kind]
        value = form.unpack(self._take(form.size))[0]
        return value if isinstance(value, (bool, int)) else float(value)

    def _uint32(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def _uint64(self) -> int:
        return int.from_bytes(self._take(8), "little")

    def _text(self, *, limit: int) -> str:
        try:
            return self._bytes(limit=limit).decode()
        except UnicodeDecodeError:
            self._refuse("has a name or text that is not UTF-8")

    def _bytes(self, *, limit: int) -> bytes:
        length = int.from_bytes(self._take(8), "little")
        if length > limit:
            self._refuse(f"has a name or text longer than {limit:,} bytes")
        return self._take(length)

    def _take(self, length: int) -> bytes:
        raw = self._stream.read(length) if length <= self._nbytes - self._at else b""
        if len(raw) != length:
            self._refuse("is cut off in its head")
        self._at += length
        return raw

    def _refuse(self, what: str) -> NoReturn:
        raise ModelError("E_MODEL_FORMAT", f"{self._name}, byte {self._at}: {what}", fix=_FIX)


def _pad_to(at: int, alignment: int) -> int:
    return -(-at // alignment) * alignment
