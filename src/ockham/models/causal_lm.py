"""A causal language model through llama.cpp: the plug of the decoder rungs, prompted or with a LoRA adapter.

Classify takes a path of a trie of the labels' tokens, so an answer is always a label; choose one of the options that
the question itself lists; extract writes under a JSON schema; generate, and choose where a question's options cannot be
found in it, write freely up to a limit. The bundle holds the rendered template, so nothing of it is run again while
serving.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ockham import machine
from ockham.errors import ModelError
from ockham.llm import batch_invariance, chat_template, gguf_file, prompts, template_process, thread_count
from ockham.llm.constraints import AnswerConstraints
from ockham.llm.decoding import DecodingLimits, Hearer, Piece, StoppedError, Trimmer
from ockham.llm.llamacpp import Engine, EngineSpec
from ockham.llm.prompt_builder import Encode, Prompt, PromptBuilder, PromptTask, task_shown
from ockham.llm.shared_slots import EngineShare, SharedSlots
from ockham.llm.trie import Trie
from ockham.models import model_files
from ockham.models.kept_weights import KeptFile, check_file, keep_file
from ockham.models.replies import MEASURED, ReplyWish, TooLongError, WrittenReply
from ockham.records import Answer, Example, TaskName

__all__ = ["Base", "Decoder", "DecoderFiles", "DecoderRecord", "GgufSpec", "fit", "load", "parts"]

FILE, WEIGHTS, ADAPTER = "gguf.json", "model.gguf", "adapter.gguf"

CONSTRAINED_TASKS: tuple[TaskName, ...] = ("classify", "choose")
"""The tasks whose answers are held to a trie; their questions are answered one after the other."""
_ENDLESS = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufSpec:
    """How a decoder is asked and run.

    ``context`` is in tokens, for one request; ``slots`` requests run side by side. ``threads`` of ``None`` are chosen
    by a short measurement when the model is loaded. ``shots`` examples are shown with each text. Labels and schema
    stand in the orders unless they would take more than half of what the model was trained to read. ``brief``: they
    stay out of the orders, since the model has learnt them.
    """

    context: int = field(default=2048, metadata={"min": 64, "max": 1_048_576})
    slots: int = field(default=4, metadata={"min": 1, "max": 64})
    threads: int | None = field(default=None, metadata={"min": 1, "max": 256})
    shots: int = field(default=0, metadata={"min": 0, "max": 64})
    max_output_tokens: int = field(default=256, metadata={"min": 1, "max": 100_000})
    gpu_layers: int = field(default=0, metadata={"min": 0, "max": 1000})
    brief: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The files a decoder is made of.

    ``source`` and ``adapter_source`` are digests of the folder the weights were converted from, and of the one the
    adapter was trained on (`ockham.convert.gguf_export.Converted.source`). ``copy``: the bundle takes the weights in;
    without it, it remembers their place and digest.

    ``sha256`` is the weights' digest and ``engine`` one that has them loaded, where either is at hand: gigabytes are
    then not read again.
    """

    weights: Path
    source: str | None = None
    adapter: Path | None = None
    adapter_source: str | None = None
    copy: bool = True
    sha256: str | None = None
    engine: Engine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderRecord:
    """What the bundle's file holds."""

    spec: GgufSpec
    task: PromptTask
    pool: tuple[prompts.Shot, ...]
    skeletons: tuple[chat_template.ChatTemplate, ...]
    weights: KeptFile
    adapter: KeptFile | None


