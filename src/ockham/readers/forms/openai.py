"""OpenAI: chat fine-tuning files, logs of chat calls, and evals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from ockham.readers import chat
from ockham.readers.chat import INPUT, TARGET, Turn, UnsoundError, is_chat, render, split_turns, turns_of
from ockham.readers.forms.form import (
    Cells,
    Form,
    FormReader,
    FormSample,
    LeftOut,
    is_all,
    is_object_list,
    parse_cell,
)

_OWN = ("messages", "request", "response", "choices", "assistant", "tools", "parallel_tool_calls", "functions")
_UNTRAINED = LeftOut("weight_0")


def conversation_reader(
    sample: FormSample, turns: Callable[[Cells], list[Turn]], own: Sequence[str] = _OWN
) -> FormReader:
    """Return a reader of rows with the columns ``messages`` (input) and ``assistant`` (target).

    Where the target stands in a column of its own, every turn belongs to the input.
    """
    request = sample.request
    whole = request.labelled and request.target is not None and request.target != TARGET
    others = sample.others(*own)
    counts: Counter[str] = Counter()
    alone = chat.calls_alone(_conversations(sample, turns))

    def convert(cells: Cells) -> Cells | LeftOut:
        conversation = turns(cells)
        before, answer = split_turns(conversation, whole=whole, labelled=request.labelled)
        answering = conversation[len(before)] if len(before) < len(conversation) else None
        if request.labelled and answering is not None and answering.weight == 0:
            return _UNTRAINED
        counts["several"] += sum(turn.role == "assistant" for turn in conversation) > 1
        target: object = answer
        if answering is not None and answering.calls:
            target = answering.call_object(alone=alone)
        return {INPUT: render(before), TARGET: target, **{name: cells[name] for name in others if name in cells}}

    def remarks() -> list[str]:
        if not counts["several"] or whole:
            return []
        return [f"conversations with several assistant turns, of which the last is the answer: {counts['several']:,}"]

    return FormReader(
        columns=(INPUT, TARGET, *others), convert=convert, inputs=(INPUT,), target=TARGET, remarks=remarks
    )


def _conversations(sample: FormSample, turns: Callable[[Cells], list[Turn]]) -> Iterator[list[Turn]]:
    """Yield the conversations among the first records; those that are none are told of when they are read."""
    for row in sample.rows:
        with suppress(UnsoundError):
            yield turns(row)


def _open_chat(sample: FormSample) -> FormReader | None:
    values = sample.values(INPUT)
    if INPUT not in sample.columns or is_all(values, lambda value: isinstance(value, str) and not _is_list(value)):
        return None

    def turns(cells: Cells) -> list[Turn]:
        return turns_of({**cells, INPUT: parse_cell(cells.get(INPUT))})

    return conversation_reader(sample, turns)


def _is_list(value: object) -> bool:
    return isinstance(parse_cell(value), list)


def _open_log(sample: FormSample) -> FormReader | None:
    return conversation_reader(sample, turns_of) if INPUT not in sample.columns and is_chat(sample.columns) else None


def _open_evals(sample: FormSample) -> FormReader | None:
    if not is_all(sample.values("input"), _is_prompt) or not ({"ideal", "target"} & set(sample.columns)):
        return None
    if "ideal" not in sample.columns and not any(isinstance(value, list) for value in sample.values("input")):
        return None
    target = "ideal" if "ideal" in sample.columns else "target"
    system = {_system_of(value) for value in sample.values("input")}
    instruction = system.pop() if len(system) == 1 else ""
    counts: Counter[str] = Counter()

    def convert(cells: Cells) -> Cells | LeftOut:
        turns = _prompt_turns(cells.get("input"))
        if instruction and turns and turns[0] == Turn("system", instruction):
            turns = turns[1:]
            counts["system"] += 1
        ideal = cells.get(target)
        if isinstance(ideal, list) and len(ideal) > 1:
            counts["several"] += 1
            ideal = ideal[0]
        return {**cells, "input": render(turns), target: ideal}

    def remarks() -> list[str]:
        return [
            text
            for key, text in (
                ("system", "the system turn is the same in every record and was left out of the input"),
                ("several", f"records with several ideal answers, of which the first is used: {counts['several']:,}"),
            )
            if counts[key]
        ]

    return FormReader(columns=sample.columns, convert=convert, inputs=("input",), target=target, remarks=remarks)


def _is_prompt(value: object) -> bool:
    return isinstance(value, str) or (
        is_object_list(value) and isinstance(value, list) and all("role" in turn for turn in value)
    )


def _system_of(value: object) -> str:
    first = value[0] if isinstance(value, list) and value else None
    content = (
        first.get("content") if isinstance(first, Mapping) and first.get("role") in ("system", "developer") else ""
    )
    return content if isinstance(content, str) else ""


def _prompt_turns(value: object) -> list[Turn]:
    if isinstance(value, str):
        return [Turn("user", value)]
    if not isinstance(value, list) or not value:
        raise UnsoundError("the conversation has no turns")
    # Examples stand in an eval's prompt as system turns that name who speaks; their order says nothing.
    return [chat.turn_of(message) for message in value]


CHAT = Form(
    name="chat",
    recognised="a column `messages` of turns with `role` and `content` (OpenAI's fine-tuning format and its"
    " imitations), in CSV as JSON in the cells",
    taken="the last assistant turn is the target, the turns before it are the input; a single user turn is taken"
    " as plain text. A tool call becomes an object of its arguments, without its id, and with the function's name"
    " if there are several functions. A row whose answer has `weight: 0` is dropped",
    open=_open_chat,
)
CHAT_LOG = Form(
    name="chat",
    recognised="logged calls: `request` with its `messages`, and `response` or `choices`",
    taken="the answer is the target, the turns of the request are the input; truncated answers are dropped",
    open=_open_log,
)
OPENAI_EVALS = Form(
    name="OpenAI evals",
    recognised="`input` (turns or a text) with `ideal`, or turns in `input` with `target`",
    taken="the turns of `input` are the input, without a system turn that is the same in every record; `ideal` is"
    " the target, or the first one if there are several",
    open=_open_evals,
)
