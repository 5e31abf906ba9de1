"""What would help a field that is not answered well: counts of the training rows beside how good it is on the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ockham.records import FieldFacts, LabelScore, RunResult
from ockham.reporting.candidate_view import focus
from ockham.reporting.formatting import count, finite_estimate, percent, share_interval
from ockham.reporting.html import Child, Html, note, section, table, tag, user

GOOD = 0.95
"""A field with so high an F1 needs no help."""
_FEW = 100
"""With fewer training values, more rows come first."""
_MANY = 0.1
"""A share of the training values that is worth naming."""


def help_section(run_result: RunResult) -> Html | None:
    """Say of each field what its training rows offer, and what would make it better; worst first."""
    line = focus(run_result)
    if not run_result.fields or line is None or line.report is None:
        return None
    scores = {score.label: score for score in line.report.per_label}
    order = sorted(run_result.fields, key=lambda fact: (_f1(scores.get(fact.field)) or 0.0, fact.field))
    body = [_row(fact, scores.get(fact.field)) for fact in order]
    heads = ("Field", "F1", "Training values", "Several times in text", "Not in text", "What would help")
    return section(
        "help",
        "What would help",
        note(
            "Counted in the training rows. Where a value occurs several times in its text, models choose which one is "
            "meant. A value that is not in the text, as written or in a form that can be learnt, cannot be extracted."
        ),
        table(heads, body, label="What would help each field", numbers=range(1, 5)),
    )


def _row(fact: FieldFacts, score: LabelScore | None) -> list[Child]:
    e = finite_estimate(score.f1) if score else None
    f1: Child = tag("span", "not tested", class_="none")
    if e is not None:
        f1 = [percent(e.value), tag("span", share_interval(e), class_="small")]
    advice = list(what_helps(fact, _f1(score)))
    return [
        user(fact.field),
        f1,
        count(fact.values),
        count(fact.several),
        count(fact.nowhere),
        " ".join(advice) if advice else tag("span", "none needed", class_="none"),
    ]


def _f1(score: LabelScore | None) -> float | None:
    e = finite_estimate(score.f1) if score else None
    return None if e is None else e.value


def what_helps(fact: FieldFacts, f1: float | None) -> Iterator[str]:
    """Yield what would help a field, the most pressing first; nothing where it is good."""
    if fact.kind == "empty":
        yield "Rows that have it: every training row leaves it empty."
        return
    if fact.kind == "objects":
        yield "A field for each part: lists of objects are not taken apart."
        return
    if f1 is not None and f1 >= GOOD:
        return
    if fact.nowhere > _MANY * fact.values:
        yield (
            f"Values copied from the text: {count(fact.nowhere)} of {count(fact.values)} training values are not in it."
        )
    if fact.values < _FEW:
        yield f"More rows that have it: {count(fact.values)} training values are few."
    if fact.shared:
        yield f"Texts in which it differs from {_name_some(fact.shared)}: most have the same value."
    if fact.several > _MANY * fact.values:
        yield (
            f"Rows in which it occurs once, or a longer value (with its label word): "
            f"{count(fact.several)} of {count(fact.values)} occur several times in their texts."
        )
    if fact.values >= _FEW:
        yield "More rows like the wrong answers below."


def _name_some(names: Sequence[str]) -> str:
    return ", ".join(names[:3])
