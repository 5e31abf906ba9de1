"""Exchanges with a model as tracing tools and other providers write them: a question and its answer, each in a column.

Langfuse, LangSmith, OpenAI's stored completions and responses, Gemini's contents, and pairs of turn lists.
"""

from __future__ import annotations

from collections.abc import Mapping

from ockham.errors import DataError
from ockham.readers import chat
from ockham.readers.chat import Turn, UnsoundError, check_order, turn_of
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, is_all, is_object_list, parse_cell
from ockham.readers.forms.openai import conversation_reader

_PAIRS = (
    ("input", "expectedOutput"), ("input", "expected_output"), ("input", "output"), ("inputs", "outputs"),
    ("input", "choices"), ("prompt", "completion"), ("request", "response"), ("request_body", "response_body"),
)  # fmt: skip
_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "gpt": "assistant"}
_CLASSES = {"HumanMessage": "user", "AIMessage": "assistant", "SystemMessage": "system"}
"""LangChain's names of turns, where it writes its own objects."""
_BODIES = ("inputBodyJson", "outputBodyJson", "message")
"""What holds the turns in logs of Bedrock."""


def _open(sample: FormSample) -> FormReader | None:
    if is_all(sample.values("contents"), is_object_list):
        return conversation_reader(sample, _contents_turns, ("contents", "systemInstruction", "system_instruction"))
    for asked, answered in _PAIRS:
        both = [(row.get(asked), row.get(answered)) for row in sample.rows if row.get(answered) is not None]
        both = [pair for pair in both if pair[0] is not None]
        pairs: list[tuple[object, object]] = [_bare_pair(*map(parse_cell, pair)) for pair in both]
        plain = not any(_is_json(cell) for pair in both for cell in pair)
        if not plain and bool(pairs) and all(_has_question(asks) and _has_answer(answers) for asks, answers in pairs):
            return _pair_reader(sample, asked, answered)
    return None


def _pair_reader(sample: FormSample, asked: str, answered: str) -> FormReader:
    def turns(cells: Cells) -> list[Turn]:
        question, response = _bare_pair(parse_cell(cells.get(asked)), parse_cell(cells.get(answered)))
        conversation = _question_turns(question)
        answer = _answer_turn(response)
        if answer is not None:
            conversation.append(answer)
        check_order(conversation)
        return conversation

    return conversation_reader(sample, turns, (asked, answered))


def _bare_pair(question: object, response: object) -> tuple[object, object]:
    """Return what stands inside: of arguments and results that are kept by their names, where both have one alone."""
    question, response = _body(question), _body(response)
    if isinstance(question, Mapping) and isinstance(response, Mapping):
        return _inner_value(question), _inner_value(response)
    return question, response


