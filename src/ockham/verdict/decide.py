"""Pure: what was required and what was measured in, one decision with its reasons out.

Two mistakes are guarded against. A candidate that is truly below a requirement is chosen in at most 5 % of runs, over
all candidates together (Holm, 1979; a candidate with several requirements is tested by its worst, Berger, 1982). And a
number that was not measured, or not well enough, is "cannot tell", never "meets".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from ockham.records import Comparison, Estimate, Finding, Requirements
from ockham.records.quantities import QUANTITIES
from ockham.verdict.conclusion import AnswerQuality, details, headline, measured_facts, reason, shortfall
from ockham.verdict.p_values import ALPHA, holm_threshold, normal_quantile, p_below, p_worse, widen
from ockham.verdict.sentences import (
    ClimbFacts,
    alternatives,
    baseline_note,
    estimated_share,
    fact,
    improvement,
    join_words,
    suggestion,
    use_step,
)
from ockham.verdict.small_models import LARGE_STEP, mostly_wrong, no_job_for_small

_LANGUAGE = 3
"""The lowest rung that is a language model: the sentence encoder."""
_API = 7
"""The rung of a large model behind an API."""
_WRITERS = (5, 6)
"""The rungs of language models that write their answers: prompted and tuned."""

RowsNeeded = Callable[[Estimate, float], "int | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCandidate:
    """What is known of one candidate. ``None`` where a number was not measured. Megabytes are 10^6 bytes."""

    name: str
    rung: int
    metrics: Mapping[str, Estimate]
    nature: str = ""
    """What it is, as the sentence about the choice says it; empty for a language model."""
    p50_ms: Estimate | None = None
    p95_ms: Estimate | None = None
    p99_ms: Estimate | None = None
    memory_mb: float | None = None
    artifact_mb: float | None = None
    cost_per_day: float | None = None
    quality: AnswerQuality = field(default_factory=AnswerQuality)
    disturbed: AbstractSet[str] = frozenset()
    """Requirements whose numbers were measured while other programs took the processor: these decide nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Which candidate and why; per candidate what each requirement finds, and how many more test rows would tell.

    ``headline`` is the verdict in a sentence, ``because`` the sentences with its reasons.
    ``proven`` is whether the choice meets a requirement, or rests on a comparison beyond chance.
    """

    chosen: str | None
    headline: str
    because: str
    next: str
    proven: bool = False
    meets: Mapping[str, Mapping[str, Finding]] = field(default_factory=dict)
    rows_needed: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateCase:
    """What a decision is made from: findings and rows needed by candidate, and how many candidates were tried."""

    climb: ClimbFacts
    requirements: Requirements
    metric: str
    meets: Mapping[str, Mapping[str, Finding]]
    rows: Mapping[str, int | None]
    family: int


def decide(
    measured: Sequence[MeasuredCandidate],
    requirements: Requirements,
    comparisons: Sequence[Comparison],
    *,
    metric: str = "accuracy",
    rows_needed: RowsNeeded,
    climb: ClimbFacts | None = None,
) -> Decision:
    """Choose the smallest candidate that meets every requirement: lowest rung, then smallest artifact, then name.

    Without a ``min_…`` requirement: the smallest not worse than the best by more than ``tolerance`` points of
    ``metric``, paired, among those that meet every limit.
    """
    climb = climb or ClimbFacts()
    ordered = sorted(measured, key=size)
    if not ordered:
        return Decision(
            chosen=None,
            headline="No candidate could be measured.",
            because="",
            next="See why each candidate was skipped or failed; `ockham doctor` shows what this machine can run.",
        )
    family = max(len(ordered), climb.planned)
    threshold = holm_threshold([_worst_p(c, requirements) for c in ordered], family)
    meets = {c.name: findings_of(c, requirements, threshold) for c in ordered}
    z = normal_quantile(1 - min(threshold, ALPHA / 2))
    rows = {c.name: _rows(c, requirements, meets[c.name], rows_needed, z) for c in ordered}
    case = CandidateCase(climb=climb, requirements=requirements, metric=metric, meets=meets, rows=rows, family=family)
    if any(name.startswith("min_") for name in requirements.limits()):
        return _smallest_that_meets(ordered, case)
    return _smallest_near_the_best(ordered, case, comparisons, rows_needed)


def size(candidate: MeasuredCandidate) -> tuple[int, float, str]:
    """Order candidates, smallest first: rung, artifact (an unknown one last), name."""
    return candidate.rung, math.inf if candidate.artifact_mb is None else candidate.artifact_mb, candidate.name


def findings_of(candidate: MeasuredCandidate, requirements: Requirements, threshold: float) -> dict[str, Finding]:
    """Say of each requirement whether the candidate meets it, misses it, or nobody can tell.

    A minimum is met where the interval's low end reaches it and its one-sided p-value is at most ``threshold``. A
    latency or cost from a machine that other programs kept busy neither meets nor misses a limit.
    """
    findings: dict[str, Finding] = {}
    for name, limit in requirements.limits().items():
        seen = quantity(candidate, name)
        if seen is None or name in candidate.disturbed:
            findings[name] = "cannot tell"
        elif isinstance(seen, Estimate) and name.startswith("min_"):
            sure = seen.low >= limit and p_below(seen, limit) <= threshold
            findings[name] = "meets" if sure else "misses" if seen.high < limit else "cannot tell"
        elif isinstance(seen, Estimate):
            findings[name] = "meets" if seen.high <= limit else "misses" if seen.low > limit else "cannot tell"
        else:
            findings[name] = "meets" if seen <= limit else "misses"
    return findings


def quantity(candidate: MeasuredCandidate, requirement: str) -> Estimate | float | None:
    """Return the number that a requirement speaks of, or ``None`` where it was not measured."""
    name = requirement[4:]
    if requirement.startswith("min_"):
        return candidate.metrics.get(name)
    value: Estimate | float | None = getattr(candidate, name, None)
    return value


def signed_difference(comparisons: Sequence[Comparison], first: str, second: str, metric: str) -> Estimate | None:
    """Find the paired difference metric(first) - metric(second), whichever way round it was compared."""
    for comparison in comparisons:
        if comparison.metric == metric and (comparison.first, comparison.second) == (first, second):
            return comparison.difference
        if comparison.metric == metric and (comparison.first, comparison.second) == (second, first):
            turned = comparison.difference
            return replace(turned, value=-turned.value, low=-turned.high, high=-turned.low)
    return None


def _worst_p(candidate: MeasuredCandidate, requirements: Requirements) -> float:
    values = []
    for name, limit in requirements.limits().items():
        if name.startswith("min_"):
            seen = quantity(candidate, name)
            values.append(p_below(seen, limit) if isinstance(seen, Estimate) else 1.0)
    return max(values, default=0.0)


def _rows(
    candidate: MeasuredCandidate,
    requirements: Requirements,
    findings: Mapping[str, Finding],
    rows_needed: RowsNeeded,
    z: float,
) -> int | None:
    """Say how many more test rows would settle every metric that is open; ``None`` where none is or none would."""
    limits = requirements.limits()
    needed: list[int] = []
    for name, finding in findings.items():
        seen = quantity(candidate, name)
        if finding == "cannot tell" and name.startswith("min_"):
            more = None if not isinstance(seen, Estimate) else rows_needed(widen(seen, z), limits[name])
            if more is None:
                return None
            needed.append(more)
    return max(needed, default=None)


def _smallest_that_meets(ordered: Sequence[MeasuredCandidate], case: CandidateCase) -> Decision:
    chosen = next((c for c in ordered if set(case.meets[c.name].values()) <= {"meets"}), None)
    if chosen is None:
        return _none(ordered, case)
    open_ = [c.name for c in ordered[: ordered.index(chosen)] if "misses" not in case.meets[c.name].values()]
    facts = [*_facts(chosen, case), *details(chosen.quality)]
    because = reason("is the smallest candidate that meets every requirement", facts)
    return Decision(
        chosen=chosen.name,
        headline=headline(chosen.name, proven=True),
        because=because + baseline_note(chosen.nature),
        next=f"{use_step(case.climb.run)}{alternatives(open_, case.rows, _lighter(ordered, chosen))}",
        proven=True,
        meets=case.meets,
        rows_needed=case.rows,
    )


def _smallest_near_the_best(
    ordered: Sequence[MeasuredCandidate],
    case: CandidateCase,
    comparisons: Sequence[Comparison],
    rows_needed: RowsNeeded,
) -> Decision:
    able = [c for c in ordered if set(case.meets[c.name].values()) <= {"meets"} and case.metric in c.metrics]
    if not able:
        return _none(ordered, case)
    best = max(able, key=lambda c: c.metrics[case.metric].value)
    allowed = case.requirements.tolerance / 100
    gaps = {c.name: signed_difference(comparisons, best.name, c.name, case.metric) for c in able if c is not best}
    p_values = [1.0 if gap is None else p_worse(gap, allowed) for gap in gaps.values()]
    threshold = holm_threshold(p_values, case.family - 1)
    z = normal_quantile(1 - min(threshold, ALPHA / 2))
    rows: dict[str, int | None] = dict(case.rows)
    near, open_ = {best.name}, []
    by_name = {c.name: c for c in able}
    for name, gap in gaps.items():
        if gap is not None and gap.high <= allowed and p_worse(gap, allowed) <= threshold:
            near.add(name)
        elif gap.low <= allowed if gap is not None else _overlap(best, by_name[name], case.metric, allowed):
            open_.append(name)
            rows[name] = None if gap is None else rows_needed(widen(gap, z), allowed)
    chosen = next(c for c in able if c.name in near)
    seen = chosen.metrics[case.metric]
    useless = mostly_wrong(chosen.name, case.climb.exact) or shortfall(case.metric, seen, chosen.quality)
    because, step, proven = _conclusion(chosen, best, able, comparisons, case, is_useless=bool(useless))
    # Where no small model is of use, one that might be as good as another says nothing.
    smaller = [] if step == LARGE_STEP else [c.name for c in able[: able.index(chosen)] if c.name in open_]
    return Decision(
        chosen=chosen.name,
        headline=headline(chosen.name, seen, useless, proven=proven),
        because=because,
        next=f"{step}{alternatives(smaller, rows, _lighter(ordered, chosen))}",
        proven=proven,
        meets=case.meets,
        rows_needed=rows,
    )


def _conclusion(
    chosen: MeasuredCandidate,
    best: MeasuredCandidate,
    able: Sequence[MeasuredCandidate],
    comparisons: Sequence[Comparison],
    case: CandidateCase,
    *,
    is_useless: bool,
) -> tuple[str, str, bool]:
    """Return the sentences about a choice near the best, the next step, and whether the choice is proven."""
    points = f"{case.requirements.tolerance:g} {'point' if case.requirements.tolerance == 1 else 'points'}"
    facts = _facts(chosen, case)
    if is_useless:
        no_job = _no_job_for_small(chosen, able, case)
        is_small = all(candidate.rung < _API for candidate in able)
        return f"{measured_facts(facts)}{no_job}", LARGE_STEP if no_job and is_small else improvement(case.climb), False
    facts += details(chosen.quality)
    note = baseline_note(chosen.nature, [c.name for c in able if c.rung >= _LANGUAGE], f"over {points}")
    if chosen is not best:
        gap = signed_difference(comparisons, best.name, chosen.name, case.metric)
        ahead = "" if gap is None else f"{100 * gap.value:.1f} points ({100 * gap.low:.1f} to {100 * gap.high:.1f})"
        because = (
            f"{reason(f'is the smallest candidate within {points} of the best', facts)} The best, {best.name}, "
            f"scores {estimated_share(best.metrics[case.metric])}; on the same rows it is ahead by {ahead}."
        )
        return f"{because}{note}", use_step(case.climb.run), True
    doubt = _chance(chosen, able, comparisons, case)
    if doubt is not None:
        return measured_facts(facts, doubt) + note, use_step(case.climb.run), False
    if chosen is able[0]:
        because = reason("is the smallest candidate; no other scores better", facts)
    else:
        because = f"{reason('scores best', facts)} Every smaller candidate scores lower, beyond chance."
    return f"{because}{note}", use_step(case.climb.run), True


def _no_job_for_small(chosen: MeasuredCandidate, measured: Sequence[MeasuredCandidate], case: CandidateCase) -> str:
    """Say that the task is no job for a small language model, where none that was measured is of use, or nothing."""
    writers = [candidate.name for candidate in measured if candidate.rung in _WRITERS]
    seen = {c.name: c.metrics[case.metric] for c in measured if case.metric in c.metrics}
    return no_job_for_small(writers, chosen.name, case.metric, seen, case.climb.exact)


def _chance(
    best: MeasuredCandidate, able: Sequence[MeasuredCandidate], comparisons: Sequence[Comparison], case: CandidateCase
) -> str | None:
    """Say what the best candidate is not shown to beat, or nothing: every smaller one, and at least one of all."""
    others = [c for c in able if c is not best]
    if not others:
        return f"no other candidate {'meets every limit' if case.requirements.limits() else 'was measured'}"
    beaten = {c.name for c in others if _is_beaten(c.name, best.name, comparisons, case.metric)}
    level = [c.name for c in able[: able.index(best)] if c.name not in beaten]
    if level:
        return f"these test rows cannot tell it from {join_words(level, 'or')}"
    return None if beaten else "no difference from another candidate is beyond chance"


def _is_beaten(name: str, by: str, comparisons: Sequence[Comparison], metric: str) -> bool:
    """Say whether a candidate scores lower than another on the same rows, corrected for all comparisons of the run."""
    p_values = [c.p_holm for c in comparisons if c.metric == metric and {c.first, c.second} == {name, by}]
    gap = signed_difference(comparisons, by, name, metric)
    return gap is not None and gap.value > 0 and min(p_values) <= ALPHA


def _lighter(ordered: Sequence[MeasuredCandidate], chosen: MeasuredCandidate) -> set[str]:
    """Name the candidates whose files are known to be smaller than the chosen one's."""
    most = chosen.artifact_mb
    return {c.name for c in ordered if most is not None and c.artifact_mb is not None and c.artifact_mb < most}


