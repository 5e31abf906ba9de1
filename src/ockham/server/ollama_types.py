"""The bodies of Ollama's routes, as its clients write them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ockham.server.chat_types import MOST_MESSAGES, MOST_TOOLS, Penalty, Stop
from ockham.server.strict_body import Strict


class OllamaOptions(BaseModel):
    """The options that have an effect on text from a language model. All others are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    num_predict: Annotated[int, Field(ge=-2, le=1 << 31)] | None = None
    temperature: Annotated[float, Field(ge=0, le=10)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int | None = None
    stop: Stop | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None


class OllamaRequest(Strict):
    """The parameters common to all requests for text."""

    model: str
    stream: bool | None = None
    format: str | dict[str, Any] | None = None
    options: OllamaOptions | None = None
    keep_alive: float | str | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class OllamaChatRequest(OllamaRequest):
    """The body of ``POST /api/chat``; without messages it only loads the model."""

    messages: Annotated[list[dict[str, Any]], Field(max_length=MOST_MESSAGES, default_factory=list)]
    tools: Annotated[list[dict[str, Any]], Field(max_length=MOST_TOOLS)] | None = None


class OllamaGenerateRequest(OllamaRequest):
    """The body of ``POST /api/generate``; without a prompt it only loads the model."""

    prompt: str = ""
    system: str | None = None
    template: str | None = None
    suffix: str | None = None
    context: list[int] | None = None
    raw: bool | None = None
    images: Annotated[list[str], Field(max_length=0)] | None = None


class OllamaShowRequest(Strict):
    """The body of ``POST /api/show``."""

    model: str
    verbose: bool | None = None


class OllamaEmbedRequest(Strict):
    """The body of ``POST /api/embed``."""

    model: str
    input: str | Annotated[list[str], Field(max_length=2_048)]
    truncate: bool | None = None
    dimensions: int | None = None
    options: OllamaOptions | None = None
    keep_alive: float | str | None = None


class OllamaEmbeddingsRequest(Strict):
    """The body of ``POST /api/embeddings``, the older form."""

    model: str
    prompt: str
    options: OllamaOptions | None = None
    keep_alive: float | str | None = None
