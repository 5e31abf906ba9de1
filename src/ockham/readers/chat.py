"""Conversations as rows: chat JSONL (``messages``) and logs of chat calls (``request`` and ``response``).

The last assistant turn is the target and the turns before it are the input. Turns are never guessed at: a row whose
roles, order or content are not those of a conversation is kept out with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ockham.readers.json_file import Fault, parse
from ockham.records import canonical

INPUT = "messages"
TARGET = "assistant"
_ROLES = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
    "chatbot": "assistant", "model": "assistant", "tool": "tool", "function": "tool",
}  # fmt: skip
_TEXT_PARTS = ("text", "input_text", "output_text")
"""Kinds of parts that are text; Bedrock's have no kind."""
_NO_TEXT = ("tool_use", "thinking", "redacted_thinking")
"""Kinds of parts that are not said: calls, and what a model thought before it answered."""
_LEGACY = "function_call"
"""The id of a call in OpenAI's former form, which has none: a turn of the function answers the call before it."""


class Call(NamedTuple):
    """A call of a tool: its id, the function's name, and its arguments as they stand or as the object they hold."""

    id: str
    name: str
    arguments: object


class Turn(NamedTuple):
    """One turn: who speaks, what is said, the tools called or answered, and the weight it is trained with."""

    role: str
    text: str
    calls: tuple[Call, ...] = ()
    weight: float | None = None

    def call_object(self, *, alone: bool) -> object:
        """Return the calls without their ids: one alone by its arguments, several by their names."""
        if alone and len(self.calls) == 1 and isinstance(self.calls[0].arguments, Mapping):
            return self.calls[0].arguments
        calls = [{"name": call.name, "arguments": call.arguments} for call in self.calls]
        return calls[0] if len(calls) == 1 else {"calls": calls}


class UnsoundError(Exception):
    """A row is not a conversation; the message says why, without its content."""


def is_chat(columns: Sequence[str], rows: Sequence[Mapping[str, object]] = ()) -> bool:
    """Tell conversations by their columns, and by the first rows: plain texts in ``messages`` are none."""
    values = [row[INPUT] for row in rows if row.get(INPUT) is not None]
    if INPUT in columns:
        return not values or any(not isinstance(value, str) for value in values)
    return "request" in columns and ("response" in columns or "choices" in columns)


def turns_of(cells: Mapping[str, object]) -> list[Turn]:
    """Take the turns of a row, those of a logged call's answer included, and check roles and order."""
    request = cells.get("request")
    holder = request if isinstance(request, Mapping) else cells
    messages = holder.get("messages")
    if not isinstance(messages, list) or not messages:
        raise UnsoundError("the conversation has no turns")
    turns = [*system_turns(holder), *map(turn_of, messages)]
    response = cells.get("response")
    if isinstance(response, Mapping) or "choices" in cells:
        turns.append(answer_turn(response if isinstance(response, Mapping) else cells))
    check_order(turns)
    return turns


def system_turns(holder: Mapping[str, object]) -> list[Turn]:
    """Return the system turn that stands beside the messages, in Anthropic's form; none where the messages have one."""
    system, messages = holder.get("system"), holder.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    if isinstance(first, Mapping) and first.get("role") in ("system", "developer"):
        return []
    text = _text(system) if isinstance(system, (str, list)) else ""
    return [Turn("system", text)] if text.strip() else []


def split_turns(turns: Sequence[Turn], *, whole: bool, labelled: bool) -> tuple[list[Turn], str]:
    """Part the turns before the last assistant turn from its text."""
    if whole:
        return list(turns), ""
    last = max((index for index, turn in enumerate(turns) if turn.role == "assistant"), default=-1)
    if not labelled and last != len(turns) - 1:
        return list(turns), ""
    if last == -1:
        raise UnsoundError("the conversation has no assistant turn")
    if not turns[last].text.strip() and not turns[last].calls and labelled:
        raise UnsoundError("the last assistant turn is empty")
    if not any(turn.role == "user" for turn in turns[:last]):
        raise UnsoundError("no user turn comes before the last assistant turn")
    return list(turns[:last]), turns[last].text


def render(turns: Sequence[Turn]) -> str:
    """Write turns as one input: a single user turn verbatim, else "role: content" lines."""
    if len(turns) == 1 and turns[0].role == "user":
        return turns[0].text
    return "\n".join(f"{turn.role}: {turn.text}" for turn in turns)


def calls_alone(conversations: Iterable[Sequence[Turn]]) -> bool:
    """Tell whether all tool calls in these conversations are of one function, so that its name says nothing."""
    spoken = (turn for turns in conversations for turn in turns if turn.role == "assistant")
    return len({call.name for turn in spoken for call in turn.calls}) <= 1