def _overlap(best: MeasuredCandidate, other: MeasuredCandidate, metric: str, allowed: float) -> bool:
    """Say whether two intervals leave it open that they differ by no more than ``allowed``, where nothing is paired."""
    return other.metrics[metric].high >= best.metrics[metric].low - allowed


def _none(ordered: Sequence[MeasuredCandidate], case: CandidateCase) -> Decision:
    """Name the candidate that comes closest, what it lacks, and what to try."""
    closest = min(ordered, key=lambda c: _distance(c, case))
    meets = case.meets[closest.name]
    limits = case.requirements.limits()
    if case.metric not in closest.metrics and not meets:
        start, because = f"No candidate has a measured {case.metric}.", ""
    else:
        lacking = [_fact(name, closest, limits) for name, finding in meets.items() if finding != "meets"]
        sure = all("misses" in findings.values() for findings in case.meets.values())
        unsure = {name for findings in case.meets.values() for name in findings if findings[name] == "cannot tell"}
        what = "test rows" if any(name.startswith("min_") for name in unsure) else "measurements"
        start = (
            "No candidate meets every requirement."
            if sure
            else f"The {what} cannot tell yet whether a candidate will do."
        )
        phrases = "; ".join([*lacking, *details(closest.quality)])
        because = f"{closest.name} comes closest: {phrases}.{_strictness(closest, case)}"
    return Decision(
        chosen=None,
        headline=start,
        because=because,
        next=suggestion(closest.name, meets, case.rows[closest.name], case.climb, closest.disturbed),
        meets=case.meets,
        rows_needed=case.rows,
    )


