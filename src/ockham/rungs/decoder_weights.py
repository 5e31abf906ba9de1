"""The weights of a language model that was named: found, converted once a run, and how much context a task needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ockham import catalog, machine, store
from ockham.convert import gguf_repack
from ockham.convert.gguf_export import Converted, Converter, convert
from ockham.convert.gguf_quantize import Format, can_quantize, quantize
from ockham.errors import ConfigError
from ockham.llm import gguf_file, hub, prompt_builder
from ockham.llm.llamacpp import Engine, EngineSpec, accelerators
from ockham.models import causal_lm
from ockham.models.causal_lm import Base, GgufSpec
from ockham.readers.row_sample import evenly_spaced
from ockham.records import DeviceName, Example, Progress, TaskName, digest
from ockham.rungs.rung import RunContext
from ockham.store.memo import FolderWithRecord, find_or_make_folder
from ockham.store.model_store import pulled_folder

LONGEST_CONTEXT = 8192
SLOTS = 2
QUANTIZATION: Literal["q8_0"] = "q8_0"
WEIGHTS = "model.gguf"
EVERY_LAYER = 1000
_CONTEXT_STEP = 256
_SIZED = 100
"""Texts that the context is sized by; all but one in twenty of them must fit whole, with their examples."""
_PATTERNS = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.gguf")


def signature(source: Path) -> list[tuple[str, int, int, int]]:
    """Tell one state of a folder or file from another without reading gigabytes: names, sizes, and two facts more.

    The time of a change and the inode are the system's own: a copy may bring its time of writing along, and then a file
    of the same size in another's place would be taken for it.
    """
    files = sorted(source.iterdir()) if source.is_dir() else [source] if source.exists() else []
    facts = [(path.name, path.stat()) for path in files if path.is_file()]
    return [(name, status.st_size, status.st_ctime_ns, status.st_ino) for name, status in facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """The folder that weights were converted from, as `ockham.convert.gguf_export.Converted.source` has it."""

    digest: str
    sha256: str = ""
    """The digest of the weights themselves, where a later step names them by it."""


SIXTEEN_BITS = "sixteen-bits"
"""The kind of the artifacts that every smaller form is made of: large, and needed until the climb is over."""
_CONVERTED = FolderWithRecord("weights", "origin")
_CONVERTED_16 = FolderWithRecord(SIXTEEN_BITS, "origin")


def local(model: str) -> Path:
    """Return where a model lies, or would: a folder or file of this machine, one that was pulled, or the package's."""
    path = Path(model).expanduser()
    if path.exists():
        return path
    return pulled_folder(machine.cache(), model) or catalog.shipped_folder(model) or path


def find_model(model: str) -> Path:
    """Return the folder or file of a model, fetched from the hub where it is not here. Raises `ModelError`."""
    path = local(model)
    return path if path.exists() else hub.find(model, _PATTERNS, extra="gguf", revision=catalog.revision(model))


def is_gguf(path: Path) -> bool:
    """Say whether a model is in GGUF already: one file, or a folder with such files."""
    return path.is_file() or any(path.glob("*.gguf"))


def model_name(model: str) -> str:
    """Name a model as people do: the last part of its path or id; in the hub's cache, of the id it was fetched by."""
    path = Path(hub.split_revision(model)[0])
    folder = path.parent.parent.name
    if path.parent.name == "snapshots" and folder.startswith("models--"):
        return folder.rpartition("--")[2]
    return path.name.removesuffix(".gguf")


def hub_reference(model: str) -> tuple[str, str | None]:
    """Return the id by which the hub knows a model, and the revision that is meant; its plain name where it has none.

    A folder of the hub's cache and a model of the catalogue are known by the id they have there.
    """
    if not Path(model).expanduser().exists() and catalog.shipped_folder(model) is None:
        identifier, revision = hub.split_revision(model)
        return identifier, revision or catalog.revision(model)
    path = Path(model).expanduser().absolute()
    cached = path.parent.parent.name
    if path.parent.name == "snapshots" and cached.startswith("models--"):
        return cached.removeprefix("models--").replace("--", "/"), path.name
    return model_name(model), None


def base_of(model: str, context: RunContext) -> Base:
    """Find the weights; those of a folder are converted once a run."""
    path = find_model(model)
    if path.is_dir():
        ready = sorted(path.glob("*.gguf"))
        if len(ready) != 1:
            return convert_or_find(path, model, context)
        path = ready[0]
    return Base(weights=repack_or_find(path, context, QUANTIZATION) if gguf_repack.is_slow(path) else path)


def repack_or_find(path: Path, context: RunContext, form: Format) -> Path:
    """Return a slow GGUF file in another format: as it was made when it was pulled, else made once a run.

    Raises `ModelError`.
    """
    at_hand = gguf_repack.repacked_file(path, form)
    if at_hand is not None:
        return at_hand
    key = digest(["repacked", signature(path), form])

    def write(folder: Path) -> None:
        context.on_progress(Progress(stage="climb", message=f"converting {path.name} to {form}"))
        quantize(path, folder / WEIGHTS, form, packed=True)

    return find_or_make_folder(context.run, "weights", key, write) / WEIGHTS


def gguf_of(path: Path) -> Path | None:
    """Return the GGUF file of a model that is one: itself, or the only one in its folder."""
    if path.is_file():
        return path
    files = sorted(path.glob("*.gguf")) if path.is_dir() else []
    return files[0] if len(files) == 1 else None


def packed_file(path: Path) -> Path | None:
    """Return the GGUF file that a model is unpacked from to be tuned; ``None`` for a folder with weights of its own."""
    return None if path.is_dir() and any(path.glob("*.safetensors")) else gguf_of(path)


