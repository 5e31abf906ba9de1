"""What the page at ``/`` shows of a model: what it reads and answers, how it was measured, and where it was wrong.

A run writes the facts of its candidates down when it ends, and they are read from there. Those of an older run are
found out in a process of its own (``python -m ockham.server.console_facts FOLDER``): a run's results bring the
libraries that computed them, which the process that speaks HTTP has no use for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ockham.ladder.run_folder import candidate_key
from ockham.server.served_bundle import ServedBundle

REPORT = "report.html"


def console_facts(bundle: ServedBundle, of_run: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the facts of one model as JSON values; of a bundle without its run only what its manifest says.

    ``of_run`` are the facts of its run's candidates, as `ockham.ladder.candidate_facts` has them.
    """
    manifest = bundle.manifest
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
    with suppress(KeyError, TypeError, AttributeError):  # of a file that no run wrote so
        facts |= _measured_facts(bundle, of_run or {"candidates": {}, "rows": {}})
    return facts


def _measured_facts(bundle: ServedBundle, of_run: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the bundle's candidate was measured; nothing where its run has no such candidate."""
    own, rows = of_run["candidates"].get(candidate_key(bundle.manifest.candidate)), of_run["rows"]
    if own is None:
        return {}
    mistakes = [
        {
            "cells": split_cells(rows[mistake["row"]]["input"], bundle.manifest.inputs),
            "target": rows[mistake["row"]]["target"],
            "answer": mistake["answer"],
            "confidence": mistake["confidence"],
        }
        for mistake in own["mistakes"]
    ]
    return {"because": own["because"], "figures": own["figures"], "cost": own["cost"], "mistakes": mistakes}


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
    """Write the facts of a run's candidates to standard output: ``null`` for a run that cannot be read."""
    from ockham.errors import OckhamError
    from ockham.ladder.candidate_facts import encode_facts
    from ockham.ladder.run_folder import load_result

    try:
        facts = encode_facts(load_result(Path(folder)))
    except OckhamError:
        facts = json.dumps(None).encode()
    sys.stdout.buffer.write(facts)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
