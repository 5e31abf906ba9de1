"""What curation is asked to do: the steps and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ockham.records import PlugRequest
from ockham.records.curation import Step

STEPS: tuple[Step, ...] = (
    "encoding", "html", "characters", "personal", "language", "length", "quality", "repetition", "leak", "filter",
    "labels", "exact", "near",
)  # fmt: skip
"""All steps in the order in which they act; the first rule that a document breaks is the one it is counted under."""
TEXT_ONLY: tuple[Step, ...] = ("length", "quality", "repetition")
"""Steps that judge running text; labelled rows are short, so there these act only when they are named."""
WIDTH = 5
"""Words of an n-gram, for near-duplicates and leaks."""

_SHARE = {"min": 0, "max": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterLimits:
    """The limits of length, quality and repetition; those of Gopher (Rae et al., 2021, appendix A) if not set.

    Shares are of words, lines or visible characters; see `ockham.curation.kernels.text_stats` for what is counted.
    ``min_letters`` is ours: text of which less is letters is a table, code or noise.
    """

    min_words: int = field(default=50, metadata={"min": 0})
    max_words: int = field(default=100_000, metadata={"min": 1})
    min_word_length: float = field(default=3.0, metadata={"min": 0})
    max_word_length: float = field(default=10.0, metadata={"above": 0})
    max_symbols: float = field(default=0.1, metadata={"min": 0})
    max_bullet_lines: float = field(default=0.9, metadata=_SHARE)
    max_ellipsis_lines: float = field(default=0.3, metadata=_SHARE)
    min_words_with_letter: float = field(default=0.8, metadata=_SHARE)
    min_stop_words: int = field(default=2, metadata={"min": 0, "max": 16})
    min_letters: float = field(default=0.5, metadata=_SHARE)
    max_same_lines: float = field(default=0.3, metadata=_SHARE)
    max_same_line_chars: float = field(default=0.2, metadata=_SHARE)
    max_same_paragraphs: float = field(default=0.3, metadata=_SHARE)
    max_same_paragraph_chars: float = field(default=0.2, metadata=_SHARE)
    max_top_2: float = field(default=0.2, metadata=_SHARE)
    max_top_3: float = field(default=0.18, metadata=_SHARE)
    max_top_4: float = field(default=0.16, metadata=_SHARE)
    max_same_5: float = field(default=0.15, metadata=_SHARE)
    max_same_6: float = field(default=0.14, metadata=_SHARE)
    max_same_7: float = field(default=0.13, metadata=_SHARE)
    max_same_8: float = field(default=0.12, metadata=_SHARE)
    max_same_9: float = field(default=0.11, metadata=_SHARE)
    max_same_10: float = field(default=0.10, metadata=_SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateSpec:
    """How to curate.

    ``inputs`` and ``target`` name columns (empty: found by their names; without a target the data is raw text).
    ``steps`` are the ones to take (empty: all that fit the data), ``skip`` those to leave out. ``languages`` are the
    ISO 639-1 codes to keep (empty: all), where the identification is at least ``min_language`` sure. ``similarity`` is
    the least Jaccard similarity of near-duplicates, of which ``survivor`` stays. ``test`` names files whose rows must
    not stand in the data; ``containment`` is the share of a row's n-grams that makes a leak. ``personal`` says what is
    done about personal data, ``doubts`` what is done about labels that look wrong. ``filters`` are
    filters by name, which are asked in their order (see `ockham.curation.filters`). The clean rows come in shards of
    ``shard_mb`` megabytes (before compression).
    """

    inputs: tuple[str, ...] = ()
    target: str | None = None
    encoding: str | None = None
    steps: tuple[Step, ...] = ()
    skip: tuple[Step, ...] = ()
    languages: tuple[str, ...] = ()
    min_language: float = field(default=0.5, metadata=_SHARE)
    limits: FilterLimits = field(default_factory=FilterLimits)
    similarity: float = field(default=0.8, metadata={"min": 0.3, "max": 1})
    survivor: Literal["first", "longest"] = "first"
    test: tuple[str, ...] = ()
    containment: float = field(default=0.5, metadata={"above": 0, "max": 1})
    personal: Literal["report", "redact", "drop"] = "report"
    doubts: Literal["off", "report", "drop"] = "report"
    filters: tuple[PlugRequest, ...] = ()
    format: Literal["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet"] = "jsonl"
    shard_mb: int = field(default=64, metadata={"min": 1, "max": 512})

    def selected_steps(self, *, labelled: bool) -> tuple[Step, ...]:
        """Return the steps to take, in their order, for labelled rows or for raw text."""
        chosen = self.steps or tuple(step for step in STEPS if not (labelled and step in TEXT_ONLY))
        chosen = (*chosen, "filter")  # whoever names a filter wants it, whatever the other steps
        fit = {"leak": bool(self.test), "filter": bool(self.filters), "labels": labelled}
        return tuple(step for step in STEPS if step in chosen and step not in self.skip and fit.get(step, True))
