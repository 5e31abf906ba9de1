"""Make a GGUF file smaller with ggml's own quantizers, called in the engine's library.

xllamacpp has no call for it, but its library exports ``ggml_quantize_chunk``: floats in, blocks out, the very function
that llama.cpp's own tool uses. Which tensor gets which type follows that tool (``llama-quant.cpp``), without its table
of exceptions for mixtures of experts.
"""

from __future__ import annotations

import ctypes
import importlib.util
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from ockham import store
from ockham.convert.gguf_export import Converted
from ockham.errors import ModelError
from ockham.llm import gguf_file
from ockham.llm.gguf_file import BLOCKS, GgufHeader, GgufTensor
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Format = Literal["q8_0", "q4_0", "q4_k_m"]

FILE_TYPES: Mapping[str, int] = {"q8_0": 7, "q4_0": 2, "q4_k_m": 15}
"""The number llama.cpp writes under ``general.file_type``."""

CHUNK = 1 << 22
"""Floats that are quantized at a time."""

_NUMBERS = {name: number for number, (name, _, _) in BLOCKS.items()}
_FLOATS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_FILE_TYPE = b"general.file_type"
# A type whose blocks do not fit a row → the one that does.
_INSTEAD = {"Q4_K": "Q5_0", "Q6_K": "Q8_0"}

Quantizer = Callable[[int, "NDArray[np.float32]"], bytes]


def quantize(path: Path, out: Path, form: Format, *, source: str = "", packed: bool = False) -> Converted:
    """Write a model's GGUF file (in 32 or 16 bits) again with its matrices in a smaller type.

    ``source`` is passed on. ``packed`` allows a file that is quantized already: what it lost then stays lost, and more
    is added. Raises `ModelError`: ``E_MODEL_FORMAT`` for a damaged file, one that is quantized already,
    or one with a weight that is not finite; ``E_MODEL_MISSING`` where the engine's library gives no quantizer.
    """
    head = gguf_file.inspect(path)
    quantizer = _quantizer()
    types = {name: _type(tensor, head, form) for name, tensor in head.tensors.items()}
    with path.open("rb") as reader, out.open("wb") as writer:
        writer.write(_set_file_type(reader.read(head.listed_at), form))
        writer.write(_list(head, types))
        _pad(writer, head.alignment)
        for name, tensor in head.tensors.items():
            for block in _blocks(reader, tensor, types[name], path.name, quantizer, packed=packed):
                writer.write(block)
            _pad(writer, head.alignment)
    gguf_file.inspect(out)
    return Converted(path=out, sha256=store.file_digest(out), nbytes=out.stat().st_size, source=source)


def can_quantize() -> bool:
    """Say whether the engine's library gives its quantizer here."""
    try:
        _quantizer()
    except ModelError:
        return False
    return True


def fit_quantization(path: Path) -> Format:
    """Say which 4-bit form fits a model: ``q4_k_m``, or ``q4_0`` where the rows of a matrix hold no blocks of 256.

    Raises `ModelError` (``E_MODEL_FORMAT``) for a damaged file.
    """
    head = gguf_file.inspect(path)
    rows = [tensor.shape[0] for tensor in head.tensors.values() if _type(tensor, head, "q8_0") == "Q8_0"]
    return "q4_k_m" if all(row % _block("Q4_K") == 0 for row in rows) else "q4_0"


def _type(tensor: GgufTensor, head: GgufHeader, form: Format) -> str:
    name = tensor.name
    if len(tensor.shape) != 2 or not name.endswith(".weight") or "norm" in name or "conv" in name:
        return tensor.type
    last = name == "output.weight" or (name == "token_embd.weight" and "output.weight" not in head.tensors)
    target = {"q8_0": "Q8_0", "q4_0": "Q4_0", "q4_k_m": "Q4_K"}[form]
    sensitive = form == "q4_k_m" and ("attn_v" in name or "ffn_down" in name) and _more(tensor, head)
    if sensitive or (last and form != "q8_0"):
        target = "Q6_K"
    if tensor.shape[0] % _block(target):
        target = _INSTEAD.get(target, tensor.type)
    return target if tensor.shape[0] % _block(target) == 0 else tensor.type


def _more(tensor: GgufTensor, head: GgufHeader) -> bool:
    """Tell whether a layer's sensitive matrices get more bits: the first and last eighth, and every third between."""
    layers = head.number("block_count") or 1
    layer = int(tensor.name.split(".")[1])
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def _block(name: str) -> int:
    return BLOCKS[_NUMBERS[name]][1]


def _size(tensor: GgufTensor, name: str) -> int:
    _, block, size = BLOCKS[_NUMBERS[name]]
    elements = 1
    for length in tensor.shape:
        elements *= length
    return elements // block * size


