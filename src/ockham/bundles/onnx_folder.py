"""A small model as a folder that answers without ockham: an ONNX graph with all that stands around it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import cast

from ockham.bundles import model_card
from ockham.bundles.export_source import ExportSource
from ockham.convert import answer_graphs
from ockham.data.shared_text import SharedText
from ockham.errors import ModelError
from ockham.models import (
    bio_tags,
    blend,
    encoder,
    json_fields,
    linear,
    model_files,
    onnx_encoder,
    tagger,
    tfidf,
    token_windows,
)
from ockham.models.backend import SHARED
from ockham.models.extraction import chain_crf, span_shares, value_forms
from ockham.records import plain
from ockham.store import save_bytes, save_text

GRAPH, PROGRAM, TEST = "model.onnx", "predict.py", "test.json"
CLOSE = 1e-5
"""How far a confidence may be from the bundle's."""
_SECONDS = 120
_CHECK = (
    "import json, predict\n"
    "text = json.load(open('test.json', encoding='utf-8'))['text']\n"
    "print(json.dumps(predict.load().answer(text)))"
)


def write_folder(source: ExportSource, out: Path) -> None:
    """Write the model into a new folder: graph, tokenizer or terms, labels, program, a test row and a model card.

    The program is run once, in a process of its own. Raises `ModelError` (``E_PARITY``) where its answer to the test
    row is not the bundle's, ``E_MODEL_MISSING`` where onnx is not installed.
    """
    answer_graphs.need_onnx()
    needs = KINDS[source.manifest.kind](source, out)
    finish_folder(source, out, form="ONNX", needs=needs)


def finish_folder(source: ExportSource, out: Path, *, form: str, needs: str) -> None:
    """Add the test row and the model card to a folder with a program, and hold its answer to the bundle's."""
    text = source.test_text()
    answer = source.answer(text)
    value = answer.value
    if source.manifest.task == "extract" and value is not None:
        value = json.loads(value)
    row = {"text": text, "answer": value, "confidence": answer.confidence}
    save_text(out / TEST, json.dumps(row, ensure_ascii=False, indent=1) + "\n")
    usage = (
        f'```sh\npip install {needs}\npython {PROGRAM} "a text"\n```\n\n'
        f'or `predict.load().answer("a text")` in Python. `{TEST}` holds a text with the answer that it must get.'
    )
    notes = []
    if source.report is not None:
        notes.append(f"`{TEST}` may hold a row of your test set; delete it before you give the folder away.")
    save_text(out / model_card.FILE, model_card.write_card(source, form, usage, notes))
    check_answer(out, row)


