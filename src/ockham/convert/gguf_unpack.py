"""From a GGUF file back to a Hugging Face folder in 16 bits, so that a model that is here as a file only can be tuned.

transformers knows which families it can unpack, and how their tensors are called and ordered there. That it did so
rightly is not taken on trust: the folder is converted to GGUF again, and every tensor is compared with the file's.
"""

from __future__ import annotations

import io
import math
from contextlib import redirect_stderr
from pathlib import Path

from ockham.convert.gguf_quantize import unpack as unpack_blocks
from ockham.errors import ModelError
from ockham.llm import gguf_file
from ockham.version import install_command

_FIX = "name the model's Hugging Face folder, with its safetensors files"
_LARGEST_STEP = 2.0**-11
"""Half a unit in the last place of 16 bits, as a share of a number: what storing a weight there may change."""
_SMALLEST_STEP = 2.0**-25
"""The same for numbers so small that 16 bits hold fewer digits of them (subnormal)."""


def can_unpack(path: Path) -> str | None:
    """Say why a GGUF file cannot be unpacked for tuning, or nothing.

    Raises `ModelError` (``E_MODEL_FORMAT``, ``E_MODEL_MISSING``) for a file that is damaged or cannot be read.
    """
    architecture = gguf_file.inspect(path).architecture
    try:
        import gguf  # noqa: F401 - transformers needs it
        from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES
    except ImportError:
        return f"unpacking a GGUF file needs transformers and gguf ({install_command('convert')})"
    if architecture not in GGUF_SUPPORTED_ARCHITECTURES:
        return f"{path.name} is of a family ({architecture}) that cannot be unpacked for tuning; {_FIX}"
    return None


def unpacked_bytes(path: Path) -> int:
    """Return the bytes that a file's weights take in 16 bits. Raises as `can_unpack`."""
    return 2 * sum(math.prod(tensor.shape) for tensor in gguf_file.inspect(path).tensors.values())


def write_folder(path: Path, folder: Path) -> None:
    """Write a GGUF file's model, tokenizer and chat template as a Hugging Face folder.

    Raises `ModelError` (``E_MODEL_FORMAT``) where the file's family is unknown or it cannot be unpacked.
    """
    reason = can_unpack(path)
    if reason is not None:
        raise ModelError("E_MODEL_FORMAT", reason, fix=_FIX)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    local = {"gguf_file": path.name, "local_files_only": True}
    logging.disable_progress_bar()
    try:
        with redirect_stderr(io.StringIO()):  # its bar over tensors heeds no switch
            tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **local)
            model = AutoModelForCausalLM.from_pretrained(
                str(path.parent), quantization_config=GgufConfig(dequantize=True), dtype=torch.float16, **local
            )
    except (ValueError, KeyError, NotImplementedError, RuntimeError, OSError, ImportError) as error:
        what = f"{path.name} could not be unpacked for tuning ({type(error).__name__})"
        raise ModelError("E_MODEL_FORMAT", what, fix=_FIX) from None
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def find_difference(packed: Path, converted: Path) -> str | None:
    """Say where a file in 16 bits holds other weights than the packed one it was made from, or nothing.

    A weight may differ by what storing it in 16 bits costs. Raises `ModelError` for a file that is damaged.
    """
    import numpy as np

    before, after = gguf_file.inspect(packed), gguf_file.inspect(converted)
    missing = sorted(before.tensors.keys() ^ after.tensors.keys())
    if missing:
        return f"the tensor {missing[0]} stands in one of the two files only"
    with packed.open("rb") as left, converted.open("rb") as right:
        for name, tensor in before.tensors.items():
            other = after.tensors[name]
            if tensor.shape != other.shape:
                return f"the tensor {name} has another shape"
            left.seek(tensor.start)
            right.seek(other.start)
            true = unpack_blocks(left.read(tensor.nbytes), tensor.type)
            stored = unpack_blocks(right.read(other.nbytes), other.type)
            if not bool((np.abs(true - stored) <= _SMALLEST_STEP + _LARGEST_STEP * np.abs(true)).all()):
                return f"the tensor {name} holds other numbers"
    return None
