"""What the page at ``/`` shows of a model: what it reads and answers, how it was measured, and where it was wrong.

A run writes the facts of its candidates down when it ends, and they are read from there. Those of an older run are
found out in a process of its own (``python -m ockham.server.console_facts FOLDER``): a run's results bring the
libraries that computed them, which the process that speaks HTTP has no use for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ockham.ladder.run_facts import RunFacts, encode_facts
from ockham.ladder.run_folder import candidate_key
from ockham.records import plain
from ockham.server.served_bundle import ServedBundle

REPORT = "report.html"
DAMAGED = 3
"""Exit status of the process where the run's account is not one."""


def console_facts(bundle: ServedBundle, of_run: RunFacts | None, *, damaged: bool = False) -> dict[str, Any]:
    """Return the facts of one model as JSON values; of a bundle without its run only what its manifest says.

    ``damaged``: what its run wrote down cannot be read, which the page says.
    """
    manifest = bundle.manifest
    return {
        "name": bundle.name,
        "candidate": manifest.candidate.name,
        "task": manifest.task,
        "labels": list(manifest.labels),
        "inputs": list(manifest.inputs),
        **_measured_facts(bundle, of_run),
        "is_damaged": damaged,
        "has_report": bundle.run is not None and (bundle.run / REPORT).is_file(),
    }


def _measured_facts(bundle: ServedBundle, of_run: RunFacts | None) -> dict[str, Any]:
    """Return how the bundle's candidate was measured; nothing where its run has no such candidate."""
    own = None if of_run is None else of_run.candidates.get(candidate_key(bundle.manifest.candidate))
    if of_run is None or own is None:
        return {"because": None, "figures": [], "cost": None, "mistakes": []}
    mistakes = [
        {
            "cells": split_cells(of_run.rows[mistake.row].input, bundle.manifest.inputs),
            "target": of_run.rows[mistake.row].target,
            "answer": mistake.answer,
            "confidence": mistake.confidence,
        }
        for mistake in own.mistakes
    ]
    return {"because": own.because, "figures": plain(own.figures), "cost": own.cost, "mistakes": mistakes}


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


def main(folder: str) -> int:
    """Write the facts of a run's candidates to standard output; return `DAMAGED` for a run that cannot be read."""
    from ockham.errors import OckhamError
    from ockham.ladder.candidate_facts import candidate_facts
    from ockham.ladder.run_folder import load_result

    try:
        facts = encode_facts(candidate_facts(load_result(Path(folder))))
    except OckhamError:
        return DAMAGED
    sys.stdout.buffer.write(facts)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
