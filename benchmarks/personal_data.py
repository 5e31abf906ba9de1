"""How well personal data is told from what only looks like it: ``scripts/bench personal_data``.

A labelled list of lines in eleven languages (``personal_data.jsonl``), each with one kind of personal data or with
none, made for this project: numbers reserved for fiction and documentation, test cards, example IBANs and domains. The
rules were written with the lines of the ``first`` list in sight. Those of the ``second`` were written after them; what
came out when it was measured first, before anything was mended for it, stands in docs/design/009-curate.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import table
from ockham.curation.steps import redact
from ockham.data import pii
from ockham.evals.intervals import wilson

LINES = Path(__file__).with_suffix(".jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, the kind of personal data in it ("" for none), its language, and the list it is of."""

    text: str
    kind: str
    language: str
    list: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Finds that are right, finds that are wrong, and what was missed."""

    right: int
    wrong: int
    missed: int


def lines() -> list[Line]:
    """Read the labelled list."""
    return [Line(**json.loads(line)) for line in LINES.read_text(encoding="utf-8").splitlines()]


def curation_kinds(text: str) -> set[str]:
    """Return the kinds that `ockham curate` finds."""
    return {span.kind for span in redact.find(text)}


def fit_kinds(text: str) -> set[str]:
    """Return the kinds that `ockham fit` counts; it knows no national numbers."""
    return set(pii.count([text]))


def score(
    chosen: Sequence[Line], kinds: Callable[[str], set[str]], kind: str | None = None
) -> tuple[Counts, list[Line]]:
    """Count finds of a kind (``None``: of any), and list the lines that are not as labelled."""
    right = wrong = missed = 0
    bad = []
    for line in chosen:
        finds = {find for find in kinds(line.text) if kind in (None, find)}
        truth = {line.kind} if line.kind and kind in (None, line.kind) else set()
        right += len(finds & truth)
        wrong += len(finds - truth)
        missed += len(truth - finds)
        if finds != truth:
            bad.append(line)
    return Counts(right=right, wrong=wrong, missed=missed), bad


def cells(counts: Counts) -> list[str]:
    """Write precision and recall with their 95 % intervals."""
    return [share(counts.right, counts.right + counts.wrong), share(counts.right, counts.right + counts.missed)]


def share(part: int, whole: int) -> str:
    if whole == 0:
        return "-"
    found = wilson(part, whole)
    return f"{part / whole:.1%} ({found.low:.1%} to {found.high:.1%}; {part} of {whole})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    every = lines()
    body = []
    record: dict[str, object] = {}

    def add(name: str, chosen: Sequence[Line], kinds: Callable[[str], set[str]], kind: str | None = None) -> None:
        counts, _ = score(chosen, kinds, kind)
        body.append([name, str(len(chosen)), *cells(counts)])
        record[name] = {"lines": len(chosen), "right": counts.right, "wrong": counts.wrong, "missed": counts.missed}

    for name in ("first", "second"):
        chosen = [line for line in every if line.list == name]
        add(f"the {name} list", chosen, curation_kinds)
        add(f"the {name} list, phone", chosen, curation_kinds, "phone")
    for kind in redact.CLASSES:
        add(f"both, {kind}", every, curation_kinds, kind)
    for language in sorted({line.language for line in every}):
        add(f"both, language {language}", [line for line in every if line.language == language], curation_kinds)
    add("both, as `fit` counts", [line for line in every if line.kind != "national_id"], fit_kinds)
    bad = score(every, curation_kinds)[1]
    foot = (
        "\n\nNot as labelled: " + (", ".join(f"`{line.text}` ({line.kind or 'none'})" for line in bad) or "none") + "."
    )
    text = table.markdown(["lines of", "lines", "precision", "recall"], body) + foot
    table.publish("personal_data", text, record)


if __name__ == "__main__":
    main()