def _set_file_type(raw: bytes, form: Format) -> bytes:
    entry = struct.pack("<Q", len(_FILE_TYPE)) + _FILE_TYPE + struct.pack("<I", 4)
    at = raw.find(entry) + len(entry)
    return raw if at < len(entry) else raw[:at] + struct.pack("<I", FILE_TYPES[form]) + raw[at + 4 :]


def _list(head: GgufHeader, types: Mapping[str, str]) -> bytes:
    listed, at = b"", 0
    for name, tensor in head.tensors.items():
        raw = name.encode()
        listed += struct.pack("<Q", len(raw)) + raw + struct.pack("<I", len(tensor.shape))
        listed += struct.pack(f"<{len(tensor.shape)}QIQ", *tensor.shape, _NUMBERS[types[name]], at)
        at += -(-_size(tensor, types[name]) // head.alignment) * head.alignment
    return listed


def _blocks(
    reader: BinaryIO, tensor: GgufTensor, to: str, name: str, quantizer: Quantizer, *, packed: bool
) -> Iterator[bytes]:
    reader.seek(tensor.start)
    if to == tensor.type:
        left = tensor.nbytes
        while left:
            part = reader.read(min(left, CHUNK))
            left -= len(part)
            yield part
        return
    if tensor.type not in _FLOATS and not packed:
        what = f"{name}: the tensor {tensor.name!a} is in {tensor.type}; only 32 and 16 bits are quantized"
        raise ModelError("E_MODEL_FORMAT", what, fix="start from the 16-bit file")
    rows, row = tensor.shape[1], tensor.shape[0]
    step = max(1, CHUNK // row)
    for start in range(0, rows, step):
        count = min(step, rows - start)
        values = _floats(reader.read(count * (tensor.nbytes // rows)), tensor.type)
        if not bool((abs(values) < float("inf")).all()):
            what = f"{name}: the tensor {tensor.name!a} holds a weight that is not a finite number"
            raise ModelError("E_MODEL_FORMAT", what, fix="download or copy the weights again")
        yield quantizer(_NUMBERS[to], values.reshape(count, row))


def _floats(raw: bytes, kind: str) -> NDArray[np.float32]:
    import numpy as np

    if kind not in _FLOATS:
        return unpack(raw, kind)
    values = np.frombuffer(raw, dtype=_FLOATS[kind])
    if kind == "BF16":  # the upper half of a number in 32 bits
        return (values.astype(np.uint32) << 16).view(np.float32)
    return np.ascontiguousarray(values, dtype=np.float32)


def unpack(raw: bytes, kind: str) -> NDArray[np.float32]:
    """Return the numbers of whole blocks of a quantized type.

    Raises `ModelError` (``E_MODEL_MISSING``) without the package that knows the types, ``E_MODEL_FORMAT`` for a type
    that it does not know.
    """
    import numpy as np

    try:
        import gguf
    except ImportError:
        raise ModelError("E_MODEL_MISSING", "the package gguf is not installed", fix=install_command("gguf")) from None
    try:
        numbers = gguf.dequantize(np.frombuffer(raw, dtype=np.uint8), gguf.GGMLQuantizationType(_NUMBERS[kind]))
    except (NotImplementedError, KeyError):
        what = f"weights in {kind} cannot be unpacked"
        raise ModelError("E_MODEL_FORMAT", what, fix="use a file in another format, or the model's folder") from None
    return np.ascontiguousarray(numbers, dtype=np.float32)


def _quantizer() -> Quantizer:
    import numpy as np

    spec = importlib.util.find_spec("xllamacpp")
    library = next(Path(spec.origin).parent.glob("xllamacpp*.so"), None) if spec and spec.origin else None
    if library is None:
        raise ModelError("E_MODEL_MISSING", "the package xllamacpp is not installed", fix=install_command("gguf"))
    try:
        function = ctypes.CDLL(str(library)).ggml_quantize_chunk
    except (OSError, AttributeError):
        what = "this build of xllamacpp has no quantizer"
        raise ModelError("E_MODEL_MISSING", what, fix="use q8_0, which the converter writes itself") from None
    function.restype = ctypes.c_size_t
    int64, floats = ctypes.c_int64, ctypes.POINTER(ctypes.c_float)
    function.argtypes = [ctypes.c_int, floats, ctypes.c_void_p, int64, int64, int64, floats]

    def quantize_rows(number: int, values: NDArray[np.float32]) -> bytes:
        rows, row = values.shape
        _, block, size = BLOCKS[number]
        out = np.empty(rows * row // block * size, dtype=np.uint8)
        source = np.ascontiguousarray(values)
        function(number, source.ctypes.data_as(floats), out.ctypes.data, 0, rows, row, None)
        return out.tobytes()

    return quantize_rows


def _pad(writer: BinaryIO, alignment: int) -> None:
    writer.write(bytes(-writer.tell() % alignment))
