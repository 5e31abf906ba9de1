"""The short supervised phase: chats made of rows, in the words that the rungs use, with a loss on the answers alone.

Questions and answers, descriptions and commands, turns of dialogues, and chats with labels or JSON as answers, most of
them with examples (`ockham.llm.prompt_builder` writes these, as it does for every rung that prompts or is tuned).
Nothing is from ``restaurant8k``, which is the evaluation, and nothing was answered by another model.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ockham.llm import prompt_builder, prompts
from ockham.llm.prompt_builder import PromptTask
from ockham.llm.prompts import Shot
from pretrain import bpe, fields
from pretrain.sources import Document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Chat: TypeAlias = "list[dict[str, str]]"

ANSWER_CHARACTERS = 700
DISEASES = "The diseases that the text names, each as it stands there."
COMMAND = "You write shell commands. Answer with the command alone; parts to fill in stand in {{double braces}}."
QUESTION = "You answer questions about health."

_LABELS, _SHOTS = (3, 8), (3, 6)
_READ = ("hwu64", "clinc150", "dialogues", "books")
"""Sources in whose sentences rules find fields (`pretrain.fields`)."""
_FIELDS = ("fields", "more fields")
"""To extract is what a small model finds hardest: twice as many chats as of another kind."""
_LISTED = 0.5
"""The share of those in which the schema is shown; a model that is tuned never sees it."""
_SENTENCE = re.compile(r"(?<=[.!?]) ")
_TURN = re.compile(r"^(User|Assistant): ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Chats in windows: tokens (windows, context + 1) and which of them count (windows, context)."""

    tokens: NDArray[np.int64]
    counts: NDArray[np.float32]


def kinds(rows: Mapping[str, Sequence[Document]], seed: int) -> dict[str, Iterator[Chat]]:
    """Give chats without end for each source that has rows; which rows meet in one follows from the seed."""
    rng = np.random.default_rng(seed)
    writers: dict[str, Callable[[Sequence[Document]], Iterator[Chat]]] = {
        "clinc150": lambda some: _labelled(some, rng),
        "hwu64": lambda some: _labelled(some, rng),
        "ncbi_disease": lambda some: _extracted(some, rng),
        "tldr_commands": lambda some: _simple(some, COMMAND, rng),
        "medical": lambda some: _simple(some, QUESTION, rng),
        "dialogues": lambda some: _dialogues(some, rng),
    }
    found = {name: write(rows[name]) for name, write in writers.items() if rows.get(name)}
    texts = [rows[name] for name in _READ if rows.get(name)]
    return found | {name: _filled(texts, rng) for name in _FIELDS if texts}


def chats(rows: Mapping[str, Sequence[Document]], seed: int, only: Sequence[str] = ()) -> Iterator[Chat]:
    """Give chats without end, the kinds in turn: all, or ``only`` some."""
    found = [kind for name, kind in kinds(rows, seed).items() if not only or name in only]
    while found:
        for kind in found:
            yield next(kind)


def pack(tokenizer: Tokenizer, source: Iterator[Chat], windows: int, context: int) -> Packed:
    """Fill windows with whole chats, each between two ``<|endoftext|>``; a chat that is too long is left out."""
    end = bpe.number(tokenizer, bpe.END)
    tokens = np.full((windows, context + 1), end, dtype=np.int64)
    counts = np.zeros((windows, context), dtype=np.float32)
    waiting: tuple[list[int], list[bool]] | None = None
    for i in range(windows):
        at = 1
        while True:
            ids, kept = waiting if waiting is not None else encoded(tokenizer, next(source))
            waiting = None
            if at + len(ids) > context:
                waiting = (ids, kept) if len(ids) < context else None
                if at > 1 or waiting is not None:
                    break
                continue
            tokens[i, at : at + len(ids)] = ids
            counts[i, at - 1 : at - 1 + len(ids)] = kept
            at += len(ids) + 1
    return Packed(tokens=tokens, counts=counts)


