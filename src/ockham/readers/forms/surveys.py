"""Surveys whose file has more than one row of names above the answers."""

from __future__ import annotations

from collections.abc import Callable

from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut

_MARK = '{"ImportId":'
_KINDS = frozenset({"Response", "Open-Ended Response"})
_ROWS = 2
"""Rows below the names of the columns that hold no answer: the questions, and how the survey names them itself."""


def _open_qualtrics(sample: FormSample) -> FormReader | None:
    if not any(_is_import_row(row) for row in sample.rows[:_ROWS]):
        return None
    return _below(sample, _is_import_row)


def _open_surveymonkey(sample: FormSample) -> FormReader | None:
    if not sample.rows or not _is_answer_row(sample.rows[0]):
        return None
    return _below(sample, _is_answer_row)


def _below(sample: FormSample, is_last: Callable[[Cells], bool]) -> FormReader:
    """Read the rows below the last one that holds no answer."""
    passed = False

    def convert(cells: Cells) -> Cells | LeftOut:
        nonlocal passed
        if passed:
            return cells
        passed = is_last(cells)
        return LeftOut("names_of_columns")

    return FormReader(columns=sample.columns, convert=convert)


def _is_answer_row(cells: Cells) -> bool:
    """Tell the row of kinds of answers: no respondent has given it."""
    return not cells.get("Respondent ID") and "Respondent ID" in cells and bool(_KINDS & set(map(str, cells.values())))


def _is_import_row(cells: Cells) -> bool:
    texts = [value for value in cells.values() if isinstance(value, str) and value]
    return bool(texts) and all(text.startswith(_MARK) for text in texts)


SURVEYMONKEY = Form(
    name="SurveyMonkey",
    recognised="`Respondent ID`, and a first row without one that contains `Response` or `Open-Ended Response`",
    taken="the rows below the first, which names the kinds of answers",
    open=_open_surveymonkey,
)
QUALTRICS = Form(
    name="Qualtrics",
    recognised='a row of `{"ImportId": …}` below the header',
    taken="the rows below it; the row of questions and the row itself are dropped",
    open=_open_qualtrics,
)
