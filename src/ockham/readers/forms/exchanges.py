"""Exchanges with a model as tracing tools and other providers write them: a question and its answer, each in a column.

Langfuse, LangSmith, OpenAI's stored completions and responses, Gemini's contents, and pairs of turn lists.
"""

from __future__ import annotations

from collections.abc import Mapping

from ockham.errors import DataError
from ockham.readers import chat
from ockham.readers.chat import Turn, UnsoundError, check_order, turn_of
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, is_all, is_object_list
from ockham.readers.forms.openai import conversation_reader

_PAIRS = (
    ("input", "output"), ("inputs", "outputs"), ("input", "choices"), ("prompt", "completion"), ("request", "response"),
    ("input", "expectedOutput"), ("input", "expected_output"),
)  # fmt: skip
_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "gpt": "assistant"}


def _open(sample: FormSample) -> FormReader | None:
    if is_all(sample.values("contents"), is_object_list):
        return conversation_reader(sample, _contents_turns, ("contents", "systemInstruction", "system_instruction"))
    for asked, answered in _PAIRS:
        inputs, outputs = sample.values(asked), sample.values(answered)
        plain = is_all(inputs, _is_text) and is_all(outputs, _is_text)
        if asked == "inputs":  # LangSmith keeps arguments and results by their names
            inputs, outputs = [_inner_value(value) for value in inputs], [_inner_value(value) for value in outputs]
        if not plain and is_all(inputs, _has_question) and is_all(outputs, _has_answer):
            return _pair_reader(sample, asked, answered)
    return None


def _pair_reader(sample: FormSample, asked: str, answered: str) -> FormReader:
    def turns(cells: Cells) -> list[Turn]:
        question, response = cells.get(asked), cells.get(answered)
        if asked == "inputs":
            question, response = _inner_value(question), _inner_value(response)
        conversation = _question_turns(question)
        answer = _answer_turn(response)
        if answer is not None:
            conversation.append(answer)
        check_order(conversation)
        return conversation

    return conversation_reader(sample, turns, (asked, answered))


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
        return [_turn(entry) for entry in value]
    if isinstance(value, Mapping):
        if "role" in value or "parts" in value:
            return [_turn(value)]
        if isinstance(value.get("messages"), list):
            return _question_turns(value["messages"])
    raise UnsoundError("the question is neither a text nor turns")


def _answer_turn(value: object) -> Turn | None:
    """Return the answer: a text, a turn, the last of several, or a choice; ``None`` where there is none."""
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if isinstance(value, list) and value:
        last = value[-1]
        value = {"choices": value} if isinstance(last, Mapping) and "message" in last else last
    if value is None or isinstance(value, str):
        return None if value is None else Turn("assistant", value)
    if isinstance(value, Mapping) and isinstance(value.get("choices"), list):
        return chat.answer_turn(value)
    if isinstance(value, Mapping) and ("role" in value or "parts" in value):
        return _turn({"role": "assistant", **value})
    raise UnsoundError("the answer is neither a text nor a turn")


def _turn(entry: object) -> Turn:
    """Take one turn of any of the providers. Raises `UnsoundError` for what is none."""
    if not isinstance(entry, Mapping):
        raise UnsoundError("a turn is not an object")
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
        raise UnsoundError("a turn holds a part that is not text")
    return "\n".join(map(str, texts))


def _inner_value(value: object) -> object:
    """Return what an object holds that has one entry; anything else as it is."""
    if isinstance(value, Mapping) and len(value) == 1 and "messages" not in value:
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


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _open_batch(sample: FormSample) -> FormReader | None:
    if not {"custom_id", "response"} <= set(sample.columns) or not sample.request.labelled:
        return None
    if {"messages", "request", "body", "input"} & set(sample.columns):
        return None
    raise DataError(
        "E_FORMAT",
        f"{sample.request.source} holds the answers of a batch without the questions",
        fix="join each line with the one of the same custom_id in the file that was sent, and write JSONL with the"
        " columns input and output",
    )


EXCHANGES = Form(
    name="exchanges",
    recognised="a question beside its answer, as turns or as a choice: `input` and `output` (Langfuse, OpenAI's"
    " responses), `input` and `choices` (OpenAI's stored completions), objects with one entry in `inputs` and"
    " `outputs` (LangSmith), `prompt` and `completion` as turns, `contents` (Gemini)",
    taken="as chat: the answer is the target, the question's turns are the input",
    open=_open,
)
BATCH_ANSWERS = Form(
    name="batch answers",
    recognised="`custom_id` and `response` (what OpenAI's batches write)",
    taken="refused: the questions stand in the file that was sent",
    open=_open_batch,
)