def _distance(candidate: MeasuredCandidate, case: CandidateCase) -> tuple[float, ...]:
    """Order candidates by how much they lack: minima missed, limits missed, what is open, the widest gap, size."""
    findings, limits = case.meets[candidate.name], case.requirements.limits()
    gaps = [0.0]
    for name, finding in findings.items():
        seen = quantity(candidate, name)
        if finding != "meets" and name.startswith("min_"):
            gaps.append(limits[name] - seen.value if isinstance(seen, Estimate) else 1.0)
    missed = [name for name, finding in findings.items() if finding == "misses"]
    quality = [name for name in missed if name.startswith("min_")]
    unsure = [name for name, finding in findings.items() if finding == "cannot tell"]
    rank, bytes_, _ = size(candidate)
    return len(quality), max(gaps) if quality else 0.0, len(missed), len(unsure), max(gaps), rank, bytes_


def _strictness(candidate: MeasuredCandidate, case: CandidateCase) -> str:
    """Explain an interval that clears its minimum and is yet no proof."""
    for name, limit in case.requirements.limits().items():
        seen = quantity(candidate, name)
        cleared = name.startswith("min_") and isinstance(seen, Estimate) and seen.low >= limit
        if cleared and case.meets[candidate.name][name] == "cannot tell":
            return f" With {case.family} candidates tried, one may clear the bar by luck, so more proof is needed."
    return ""


def _fact(name: str, candidate: MeasuredCandidate, limits: Mapping[str, float]) -> str:
    """Write what was measured of a candidate beside a limit, and whether the machine was busy meanwhile."""
    text = fact(name, limits[name], quantity(candidate, name))
    return f"{text} (measured while other programs took the processor)" if name in candidate.disturbed else text


def _facts(candidate: MeasuredCandidate, case: CandidateCase) -> list[str]:
    limits = case.requirements.limits()
    facts = [_fact(name, candidate, limits) for name in limits]
    if not any(name.startswith("min_") for name in limits):
        words = QUANTITIES[case.metric].words if case.metric in QUANTITIES else case.metric
        facts.insert(0, f"{words} {estimated_share(candidate.metrics[case.metric])}")
    return facts