def convert_or_find(source: Path, model: str, context: RunContext, converter: Converter | None = None) -> Base:
    """Convert a folder to GGUF in 8 bits, or find what was converted in this run. Raises `ModelError`.

    ``converter`` is one that may have been started already.
    """
    key = digest(["weights", model, signature(source), QUANTIZATION])

    def write(folder: Path) -> _Origin:
        whole = convert_or_find_16_bits(source, context, converter)
        return _Origin(digest=quantize_converted(whole, source, folder / WEIGHTS, converter).source)

    folder, origin = _CONVERTED.find_or_make(context.run, key, _Origin, write)
    return Base(weights=folder / WEIGHTS, source=origin.digest)


def convert_or_find_16_bits(source: Path, context: RunContext, converter: Converter | None = None) -> Converted:
    """Convert a folder to GGUF in 16 bits, once a run: all its smaller forms are made of that. As `convert_or_find`."""
    key = digest(["sixteen bits", source.name, signature(source)])

    def write(folder: Path) -> _Origin:
        context.on_progress(Progress(stage="climb", message=f"converting {source.name} to GGUF"))
        to_gguf = convert if converter is None else converter.convert
        converted = to_gguf(source, folder / WEIGHTS, "f16")
        return _Origin(digest=converted.source, sha256=converted.sha256)

    folder, origin = _CONVERTED_16.find_or_make(context.run, key, _Origin, write, lasting=False)
    path = folder / WEIGHTS
    return Converted(path=path, sha256=origin.sha256, nbytes=path.stat().st_size, source=origin.digest)


def quantize_converted(whole: Converted, source: Path, out: Path, converter: Converter | None = None) -> Converted:
    """Write the 8-bit form of a folder that was converted to 16 bits. Raises `ModelError`."""
    if can_quantize():
        return quantize(whole.path, out, QUANTIZATION, source=whole.source)
    to_gguf = convert if converter is None else converter.convert
    return to_gguf(source, out, QUANTIZATION)


def on_graphics(device: DeviceName) -> bool:
    """Say whether language models are served by a graphics processor: where the engine has one, unless declined."""
    return device != "cpu" and bool(accelerators())


def check(device: DeviceName) -> None:
    """Refuse a device that is not here. Raises `ConfigError` (``E_CONFIG``) that says what is missing."""
    if device != "cuda":
        return
    lacking = [] if accelerators() else ["this build of llama.cpp (xllamacpp) finds none"]
    if find_spec("torch") is not None:
        import torch

        lacking += [] if torch.cuda.is_available() else ["this build of torch finds none"]
    if lacking:
        message = f"--device cuda needs a GPU, and {' and '.join(lacking)}"
        raise ConfigError("E_CONFIG", message, fix="install the CUDA builds, or use --device auto")


@contextmanager
def words(base: Base) -> Iterator[Base]:
    """Load weights for all that is asked of their words and template alone, and name their digest."""
    engine = Engine(base.weights, EngineSpec(context=256, slots=1, threads=1))
    try:
        yield dataclasses.replace(base, sha256=base.sha256 or store.file_digest(base.weights), engine=engine)
    finally:
        engine.close()


def choose_context(context: RunContext, base: Base, folder: Path, shots: int, *, brief: bool = False) -> GgufSpec:
    """Find the context that the task's texts need: questions and answers of nearly all of them fit."""
    trained = gguf_file.inspect(base.weights).number("context_length") or LONGEST_CONTEXT
    layers = EVERY_LAYER if on_graphics(context.config.device) else 0
    spec = GgufSpec(
        context=min(LONGEST_CONTEXT, trained), slots=1, threads=1, shots=shots, brief=brief, gpu_layers=layers
    )
    train, valid = context.side("train"), context.side("valid")
    words_of_user = context.config.instructions
    sized = SizedRows(examples=train, questions=valid or train, task=context.config.task, instructions=words_of_user)
    return fit_context(sized, base, folder, spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedRows:
    """The rows that a context is sized by: those that prompts may show, and those that are asked."""

    examples: Sequence[Example]
    questions: Sequence[Example]
    task: TaskName
    instructions: str = ""


def fit_context(rows: SizedRows, base: Base, folder: Path, spec: GgufSpec) -> GgufSpec:
    """Return the spec with the context that questions and answers need, of at most ``spec.context`` tokens.

    ``base`` has its engine. The questions are written into ``folder`` on the way.
    """
    if base.engine is None:
        with words(base) as opened_base:
            return fit_context(rows, opened_base, folder, spec)
    engine, shown = base.engine, prompt_builder.task_shown(rows.task, rows.examples, "")
    room = min(prompt_builder.longest(shown, rows.examples), spec.context // 2)
    answer = prompt_builder.longest_in_tokens(
        shown, rows.examples, lambda text: len(engine.tokens(text, special=False)), room
    )
    spec = dataclasses.replace(spec, max_output_tokens=answer)
    lent = dataclasses.replace(base, copy=False)
    causal_lm.fit(rows.examples, folder, lent, spec, task=rows.task, instructions=rows.instructions)
    sample = evenly_spaced(rows.questions, _SIZED)
    lengths = sorted(causal_lm.lengths(folder, base.engine, [row.input for row in sample]))
    need = lengths[int(0.95 * (len(lengths) - 1))] + room + 1
    context = min(spec.context, -(-need // _CONTEXT_STEP) * _CONTEXT_STEP)
    slots = 1 if rows.task in causal_lm.CONSTRAINED_TASKS else SLOTS
    return dataclasses.replace(spec, context=context, slots=slots, threads=None)
