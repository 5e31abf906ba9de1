"""How much a request took, in the fields of each API. A model without tokens counts words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ockham.records import Answer


class Usage(NamedTuple):
    """Tokens that were read, those among them that the model still had, and those that were written."""

    read: int
    kept: int
    written: int


def usage_of(texts: Sequence[str], answers: Sequence[Answer]) -> Usage:
    """Sum up what answers to texts took."""
    read = written = kept = 0
    for text, answer in zip(texts, answers, strict=True):
        read += len(text.split()) if answer.tokens_in is None else answer.tokens_in
        kept += answer.tokens_kept or 0
        written += answer.tokens_out or 0
    return Usage(read, kept, written)


def decision_usage(usage: Usage) -> dict[str, Any]:
    """Write it as an answer of the decision API does; no tokens are written for a decision."""
    return {
        "input_tokens": usage.read,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": usage.kept},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.read,
    }


def chat_usage(usage: Usage) -> dict[str, Any]:
    """Write it as an answer of the chat API does."""
    return {
        "prompt_tokens": usage.read,
        "completion_tokens": usage.written,
        "total_tokens": usage.read + usage.written,
        "prompt_tokens_details": {"cached_tokens": usage.kept},
    }


def reply_usage(texts: Sequence[str], answers: Sequence[Answer]) -> dict[str, Any]:
    """Sum up what answers took, in the fields of the chat API, where each text has as many of them as the others."""
    each = max(1, len(answers) // max(1, len(texts)))
    read = usage_of(texts, answers[::each])
    written = sum(answer.tokens_out or 0 for answer in answers)
    return chat_usage(read._replace(written=written))
