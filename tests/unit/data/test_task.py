import json

import pytest

from ockham.data.task import are_free_text, are_labels, infer
from ockham.errors import DataError
from ockham.records import Example


def examples(targets: list[str], inputs: list[str] | None = None) -> list[Example]:
    texts = inputs or [f"text {i}" for i in range(len(targets))]
    return [Example(id=str(i), input=text, target=t) for i, (text, t) in enumerate(zip(texts, targets, strict=True))]


def test_few_short_targets_are_labels() -> None:
    assert infer(examples(["spam", "ham"] * 20)) == (
        "classify",
        "40 rows share 2 short targets, so the targets are labels",
    )


def test_objects_are_fields() -> None:
    targets = [json.dumps({"city": f"c{i % 3}"}) for i in range(30)]
    assert infer(examples(targets))[0] == "extract"
    assert infer(examples(["{}"] * 10 + targets))[0] == "extract"
    assert infer(examples(["{not json"] * 10 + targets))[0] != "extract"


def test_options_in_the_input_are_choices() -> None:
    marks = ["A", "B", "C"]
    inputs = [f"Which one is {i}?\nOptions:\n(A) red\n(B) green\n(C) blue" for i in range(30)]
    assert infer(examples([f"({marks[i % 3]})" for i in range(30)], inputs))[0] == "choose"
    assert infer(examples([marks[i % 3] for i in range(30)], inputs))[0] == "choose"
    assert infer(examples([["red", "green", "blue"][i % 3] for i in range(30)], inputs))[0] == "choose"
    assert infer(examples([["red", "pink"][i % 2] for i in range(30)], inputs))[0] == "classify"


def test_everything_else_is_text() -> None:
    task, why = infer(examples([f"an answer about {i} things" for i in range(40)]))
    assert (task, why) == ("generate", "40 rows have 40 different targets, so the task is to write text")


def test_an_override_decides() -> None:
    assert infer(examples(["a", "b"] * 20), "generate") == ("generate", "it was requested")


def test_class_numbers_are_labels_and_quantities_are_not() -> None:
    assert infer(examples([str(i % 77) for i in range(1000)]))[0] == "classify"
    assert infer(examples([str(i % 5 + 1) for i in range(100)]))[0] == "classify"
    for targets in (
        [str(i) for i in range(100)],
        [f"{i % 40}.50" for i in range(1000)],
        [f"{i % 50},000" for i in range(100)],
        [f"{i % 40},{i % 10}" for i in range(100)],
        [f"1.{i:03}" for i in range(100)],
        [f"{i % 40},50 €" for i in range(1000)],
        [f"$1,{i:03}.00" for i in range(100)],
    ):
        with pytest.raises(DataError) as caught:
            infer(examples(targets))
        assert caught.value.code == "E_LABEL_NUMERIC"
    assert infer(examples([str(i) for i in range(100)]), "generate")[0] == "generate"


def test_objects_are_no_labels() -> None:
    with pytest.raises(DataError) as caught:
        infer(examples([json.dumps({"total": i % 4}) for i in range(100)]), "classify")
    assert caught.value.code == "E_LABEL_MISSING"


def test_labels_and_free_text() -> None:
    assert not are_labels([])
    assert not are_labels(["x" * 101] * 4)
    assert not are_labels(["two\nlines"] * 4)
    assert are_labels(["refund\n", "refund"] * 2)
    assert not are_free_text(["a", "b", "c"])
    assert are_free_text([f"answer {i}" for i in range(20)])
