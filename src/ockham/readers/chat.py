"""Conversations as rows: chat JSONL (``messages``) and logs of chat calls (``request`` and ``response``).

The last assistant turn is the target and the turns before it are the input. Turns are never guessed at: a row whose
roles, order or content are not those of a conversation is kept out with a reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ockham.readers.table import BrokenRow, Table, TableRow
from ockham.records import canonical

INPUT = "messages"
TARGET = "assistant"
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_OWN = ("messages", "request", "response", "choices", "assistant")


class Turn(NamedTuple):
    """One turn: who speaks, what is said, and the ids of the tools called."""

    role: str
    text: str
    calls: tuple[str, ...] = ()


class UnsoundError(Exception):
    """A row is not a conversation; the message says why, without its content."""


def is_chat(columns: Sequence[str]) -> bool:
    """Tell conversations by their columns."""
    return "messages" in columns or ("request" in columns and ("response" in columns or "choices" in columns))


def chat_table(table: Table, *, whole: bool, labelled: bool) -> Table:
    """Turn conversations into rows with the columns ``messages`` (input) and ``assistant`` (target).

    ``whole``: every turn belongs to the input, because the target stands in a column of its own.
    """
    others = [name for name in table.columns if name not in _OWN]
    return dataclasses.replace(
        table,
        format=f"{table.format}, chat",
        columns=(INPUT, TARGET, *others),
        rows=_rows(table.rows, others, whole, labelled),
        project=None,
    )


def _rows(
    rows: Iterator[TableRow | BrokenRow], others: Sequence[str], whole: bool, labelled: bool
) -> Iterator[TableRow | BrokenRow]:
    for row in rows:
        if isinstance(row, BrokenRow):
            yield row
            continue
        try:
            before, answer = split_turns(turns_of(row.cells), whole=whole, labelled=labelled)
        except UnsoundError as unsound:
            yield BrokenRow(row.record, row.offset, "E_FORMAT", str(unsound))
            continue
        rest = {name: row.cells[name] for name in others if name in row.cells}
        yield TableRow(row.record, row.offset, {INPUT: render(before), TARGET: answer, **rest})


def turns_of(cells: Mapping[str, object]) -> list[Turn]:
    """Take the turns of a row, those of a logged call's answer included, and check roles and order."""
    request = cells.get("request")
    holder = request if isinstance(request, Mapping) else cells
    messages = holder.get("messages")
    if not isinstance(messages, list) or not messages:
        raise UnsoundError("the conversation has no turns")
    turns = [_turn(message) for message in messages]
    response = cells.get("response")
    if isinstance(response, Mapping) or "choices" in cells:
        turns.append(_answer_turn(response if isinstance(response, Mapping) else cells))
    _check_order(turns)
    return turns


def split_turns(turns: Sequence[Turn], *, whole: bool, labelled: bool) -> tuple[list[Turn], str]:
    """Part the turns before the last assistant turn from its text."""
    if whole:
        return list(turns), ""
    last = max((index for index, turn in enumerate(turns) if turn.role == "assistant"), default=-1)
    if not labelled and last != len(turns) - 1:
        return list(turns), ""
    if last == -1:
        raise UnsoundError("the conversation has no assistant turn")
    if not turns[last].text.strip() and labelled:
        raise UnsoundError("the last assistant turn is empty")
    if not any(turn.role == "user" for turn in turns[:last]):
        raise UnsoundError("no user turn stands before the last assistant turn")
    return list(turns[:last]), turns[last].text


def render(turns: Sequence[Turn]) -> str:
    """Write turns as one input: a single user turn verbatim, else "role: content" lines."""
    if len(turns) == 1 and turns[0].role == "user":
        return turns[0].text
    return "\n".join(f"{turn.role}: {turn.text}" for turn in turns)


def _turn(message: object) -> Turn:
    if not isinstance(message, Mapping):
        raise UnsoundError("a turn is not an object")
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise UnsoundError("a turn has an unknown role")
    calls = message.get("tool_calls")
    ids = _call_ids(calls) if calls else ()
    if role == "tool":
        ids = (_id(message.get("tool_call_id")),)
    text = _text(message.get("content"))
    if not text and calls:
        text = canonical(calls).decode()
    if not text.strip() and role == "user":
        raise UnsoundError("a user turn is empty")
    return Turn(_ROLES[role], text, ids)


def _text(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise UnsoundError("a turn's content is not text")
    parts = [part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None for part in content]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) < len(parts):
        raise UnsoundError("a turn holds a part that is not text")
    return "\n".join(texts)


def _call_ids(calls: object) -> tuple[str, ...]:
    if not isinstance(calls, list):
        raise UnsoundError("a turn's tool calls are not a list")
    return tuple(_id(call.get("id") if isinstance(call, Mapping) else None) for call in calls)


def _id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise UnsoundError("a tool call has no id")
    return value


def _answer_turn(response: Mapping[str, object]) -> Turn:
    choices = response.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    if not isinstance(first, Mapping) or not isinstance(message, Mapping):
        raise UnsoundError("the logged call has no answer")
    if first.get("finish_reason") in ("length", "content_filter"):
        raise UnsoundError("the logged answer was cut off")
    return _turn({"role": "assistant", **message})


def _check_order(turns: Sequence[Turn]) -> None:
    """Check that system turns come first, that a user speaks before the assistant, and that tools answer calls."""
    before, called = "system", set[str]()
    for turn in turns:
        if turn.role == "system" and before != "system":
            raise UnsoundError("roles are out of order: a system turn stands behind others")
        if turn.role == "assistant" and before in ("system", "assistant"):
            raise UnsoundError("roles are out of order: an assistant turn answers no one")
        if turn.role == "tool" and not called.issuperset(turn.calls):
            raise UnsoundError("roles are out of order: a tool turn answers no call")
        if turn.role == "assistant":
            called.update(turn.calls)
        before = turn.role
