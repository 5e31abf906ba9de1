"""What the model says, for the card: the first held-out texts and chats, none of them picked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ockham.llm import prompts
from pretrain import bpe, instruct, model
from pretrain.instruct import Chat
from pretrain.model import Shape

if TYPE_CHECKING:
    from tokenizers import Tokenizer


LENGTH = 48
"""Tokens given, and tokens written after them."""
_LABEL = 24
"""More tokens than any label has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A prompt, what the model wrote after it (most likely token each time), and what really stands there."""

    kind: str
    prompt: str
    written: str
    real: str


def continued(weights: Mapping[str, Tensor], shape: Shape, prompt: Sequence[int], limit: int, stop: int) -> list[int]:
    """Write at most ``limit`` tokens after a prompt, always the most likely one, until ``stop``."""
    device = next(iter(weights.values())).device
    written: list[int] = []
    while len(written) < limit:
        given = torch.tensor([[*prompt, *written][-shape.context :]], device=device)
        with torch.no_grad():
            states = model.hidden(weights, shape, given, torch.float32)[:, -1]
            token = int((states @ weights[shape.output].T).argmax())
        if token == stop:
            break
        written.append(token)
    return written


@dataclass(frozen=True, slots=True, kw_only=True)
class Obedience:
    """How few-shot chats with labels were answered: how many, with one of the labels, rightly, and by chance."""

    chats: int
    listed: int
    right: int
    chance: float


def obedience(weights: Mapping[str, Tensor], shape: Shape, tokenizer: Tokenizer, chats: Iterable[Chat]) -> Obedience:
    """Answer few-shot chats with labels (`ockham.llm.prompts.messages`) and read the answers as the rungs do."""
    asked = listed = right = 0
    chance = 0.0
    for chat in chats:
        answered = answers(weights, shape, tokenizer, [("", chat)], limit=_LABEL)
        if not answered:
            continue
        labels = json.loads(chat[0]["content"].split("\n")[1])
        label = prompts.read_label(answered[0].written, labels)
        asked += 1
        listed += label is not None
        right += label == answered[0].real
        chance += 1 / len(labels)
    return Obedience(chats=asked, listed=listed, right=right, chance=chance)


def texts(
    weights: Mapping[str, Tensor], shape: Shape, tokenizer: Tokenizer, documents: Iterable[tuple[str, Sequence[int]]]
) -> list[Sample]:
    """Go on after the first 48 tokens of each (source, tokens) for 48 tokens."""
    end = bpe.number(tokenizer, bpe.END)
    found: list[Sample] = []
    for source, tokens in documents:
        prompt, real = list(tokens[:LENGTH]), list(tokens[LENGTH : 2 * LENGTH])
        written = continued(weights, shape, prompt, LENGTH, end)
        words = [tokenizer.decode(part, skip_special_tokens=False) for part in (prompt, written, real)]
        found.append(Sample(kind=source, prompt=words[0], written=words[1], real=words[2]))
    return found


def answers(
    weights: Mapping[str, Tensor],
    shape: Shape,
    tokenizer: Tokenizer,
    chats: Iterable[tuple[str, Chat]],
    limit: int = 64,
) -> list[Sample]:
    """Answer the last question of each (kind, chat) that leaves room for an answer of ``limit`` tokens."""
    stop, role = bpe.number(tokenizer, bpe.TURN_END), bpe.number(tokenizer, "<|assistant|>")
    found: list[Sample] = []
    for kind, chat in chats:
        newline = tokenizer.encode("\n", add_special_tokens=False).ids
        prompt = [*instruct.encoded(tokenizer, chat[:-1])[0], role, *newline]
        if len(prompt) > shape.context - limit:
            continue
        written = tokenizer.decode(continued(weights, shape, prompt, limit, stop), skip_special_tokens=False)
        found.append(Sample(kind=kind, prompt=chat[-2]["content"], written=written, real=chat[-1]["content"]))
    return found