def turn_of(message: object) -> Turn:
    """Take one turn. Raises `UnsoundError` for what is none."""
    if not isinstance(message, Mapping):
        raise UnsoundError("a turn is not an object")
    role = message.get("role")
    role = role.lower() if isinstance(role, str) else role  # Cohere writes User and Chatbot
    if not isinstance(role, str) or role not in _ROLES:
        raise UnsoundError("a turn has an unknown role")
    calls = _calls(message.get("tool_calls")) if message.get("tool_calls") else _calls_in_parts(message.get("content"))
    legacy = message.get("function_call")
    if isinstance(legacy, Mapping) and not calls:
        calls = (_call({"id": _LEGACY, "function": legacy}),)
    answered = _answered_calls(message.get("content"))
    if role in ("tool", "function"):
        calls = (Call(_LEGACY if role == "function" else _id(message.get("tool_call_id")), "", None),)
    elif answered:
        role, calls = "tool", answered
    text = _text(message.get("content"))
    weight = message.get("weight")
    turn = Turn(_ROLES[role], text, calls, weight if isinstance(weight, (int, float)) else None)
    if not text and calls and turn.role != "tool":
        turn = turn._replace(text=canonical(turn.call_object(alone=False)).decode())
    if not text.strip() and role == "user":
        raise UnsoundError("a user turn is empty")
    return turn


def _text(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise UnsoundError("the content of a turn is not text")
    parts = [_part_text(part) for part in content if not (isinstance(part, Mapping) and part.get("type") in _NO_TEXT)]
    texts = [part for part in parts if part is not None]
    if len(texts) < len(parts):
        raise UnsoundError("a turn has a part that is not text")
    return "\n".join(texts)


def _part_text(part: object) -> str | None:
    if not isinstance(part, Mapping):
        return None
    if part.get("type") == "tool_result":
        return _text(part.get("content"))
    text = part.get("text") if part.get("type", "text") in _TEXT_PARTS else None
    return text if isinstance(text, str) else None


def _calls_in_parts(content: object) -> tuple[Call, ...]:
    """Return the calls that are parts of a turn, in Anthropic's form."""
    parts = content if isinstance(content, list) else []
    calls = (part for part in parts if isinstance(part, Mapping) and part.get("type") == "tool_use")
    return tuple(Call(_id(call.get("id")), str(call.get("name") or ""), call.get("input")) for call in calls)


def _answered_calls(content: object) -> tuple[Call, ...]:
    parts = content if isinstance(content, list) else []
    results = (part for part in parts if isinstance(part, Mapping) and part.get("type") == "tool_result")
    return tuple(Call(_id(part.get("tool_use_id")), "", None) for part in results)


def _calls(calls: object) -> tuple[Call, ...]:
    if not isinstance(calls, list):
        raise UnsoundError("the tool calls of a turn are not a list")
    return tuple(map(_call, calls))


def _call(call: object) -> Call:
    key = _id(call.get("id") if isinstance(call, Mapping) else None)
    function = call.get("function") if isinstance(call, Mapping) else None
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        parsed = parse(arguments)
        arguments = arguments if isinstance(parsed, Fault) else parsed
    return Call(key, str(function.get("name") or ""), arguments)


def _id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise UnsoundError("a tool call has no id")
    return value


def answer_turn(response: Mapping[str, object]) -> Turn:
    """Take the first choice of a response, or what it is where it is a turn itself (Anthropic).

    Raises `UnsoundError` where it has none, or its answer was cut off.
    """
    if "choices" not in response and response.get("role", response.get("type")) in ("assistant", "message"):
        if response.get("stop_reason") == "max_tokens":
            raise UnsoundError("the logged answer was truncated")
        return turn_of({"role": "assistant", "content": response.get("content")})
    choices = response.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    if not isinstance(first, Mapping) or not isinstance(message, Mapping):
        raise UnsoundError("the logged call has no answer")
    if first.get("finish_reason") in ("length", "content_filter"):
        raise UnsoundError("the logged answer was truncated")
    return turn_of({"role": "assistant", **message})


def check_order(turns: Sequence[Turn]) -> None:
    """Check that system turns come first, that a user speaks before the assistant, and that tools answer calls."""
    before, called = "system", set[str]()
    for turn in turns:
        if turn.role == "system" and before != "system":
            raise UnsoundError("roles are out of order: a system turn comes after other turns")
        if turn.role == "assistant" and before in ("system", "assistant"):
            raise UnsoundError("roles are out of order: an assistant turn follows no user turn")
        if turn.role == "tool" and not called.issuperset(call.id for call in turn.calls):
            raise UnsoundError("roles are out of order: a tool turn answers no call")
        if turn.role == "assistant":
            called.update(call.id for call in turn.calls)
        before = turn.role
