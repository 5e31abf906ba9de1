"""GGUF files in a format that the engine is slow at, written again in one that it is fast at.

Q4_1 takes 1.5 to 1.7 times as long to read a prompt as Q8_0 or Q4_0 of the same weights. Its weights are a scale, an
offset and 4 bits each: 8 bits lose next to nothing of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ockham.convert.gguf_quantize import Format, quantize
from ockham.llm import gguf_file

SLOW = ("q4_1",)
FORMS: Sequence[Format] = ("q8_0", "q4_0")
FOLDER = "repacked"


def weight_type(path: Path) -> str:
    """Name what most of a file's weights are stored as. Raises `ModelError` as `gguf_file.inspect`."""
    sizes: dict[str, int] = {}
    for tensor in gguf_file.inspect(path).tensors.values():
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.nbytes
    return max(sizes, key=lambda kind: (sizes[kind], kind), default="unknown").lower()


def is_slow(path: Path) -> bool:
    """Tell whether a GGUF file is better served in another format. Raises as `weight_type`."""
    return weight_type(path) in SLOW


def repack_pulled(folder: Path) -> None:
    """Make the forms that serve of a slow GGUF file in a folder, where what makes them is installed.

    Where it is not, or the file is not slow, nothing is done: a run makes them for itself. Raises `ModelError`
    (``E_MODEL_FORMAT``) for a file that is damaged.
    """
    files = sorted(folder.glob("*.gguf"))
    if len(files) != 1 or not is_slow(files[0]) or find_spec("xllamacpp") is None or find_spec("gguf") is None:
        return
    (folder / FOLDER).mkdir(exist_ok=True)
    for form in FORMS:
        quantize(files[0], folder / FOLDER / f"{form}.gguf", form, packed=True)


def repacked_file(path: Path, form: Format) -> Path | None:
    """Return the form of a GGUF file that was made when it was fetched; ``None`` where there is none."""
    repacked = path.parent / FOLDER / f"{form}.gguf"
    return repacked if repacked.is_file() else None
