"""A task that is asked for over targets that it cannot read is refused: a metric over nothing would be perfect."""

from __future__ import annotations

import json

import pytest

from ockham.data.prepare import Prepared, prepare
from ockham.data.split import SplitSpec
from ockham.data.target_forms import leave_out_unreadable
from ockham.errors import DataError
from ockham.readers.read import ReadSpec
from ockham.records import Example, TaskName

SPANS = ['[[5, 9, "FRUIT"], [12, 16, "CITY"]]', '[[4, 11, "FRUIT"]]']


def examples(targets: list[str], text: str = "a crate of pears for Basel, lot {}") -> list[Example]:
    return [Example(id=str(i), input=text.format(i), target=target) for i, target in enumerate(targets)]


def refusal(task: TaskName, rows: list[Example]) -> DataError:
    with pytest.raises(DataError) as caught:
        leave_out_unreadable(task, rows)
    assert caught.value.code == "E_LABEL_TASK"
    return caught.value


@pytest.mark.parametrize("target", ["pears", SPANS[0], "[]", '"{}"', "{broken", "3"])
def test_extract_over_targets_that_are_no_objects_is_refused_with_counts(target: str) -> None:
    assert "40 of 40 targets are no JSON object" in refusal("extract", examples([target] * 40)).message
    mixed = examples([target] * 3 + ['{"fruit": "pears"}'] * 37)
    assert "3 of 40 targets" in refusal("extract", mixed).message


def test_a_small_share_is_left_out_and_counted() -> None:
    rows = examples(["pears"] * 2 + ['{"fruit": "pears"}'] * 38)
    readable, dropped = leave_out_unreadable("extract", rows)
    assert (len(readable), [(row.id, row.reason) for row in dropped]) == (
        38, [("0", "unreadable_target"), ("1", "unreadable_target")]
    )  # fmt: skip


@pytest.mark.parametrize(
    "targets", [["{}"], ['{"fruit": null}', '{"fruit": ""}', '{"fruit": []}', '{"a": {"b": " "}}']]
)
def test_objects_without_any_field_are_nothing_to_extract(targets: list[str]) -> None:
    assert "none of the 40 targets has a field" in refusal("extract", examples(targets * (40 // len(targets)))).message


def test_few_objects_with_fields_are_enough() -> None:
    assert leave_out_unreadable("extract", examples(["{}"] * 39 + ['{"n": 0}']))[1] == ()


def test_choose_needs_options_in_the_inputs() -> None:
    assert "40 of 40 targets are not among options" in refusal("choose", examples(["pears", "plums"] * 20)).message
    asked = "Which fruit is it {}?\nA) pears\nB) plums"
    for target in ("A", "(b)", "plums"):
        assert leave_out_unreadable("choose", examples([target] * 40, asked))[1] == ()
    assert "40 of 40" in refusal("choose", examples(["figs"] * 40, asked)).message


def test_spans_are_no_labels() -> None:
    assert "40 of 40 targets are lists of lists" in refusal("classify", examples(SPANS * 20)).message
    assert leave_out_unreadable("classify", examples(["[x]", '["x"]', "x"] * 20))[1] == ()


def test_text_can_be_written_whatever_it_is() -> None:
    assert leave_out_unreadable("generate", examples(SPANS * 20))[1] == ()


def prepared(targets: list[str], task: TaskName) -> Prepared:
    rows = [{"text": f"{place} boxes {chr(97 + place % 26) * 5}", "label": t} for place, t in enumerate(targets)]
    spec = ReadSpec(inputs=("text",), target="label")
    return prepare(rows, spec, SplitSpec(seed=0), test=None, task_name=task, on_progress=lambda _: None)


def test_a_fit_accounts_for_what_it_left_out_and_refuses_the_rest() -> None:
    objects = [json.dumps({"count": place}) for place in range(76)]
    intake = prepared([*objects, "none", "seven", "", "two"], "extract").intake
    assert intake.dropped_counts() == {"unreadable_target": 3, "missing_target": 1}
    assert intake.rows == intake.kept_rows + 4
    with pytest.raises(DataError) as caught:
        prepared([*objects[:40], *["none"] * 10], "extract")
    assert caught.value.code == "E_LABEL_TASK"
    assert "10 of 50" in caught.value.message
