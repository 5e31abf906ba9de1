"""The tuned decoder rung: LoRA on the questions exactly as they will be asked, merged, quantized, held to parity.

Early stopping asks the engine that serves, with the adapter apart; what it learns from are training rows alone. A user
may want the adapter kept apart (``--keep-adapter``): then nothing is merged, and what early stopping asked is served.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import machine, store
from ockham.convert.gguf_export import Converted, Converter
from ockham.errors import DataError, ModelError
from ockham.evals import tasks
from ockham.llm.engine_build import SETTING, engine_build
from ockham.models import causal_lm
from ockham.models.causal_lm import Base
from ockham.readers.row_sample import evenly_spaced
from ockham.records import Answer, Example, Parity, Progress, Score
from ockham.rungs import decoder_4bit, parity_gate
from ockham.rungs.decoder_4bit import ADAPTER
from ockham.rungs.decoder_weights import (
    QUANTIZATION,
    convert_or_find,
    convert_or_find_16_bits,
    find_model,
    hub_reference,
    model_name,
    on_graphics,
    packed_file,
    quantize_converted,
)
from ockham.rungs.early_rejection import weight_bytes
from ockham.rungs.parity_gate import Question, Step
from ockham.rungs.rung import BuildInfo, RunCheckpoint, RunContext, note_early_stop
from ockham.rungs.tokenized_rows import TokenizedRows, tokenize_rows
from ockham.rungs.tuning_folder import tuning_folder
from ockham.tuning import recompute
from ockham.tuning.adapter_files import Adapter
from ockham.tuning.tune_spec import TuneSpec, guardrails, memorising

if TYPE_CHECKING:
    from ockham.tuning import decoder_tuning as tuning

_JUDGED = 400
"""Validation rows that each pass is judged by, and that the gate asks."""
_TORCH = 100
"""Validation rows that torch answers for the gate: it is slow at writing."""
_UNPACKED = 20
"""Validation rows that an unpacked model answers beside the file it comes from: their weights were compared before."""
_CHUNK = 16
_HELD, _HELD_RECOMPUTING = 1024, 384
"""Tokens that a thread computes on at once: 1,024 of a model of 135 million parameters leave behind 1.5 GB."""
_log = logging.getLogger(__name__)
_TEXTS = ("*.json", "*.model", "*.txt", "*.jinja")


@dataclass(frozen=True, slots=True)
class _Place:
    """What tuning one model works with: its folder, what it learns from, and the rows that passes are judged by."""

    folder: Path
    converter: Converter
    tokenized: TokenizedRows
    context: RunContext
    validation_rows: Sequence[Example]
    packed: Path | None = None
    """The GGUF file that the folder was unpacked from."""

    def fit(self, folder: Path, base: Base) -> None:
        """Write a bundle that asks with training rows alone and leaves the weights where they are."""
        base = dataclasses.replace(base, copy=False)
        causal_lm.fit(
            self.context.side("train"),
            folder,
            base,
            self.tokenized.spec,
            task=self.context.config.task,
            instructions=self.context.config.instructions,
        )

    def serve(
        self, folder: Path, base: Base, rows: Sequence[Example], message: str, *, with_tokens: bool = False
    ) -> _Served:
        """Make a bundle and answer rows with it; ``with_tokens`` tokenizes the answers that are free."""
        folder.mkdir(exist_ok=True)
        self.fit(folder, base)
        model = causal_lm.load(folder)
        texts, answers = [row.input for row in rows], []
        try:
            questions = tuple(model.question(text).tokens for text in texts)
            for start in range(0, len(texts), _CHUNK):
                self.context.on_progress(Progress(stage="climb", message=message, done=start, total=len(texts)))
                answers += [answer.value or "" for answer in model.answer(texts[start : start + _CHUNK])]
            written = tuple(
                model.lesson(text, answer)[1] if with_tokens and answer and model.trie(text) is None else ()
                for text, answer in zip(texts, answers, strict=True)
            )
        finally:
            model.close()
        return _Served(answers=tuple(answers), questions=questions, written=written)

    def scores(self, rows: Sequence[Example], answers: Sequence[str]) -> tuple[Score, ...]:
        """Judge one answer for each row."""
        config = self.context.config
        return tasks.score_answers(config.task, rows, [Answer(value=answer) for answer in answers], config.scorer)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """What a bundle answered to some rows, the tokens it was asked with, and where wanted those of its free answers."""

    answers: tuple[str, ...]
    questions: tuple[Question, ...]
    written: tuple[tuple[int, ...], ...]


def build(model: str, context: RunContext, folder: Path) -> BuildInfo:
    """Make the bundle of a tuned model.

    Raises `ModelError` (``E_PARITY`` where what is served is not what was tuned) and `DataError` (``E_TOO_FEW``)
    without validation rows.
    """
    if not context.side("valid"):
        raise DataError("E_TOO_FEW", "no row is left for early stopping", fix="supply more rows")
    rows = context.side("valid")
    judged = evenly_spaced(rows, _JUDGED)
    with Converter() as converter, context.run.staging() as staging:
        source = tuning_folder(model, context, converter)
        base = convert_or_find(source, model, context, converter)
        tokenized = tokenize_rows(context, base, folder, context.side("train"), judged)
        setup = _Place(source, converter, tokenized, context, judged, packed_file(find_model(model)))
        work = context.cache_key("decoder", model, context.config.tune, context.config.precision)
        tuned = _tune_or_load(setup, f"tuning-{work[:16]}")
        held = _pass_gates(setup, tuned, staging)
        everything = [*context.side("train"), *context.side("valid")]
        causal_lm.fit(
            everything,
            folder,
            held.base,
            tokenized.spec,
            task=context.config.task,
            instructions=context.config.instructions,
        )
    tuned.adapter.with_base(*hub_reference(model)).save(folder / ADAPTER)
    return BuildInfo(
        settings={
            "model": model_name(model),
            "weights": QUANTIZATION,
            **({"adapter": "not merged"} if context.config.keep_adapter else {}),
            SETTING: engine_build() or "unknown",
            "epochs": next(point.epoch for point in tuned.points if point.is_best),
            "rank": context.config.tune.rank,
            "learning_rate": tuned.rate,
            "precision": context.config.precision,
            "context": tokenized.spec.context,
            "slots": tokenized.spec.slots,
        },
        answers=held.answers,
        points=tuned.points,
        parity=held.parity,
        warnings=(
            *guardrails(context.config.tune, len(tokenized.train)),
            *_left_out_warning(tokenized.left_out, len(tokenized.train)),
            *memorising(tuned.points),
            *context.label_warnings(),
        ),
    )


def _tune_or_load(setup: _Place, name: str) -> tuning.TunedDecoder:
    from ockham.tuning import decoder_tuning as tuning

    context, tokenized = setup.context, setup.tokenized

    def on_progress(done: int, total: int) -> None:
        context.on_progress(Progress(stage="climb", message=f"tuning {setup.folder.name}", done=done, total=total))

    learn = tuning.DecoderTrainingData(
        folder=setup.folder,
        train=tokenized.train,
        valid=tokenized.valid,
        judge=lambda adapter: _judge(setup, adapter),
        precision=context.config.precision,
        rate=context.config.learning_rate,
        device=context.config.device,
    )
    large = recompute.is_needed(weight_bytes(setup.folder) / 1e9, machine.memory_gb()) and not on_graphics(
        context.config.device
    )
    spec = _parts(context.config.tune, tokenized.train, recompute=large)
    context.on_progress(Progress(stage="climb", message=f"loading {setup.folder.name} to tune it"))
    tuned = tuning.tune(learn, spec, RunCheckpoint(context.run, name), on_progress)
    note_early_stop(context, tuned.points, spec)
    return tuned


def too_large(stored_gb: float, free_gb: float) -> str | None:
    """Say that tuning needs more memory than is free, or nothing.

    Weights of 16 bits take twice their size in the 32 bits that are computed with, as much again while they are merged,
    and what a part of a batch leaves behind takes about a gigabyte.
    """
    needed = 4 * stored_gb + 1
    return f"tuning it needs about {needed:.0f} GB of memory, {free_gb:.0f} GB are free" if needed > free_gb else None


def lacks_disk(stored_gb: float, free_gb: float) -> str | None:
    """Say that tuning needs more disk than is free, or nothing.

    At once stand there the base and the merged weights in 16 bits as GGUF, the merged ones as they are saved, and three
    forms of 8 bits or fewer, one of them published; the state of tuning is small.
    """
    needed = 5 * stored_gb
    return f"tuning it needs about {needed:.0f} GB of disk, {free_gb:.0f} GB are free" if needed > free_gb else None


def _parts(spec: TuneSpec, rows: Sequence[tuning.DecoderRow], *, recompute: bool) -> TuneSpec:
    """Bound what a thread holds at once; ``recompute`` is what memory asks for (`ockham.tuning.recompute`)."""
    longest = max(len(row.question) + len(row.answer) for row in rows)
    part = (_HELD_RECOMPUTING if recompute else _HELD) // longest
    return dataclasses.replace(spec, part=max(1, min(spec.part, part)), recompute_activations=recompute)


def _left_out_warning(left_out: int, used: int) -> tuple[str, ...]:
    if not left_out:
        return ()
    return (
        f"{left_out:,} of {left_out + used:,} training rows are longer than the context and were not used for training",
    )


def _judge(setup: _Place, adapter: Adapter) -> float:
    """Measure an adapter by the task metric, through the engine that serves."""
    rows = setup.validation_rows
    with setup.context.run.staging() as staging:
        put = _apart(setup, adapter, setup.tokenized.base, staging)
        served = setup.serve(staging / "bundle", put, rows, "validating the epoch")
    return setup.context.metric([row.target for row in rows], served.answers)


def _apart(setup: _Place, adapter: Adapter, base: Base, staging: Path) -> Base:
    """Convert an adapter, to be put on a base without becoming one with it."""
    adapter.save(staging / ADAPTER)
    converted = setup.converter.convert_adapter(staging / ADAPTER, setup.folder, staging / "adapter.gguf")
    return dataclasses.replace(base, adapter=converted.path, adapter_source=converted.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the gate let through: the files to serve, their answers to all validation rows, and the comparisons."""

    base: Base
    answers: tuple[str, ...]
    parity: tuple[Parity, ...]


