"""Measure a model that was made elsewhere on labelled rows, without a run: as a bundle for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ockham import store
from ockham.api.consent import Destination
from ockham.bundles.measured_rows import EvalSpec
from ockham.bundles.predict import evaluate
from ockham.convert.gguf_export import convert
from ockham.data import task
from ockham.data.clean import clean
from ockham.errors import ConfigError
from ockham.llm import gguf_file, hub, model_names
from ockham.llm.task_words import read_descriptions, read_instructions, task_words
from ockham.models import causal_lm
from ockham.models.causal_lm import Base, GgufSpec
from ockham.readers.read import ReadSpec, read
from ockham.records import Candidate, Example, Manifest, Progress, Report, TaskName, ignore
from ockham.rungs import decoder_rungs, own_models
from ockham.rungs.decoder_weights import (
    LONGEST_CONTEXT,
    QUANTIZATION,
    SizedRows,
    find_model,
    fit_context,
    is_gguf,
    local,
    model_name,
)
from ockham.rungs.own_models import OwnModel
from ockham.version import __version__

_OURS = ("bundle.json", "run.json")


def is_model(path: Path) -> bool:
    """Tell whether a path is a model that was made elsewhere, and neither a bundle nor a run.

    Raises `ModelError` (``E_MODEL_MISSING``) for a folder that is none of these.
    """
    if path.is_file():
        return True
    if not path.is_dir() or any((path / name).exists() for name in _OURS):
        return False
    if not own_models.holds_model(path):
        raise own_models.refuse_folder(path, "a run, a bundle or a model", f"a run, a bundle, {own_models.KINDS}")
    return True


def evaluate_any(
    place: str | Path,
    source: object,
    spec: EvalSpec | None = None,
    *,
    endpoint: Destination | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> Report:
    """Measure a bundle, a run's bundle, or a model that was made elsewhere, on labelled rows; otherwise as `evaluate`.

    A model may be named as `ockham models` does, by its folder or file, or by its id on the hub where it was fetched.

    A classifier's labels are taken for those of the rows where they differ in spelling alone; a language model is
    prompted with the labels, or the schema, of the rows, and with no examples. Raises `ModelError` for a model that is
    not here or cannot be read, before the rows are, and `DataError` (``E_LABEL_SET``) where its labels are not those
    of the rows.
    """
    path = local(str(place))
    if not path.exists():
        model_names.check_fetched(str(place))
        path = find_model(str(place)) if hub.is_cached(str(place)) else path
    if not is_model(path):
        if spec is not None and (spec.instructions or spec.labels):
            message = "a bundle keeps the instructions and label descriptions it was made with"
            raise ConfigError("E_CONFIG", message, fix="leave --instructions and --labels out, or name a model")
        return evaluate(path, source, spec, endpoint=endpoint, on_progress=on_progress)
    model, spec = own_models.read_model(str(path)), spec or EvalSpec()
    instructions, descriptions = read_instructions(spec.instructions), read_descriptions(spec.labels)
    reading = read(
        source,
        ReadSpec(
            inputs=spec.inputs,
            target=spec.target,
            group=spec.group,
            encoding=spec.encoding,
            several_labels=spec.several_labels,
        ),
    )
    rows, _ = clean(reading)
    name, _ = task.infer(rows)
    with store.scratch_folder() as scratch:
        folder = scratch / "bundle"
        folder.mkdir()
        if model is None:
            labels = {row.target for row in rows} if name == "classify" else ()
            shown = SizedRows(
                examples=rows, questions=rows, task=name, instructions=task_words(instructions, descriptions, labels)
            )
            candidate = _write_decoder(path, shown, folder)
        else:
            candidate = _write_classifier(model, rows, name, folder)
        columns = reading.sources[0]
        manifest = Manifest(
            format=1,
            ockham=__version__,
            task=name,
            kind=candidate.kind,
            candidate=candidate,
            labels=tuple(sorted({row.target for row in rows})) if name in ("classify", "choose") else (),
            inputs=columns.inputs,
            target=columns.target or "",
            dataset="",
            files={},
        )
        store.seal_bundle(folder, manifest)
        return evaluate(folder, source, spec, on_progress=on_progress)


def _write_classifier(model: OwnModel, rows: Sequence[Example], name: TaskName, folder: Path) -> Candidate:
    if name != "classify":
        message = f"{model.name} answers only with labels, but the task is {name}"
        raise ConfigError("E_CONFIG", message, fix="name the column with the label: --target COLUMN")
    own_models.write_bundle(model, rows, sorted({row.target for row in rows}), folder)
    rung = own_models.rung_of(model)
    return Candidate(name=rung.name, rung=rung.number, kind=rung.kind, settings={"engine": model.form})


def _write_decoder(path: Path, rows: SizedRows, folder: Path) -> Candidate:
    """Prompt a language model with what the rows show of the task; it is converted first where it must be."""
    weights = find_model(str(path))
    if not is_gguf(weights):
        weights = convert(weights, folder / causal_lm.WEIGHTS, QUANTIZATION).path
    elif weights.is_dir():
        weights = next(iter(sorted(weights.glob("*.gguf"))))
    trained = gguf_file.inspect(weights).number("context_length") or LONGEST_CONTEXT
    base = Base(weights=weights, copy=False)
    spec = GgufSpec(context=min(LONGEST_CONTEXT, trained), slots=1, threads=1)
    spec = fit_context(rows, base, folder, spec)
    copied = weights.parent == folder
    whole = Base(weights=weights, copy=copied)
    causal_lm.fit(rows.examples, folder, whole, spec, task=rows.task, instructions=rows.instructions)
    kind = decoder_rungs.PROMPTED
    settings = {"model": model_name(str(path)), "shots": 0, "context": spec.context}
    return Candidate(
        name=f"{kind}:{model_name(str(path))}", rung=decoder_rungs.DECODER.number, kind="gguf", settings=settings
    )