class Decoder:
    """A language model ready to answer; ``close`` it when done."""

    def __init__(self, record: DecoderRecord, engine: Engine, share: EngineShare | None = None) -> None:
        """Take what the bundle holds, the engine, and the share of it where others use it too."""
        self._kept = record
        self._engine = engine
        # Where batches change the arithmetic, every question is computed alone and from its beginning. Labels gain
        # nothing from questions side by side: what takes the time is reading, which is bound by arithmetic.
        self._steady = batch_invariance.is_batch_invariant(engine) if share is None else share.is_batch_invariant
        is_alone = not self._steady or record.task.name in CONSTRAINED_TASKS
        self._slots = 1 if is_alone else min(record.spec.slots, engine.spec.slots)
        self._free = SharedSlots(self._slots) if share is None else share.slots
        self._scales = () if record.adapter is None else (*[0.0] * (0 if share is None else share.adapter), 1.0)
        self._pool = prompts.ShotPool(record.pool)
        self._questioner = PromptBuilder(record.task, record.skeletons, _encoder(engine))
        self.end_token = self._questioner.end(_end(engine))
        """The token that ends an answer."""
        self._valid = _valid(record.task, self._questioner, engine, record.spec)
        self._limits = DecodingLimits(tokens=record.spec.max_output_tokens, schema=record.task.decoding_schema())

    @property
    def engine(self) -> Engine:
        """The engine, for what is measured about it."""
        return self._engine

    def close(self) -> None:
        """Let the model go."""
        self._engine.close()

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer every input, several at a time, in order.

        A prompted model answers with the label or option whose tokens are together the most probable; its confidence
        is the least share that this one has of what all of them have. One that has learnt the answers takes the most
        probable token at every fork; its confidence is the product of each token's probability among those that may
        follow there. Of a written text it is the geometric mean of its tokens' probabilities. A JSON object that
        did not come to its end within the limit is no answer. Where a question's options cannot be found, what was
        written is the answer, one of them or not.
        """
        if not inputs:
            return []

        def answer_one(text: str) -> Answer:
            with self._free.take(self) as slot:
                return self._reply(text, MEASURED, slot).answer

        with ThreadPoolExecutor(max_workers=min(self._slots, len(inputs))) as workers:
            return list(workers.map(answer_one, inputs))

    @property
    def places(self) -> int:
        """How many texts are answered side by side."""
        return self._slots

    def reply(self, text: str, wish: ReplyWish, hearer: Hearer) -> WrittenReply:
        """Answer a text as `answer` does, within what is wished of one that is written freely, while it is heard.

        Labels and objects are not heard in pieces: they are read first. Raises `StoppedError` and `TooLongError`.
        """
        trimmer = Trimmer()
        is_free = self._kept.task.name == "generate"

        def hear(piece: Piece) -> bool:
            said = trimmer.take(piece) if is_free else None
            return hearer(Piece(text="") if said is None else said)

        def check() -> None:
            if hear(Piece(text="")):
                raise StoppedError

        with self._free.take(self, check) as slot:
            with self._engine.listen(slot, hear):
                check()
                reply = self._reply(text, wish, slot)
            rest = trimmer.rest()
            if rest is not None:
                hearer(rest)
            return reply

    def question(self, text: str) -> Prompt:
        """Return the tokens the model is asked with for a text."""
        return self._question(text, self.trie(text))

    def lesson(self, text: str, target: str) -> tuple[Prompt, tuple[int, ...]]:
        """Return a text's question, and the tokens of the answer that is wanted, with the token that ends it."""
        answer = self._kept.task.write_target(target, text)
        return self.question(text), (*_encoder(self._engine)(answer, False, False), self.end_token)

    def trie(self, text: str) -> Trie | None:
        """Return what the answer to a text is held to: the labels, or its own options; ``None`` where none are."""
        return self._valid.trie(text)

    @property
    def task(self) -> PromptTask:
        """What the model is asked."""
        return self._kept.task

    def _question(self, text: str, trie: Trie | None) -> Prompt:
        return self._questioner.ask(text, self._pool.choose(text, self._kept.spec.shots), self._valid.room(trie))

    def _reply(self, text: str, wish: ReplyWish, slot: int) -> WrittenReply:
        trie = self.trie(text)
        question = self._question(text, trie)
        if wish.whole and question.unread:
            raise TooLongError(round(len(question.tokens) / (1 - question.unread)), self._valid.room(trie))
        self._engine.begin(question.tokens, slot=slot, whole=not self._steady, scales=self._scales)
        if trie is None:
            return self._write_reply(question, text, wish, slot)
        return WrittenReply(answer=self._answer_from_trie(question, trie, slot), ended=True)

    def _answer_from_trie(self, question: Prompt, trie: Trie, slot: int) -> Answer:
        """Take one of the answers of a trie."""
        before, read, steps = self._engine.read(slot), [0], 0
        learnt = self._kept.spec.brief
        ask = self._engine.probabilities if learnt else self._engine.likelihoods

        def chances(taken: tuple[int, ...], allowed: tuple[int, ...]) -> list[float]:
            nonlocal steps
            probabilities = ask((*question.tokens, *taken), allowed, slot=slot, scales=self._scales)
            steps += 1 if learnt or len(allowed) == 1 else 2  # of a search's forks two requests are made
            read.append(self._engine.read(slot) - before)
            return probabilities

        label, probability = (trie.walk if learnt else trie.search)(chances)
        return Answer(
            value=label,
            confidence=min(1.0, probability),
            tokens_in=len(question.tokens),
            # Without a fork the model was not asked at all.
            tokens_kept=max(0, len(question.tokens) - read[1]) if steps else None,
            tokens_out=steps,
            unread=question.unread,
        )

    def _write_reply(self, question: Prompt, text: str, wish: ReplyWish, slot: int) -> WrittenReply:
        before = self._engine.read(slot)
        limits = wish.limits(self._limits, is_free=self._kept.task.name == "generate")
        limits = dataclasses.replace(limits, grammar=self._kept.task.decoding_grammar(text))
        written = self._engine.write(question.tokens, limits, slot=slot, scales=self._scales)
        answer = Answer(
            value=self._kept.task.read(written.text, text),
            confidence=min(1.0, math.exp(written.mean_logprob)),
            tokens_in=len(question.tokens),
            tokens_kept=max(0, len(question.tokens) - (self._engine.read(slot) - before)),
            tokens_out=written.tokens,
            unread=question.unread,
        )
        return WrittenReply(answer=answer, ended=written.ended)


