"""What schemathesis also checks: a body that is as the document says is refused only for what no schema can say."""

from __future__ import annotations

import schemathesis
from schemathesis import GenerationMode

UNSAYABLE = (
    "The input is empty",
    "The input cannot be read: it holds a NUL character",
    "There is no message of the user",
    "A message has no text",
    "A part of a message is not text",
    "The messages cannot be read",
    "each choice must be unique",
    "each level must be unique",
    "Two values stand for the same label",
    "The instructions must name one of the labels",
    "Input should be a valid integer",  # 1.0 is one for a schema
    "images cannot be answered",
    "The format is neither json nor a JSON schema",
)
BY_OTHERS = ("response_format", "function", "tools", "tool_choice", "best_of", "format", "options")
"""Parameters that must fit the model, or each other."""


@schemathesis.check  # type: ignore[untyped-decorator]
def good_bodies_are_answered(
    ctx: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case,
) -> None:
    """Raise where a body that is as the document says is refused without one of the reasons that it cannot say."""
    is_good = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if is_good and response.status_code == 400:
        error = response.json()["error"]
        message, param = (error, "") if isinstance(error, str) else (error["message"], error["param"] or "")
        is_by_others = (param or message).startswith(BY_OTHERS)
        assert is_by_others or any(words in message for words in UNSAYABLE), f"refused: {message}"
