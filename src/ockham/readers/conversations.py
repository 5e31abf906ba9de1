"""Conversations as documents: the turns before the last assistant turn are the input, that turn is the target.

The row stays a conversation: what is changed in a turn is written back into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ockham.readers.chat import Turn, split_turns, system_turns, turns_of
from ockham.readers.table import text_of

LAST = "last assistant turn"
"""Instead of a target column: what the assistant said last."""
_MARK = "\0chat"


def columns_of(target: str | None) -> tuple[str, ...]:
    """Return what stands for input columns where the input is a conversation; no column has such a name."""
    return _MARK, target or ""


def is_conversation(inputs: tuple[str, ...]) -> bool:
    """Tell whether `columns_of` returned these."""
    return inputs[:1] == (_MARK,)


def columns_taken(cells: Mapping[str, object], target: str | None) -> tuple[tuple[str, ...], str | None]:
    """Return the texts of the turns that are the input, and the target: of a column, or what the assistant said last.

    Raises `UnsoundError` where the row is no conversation, or has no such turn.
    """
    turns = turns_of(cells)
    if target == LAST:
        before, answer = split_turns(turns, whole=False, labelled=True)
        return _texts(before), answer
    return _texts(turns), text_of(cells.get(target)) if target else None


def texts_in(cells: Mapping[str, Any], inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the inputs of a row that was read before: of its columns, or of its conversation."""
    if is_conversation(inputs):
        return columns_taken(cells, inputs[1])[0]
    return tuple(text_of(cells.get(name)) for name in inputs)


def target_in(cells: Mapping[str, Any], inputs: tuple[str, ...], target: str | None) -> str:
    """Return the target of a row that was read before; "" where it has none."""
    return columns_taken(cells, target)[1] or "" if is_conversation(inputs) else text_of(cells.get(target or ""))


def with_turns(cells: Mapping[str, Any], before: Sequence[str], after: Sequence[str]) -> dict[str, Any]:
    """Return the row with changed turns, the first ones of its conversation; each becomes plain text."""
    request = cells.get("request")
    holder = request if isinstance(request, dict) else dict(cells)
    if system_turns(holder) and before:
        if before[0] != after[0]:
            holder = {**holder, "system": after[0]}
        before, after = before[1:], after[1:]
    turns = zip(before, after, strict=True)
    pairs = _pair_messages(holder, turns)
    changed = [dict(message, content=new) if new != old else message for message, (old, new) in pairs]
    messages = [*changed, *holder["messages"][len(changed) :]]
    if isinstance(request, dict):
        return {**cells, "request": {**holder, "messages": messages}}
    return {**holder, "messages": messages}


def _pair_messages(
    holder: Mapping[str, Any], turns: Iterator[tuple[str, str]]
) -> Iterator[tuple[Any, tuple[str, str]]]:
    return zip(holder["messages"], turns, strict=False)


def _texts(turns: Sequence[Turn]) -> tuple[str, ...]:
    return tuple(turn.text for turn in turns)