def fit(
    examples: Sequence[Example],
    folder: Path,
    base: Base,
    spec: GgufSpec,
    *,
    task: TaskName = "classify",
    instructions: str = "",
) -> None:
    """Write what the model is asked with, and its weights or their place, into a staging folder.

    Nothing is learnt: labels, schema and the pool of examples come from ``examples``. Raises `ModelError` for files
    that are damaged (``E_MODEL_FORMAT``) or do not belong together (``E_MODEL_DIGEST``).
    """
    if (
        base.adapter is not None
        and None not in (base.source, base.adapter_source)
        and base.source != base.adapter_source
    ):
        what = f"{base.adapter.name} was trained on another base than {base.weights.name}"
        raise ModelError("E_MODEL_DIGEST", what, fix="use the base it was trained on, or tune again")
    gguf_file.inspect(base.weights)
    paths = (base.weights, *(() if base.adapter is None else (base.adapter,)))
    engine = base.engine or Engine(base.weights, EngineSpec(context=256, slots=1, threads=1), paths[1:])
    try:
        skeletons = template_process.compile_templates(base.weights, max(1, spec.shots))
        # One that has learnt the answers writes objects as the targets are.
        every, shown = task == "extract" and not spec.brief, task_shown(task, examples, instructions)
        asked = dataclasses.replace(shown, listed=not spec.brief, every_field=every).with_copied_fields(examples)
        prompt_task = _fitting(asked, skeletons, engine, spec)
    finally:
        if base.engine is None:
            engine.close()
    digests = (base.sha256, None)
    files = [
        keep_file(path, folder / name, sha256, copy=base.copy)
        for path, name, sha256 in zip(paths, (WEIGHTS, ADAPTER), digests, strict=False)
    ]
    record = DecoderRecord(
        spec=spec,
        task=prompt_task,
        pool=prompts.choose_pool(examples) if spec.shots else (),
        skeletons=skeletons,
        weights=files[0],
        adapter=files[1] if len(files) > 1 else None,
    )
    model_files.write(record, folder / FILE)


def load(folder: Path, engine: Engine | None = None) -> Decoder:
    """Check the files against their digests and load the model, with the threads that are fastest here now.

    ``engine`` has the weights loaded already: they are neither checked nor loaded again. Raises `ModelError`:
    ``E_MODEL_MISSING``, ``E_MODEL_DIGEST`` where a file is not the one that was measured, ``E_MODEL_FORMAT``.
    """
    record = model_files.read(DecoderRecord, folder / FILE)
    if engine is not None:
        return Decoder(record, engine)
    paths = [check_file(folder, file) for file in (record.weights, record.adapter) if file is not None]
    return Decoder(record, start(paths[0], record.spec, paths[1:]))


