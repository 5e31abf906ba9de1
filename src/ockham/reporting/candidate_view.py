"""The result of a run seen by candidate: each line of the verdict joined with its report."""

from __future__ import annotations

from dataclasses import dataclass

from ockham.records import CandidateResult, Estimate, Report, RunResult, Score
from ockham.reporting.formatting import estimate_of, finite, finite_estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """A candidate's result and, where it was measured, its report on the test rows."""

    result: CandidateResult
    report: Report | None
    summary: str = ""
    """What kind of model it is, in a few plain words; empty where that was not written down."""

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.result.name

    @property
    def throughput(self) -> Estimate | None:
        """Answers per second."""
        if self.report and self.report.profile:
            return finite_estimate(self.report.profile.throughput_per_s)
        return estimate_of(self.result.throughput_per_s)

    @property
    def memory_mb(self) -> float | None:
        """Peak memory of the serving process in megabytes."""
        return finite(self.result.memory_mb) or (
            finite(self.report.profile.memory_mb) if self.report and self.report.profile else None
        )

    @property
    def cost_per_day(self) -> float | None:
        """Cost of the required requests in US dollars a day."""
        cost = finite(self.result.cost_per_day)
        return finite(self.report.cost_per_day) if cost is None and self.report else cost

    @property
    def cost_per_million(self) -> float | None:
        """Cost of a million requests in US dollars."""
        return finite(self.report.cost_per_million) if self.report else None

    @property
    def scores(self) -> tuple[Score, ...]:
        """The judged answers, one per test row."""
        return self.report.scores if self.report else ()

    def metric(self, name: str) -> Estimate | None:
        """Return a task metric measured on the test rows."""
        return finite_estimate(
            self.result.metrics.get(name) or (self.report.metrics.get(name) if self.report else None)
        )

    def latency(self, name: str) -> Estimate | None:
        """Return ``p50``, ``p95`` or ``p99`` in milliseconds: at the user's rate of requests, where one was named."""
        if self.report and self.report.at_rate:
            return finite_estimate(getattr(self.report.at_rate, f"{name}_ms"))
        if self.report and self.report.profile:
            return finite_estimate(getattr(self.report.profile, f"{name}_ms"))
        return estimate_of((self.result.latency_ms or {}).get(name))


def candidate_views(run_result: RunResult) -> tuple[CandidateView, ...]:
    """Return every candidate of the verdict, smallest first."""
    reports = {r.candidate.name: r for r in run_result.reports if r.side == "test"}
    ordered = sorted(run_result.verdict.candidates, key=lambda c: (c.rung, c.name))
    return tuple(
        CandidateView(result=c, report=reports.get(c.name), summary=run_result.summaries.get(c.name, ""))
        for c in ordered
    )


def measured_views(run_result: RunResult) -> tuple[CandidateView, ...]:
    """Return the candidates that were measured, smallest first."""
    return tuple(line for line in candidate_views(run_result) if line.result.status == "measured")


TOO_WRONG = 0.5
"""Share of wrong answers from which on nothing is said of what a candidate may answer by itself."""


def focus(run_result: RunResult) -> CandidateView | None:
    """Return the candidate the page speaks about: the chosen one, or the best measured one where none was chosen."""
    views = measured_views(run_result)
    chosen = [line for line in views if line.name == run_result.verdict.chosen]
    if chosen:
        return chosen[0]
    scored = [(e.value, -i) for i, line in enumerate(views) if (e := line.metric(run_result.verdict.metric))]
    return views[-max(scored)[1]] if scored else (views[0] if views else None)


def is_right(score: Score) -> bool | None:
    """Tell whether an answer was right; ``None`` where it could not be judged."""
    return None if score.value is None else score.value >= 1


def confusions(scores: tuple[Score, ...]) -> list[tuple[str, str | None, int]]:
    """Count wrong answers by (target, answer), most frequent first."""
    counts: dict[tuple[str, str | None], int] = {}
    for score in scores:
        if is_right(score) is False:
            pair = (score.target, score.answer)
            counts[pair] = counts.get(pair, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or ""))
    return [(target, answer, n) for (target, answer), n in ordered]
