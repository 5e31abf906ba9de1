"""What a person checks by hand, as CSV for a spreadsheet: the wrong answers, and the labels in doubt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ockham.data.csv_export import csv_text
from ockham.records import RunResult, Score
from ockham.reporting.candidate_view import focus, is_right
from ockham.reporting.field_marks import wrong_fields
from ockham.reporting.formatting import clean
from ockham.reporting.label_doubts import doubt_rows
from ockham.reporting.row_numbers import row_number

DOUBTS = "labels-in-doubt.csv"
WRONG = "wrong-answers.csv"
_MARK = "\ufeff"
"""Without it, Excel takes UTF-8 for the code page of the machine."""


def tables(run_result: RunResult) -> dict[str, bytes]:
    """Write the tables of a run, by file name; one without rows has its header alone.

    Only rows that are classified have a table of labels in doubt. The wrong answers are those of the candidate that the
    page is about. Characters that cannot be seen are shown, and cells that a spreadsheet would run as a formula are
    quoted.
    """
    line = focus(run_result)
    wrong = [] if line is None else [score for score in line.scores if is_right(score) is False]
    heads = ["row", "text", "right answer", f"{line.name if line else 'model'} answered", "confidence"]
    if run_result.verdict.task == "extract":
        heads.append("wrong fields")
    answers = csv_text((cells[: len(heads)] for cells in _wrong_rows(run_result, wrong)), heads)
    files = {WRONG: (_MARK + answers).encode()}
    if run_result.verdict.task == "classify":
        doubts = csv_text(doubt_rows(run_result), ("row", "text", "given label", "suggested", "doubt"))
        files[DOUBTS] = (_MARK + doubts).encode()
    return files


def _wrong_rows(run_result: RunResult, wrong: Sequence[Score]) -> Iterator[list[str]]:
    for score in wrong:
        example = run_result.examples.get(score.example)
        cells = (
            row_number(run_result.ingest, score.example),
            example.input if example else "",
            score.target,
            score.answer or "",
            "" if score.confidence is None else f"{score.confidence:.2f}",
            ", ".join(wrong_fields(score.answer, score.target)),
        )
        yield [clean(cell) for cell in cells]
