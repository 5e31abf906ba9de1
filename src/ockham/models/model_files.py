"""The JSON file in which a plug keeps what it learnt or was told: one frozen dataclass, checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ockham import config
from ockham.errors import ConfigError, ModelError
from ockham.records import canonical

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIX = "create the bundle again: ockham fit"
MAX_BYTES = 64_000_000

T = TypeVar("T")


def write(settings: object, path: Path) -> None:
    """Write a dataclass as canonical JSON (equal settings give equal bytes) into a staging folder."""
    path.write_bytes(canonical(settings))


def write_lines(lines: Sequence[str], path: Path) -> None:
    """Write lines for a person to read into a staging folder."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))


def read(kind: type[T], path: Path) -> T:
    """Read what `write` wrote.

    Raises `ModelError`: ``E_MODEL_MISSING`` where the file is missing, ``E_MODEL_FORMAT`` where it is over 64 MB, not
    JSON, or does not hold exactly the fields of ``kind``.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelError("E_MODEL_MISSING", f"{path.name}: cannot be read ({error.strerror})", fix=FIX) from None
    if len(raw) > MAX_BYTES:
        raise ModelError("E_MODEL_FORMAT", f"{path.name}: larger than 64 MB", fix=FIX)
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        raise ModelError("E_MODEL_FORMAT", f"{path.name}: not JSON", fix=FIX) from None
    if not isinstance(values, dict):
        raise ModelError("E_MODEL_FORMAT", f"{path.name}: not a JSON object", fix=FIX)
    try:
        return config.build(kind, values, path.name)
    except ConfigError as error:
        raise ModelError("E_MODEL_FORMAT", error.message, fix=FIX) from None


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Read the arrays of a safetensors file that holds exactly these names.

    Raises `ModelError`: ``E_MODEL_MISSING`` for a missing file, ``E_MODEL_FORMAT`` for one that is not safetensors or
    holds other names.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays: dict[str, NDArray[np.float32]] = load_file(path)
    except OSError:
        raise ModelError("E_MODEL_MISSING", f"{path.name}: cannot be read", fix=FIX) from None
    except (SafetensorError, ValueError):
        raise ModelError("E_MODEL_FORMAT", f"{path.name}: not a safetensors file", fix=FIX) from None
    if set(arrays) != set(names):
        raise ModelError("E_MODEL_FORMAT", f"{path.name}: holds other arrays than expected", fix=FIX)
    return arrays


def check_shapes(arrays: dict[str, NDArray[np.float32]], shape: tuple[int, int], names: tuple[str, str]) -> None:
    """Check the ``weight`` and ``bias`` of a linear head against what its settings tell: (inputs, labels).

    ``names`` are the files of the arrays and of the settings. Raises `ModelError` (``E_MODEL_FORMAT``).
    """
    if arrays["weight"].shape != shape or arrays["bias"].shape != shape[1:]:
        message = f"{names[0]}: its arrays are not of the shape that {names[1]} tells"
        raise ModelError("E_MODEL_FORMAT", message, fix=FIX)


def check_shape(array: NDArray[np.float32], shape: tuple[int, ...], names: tuple[str, str]) -> None:
    """Check an array against the shape that settings tell; ``names`` are the files of the array and of the settings.

    Raises `ModelError` (``E_MODEL_FORMAT``).
    """
    if array.shape != shape:
        message = f"{names[0]}: its arrays are not of the shape that {names[1]} tells"
        raise ModelError("E_MODEL_FORMAT", message, fix=FIX)
