"""What a request wishes of an answer beside its text, and the form that it wants it in. Values only.

A text that a language model writes freely can be drawn, cut and held to a schema. A label or an object is the one that
was measured: a label can be put into an object of one property, and an object can be held against a schema.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ockham.readers import chat
from ockham.records import Manifest
from ockham.server.answer_schema import Schema, check_schema, fits
from ockham.server.api_error import ApiError
from ockham.server.chat_types import ResponseFormat, ToolChoice, ToolFunction
from ockham.server.model_service import ModelService
from ockham.server.reply_stream import Finished, Shape, Wanting

ANY_OBJECT: Schema = {"type": "object"}
_COMPACT = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}
_NAMED = 100


def drawing_wish(body: Any, tokens: int | None) -> dict[str, Any]:  # noqa: ANN401 - the body of one API or another
    """Return what a body wishes of a text that is written freely; fields that are not there are not wished."""
    stop = body.stop or ()
    wish = {
        "max_tokens": tokens,
        "stop": [stop] if isinstance(stop, str) else list(stop),
        "temperature": body.temperature,
        "top_p": body.top_p,
        "seed": body.seed,
        "presence_penalty": body.presence_penalty,
        "frequency_penalty": body.frequency_penalty,
    }
    return {name: value for name, value in wish.items() if value not in (None, [])}


def told_alternatives(body: Any) -> int | None:  # noqa: ANN401 - the body of one API or another
    """Return how many alternatives a body wants to be told of beside each token; ``None`` for no tokens at all."""
    return (body.top_logprobs or 0) if body.logprobs else None


def choose_seeds(wish: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return a wish for each of several answers to one text; what is not drawn is the same each time, and asked once.

    Without a seed one is drawn; the other answers have those that follow.
    """
    if not wish.get("temperature"):
        return [dict(wish)]
    first = wish.get("seed", secrets.randbits(31))
    return [{**wish, "seed": first + number} for number in range(count)]


def called_function(
    functions: Sequence[ToolFunction], choice: str | ToolChoice | None, manifest: Manifest
) -> ToolFunction | None:
    """Return the function whose arguments the answer is: the one that is named, or the only one.

    ``None`` where no tool is to be called, or the answer itself names one. Raises `ApiError` (400) for a model that
    was not made to call tools.
    """
    if not functions or choice == "none":
        return None
    if manifest.task == "generate" and manifest.inputs != (chat.INPUT,):
        message = "The model has not learnt to call tools: it writes texts"
        raise ApiError(400, message, code="tools_not_supported", param="tools")
    if isinstance(choice, ToolChoice):
        named = [function for function in functions if function.name == choice.function.name]
        if not named:
            raise ApiError(400, "The tool to be called is not among the tools", param="tool_choice")
        return named[0]
    return functions[0] if len(functions) == 1 and manifest.task != "generate" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedForm:
    """The form that an answer is wanted in: a JSON schema, and the functions that it may call.

    ``function`` is the one whose arguments the answer is. ``tokens`` is how many alternatives are told of beside each
    token, ``None`` for no tokens at all. ``is_cut`` says that words end the text where they come.
    """

    schema: Schema | None = None
    functions: Sequence[ToolFunction] = ()
    function: ToolFunction | None = None
    tokens: int | None = None
    is_cut: bool = False

    @property
    def held_schema(self) -> Schema | None:
        """Return the schema that the answer fits; what a word has cut need not fit any."""
        return None if self.is_cut else self.schema

    def wanting(self, service: ModelService, text: str, wish: dict[str, Any], count: int) -> Wanting:
        """Return what a model is asked for. Raises `ApiError` (400) where its labels cannot have the form."""
        manifest = service.bundle.manifest
        told = {} if self.tokens is None else {"alternatives": self.tokens}
        wishes = choose_seeds({**wish, **told}, count)
        form = {**_decoding_schema(self.schema), "whole": manifest.task == "generate"}
        shape = _shape_of(self.schema, manifest)
        if shape is None and self.functions and manifest.task == "generate":
            shape = str  # a text that may be a call is held back until it is whole
        return Wanting(
            service=service,
            texts=[text] * len(wishes),
            wishes=[{**wish, **form} for wish in wishes],
            copies=count // len(wishes),
            shape=shape,
        )


def schema_of(wanted: ResponseFormat | None, function: ToolFunction | None) -> Schema | None:
    """Return the JSON schema that the answer is to fit, ``None`` where any text will do. Raises `ApiError` (400)."""
    if function is not None:
        return check_schema(function.parameters or ANY_OBJECT, "tools")
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return ANY_OBJECT
    schema = (wanted.json_schema or {}).get("schema")
    if schema is None:
        raise ApiError(400, "The format has no schema", param="response_format.json_schema.schema")
    return check_schema(schema, "response_format.json_schema.schema")


def _decoding_schema(schema: Schema | None) -> dict[str, Any]:
    """Return what is wished of a text that is to fit a schema."""
    return {} if schema is None else {"schema": orjson.dumps({**schema, **_COMPACT}).decode()}


def _shape_of(schema: Schema | None, manifest: Manifest) -> Shape | None:
    """Return what puts an answer of this model into the form of a schema; ``None`` where it has that form by itself.

    Raises `ApiError` (400) where a label cannot be put into it.
    """
    if schema is None:
        return None
    if manifest.task == "classify":
        return _label_shape(schema, manifest)
    if manifest.task == "generate":
        return None

    def check(text: str) -> str | None:
        return text if _fits_text(text, schema) else None

    return check


def check_written(answer: Finished, schema: Schema | None) -> None:
    """Raise `ApiError` (500) for a text that came to its end without the form that it was to be written in."""
    if schema is None or answer.text is None or answer.finish != "stop":
        return
    if not _fits_text(answer.text, schema):
        message = "What the model wrote does not have the form that was asked for"
        raise ApiError(500, message, code="schema_not_held")


def _fits_text(text: str, schema: Schema) -> bool:
    try:
        return fits(orjson.loads(text), schema)
    except orjson.JSONDecodeError:
        return False


def _label_shape(schema: Schema, manifest: Manifest) -> Shape:
    properties: Mapping[str, Any] = schema.get("properties", {})
    names = list(properties) or [manifest.target]
    if len(names) > 1:
        message = f"The model answers with one label, and the schema has {len(names)} properties"
        raise ApiError(400, message, code="invalid_json_schema", param="response_format")
    values: Sequence[object] = properties.get(names[0], {}).get("enum", ()) if properties else ()
    unknown = sum(value not in manifest.labels for value in values)
    if unknown:
        labels = ", ".join(manifest.labels[:_NAMED])
        message = f"{unknown} of {len(values)} values are not labels of the model, which are: {labels}"
        raise ApiError(400, message, code="unknown_label", param="response_format")

    def wrap(label: str) -> str | None:
        wrapped = {names[0]: label}
        return orjson.dumps(wrapped).decode() if fits(wrapped, schema) else None

    return wrap
