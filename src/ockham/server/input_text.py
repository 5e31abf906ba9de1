"""What a model reads of a request: the text that stands where the rows had theirs when it learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ockham.readers import chat
from ockham.readers.examples import input_of
from ockham.readers.json_file import Fault, parse
from ockham.readers.table import text_of, unusable
from ockham.records import Manifest
from ockham.server.api_error import ApiError

_TEXT_PARTS = ("text", "input_text", "output_text")
_MEDIA = "parts of images, sound and files cannot be answered: the model reads text"

Message = Mapping[str, object]


def text_of_input(value: str | Sequence[Message], manifest: Manifest, param: str) -> str:
    """Return the text that a model is asked for an input: a text, or messages.

    A model that learnt from conversations reads all messages; any other reads the last one of the user. One that reads
    several columns takes a JSON object with them. Raises `ApiError` (400) for what is none of these.
    """
    try:
        text = _text(value, manifest, param)
    except chat.UnsoundError as error:
        raise ApiError(400, f"The messages cannot be read: {error}", param=param) from None
    fault = unusable(text)
    if fault is not None:
        raise ApiError(400, f"The input cannot be read: {fault.replace('the record', 'it')}", param=param)
    if not text.strip():
        raise ApiError(400, "The input is empty", param=param)
    return text


def _text(value: str | Sequence[Message], manifest: Manifest, param: str) -> str:
    if manifest.inputs == (chat.INPUT,):
        return value if isinstance(value, str) else chat.render([chat.turn_of(_plain(m, param)) for m in value])
    text = value if isinstance(value, str) else _last_user_text(value, param)
    return text if len(manifest.inputs) == 1 else _columns(text, manifest, param)


def _last_user_text(messages: Sequence[Message], param: str) -> str:
    spoken = [message for message in messages if message.get("role") == "user"]
    if not spoken:
        raise ApiError(400, "There is no message of the user", param=param)
    return content_text(spoken[-1].get("content"), param)


def _plain(message: Message, param: str) -> dict[str, object]:
    """Return a message whose content is one text."""
    content = message.get("content")
    return {**message, "content": content if content is None else content_text(content, param)}


def content_text(content: object, param: str) -> str:
    """Return a content, a text or a list of parts, as one text. Raises `ApiError` (400) for parts that are none."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, (list, tuple)) else []
    texts = [_part_text(part, param) for part in parts]
    if not texts:
        raise ApiError(400, "A message has no text", param=param)
    return "\n".join(texts)


def _part_text(part: object, param: str) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(part, Mapping) and kind in _TEXT_PARTS and isinstance(part.get("text"), str):
        return str(part["text"])
    if isinstance(part, Mapping) and kind == "input_json":
        return text_of(part.get("data"))
    raise ApiError(400, f"A part of a message is not text: {_MEDIA}", param=param)


def _columns(text: str, manifest: Manifest, param: str) -> str:
    """Write the columns of a JSON object as the model has learnt to read them; lines that are so already stay."""
    if text.startswith(tuple(f"{name}: " for name in manifest.inputs)):
        return text
    row = parse(text)
    if isinstance(row, Fault) or not isinstance(row, Mapping):
        names = ", ".join(manifest.inputs)
        raise ApiError(400, f"The model reads several columns: give a JSON object with {names}", param=param)
    return input_of(row, manifest.inputs)
