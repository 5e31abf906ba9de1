"""The standard tests of langchain for chat models and embeddings, on a running server; see `scripts/conformance`."""

from __future__ import annotations

import os
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

ACCESS: dict[str, Any] = {
    "base_url": f"{os.environ['OCKHAM_TEST_SERVER']}/v1",
    "api_key": os.environ["OCKHAM_API_KEY"],
    "max_retries": 0,
}


class TestChatModel(ChatModelIntegrationTests):
    """A model with random weights that writes text: it has learnt no tools, and what it would write has no end."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**ACCESS, "model": "tale", "temperature": 0, "stream_usage": True}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False  # strings without an end are cut

    @property
    def supports_json_mode(self) -> bool:
        return False  # the same

    @property
    def model_override_value(self) -> str:
        return "story"


class TestEmbeddings(EmbeddingsIntegrationTests):
    """An encoder."""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {**ACCESS, "model": "encoder", "check_embedding_ctx_length": False}
