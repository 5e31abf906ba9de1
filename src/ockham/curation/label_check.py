"""Labels in doubt among the rows that stay: those that a model which did not see them holds for wrong.

As `ockham fit` finds them (`ockham.data.label_issues`), with the linear rung alone. Texts of labelled rows are read
into memory here, which is why there is a most; larger data is told about in a warning.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ockham.curation.chunks import Chunks
from ockham.curation.partitions import PartitionDecision
from ockham.curation.steps.examine import StepConfig
from ockham.readers.conversations import target_in, texts_in
from ockham.records import Example, LabelIssue

MOST = 50_000
"""Rows in which doubts are looked for."""
LEAST = 20
_STRENGTH = 5.0
_FOLDS, _FOLDS_OF_MANY, _MANY = 5, 3, 5_000


def check_labels(
    chunks: Chunks, decision: PartitionDecision, targets: list[str | None], plan: StepConfig
) -> tuple[str, ...]:
    """Note in the decision which rows carry a label in doubt, worst first, and leave them out if asked to.

    ``targets`` are the target columns of the files; where these hold no labels, nothing is done. Returns a warning if
    there are too many rows to look.
    """
    import numpy as np

    if plan.spec.doubts == "off" or decision.kinds is None or not decision.kinds.are_labels:
        return ()
    staying: list[int] = []
    number = 0
    for part in range(len(decision.parts)):
        documents = np.flatnonzero(decision.part(part).reason == 0) + decision.parts.span(part)[0]
        number += len(documents)
        staying += documents.tolist() if number <= MOST else []
    if number > MOST:
        return (f"labels were not checked: {number:,} rows stay, and this is done for up to {MOST:,}",)
    rows: list[Example] = []
    for document in staying:
        cells = chunks.cells(document)
        file = chunks.place(document)[0]
        names = chunks.inputs[file]
        target = target_in(cells, names, targets[file])
        text = "\n".join(texts_in(cells, names))
        rows.append(Example(id=str(document), input=plan.shared.text_to_read(text), target=target))
    decision.doubts = find_label_issues(rows)
    if plan.spec.doubts == "drop" and decision.doubts:
        numbers = np.array([int(doubt.id) for doubt in decision.doubts], dtype=np.int64)
        decision.note(numbers, "doubted_label", score=np.array([doubt.doubt for doubt in decision.doubts]))
    return ()


def find_label_issues(rows: list[Example]) -> tuple[LabelIssue, ...]:
    """List the rows whose label is in doubt, worst first; none where rows or labels are too few to tell."""
    import numpy as np

    from ockham.data import label_issues
    from ockham.models import linear

    counts = Counter(row.target for row in rows)
    names = tuple(sorted(name for name, count in counts.items() if count > 1))
    labelled = [row for row in rows if row.target in names]
    if len(labelled) < LEAST or len(names) < 2:
        return ()
    number = _FOLDS if len(labelled) < _MANY else _FOLDS_OF_MANY
    # Near-duplicates of one label are gone by now, so each row is a cluster of its own.
    folds = label_issues.folds(np.arange(len(labelled)), [row.target for row in labelled], number, 0).tolist()
    settings = linear.LinearSettings(labels=names, strength=_STRENGTH, temperature=1.0)
    shares = linear.cross_probabilities(labelled, folds, settings, seed=0)
    issues = label_issues.find_label_issues(labelled, {"linear": shares}, names)
    return tuple(replace(issue, doubt=round(issue.doubt, 6)) for issue in issues)