def _body(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return next((value[name] for name in _BODIES if isinstance(value.get(name), Mapping)), value)


def _contents_turns(cells: Cells) -> list[Turn]:
    contents = cells.get("contents")
    system = cells.get("systemInstruction", cells.get("system_instruction"))
    turns = [Turn("system", _parts_text(system))] if isinstance(system, Mapping) else []
    turns += [_turn(entry) for entry in contents] if isinstance(contents, list) else []
    check_order(turns)
    return turns


def _question_turns(value: object) -> list[Turn]:
    """Return the turns of a question: a text, turns, or an object that holds either."""
    if isinstance(value, str):
        return [Turn("user", value)]
    if isinstance(value, list):
        batch = value[0] if len(value) == 1 and isinstance(value[0], list) else value
        return [_turn(entry) for entry in batch]
    if isinstance(value, Mapping):
        if "role" in value or "parts" in value:
            return [_turn(value)]
        if isinstance(value.get("messages"), list):
            return [*chat.system_turns(value), *_question_turns(value["messages"])]
    raise UnsoundError("the question is neither text nor turns")


def _answer_turn(value: object) -> Turn | None:
    """Return the answer: a text, a turn, the last of several, or a choice; ``None`` where there is none."""
    if isinstance(value, Mapping) and isinstance(value.get("generations"), list):
        return _generation(value["generations"])
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if isinstance(value, list) and value:
        last = value[-1]
        value = {"choices": value} if isinstance(last, Mapping) and "message" in last else last
    if value is None or isinstance(value, str):
        return None if value is None else Turn("assistant", value)
    if isinstance(value, Mapping) and (isinstance(value.get("choices"), list) or value.get("type") == "message"):
        return chat.answer_turn(value)
    if isinstance(value, Mapping) and ({"role", "parts", "kwargs"} & value.keys() or value.get("type") in _ROLES):
        return _turn(value if "kwargs" in value else {"role": "assistant", **value})
    raise UnsoundError("the answer is neither text nor a turn")


def _generation(value: object) -> Turn:
    """Take the first text that LangChain keeps of an answer."""
    while isinstance(value, list) and value:
        value = value[0]
    text = value.get("text") if isinstance(value, Mapping) else None
    if not isinstance(text, str):
        raise UnsoundError("the answer is neither text nor a turn")
    return Turn("assistant", text)


def _turn(entry: object) -> Turn:
    """Take one turn of any of the providers. Raises `UnsoundError` for what is none."""
    if not isinstance(entry, Mapping):
        raise UnsoundError("a turn is not an object")
    made = entry.get("kwargs")
    if isinstance(made, Mapping) and isinstance(kind := entry.get("id"), list) and kind:
        return turn_of({"role": _CLASSES.get(str(kind[-1]), "user"), "content": made.get("content")})
    role = entry.get("role", entry.get("type", "user"))
    content = _parts_text(entry) if "parts" in entry else entry.get("content")
    role = _ROLES.get(role, role) if isinstance(role, str) else role
    return turn_of({**entry, "role": role, "content": content})


def _parts_text(entry: Mapping[str, object]) -> str:
    parts = entry.get("parts")
    texts = (
        [part.get("text") if isinstance(part, Mapping) else None for part in parts] if isinstance(parts, list) else []
    )
    if not texts or not all(isinstance(text, str) for text in texts):
        raise UnsoundError("a turn has a part that is not text")
    return "\n".join(map(str, texts))


def _inner_value(value: object) -> object:
    """Return what an object holds that has one entry; anything else as it is."""
    if isinstance(value, Mapping) and len(value) == 1 and not {"messages", "generations"} & value.keys():
        return next(iter(value.values()))
    return value


def _has_question(value: object) -> bool:
    try:
        return bool(_question_turns(value))
    except UnsoundError:
        return False


def _has_answer(value: object) -> bool:
    try:
        return _answer_turn(value) is not None
    except UnsoundError:
        return False


def _is_json(value: object) -> bool:
    return not isinstance(parse_cell(value), str)


def _open_batch(sample: FormSample) -> FormReader | None:
    """Refuse one half of a batch as examples; questions alone can be answered."""
    columns = set(sample.columns)
    if "custom_id" not in columns or {"messages", "request", "input"} & columns:
        return None
    if "body" in columns and not sample.request.labelled:
        return conversation_reader(sample, lambda cells: _question_turns(cells.get("body")), ("body",))
    if not {"response", "result", "body"} & columns or not sample.request.labelled:
        return None
    has, lacks = ("requests", "answers") if "body" in columns else ("answers", "questions")
    beside = "that came back" if has == "requests" else "that was sent"
    raise DataError(
        "E_FORMAT",
        f"{sample.request.source} contains the {has} of a batch without the {lacks}",
        fix=f"join each line with the line of the same custom_id in the file {beside}, and write JSONL with the"
        " columns input and output",
    )


EXCHANGES = Form(
    name="exchanges",
    recognised="a question and its answer, as turns or as a choice: `input` and `output` (Langfuse, OpenAI's"
    " responses), `input` and `choices` (OpenAI's stored completions), objects with one entry in `inputs` and"
    " `outputs` (LangSmith) or in `input` and `expectedOutput`, `prompt` and `completion` as turns,"
    " `request_body` and `response_body` (Helicone), `contents` (Gemini), bodies in `input` and `output`"
    " (Bedrock); in CSV, as JSON in the cells",
    taken="as in chat: the answer is the target, the turns of the question are the input. An expected answer"
    " takes precedence over the one that was given",
    open=_open,
)
BATCH_ANSWERS = Form(
    name="batch answers",
    recognised="`custom_id` with `response`, `result` or `body` (batches of OpenAI and Anthropic)",
    taken="refused, since questions and answers are in two files; `predict` can answer a file of questions",
    open=_open_batch,
)