def encoded(tokenizer: Tokenizer, chat: Chat) -> tuple[list[int], list[bool]]:
    """Encode a chat as the template writes it; what counts are the answers and the mark that ends them."""
    end = bpe.number(tokenizer, bpe.TURN_END)
    newline = tokenizer.encode("\n", add_special_tokens=False).ids
    ids: list[int] = []
    kept: list[bool] = []
    for message in chat:
        role = bpe.number(tokenizer, f"<|{message['role']}|>")
        words = tokenizer.encode("\n" + message["content"].strip(), add_special_tokens=False).ids
        ids += [role, *words, end, *newline]
        answer = message["role"] == "assistant"
        kept += [False] + [False] * len(newline) + [answer] * (len(words) - len(newline) + 1) + [False] * len(newline)
    return ids, kept


def _labelled(rows: Sequence[Document], rng: np.random.Generator) -> Iterator[Chat]:
    by_label: dict[str, list[Document]] = {}
    for row in rows:
        by_label.setdefault(row.answer, []).append(row)
    names = sorted(by_label)
    while True:
        some = [names[i] for i in rng.choice(len(names), min(len(names), int(rng.integers(*_LABELS))), replace=False)]
        chosen = [_pick(by_label[some[i % len(some)]], rng) for i in range(int(rng.integers(*_SHOTS)))]
        asked = _pick(by_label[some[int(rng.integers(len(some)))]], rng)
        shots = [Shot(text=row.ask, label=row.answer) for row in chosen]
        yield _answered(prompts.messages(sorted(some), "", shots, asked.ask), asked.answer)


def _extracted(rows: Sequence[Document], rng: np.random.Generator) -> Iterator[Chat]:
    while True:
        *chosen, asked = (_pick(rows, rng) for _ in range(int(rng.integers(2, 5))))
        task = prompt_builder.infer_prompt_task("extract", [row.answer for row in (*chosen, asked)], DISEASES)
        yield _asked(task, [Shot(text=row.ask, label=row.answer) for row in chosen], asked.ask, asked.answer)


def _filled(texts: Sequence[Sequence[Document]], rng: np.random.Generator) -> Iterator[Chat]:
    """Let fields be found: with a schema or examples in the chat, or with neither where the names can be guessed."""
    for *chosen, asked in fields.tasks(texts, rng):
        task = prompt_builder.infer_prompt_task("extract", [one.target for one in (*chosen, asked)], "")
        task = dataclasses.replace(task, listed=bool(rng.random() < _LISTED))
        yield _asked(task, [Shot(text=one.text, label=one.target) for one in chosen], asked.text, asked.target)


def _asked(task: PromptTask, shots: Sequence[Shot], text: str, answer: str) -> Chat:
    return _answered(task.chat(shots, text), task.write_target(answer))


def _simple(rows: Sequence[Document], order: str, rng: np.random.Generator) -> Iterator[Chat]:
    while True:
        row = _pick(rows, rng)
        yield _asked(PromptTask(name="generate", instructions=order), [], row.ask, _short(row.answer))


def _dialogues(rows: Sequence[Document], rng: np.random.Generator) -> Iterator[Chat]:
    while True:
        parts = _TURN.split(_pick(rows, rng).text)[1:]
        chat = [{"role": who.lower(), "content": words} for who, words in zip(parts[::2], parts[1::2], strict=True)]
        while chat and chat[-1]["role"] != "assistant":
            chat.pop()
        if chat:
            yield chat


def _pick(rows: Sequence[Document], rng: np.random.Generator) -> Document:
    return rows[int(rng.integers(len(rows)))]


def _answered(chat: Chat, answer: str) -> Chat:
    return [*chat, {"role": "assistant", "content": answer}]


def _short(answer: str) -> str:
    """Cut an answer at the end of a sentence."""
    kept = ""
    for sentence in _SENTENCE.split(answer):
        if kept and len(kept) + len(sentence) > ANSWER_CHARACTERS:
            break
        kept = f"{kept} {sentence}".strip()
    return kept