def _pass_gates(setup: _Place, tuned: tuning.TunedDecoder, staging: Path) -> _Held:
    """Go from torch to the weights that serve, and hold the answers of every step to those before it."""
    metric, rows = setup.context.config.metric, setup.validation_rows
    few = evenly_spaced(range(len(rows)), _TORCH)
    few_rows = [rows[i] for i in few]
    learnt = setup.tokenized.questions

    plain = convert_or_find_16_bits(setup.folder, setup.context, setup.converter)
    setup.context.on_progress(Progress(stage="climb", message="converting the adapter to GGUF"))
    parities = _compare_unpacked(setup, plain, staging)
    put = _apart(setup, tuned.adapter, Base(weights=plain.path, source=plain.source), staging)
    apart = setup.serve(staging / "apart", put, rows, "answering with the adapter apart", with_tokens=True)
    written = _in_torch(setup, tuned, {i: apart.written[i] for i in few})
    step = Step(
        name="conversion with the adapter apart",
        exact=True,
        learnt=[learnt[i] for i in few],
        served_questions=[apart.questions[i] for i in few],
        files=[(plain.path, plain.sha256)],
        bases=(put.adapter_source or "", plain.source),
    )
    before, after = setup.scores(few_rows, written), setup.scores(few_rows, [apart.answers[i] for i in few])
    parities.append(parity_gate.compare_step(step, before, after, metric))
    last, valid = apart.answers, setup.context.side("valid")
    make_forms = _unmerged_forms if setup.context.config.keep_adapter else _merged_forms
    for form in make_forms(setup, tuned, put, staging):
        # What serves answers every validation row; a step before it those of the gate.
        everyone = valid if form.serves else rows
        judged = evenly_spaced(range(len(everyone)), _JUDGED)
        served = setup.serve(staging / form.folder, form.base, everyone, f"answering after {form.name}")
        answers = tuple(served.answers[i] for i in judged)
        step = Step(
            name=form.name,
            exact=not form.serves,
            learnt=learnt,
            served_questions=[served.questions[i] for i in judged],
            files=[(form.base.weights, form.sha256)],
        )
        parities.append(parity_gate.compare_step(step, setup.scores(rows, last), setup.scores(rows, answers), metric))
        last = answers
    return _Held(base=form.base, answers=served.answers, parity=tuple(parities))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A form that the tuned model takes on its way to the one that ``serves``, and the digest of its weights."""

    name: str
    folder: str
    base: Base
    sha256: str
    serves: bool


def _merged_forms(setup: _Place, tuned: tuning.TunedDecoder, _whole: Base, staging: Path) -> Iterator[_Form]:
    """Merge the adapter into the model, and quantize what comes of it."""
    setup.context.on_progress(Progress(stage="climb", message="merging the adapter into the model"))
    tuned.merge_adapter(staging / "merged")
    for text in [path for pattern in _TEXTS for path in setup.folder.glob(pattern)]:
        if text.name not in {"config.json", "model.safetensors.index.json"}:
            shutil.copyfile(text, staging / "merged" / text.name)
    merged = setup.converter.convert(staging / "merged", staging / "f16.gguf", "f16")
    whole = Base(weights=merged.path)
    yield _Form(name="merging", folder="f16", base=whole, sha256=merged.sha256, serves=False)
    _keep_four(setup, whole)
    quantized = quantize_converted(merged, staging / "merged", staging / f"{QUANTIZATION}.gguf", setup.converter)
    base = Base(weights=quantized.path)
    yield _Form(
        name=f"quantizing to {QUANTIZATION}", folder=QUANTIZATION, base=base, sha256=quantized.sha256, serves=True
    )


def _unmerged_forms(setup: _Place, _tuned: tuning.TunedDecoder, whole: Base, _staging: Path) -> Iterator[_Form]:
    """Put the adapter on the base in 8 bits, which is the same file for all that is tuned from it."""
    quantized = setup.tokenized.base
    base = dataclasses.replace(quantized, adapter=whole.adapter, adapter_source=whole.adapter_source)
    sha256 = quantized.sha256 or store.file_digest(quantized.weights)
    name = f"quantizing the base to {QUANTIZATION}"
    yield _Form(name=name, folder=QUANTIZATION, base=base, sha256=sha256, serves=True)
    _keep_four(setup, whole)


def _compare_unpacked(setup: _Place, plain: Converted, staging: Path) -> list[Parity]:
    """Answer a few rows with the packed file, and with what was unpacked from it, before anything is tuned."""
    if setup.packed is None:
        return []
    rows = evenly_spaced(setup.validation_rows, _UNPACKED)
    served = [
        setup.serve(staging / name, Base(weights=path), rows, f"answering with the {name} weights")
        for name, path in (("packed", setup.packed), ("unpacked", plain.path))
    ]
    step = Step(
        name="unpacking",
        exact=False,
        learnt=served[0].questions,
        served_questions=served[1].questions,
        files=[(plain.path, plain.sha256)],
    )
    before, after = (setup.scores(rows, answers.answers) for answers in served)
    return [parity_gate.compare_step(step, before, after, setup.context.config.metric)]


def _keep_four(setup: _Place, whole: Base) -> None:
    """Keep the 4-bit form too; where it cannot be made, the 8-bit form is what there is."""
    try:
        decoder_4bit.keep(setup.folder, setup.context, whole)
    except ModelError as error:
        _log.warning("no 4-bit form of %s: %s", setup.folder.name, error.message)


def _in_torch(setup: _Place, tuned: tuning.TunedDecoder, few: Mapping[int, Sequence[int]]) -> list[str]:
    """Return what torch answers to a few of the rows that passes are judged by, with what the engine wrote as drafts.

    Torch decides on every token; where it agrees with a draft it need not write that one token at a time, which takes
    minutes a row on a processor.
    """
    from ockham.tuning.grammar import Grammar

    tokenized = setup.tokenized
    task, most = tokenized.task, tokenized.spec.max_output_tokens
    free: Callable[[Sequence[int]], Sequence[int]] | None = None
    if task.schema is not None:
        free = Grammar(setup.folder, task.schema, tokenized.end).after
    answers: list[str] = []
    for i, draft in few.items():
        question, trie = tokenized.questions[i], tokenized.tries[i]
        if trie is not None:
            answer = trie.label(tuned.write(question, tokenized.end, trie.longest, trie.after))
        else:
            answer = task.read(
                tuned.text(tuned.write(question, tokenized.end, most, free, draft)), setup.validation_rows[i].input
            )
        answers.append(answer or "")
        message = "answering with the tuned model before its conversion"
        setup.context.on_progress(Progress(stage="climb", message=message, done=len(answers), total=len(few)))
    return answers
