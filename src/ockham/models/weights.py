"""Arrays in safetensors files, read with their names checked. Pickles are never read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIX = "make the bundle again with: ockham fit"


def read(path: Path, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Read the arrays of a safetensors file that holds exactly these names.

    Raises `ModelError`: ``E_MODEL_MISSING`` for a missing file, ``E_MODEL_FORMAT`` for one that is not safetensors or
    holds other names.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found: dict[str, NDArray[np.float32]] = load_file(path)
    except OSError:
        raise ModelError("E_MODEL_MISSING", f"{path.name}: cannot be read", fix=_FIX) from None
    except (SafetensorError, ValueError):
        raise ModelError("E_MODEL_FORMAT", f"{path.name}: not a safetensors file", fix=_FIX) from None
    if set(found) != set(names):
        raise ModelError("E_MODEL_FORMAT", f"{path.name}: holds other arrays than expected", fix=_FIX)
    return found


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, in hexadecimal. Raises `OSError`."""
    whole = hashlib.sha256()
    with path.open("rb") as reader:
        while chunk := reader.read(1 << 20):
            whole.update(chunk)
    return whole.hexdigest()