def check_answer(folder: Path, row: Mapping[str, object]) -> None:
    """Run the program of a folder on its test row. Raises `ModelError` (``E_PARITY``) where it answers otherwise."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", _CHECK], cwd=folder, capture_output=True, check=False, timeout=_SECONDS
    )
    answered = json.loads(done.stdout) if done.returncode == 0 else {}
    sure = answered.get("confidence")
    far = sure is None or abs(sure - cast("float", row["confidence"])) > CLOSE
    if answered.get("answer") != row["answer"] or far:
        message = "the exported program does not answer its test row as the bundle does"
        raise ModelError("E_PARITY", message, fix="please report this with the output of `ockham doctor`")


def write_program(name: str, out: Path) -> None:
    """Copy a program into a folder, as ``predict.py``."""
    _copy_program(name, out / PROGRAM)


def _copy_program(name: str, path: Path) -> None:
    save_bytes(path, resources.files("ockham.bundles.programs").joinpath(f"{name}.py").read_bytes())


def write_labels(source: ExportSource, labels: tuple[str, ...], out: Path) -> None:
    """Write the labels in the order of the probabilities, and the passages that the model does not read."""
    path = source.folder / SHARED
    shared = model_files.read(SharedText, path) if path.exists() else SharedText()
    _write_json(labels, out / "labels.json")
    _write_json(shared.patterns_to_leave_out(), out / "passages.json")
    _copy_program("shared_passages", out / "shared_passages.py")


def _linear(source: ExportSource, out: Path) -> str:
    model = linear.load(source.folder)
    idf = model_files.read_arrays(source.folder / tfidf.WEIGHTS, answer_graphs.HALVES)
    save_bytes(out / GRAPH, answer_graphs.linear_graph(model, idf))
    shutil.copyfile(source.folder / tfidf.TERMS, out / "vocabulary.json")
    write_labels(source, model.settings.labels, out)
    write_program("answer_linear", out)
    return "onnxruntime numpy"


def _encoder(source: ExportSource, out: Path) -> str:
    model = encoder.load(source.folder)
    save_bytes(out / GRAPH, answer_graphs.encoder_graph(source.folder / onnx_encoder.GRAPH, model))
    settings = model.embedder.settings
    shared = onnx_encoder.shared_tokens(settings)
    write_labels(source, model.head.settings.labels, out)
    more = {"windows": settings.windows, "special_tokens": settings.special_tokens}
    _write_settings(source, settings, out, shared_tokens=shared, **more)
    write_program("answer_encoder", out)
    return "onnxruntime tokenizers numpy"


def _tagger(source: ExportSource, out: Path) -> str:
    model = tagger.load(source.folder)
    save_bytes(out / GRAPH, answer_graphs.tagger_graph(source.folder / onnx_encoder.GRAPH, model))
    settings = model_files.read(tagger.TaggerSettings, source.folder / tagger.FILE)
    _write_json(json.loads(settings.schema), out / "schema.json")
    shared = token_windows.shared_tokens(model.embedder.settings)
    _write_settings(
        source,
        model.embedder.settings,
        out,
        shared_tokens=shared,
        paths=settings.paths,
        closed=settings.closed,
        rules=[plain(rule) for rule in model.writer.settings.rules],
    )
    # They import nothing of ockham.
    for module in (bio_tags, json_fields, chain_crf, span_shares, value_forms):
        shutil.copyfile(Path(module.__file__ or ""), out / f"{module.__name__.rpartition('.')[2]}.py")
    write_program("answer_tagger", out)
    return "onnxruntime tokenizers numpy"


def _blend(source: ExportSource, out: Path) -> str:
    settings = model_files.read(blend.BlendSettings, source.folder / blend.FILE)
    members: list[dict[str, object]] = []
    for index, member in enumerate(settings.members):
        folder = blend.member_folder(out, index, member.kind)
        folder.mkdir(parents=True)
        part = dataclasses.replace(source, folder=blend.member_folder(source.folder, index, member.kind))
        KINDS[member.kind](part, folder)
        # A graph gives probabilities: the logarithm of one is its margin over the temperature.
        factor = member.weight * _TEMPERATURES[member.kind](part.folder)
        members.append({"folder": folder.relative_to(out).as_posix(), "factor": factor})
    _write_json(members, out / "members.json")
    write_labels(source, settings.labels, out)
    write_program("answer_blend", out)
    return "onnxruntime tokenizers numpy"


_TEMPERATURES: Mapping[str, Callable[[Path], float]] = {
    "linear": lambda folder: linear.load(folder).settings.temperature,
    "encoder": lambda folder: encoder.load(folder).head.settings.temperature,
}
"""What the margins of each kind of a blend's members are divided by."""


KINDS: dict[str, Callable[[ExportSource, Path], str]] = {
    "linear": _linear,
    "encoder": _encoder,
    "blend": _blend,
    "tagger": _tagger,
}
"""What is written for each kind of bundle; returns the packages that its program needs."""


def _write_settings(source: ExportSource, settings: onnx_encoder.EncoderSettings, out: Path, **more: object) -> None:
    shutil.copyfile(source.folder / onnx_encoder.TOKENIZER, out / onnx_encoder.TOKENIZER)
    _write_json({"max_tokens": settings.max_tokens, "prefix": settings.prefix, **more}, out / "settings.json")


def _write_json(value: object, path: Path) -> None:
    save_text(path, json.dumps(value) + "\n")
