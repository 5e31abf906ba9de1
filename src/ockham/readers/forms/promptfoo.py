"""promptfoo: test cases of variables and assertions, as JSON, JSONL, YAML or CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ockham.readers.chat import UnsoundError
from ockham.readers.forms.form import Cells, Form, FormReader, FormSample, LeftOut, is_all, is_object_list, objects_in

EXPECTED = "expected"
_EXACT = ("equals", "iequals", "is-json")
_NO_ANSWER = LeftOut("no_exact_assertion")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def _open_cases(sample: FormSample) -> FormReader | None:
    if not is_all(sample.values("vars"), lambda value: isinstance(value, Mapping)):
        return None
    if not is_all(sample.values("assert"), is_object_list):
        return None
    sets = [value for value in sample.values("vars") if isinstance(value, Mapping)]
    answers = {name for row in sample.rows for name in _answer_names(row.get("assert"))}
    names = [name for name in dict.fromkeys(str(name) for each in sets for name in each) if name not in answers]

    def convert(cells: Cells) -> Cells | LeftOut:
        variables = cells.get("vars")
        if not isinstance(variables, Mapping):
            raise UnsoundError("the test case has no variables")
        row = {name: variables[name] for name in names if name in variables}
        if not sample.request.labelled:
            return row
        expected = _expected_answer(cells.get("assert"), variables)
        return _NO_ANSWER if expected is None else {**row, EXPECTED: expected}

    return FormReader(
        columns=(*names, EXPECTED),
        convert=convert,
        inputs=tuple(names) if len(names) == 1 else (),
        target=EXPECTED,
    )


def _open_table(sample: FormSample) -> FormReader | None:
    columns = [name for name in sample.columns if re.fullmatch(r"__expected\d*", name)]
    if not columns:
        return None
    others = tuple(name for name in sample.columns if not name.startswith("__"))

    def convert(cells: Cells) -> Cells | LeftOut:
        row = {name: cells[name] for name in others if name in cells}
        if not sample.request.labelled:
            return row
        expected = next((text for name in columns if (text := _exact(cells.get(name))) is not None), None)
        return _NO_ANSWER if expected is None else {**row, EXPECTED: expected}

    return FormReader(
        columns=(*others, EXPECTED),
        convert=convert,
        inputs=others if len(others) == 1 else (),
        target=EXPECTED,
    )


def _expected_answer(assertions: object, variables: Mapping[str, object]) -> object:
    for assertion in objects_in(assertions):
        value = assertion.get("value")
        if assertion.get("type") not in _EXACT or value is None:
            continue
        match = _VARIABLE.fullmatch(value.strip()) if isinstance(value, str) else None
        return variables.get(match[1]) if match else value
    return None


def _answer_names(assertions: object) -> list[str]:
    """Return the variables that assertions name as the answer, which are then no part of the input."""
    values = [assertion.get("value") for assertion in objects_in(assertions) if assertion.get("type") in _EXACT]
    matches = [_VARIABLE.fullmatch(value.strip()) for value in values if isinstance(value, str)]
    return [match[1] for match in matches if match]


def _exact(cell: object) -> str | None:
    """Return the text that a cell asks for word by word: without a kind of assertion before it, or with `equals`."""
    text = cell.strip() if isinstance(cell, str) else ""
    kind, colon, value = text.partition(":")
    if colon and kind in _EXACT:
        return value.strip()
    return None if not text or (colon and re.fullmatch(r"[a-z]+(-[a-z]+)*(\([\d.]+\))?", kind)) else text


PROMPTFOO = Form(
    name="promptfoo tests",
    recognised="test cases with `vars` and `assert` (a list in JSON or JSONL, `tests` in JSON or YAML)",
    taken="the variables are the input, the value of the first `equals` assertion is the target; cases with only"
    " other assertions are dropped",
    open=_open_cases,
)
PROMPTFOO_TABLE = Form(
    name="promptfoo table",
    recognised="columns `__expected`, `__expected1`, …",
    taken="the first expected text that must be equal is the target; the columns without `__` are the input",
    open=_open_table,
)
