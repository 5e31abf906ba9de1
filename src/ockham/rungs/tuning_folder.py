"""The folder that a language model is tuned from: its own, or one unpacked from a GGUF file, once a run."""

from __future__ import annotations

from pathlib import Path

from ockham.convert import gguf_unpack
from ockham.convert.gguf_export import Converter
from ockham.errors import ModelError
from ockham.records import Progress, digest
from ockham.rungs.decoder_weights import convert_or_find_16_bits, find_model, model_name, packed_file, signature
from ockham.rungs.rung import RunContext
from ockham.store.memo import find_or_make_folder


def tuning_folder(model: str, context: RunContext, converter: Converter | None = None) -> Path:
    """Return a model's Hugging Face folder; a GGUF file is unpacked into one, and compared with it, once a run.

    ``converter`` is one that may have been started already.

    Raises `ModelError`: ``E_MODEL_FORMAT`` where the file's family cannot be unpacked, ``E_PARITY`` where what was
    unpacked holds other weights than the file.
    """
    source = find_model(model)
    path = packed_file(source)
    if path is None:
        return source
    name = model_name(model)
    key = digest(["unpacked", name, signature(path)])

    def write(folder: Path) -> None:
        context.on_progress(Progress(stage="climb", message=f"unpacking {path.name} for tuning"))
        gguf_unpack.write_folder(path, folder / name)
        converted = convert_or_find_16_bits(folder / name, context, converter).path
        difference = gguf_unpack.find_difference(path, converted)
        if difference is not None:
            fix = "name the model's Hugging Face folder instead; the prompted rung is not affected"
            raise ModelError("E_PARITY", f"unpacking {path.name}: {difference}", fix=fix)

    return find_or_make_folder(context.run, "weights", key, write) / name
