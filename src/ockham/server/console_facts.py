"""What the page at ``/`` shows of a model: what it reads and answers, how it was measured, and where it was wrong.

Read in a process of its own (``python -m ockham.server.console_facts NAME FOLDER``): a run's results bring the
libraries that computed them, which the process that speaks HTTP has no use for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from ockham.errors import OckhamError
from ockham.ladder.run_folder import load_result
from ockham.records import RunResult
from ockham.reporting.candidate_view import CandidateView, is_right, measured_views
from ockham.reporting.formatting import clean, dollars
from ockham.reporting.summary import candidate_figures
from ockham.server.console_reader import REPORT
from ockham.server.served_bundle import ServedBundle, read_served_bundle

MOST_MISTAKES = 100


def console_facts(bundle: ServedBundle) -> dict[str, Any]:
    """Return the facts of one model as JSON values; of a bundle without its run only what its manifest says."""
    manifest, result = bundle.manifest, _result(bundle)
    view = None if result is None else _view(result, bundle)
    facts: dict[str, Any] = {
        "name": bundle.name,
        "candidate": manifest.candidate.name,
        "task": manifest.task,
        "labels": list(manifest.labels),
        "inputs": list(manifest.inputs),
        "because": None,
        "figures": [],
        "cost": None,
        "mistakes": [],
        "has_report": bundle.run is not None and (bundle.run / REPORT).is_file(),
    }
    if result is None or view is None:
        return facts
    is_chosen = result.verdict.chosen == view.name
    facts["because"] = result.verdict.because if is_chosen else None
    facts["figures"] = [
        dict(zip(("title", "value", "detail"), item, strict=True)) for item in candidate_figures(result, view)
    ]
    facts["mistakes"] = _mistakes(result, view, manifest.inputs)
    if view.cost_per_million is not None:
        facts["cost"] = f"{dollars(view.cost_per_million)} per million answers"
    return facts


def _result(bundle: ServedBundle) -> RunResult | None:
    """Return the result of the bundle's run; ``None`` for a bundle that came alone, or whose run cannot be read."""
    try:
        return None if bundle.run is None else load_result(bundle.run)
    except OckhamError:
        return None


def _view(result: RunResult, bundle: ServedBundle) -> CandidateView | None:
    candidate = bundle.manifest.candidate
    views = (view for view in measured_views(result) if view.report is not None)
    return next((view for view in views if view.report and view.report.candidate == candidate), None)


def _mistakes(result: RunResult, view: CandidateView, inputs: Sequence[str]) -> list[dict[str, Any]]:
    """Return test rows that the candidate answered wrong, the most confident first."""
    wrong = [score for score in view.scores if is_right(score) is False and score.example in result.examples]
    wrong.sort(key=lambda score: -(score.confidence or 0.0))
    return [
        {
            "cells": split_cells(clean(result.examples[score.example].input), inputs),
            "target": clean(score.target),
            "answer": None if score.answer is None else clean(score.answer),
            "confidence": score.confidence,
        }
        for score in wrong[:MOST_MISTAKES]
    ]


def split_cells(text: str, inputs: Sequence[str]) -> Mapping[str, str]:
    """Return the columns of an input that was written as lines of ``name: value``; one column is the whole text."""
    if len(inputs) == 1:
        return {inputs[0]: text}
    cells: dict[str, str] = {}
    current = None
    for line in text.split("\n"):
        rest = inputs[list(inputs).index(current) + 1 :] if current is not None else inputs
        begun = next((name for name in rest if line.startswith(f"{name}: ")), None)
        if begun is not None:
            current = begun
            cells[begun] = line[len(begun) + 2 :]
        elif current is not None:
            cells[current] += f"\n{line}"
    return cells


def main(name: str, folder: str) -> int:
    """Write the facts of the bundle in a folder to standard output."""
    sys.stdout.buffer.write(orjson.dumps(console_facts(read_served_bundle(name, Path(folder)))))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
