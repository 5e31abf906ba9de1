"""Preferences: a better and a worse answer to one prompt, as preference tuning (DPO) and reward models are fed."""

from __future__ import annotations

from ockham.errors import DataError
from ockham.readers.chat import Turn, UnsoundError, render, split_turns, turn_of
from ockham.readers.columns import plain_name
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all, is_object_list

_BETTER, _WORSE, _PROMPT = "chosen", "rejected", "prompt"
_SPEAKER = "\n\nAssistant:"
"""Where the last answer begins in a transcript that is one text."""


def _open(sample: FormSample) -> FormReader | None:
    if not ({_BETTER, _WORSE} <= set(sample.columns)) or not sample.request.labelled:
        return None
    better = sample.values(_BETTER)
    named = sample.request.target
    if named and plain_name(named) not in (_BETTER, _WORSE):
        return None
    is_turns = is_all(better, is_object_list)
    is_transcript = is_all(better, lambda value: isinstance(value, str) and _SPEAKER in value)
    if not named:
        needs_input = _PROMPT in sample.columns and not (is_turns or is_transcript)
        raise DataError(
            "E_FORMAT",
            f"{sample.request.source} contains preferences: a better and a worse answer to each prompt",
            fix=f"to use the better answers as targets:{' --input prompt' * needs_input} --target {_BETTER}",
        )
    if not (is_turns or is_transcript):
        return None
    target = _BETTER if plain_name(named) == _BETTER else _WORSE

    def convert(cells: Cells) -> Cells | LeftOut:
        value = cells.get(target)
        if isinstance(value, str):
            before, _, answer = value.rpartition(_SPEAKER)
            return {**cells, _PROMPT: before.strip(), target: answer.strip()}
        if not isinstance(value, list):
            raise UnsoundError("the answer is not a conversation")
        turns = [turn_of(turn) for turn in value]
        before_turns, answer = split_turns(
            [*_prompt_turns(cells.get(_PROMPT)), *turns] if len(turns) == 1 else turns, whole=False, labelled=True
        )
        return {**cells, _PROMPT: render(before_turns), target: answer}

    columns = tuple(dict.fromkeys((*sample.columns, _PROMPT)))
    return FormReader(columns=columns, convert=convert, inputs=(_PROMPT,), target=target)


def _prompt_turns(prompt: object) -> list[Turn]:
    """Return the turns of a prompt that stands beside its answers."""
    if isinstance(prompt, list):
        return [turn_of(turn) for turn in prompt]
    return [Turn("user", prompt)] if isinstance(prompt, str) else []


PREFERENCES = Form(
    name="preferences",
    recognised="`chosen` and `rejected` (preference tuning, reward models), with or without `prompt`",
    taken="refused, since neither answer has to be right; with `--target chosen`, the better answer is the"
    " target, and what precedes it in a conversation is the input",
    open=_open,
)
