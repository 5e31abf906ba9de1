"""What is told of each measured candidate beside its answers: why, how well, what it costs, and where it was wrong.

It is written down when a run ends, so that who serves a candidate need not read the whole run for it.
"""

from __future__ import annotations

import json
from typing import Any

from ockham.ladder.run_folder import candidate_key
from ockham.records import RunResult
from ockham.reporting.candidate_view import CandidateView, is_right, measured_views
from ockham.reporting.formatting import clean, dollars
from ockham.reporting.summary import candidate_figures

MOST_MISTAKES = 100


def candidate_facts(result: RunResult) -> dict[str, Any]:
    """Return the facts of the candidates by `candidate_key`, and the texts of the rows that they were wrong about.

    Of a candidate: ``because`` (of the chosen one), ``figures`` (title, value, detail), ``cost`` and ``mistakes`` (row,
    answer, confidence), the most confident first, at most `MOST_MISTAKES`.
    """
    views = [view for view in measured_views(result) if view.report is not None]
    candidates = {candidate_key(view.report.candidate): _facts(result, view) for view in views if view.report}
    named = {mistake["row"] for facts in candidates.values() for mistake in facts["mistakes"]}
    targets = {score.example: score.target for view in views for score in view.scores if score.example in named}
    rows = {row: {"input": clean(result.examples[row].input), "target": clean(targets[row])} for row in sorted(named)}
    return {"candidates": candidates, "rows": rows}


def encode_facts(result: RunResult) -> bytes:
    """Return the facts as they are written down: JSON in UTF-8."""
    return json.dumps(candidate_facts(result), ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _facts(result: RunResult, view: CandidateView) -> dict[str, Any]:
    is_chosen = result.verdict.chosen == view.name
    cost = view.cost_per_million
    wrong = [score for score in view.scores if is_right(score) is False and score.example in result.examples]
    wrong.sort(key=lambda score: -(score.confidence or 0.0))
    return {
        "because": result.verdict.summary if is_chosen else None,
        "figures": [
            dict(zip(("title", "value", "detail"), figure, strict=True)) for figure in candidate_figures(result, view)
        ],
        "cost": None if cost is None else f"{dollars(cost)} per million answers",
        "mistakes": [
            {
                "row": score.example,
                "answer": None if score.answer is None else clean(score.answer),
                "confidence": score.confidence,
            }
            for score in wrong[:MOST_MISTAKES]
        ],
    }
