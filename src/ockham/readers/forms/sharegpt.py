"""ShareGPT: conversations of turns with `from` and `value`, as many chat data sets are kept."""

from __future__ import annotations

from collections.abc import Mapping

from ockham.readers.chat import Turn, UnsoundError, check_order, turn_of
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, is_all, is_object_list, parse_cell
from ockham.readers.forms.openai import conversation_reader

_COLUMNS = ("conversations", "conversation")
_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "assistant": "assistant",
    "model": "assistant", "bot": "assistant", "system": "system",
}  # fmt: skip
_CALLS = ("function_call", "tool_call")
_RESULTS = ("observation", "tool", "function_response", "tool_response")
_ID = "call"
"""ShareGPT names no calls: a result answers the call before it."""


def _open(sample: FormSample) -> FormReader | None:
    column = next((name for name in _COLUMNS if is_all(map(parse_cell, sample.values(name)), is_object_list)), None)
    if column is None:
        return None

    def turns(cells: Cells) -> list[Turn]:
        entries = parse_cell(cells.get(column))
        if not isinstance(entries, list) or not entries:
            raise UnsoundError("the conversation has no turns")
        conversation = [turn_of(_message(entry)) for entry in entries]
        system = cells.get("system")
        if isinstance(system, str) and system.strip() and conversation[0].role != "system":
            conversation.insert(0, Turn("system", system))
        check_order(conversation)
        return conversation

    return conversation_reader(sample, turns, (column, "system", "tools"))


def _message(entry: object) -> Mapping[str, object]:
    if not isinstance(entry, Mapping):
        raise UnsoundError("a turn is not an object")
    role = entry.get("from", entry.get("role"))
    content = entry.get("value", entry.get("content"))
    if role in _CALLS:
        call = parse_cell(content)
        function = call if isinstance(call, Mapping) else {"arguments": content}
        return {"role": "assistant", "tool_calls": [{"id": _ID, "function": function}]}
    if role in _RESULTS:
        return {"role": "tool", "tool_call_id": _ID, "content": content}
    if not isinstance(role, str) or role.casefold() not in _ROLES:
        raise UnsoundError("a turn has an unknown role")
    return {"role": _ROLES[role.casefold()], "content": content}


SHAREGPT = Form(
    name="ShareGPT",
    recognised="`conversations` of turns with `from` and `value` (or `role` and `content`)",
    taken="as in chat: the last turn of the assistant (`gpt`) is the target, the turns before it and `system` are"
    " the input; `function_call` and `observation` are a tool call and its result",
    open=_open,
)
