"""The rules of length, quality and repetition: what each measures, and which of its limits a document breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ockham.curation.curate_spec import FilterLimits
from ockham.records.curation import Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts: TypeAlias = dict[str, NDArray[np.int64]]
    Values: TypeAlias = NDArray[np.float64]

NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its step, its name, the limit it compares with, and what it measures of each document.

    A document that the rule says nothing about (no words, another script) measures NaN, which breaks no limit.
    """

    step: Step
    name: str
    limit: str
    least: bool
    measure: Callable[[Counts], Values]

    def breaks(self, values: Values, limit: float) -> NDArray[np.bool_]:
        """Tell which values are beyond a limit."""
        return values < limit if self.least else values > limit

    def steps(self, limit: float) -> tuple[float, float]:
        """Return the limit one step looser and one step stricter: a fifth of it, at least 1 for counts."""
        step = max(1.0, round(limit / 5)) if self.limit.endswith(("_words", "stop_words")) else limit / 5
        if self.name == "few_words_with_letter":
            step = (1 - limit) / 4
        return (limit - step, limit + step) if self.least else (limit + step, limit - step)


def measure_rules(counts: Counts, limits: FilterLimits, steps: tuple[Step, ...]) -> list[tuple[Rule, Values, float]]:
    """Measure every rule of the steps over all documents: the rule, its values, and the limit."""
    return [(rule, rule.measure(counts), float(getattr(limits, rule.limit))) for rule in RULES if rule.step in steps]


def _ratio(part: str, whole: str) -> Callable[[Counts], Values]:
    def measure(counts: Counts) -> Values:
        return _divide(counts[part], counts[whole])

    return measure


def _where_spaced(inner: Callable[[Counts], Values]) -> Callable[[Counts], Values]:
    """Measure only text of which less than a third is in a script without spaces: its words are not words there."""

    def measure(counts: Counts) -> Values:
        import numpy as np

        return np.where(3 * counts["unspaced"] < counts["chars"], inner(counts), NAN)

    return measure


def _divide(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Values:
    import numpy as np

    result = np.full(len(part), NAN)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def _words(counts: Counts) -> Values:
    return counts["words"].astype(float)


def _symbols(counts: Counts) -> Values:
    import numpy as np

    return _divide(np.maximum(counts["hashes"], counts["ellipses"]), counts["words"])


def _stop_words(counts: Counts) -> Values:
    """Count stop words where the language has a list of them."""
    import numpy as np

    return np.where(counts["listed"] > 0, counts["stop_words"].astype(float), NAN)


RULES = (
    Rule(step="length", name="too_short", limit="min_words", least=True, measure=_words),
    Rule(step="length", name="too_long", limit="max_words", least=False, measure=_words),
    Rule(
        step="quality",
        name="short_words",
        limit="min_word_length",
        least=True,
        measure=_where_spaced(_ratio("word_chars", "words")),
    ),
    Rule(
        step="quality",
        name="long_words",
        limit="max_word_length",
        least=False,
        measure=_where_spaced(_ratio("word_chars", "words")),
    ),
    Rule(step="quality", name="symbols", limit="max_symbols", least=False, measure=_symbols),
    Rule(
        step="quality",
        name="bullet_lines",
        limit="max_bullet_lines",
        least=False,
        measure=_ratio("bullet_lines", "lines"),
    ),
    Rule(
        step="quality",
        name="ellipsis_lines",
        limit="max_ellipsis_lines",
        least=False,
        measure=_ratio("ellipsis_lines", "lines"),
    ),
    Rule(
        step="quality",
        name="few_words_with_letter",
        limit="min_words_with_letter",
        least=True,
        measure=_ratio("with_letter", "words"),
    ),
    Rule(step="quality", name="few_stop_words", limit="min_stop_words", least=True, measure=_stop_words),
    Rule(step="quality", name="few_letters", limit="min_letters", least=True, measure=_ratio("letters", "chars")),
    Rule(
        step="repetition",
        name="same_lines",
        limit="max_same_lines",
        least=False,
        measure=_ratio("same_lines", "lines"),
    ),
    Rule(
        step="repetition",
        name="same_line_chars",
        limit="max_same_line_chars",
        least=False,
        measure=_ratio("same_line_chars", "chars"),
    ),
    Rule(
        step="repetition",
        name="same_paragraphs",
        limit="max_same_paragraphs",
        least=False,
        measure=_ratio("same_paragraphs", "paragraphs"),
    ),
    Rule(
        step="repetition",
        name="same_paragraph_chars",
        limit="max_same_paragraph_chars",
        least=False,
        measure=_ratio("same_paragraph_chars", "chars"),
    ),
    *(
        Rule(
            step="repetition",
            name=f"{kind}_{n}",
            limit=f"max_{kind}_{n}",
            least=False,
            measure=_ratio(f"{kind}_{n}", "chars"),
        )
        for kind, n in [("top", n) for n in (2, 3, 4)] + [("same", n) for n in range(5, 11)]
    ),
)
