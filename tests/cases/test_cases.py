"""Every form that tools write gives the right rows or is refused by name; where numbers went wrong, a climb is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cases.case_files import CASES, COUNTS, LETTERS, REFUSALS, Case, Refusal, doccano_several, joined
from tests.cases.case_files import label_studio_several as several_choices
from tests.cases.export_files import EXPORTS, REFUSED_EXPORTS
from tests.cases.refused_files import REFUSED_TOOLS
from tests.cases.sheet_files import REFUSED_SHEETS, SHEETS
from tests.cases.tool_files import TOOLS

from ockham.errors import DataError
from ockham.readers.read import ReadSpec, read


@pytest.mark.parametrize("case", [*CASES, *EXPORTS, *TOOLS, *SHEETS], ids=lambda case: case.name)
def test_the_letters_are_read(case: Case, tmp_path: Path) -> None:
    reading = read(case.write(tmp_path), ReadSpec())
    assert [(row.input, row.target) for row in reading.examples] == list(case.rows)
    assert dict(Counter(row.reason for row in reading.dropped)) == case.left_out
    assert reading.quarantined == ()
    assert reading.rows == len(LETTERS)
    assert case.form in reading.sources[0].format


@pytest.mark.parametrize(
    "case", [*REFUSALS, *REFUSED_EXPORTS, *REFUSED_TOOLS, *REFUSED_SHEETS], ids=lambda case: case.name
)
def test_the_form_is_refused_by_name(case: Refusal, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(case.write(tmp_path), ReadSpec())
    assert caught.value.code == case.code
    assert case.says in caught.value.message
    assert case.helps in caught.value.fix
    assert not any(text in f"{caught.value}" for text, _ in LETTERS)


SEVERAL = {"choices": several_choices, "lists": doccano_several, "bars": joined("|"), "hashes": joined("#")}


@pytest.mark.parametrize("write", SEVERAL.values(), ids=SEVERAL)
def test_several_labels_are_sets_without_order_when_asked(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    sets = read(path, ReadSpec(several_labels="sets"))
    double = {row.target for row in sets.examples} - {*COUNTS, ""}
    assert double == {
        f'["{first}","{second}"]'
        for first, second in (("loan", "urgent"), ("membership", "urgent"), ("rooms", "urgent"))
    }
    single = read(path, ReadSpec(several_labels="one"))
    assert {row.target for row in single.examples} - {""} == set(COUNTS)
    assert len(single.examples) + len(single.dropped) == len(LETTERS)
