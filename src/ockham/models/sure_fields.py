"""Answers of which single fields are not sure enough to be given."""

from __future__ import annotations

from dataclasses import replace

from ockham.models import json_fields
from ockham.records import Answer


def keep_sure_fields(answer: Answer, least: float) -> tuple[Answer, int]:
    """Empty the fields of an answer that are less sure than ``least``, and count those that had a value.

    One that has no value left is no answer.
    """
    doubtful = {name for name, sure in (answer.fields or {}).items() if sure < least}
    value, emptied = json_fields.leave_empty(answer.value, doubtful)
    return replace(answer, value=value), emptied
