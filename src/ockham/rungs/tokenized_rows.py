"""Rows as the tokens that a decoder will be asked and answered with: what it is tuned on, and what the gate asks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.errors import DataError
from ockham.llm.prompt_builder import PromptTask
from ockham.llm.trie import Trie
from ockham.models import causal_lm
from ockham.models.causal_lm import Base, GgufSpec
from ockham.records import Example
from ockham.rungs.decoder_weights import choose_context, words
from ockham.rungs.rung import RunContext

if TYPE_CHECKING:
    from ockham.tuning.decoder_tuning import DecoderRow


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedRows:
    """What a model learns from: how it is asked, the rows that fit whole, and what its answers are held to.

    ``heard`` are the places, among the validation rows that were given, of those in ``valid``; ``questions`` are those
    of all of them, and ``tries`` what the answer to each is held to. ``left_out`` counts the training rows that do not
    fit.
    """

    base: Base
    spec: GgufSpec
    train: tuple[DecoderRow, ...]
    left_out: int
    valid: tuple[DecoderRow, ...]
    heard: tuple[int, ...]
    questions: tuple[tuple[int, ...], ...]
    task: PromptTask
    tries: tuple[Trie | None, ...]
    end: int


def tokenize_rows(
    context: RunContext, base: Base, folder: Path, train: Sequence[Example], valid: Sequence[Example]
) -> TokenizedRows:
    """Write rows as tokens; the weights are loaded once, for their words alone. ``folder`` takes a bundle meanwhile.

    Raises `ModelError` for weights that cannot be read and `DataError` (``E_TOO_FEW``) where no training row fits the
    context.
    """
    from ockham.tuning.decoder_tuning import DecoderRow

    with words(base) as opened_base:
        spec = choose_context(context, opened_base, folder, 0, brief=True)
        there = dataclasses.replace(opened_base, copy=False)
        causal_lm.fit(
            context.side("train"),
            folder,
            there,
            spec,
            task=context.config.task,
            instructions=context.config.instructions,
        )
        model = causal_lm.load(folder, opened_base.engine)
        lessons = [[model.lesson(row.input, row.target) for row in rows] for rows in (train, valid)]
        tries = tuple(model.trie(row.input) for row in valid)
        task, end = model.task, model.end_token
    whole = [
        [
            (index, DecoderRow(question=question.tokens, answer=answer))
            for index, (question, answer) in enumerate(side)
            if not question.unread and len(question.tokens) + len(answer) <= spec.context
        ]
        for side in lessons
    ]
    if not whole[0]:
        raise DataError("E_TOO_FEW", "no row fits the model's context", fix="use a model with a longer one")
    return TokenizedRows(
        base=dataclasses.replace(opened_base, engine=None),
        spec=spec,
        train=tuple(row for _, row in whole[0]),
        left_out=len(train) - len(whole[0]),
        valid=tuple(row for _, row in whole[1]),
        heard=tuple(index for index, _ in whole[1]),
        questions=tuple(question.tokens for question, _ in lessons[1]),
        task=task,
        tries=tries,
        end=end,
    )