def start(path: Path, spec: GgufSpec, adapters: Sequence[Path] = ()) -> Engine:
    """Load weights as ``spec`` has it, with the threads that are fastest here now. Raises `ModelError`."""
    how = EngineSpec(
        context=_context(gguf_file.inspect(path), spec),
        slots=spec.slots,
        threads=spec.threads or 1,
        gpu_layers=spec.gpu_layers,
    )
    return Engine(path, how if spec.threads is not None else thread_count.choose(path, how, machine.cores()), adapters)


def lengths(folder: Path, engine: Engine, texts: Sequence[str]) -> list[int]:
    """Count the tokens of the question to each text, as the bundle in ``folder`` would ask; nothing is computed."""
    record = model_files.read(DecoderRecord, folder / FILE)
    pool, asking = prompts.ShotPool(record.pool), PromptBuilder(record.task, record.skeletons, _encoder(engine))
    valid = _valid(record.task, asking, engine, record.spec)
    shots = record.spec.shots
    return [len(asking.ask(text, pool.choose(text, shots), valid.room(valid.trie(text))).tokens) for text in texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderFiles:
    """What another program needs to ask as a bundle does: weights, orders, and what the template writes around a turn.

    ``adapter`` stands on the weights, unless it was merged into them. ``pieces`` stand before the orders, between
    orders and text, and behind the text; ``folded``: the template knows no system turn, so the orders begin the user's,
    with an empty line behind them, and there are two pieces. ``schema`` is that of a valid answer: an object, or a
    label as a JSON string.
    """

    weights: Path
    adapter: Path | None = None
    orders: str
    pieces: tuple[str, ...]
    folded: bool
    spec: GgufSpec
    task: TaskName
    schema: Mapping[str, Any] | None = None


def parts(folder: Path) -> DecoderFiles:
    """Take a bundle's parts, checked against their digests. Raises as `load`."""
    record = model_files.read(DecoderRecord, folder / FILE)
    skeleton = record.skeletons[0]
    return DecoderFiles(
        weights=check_file(folder, record.weights),
        adapter=None if record.adapter is None else check_file(folder, record.adapter),
        orders=record.task.chat((), "")[0]["content"],
        pieces=skeleton.pieces,
        folded=skeleton.folded,
        spec=record.spec,
        task=record.task.name,
        schema=record.task.answer_schema(),
    )


def _valid(task: PromptTask, asking: PromptBuilder, engine: Engine, spec: GgufSpec) -> AnswerConstraints:
    # The bundle's own context counts: an engine may have been loaded with more, or for its words alone.
    context = _context(engine.head, spec)
    return AnswerConstraints(task, _encoder(engine), asking.end(_end(engine)), context, spec.max_output_tokens)


def _encoder(engine: Engine) -> Encode:
    return lambda text, special, begin: engine.tokens(text, special=special, begin=begin)


def _context(head: gguf_file.GgufHeader, spec: GgufSpec) -> int:
    return min(spec.context, head.number("context_length") or spec.context)


def _fitting(
    task: PromptTask, skeletons: Sequence[chat_template.ChatTemplate], engine: Engine, spec: GgufSpec
) -> PromptTask:
    """Leave labels or schema out of the orders where they would take more than half of what the model learnt to read.

    Raises `ModelError` (``E_MODEL_FORMAT``) where the orders alone leave no room for a text.
    """
    encode = _encoder(engine)
    trained = engine.head.number("context_length") or spec.context
    if task.name in ("classify", "extract") and task.listed:
        bare = PromptBuilder(task, skeletons, encode).ask("", (), _ENDLESS).tokens
        task = dataclasses.replace(task, listed=len(bare) <= trained // 2)
    asking = PromptBuilder(task, skeletons, encode)
    valid = _valid(task, asking, engine, spec)
    asking.ask("", (), valid.room(valid.trie("")))
    return task


def _end(engine: Engine) -> int:
    value = engine.head.metadata.get("tokenizer.ggml.eos_token_id")
    return value if type(value) is int else engine.tokens("\n", special=False)[-1]
