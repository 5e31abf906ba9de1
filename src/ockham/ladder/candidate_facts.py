"""What is told of each measured candidate beside its answers: why, how well, what it costs, and where it was wrong.

It is written down when a run ends, so that who serves a candidate need not read the whole run for it.
"""

from __future__ import annotations

from ockham.ladder.run_facts import CandidateFacts, Figure, Mistake, RowText, RunFacts
from ockham.ladder.run_folder import candidate_key
from ockham.records import RunResult
from ockham.reporting.candidate_view import CandidateView, is_right, measured_views
from ockham.reporting.formatting import clean, dollars
from ockham.reporting.summary import candidate_figures

MOST_MISTAKES = 100


def candidate_facts(result: RunResult) -> RunFacts:
    """Return the facts of the candidates, and the texts of the rows that they were wrong about.

    Of a candidate's mistakes at most `MOST_MISTAKES`, the most confident first.
    """
    views = [view for view in measured_views(result) if view.report is not None]
    candidates = {candidate_key(view.report.candidate): _facts(result, view) for view in views if view.report}
    named = {mistake.row for facts in candidates.values() for mistake in facts.mistakes}
    targets = {score.example: score.target for view in views for score in view.scores if score.example in named}
    rows = {row: RowText(input=clean(result.examples[row].input), target=clean(targets[row])) for row in sorted(named)}
    return RunFacts(candidates=candidates, rows=rows)


def _facts(result: RunResult, view: CandidateView) -> CandidateFacts:
    is_chosen = result.verdict.chosen == view.name
    cost = view.cost_per_million
    wrong = [score for score in view.scores if is_right(score) is False and score.example in result.examples]
    wrong.sort(key=lambda score: -(score.confidence or 0.0))
    figures = candidate_figures(result, view)
    return CandidateFacts(
        because=result.verdict.summary if is_chosen else None,
        figures=tuple(Figure(title=title, value=value, detail=detail) for title, value, detail in figures),
        cost=None if cost is None else f"{dollars(cost)} per million answers",
        mistakes=tuple(
            Mistake(
                row=score.example,
                answer=None if score.answer is None else clean(score.answer),
                confidence=score.confidence,
            )
            for score in wrong[:MOST_MISTAKES]
        ),
    )
