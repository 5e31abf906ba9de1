"""The body of ``POST /v1/chat/completions``, as its clients write it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictStr

from ockham.server.strict_body import Strict

MOST_MESSAGES = 10_000
_SEED = 1 << 63
Count = Annotated[int, Field(ge=1, le=1 << 31)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Word = Annotated[StrictStr, Field(min_length=1, max_length=1_000)]
Stop = Word | Annotated[list[Word], Field(max_length=4)]
MOST_TOOLS = 128


class StreamOptions(Strict):
    """What a stream contains in addition to the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ResponseFormat(Strict):
    """The required form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class ToolFunction(Strict):
    """A function that the model may call, with the JSON schema of its arguments."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Strict):
    """A tool. All tools are functions."""

    type: Literal["function"]
    function: ToolFunction


class NamedFunction(Strict):
    """The function to call."""

    name: str


class ToolChoice(Strict):
    """The tool to call."""

    type: Literal["function"]
    function: NamedFunction


class ChatRequest(Strict):
    """The body of ``POST /v1/chat/completions``.

    Sampling parameters (temperature, seed, penalties, stop) have an effect on text from a language model; labels and
    objects are always the measured ones. Parameters for a vendor's accounts, storage and caches have no effect.
    """

    model: str
    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    stop: Stop | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, Field(ge=-_SEED, lt=_SEED)] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
