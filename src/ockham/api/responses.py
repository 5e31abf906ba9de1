"""What an API's response means: a reply, a trouble that may pass, or the end of the work.

The server's own words are compared, never passed on: it may echo the key or the prompt.
"""

from __future__ import annotations

import email.utils
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ockham.api.decision_question import read_answer
from ockham.errors import EndpointError

# The reply refuses this one text, not the caller: the row goes without an answer and the work goes on.
_ROW_CODES = frozenset(
    {"content_filter", "content_policy_violation", "context_length_exceeded", "string_above_max_length"}
)
_QUOTA_CODES = frozenset({"billing_hard_limit_reached", "billing_not_active", "insufficient_quota"})
_PASSING = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: the text (``None`` where the API refused this text) and the tokens that were counted.

    ``confidence`` is the probability of the answer, where the API tells it.
    """

    content: str | None
    confidence: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryableError:
    """An attempt that failed and may be tried again; ``billed`` where the API may have charged for it all the same.

    ``responded`` where a whole response came, whatever it said.
    """

    reason: str
    billed: bool
    wait: float = 0.0
    responded: bool = field(default=False, compare=False)


def parse_response(status: int, headers: Mapping[str, str], raw: bytes) -> Reply | RetryableError:
    """Read a response: a reply, a trouble that may pass, or an `EndpointError` for one that will not."""
    if 200 <= status < 300:
        return _reply(raw)
    code = _error_code(raw)
    if 300 <= status < 400:
        raise endpoint_error(
            f"the API answered {status}: it redirects to another address, which Ockham does not follow",
            "correct the URL",
        )
    if status in {401, 403}:
        raise endpoint_error(
            f"the API answered {status}: the key is missing, wrong or not allowed",
            "check the environment variable that holds the key (--endpoint-key-env)",
        )
    if status == 402 or code in _QUOTA_CODES:
        raise endpoint_error(
            f"the API answered {status}: the account has no credit left", "top it up, or name another endpoint"
        )
    if status == 404:
        raise endpoint_error(
            "the API answered 404: no such address or model",
            "check the URL (it often ends in /v1) and the model's name",
        )
    if status in _PASSING or status >= 500:
        return RetryableError(reason=f"the API answered {status}", billed=False, wait=_retry_after(headers))
    if code in _ROW_CODES:
        return Reply(content=None)
    raise endpoint_error(
        f"the API answered {status}: it refuses the request", "check model, max_output_tokens, token_limit and omit"
    )


def endpoint_error(what: str, fix: str) -> EndpointError:
    """Make the one error of this room (``E_ENDPOINT``)."""
    return EndpointError("E_ENDPOINT", what, fix=fix)


def _reply(raw: bytes) -> Reply | RetryableError:
    body = _object(raw)
    if "answers" in body:
        return _decision(body)
    try:
        content = body["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        content = 0
    if content is not None and not isinstance(content, str):
        return RetryableError(reason="the reply was not a chat completion", billed=True)
    tokens_in, tokens_out = _tokens(body, "prompt_tokens", "completion_tokens")
    # A message without text is an answer all the same (a refusal), and it was paid for.
    return Reply(content=content or "", tokens_in=tokens_in, tokens_out=tokens_out)


def _decision(body: Mapping[str, Any]) -> Reply | RetryableError:
    answer = read_answer(body)
    if answer is None:
        return RetryableError(reason="the reply was not a decision", billed=True)
    tokens_in, tokens_out = _tokens(body, "input_tokens", "output_tokens")
    # A refusal is an answer too, and it was paid for.
    return Reply(content=answer[0] or "", confidence=answer[1], tokens_in=tokens_in, tokens_out=tokens_out)


def _tokens(body: Mapping[str, Any], *names: str) -> list[int | None]:
    usage = body.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return [_count(counts.get(name)) for name in names]


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _error_code(raw: bytes) -> str:
    error = _object(raw).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**53 else None


def _retry_after(headers: Mapping[str, str]) -> float:
    """Read Retry-After (RFC 9110, 10.2.3) in seconds; a date counts from the server's own Date, whatever our clock."""
    header = headers.get("Retry-After", "").strip()
    if header.replace(".", "", 1).isdecimal():
        return float(header)
    try:
        later, sent = (email.utils.parsedate_to_datetime(text) for text in (header, headers.get("Date", "")))
        seconds = (later - sent).total_seconds()
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
