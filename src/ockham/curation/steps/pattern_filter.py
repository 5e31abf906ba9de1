"""A filter by patterns: records that hold one go, or records that hold none of some others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ockham.curation.filters import Filter, FilterRecord
from ockham.errors import ConfigError

REASONS = ("match", "no_match")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternSpec:
    """Which texts go: those in which a pattern of ``drop`` is found, and those without any pattern of ``keep``.

    Patterns are RE2's regular expressions, whose time grows with the text alone; ``(?i)`` in front ignores case.
    """

    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


Spec = PatternSpec


def load(spec: PatternSpec) -> Filter:
    """Compile the patterns. Raises `ConfigError` (``E_CONFIG``) for one that is no pattern, and for none at all."""
    if not spec.drop and not spec.keep:
        fix = "add drop=PATTERN or keep=PATTERN"
        raise ConfigError("E_CONFIG", "the filter pattern has no pattern", fix=fix)
    drop, keep = (_compile(patterns) for patterns in (spec.drop, spec.keep))

    def judge(records: Sequence[FilterRecord]) -> list[str | None]:
        return [_reason(record.text, drop, keep) for record in records]

    return judge


def _reason(text: str, drop: Any, keep: Any) -> str | None:  # noqa: ANN401 - patterns of re2, which has no types
    if drop is not None and drop.search(text):
        return "match"
    return "no_match" if keep is not None and not keep.search(text) else None


def _compile(patterns: Sequence[str]) -> Any:  # noqa: ANN401
    import re2

    options = re2.Options()
    options.log_errors = False
    if not patterns:
        return None
    try:
        return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), options)
    except re2.error:
        message = "a pattern of the filter pattern is no regular expression of RE2"
        raise ConfigError(
            "E_CONFIG", message, fix="correct it; RE2 supports neither look-around nor backreferences"
        ) from None
