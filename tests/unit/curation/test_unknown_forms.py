"""Files in a form that curating does not know are refused by name, and nothing goes to the quarantine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ockham.curation.curate import curate, preview
from ockham.errors import DataError
from ockham.readers.columns import ColumnRequest
from ockham.readers.documents import SourceFile, describe
from ockham.readers.plain_text import describe_texts


@pytest.mark.parametrize("value", [[{"role": "user", "content": "My parcel is late."}], {"body": "My parcel is late."}])
def test_a_column_of_lists_or_objects_is_no_text(value: object, tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps({"input": value, "answer": "late"}) + "\n" for _ in range(3)))
    request = ColumnRequest(inputs=(), target=None, group=None, labelled=False, source="")
    with pytest.raises(DataError, match="'input' contains lists or objects") as caught:
        describe(path, request, None)
    assert caught.value.code == "E_FORMAT"
    assert "--input input" in str(caught.value.fix)
    named = ColumnRequest(inputs=("input",), target=None, group=None, labelled=False, source="")
    assert describe(path, named, None).inputs == ("input",)


def looked_at(path: Path, *, inputs: tuple[str, ...] = ()) -> SourceFile:
    request = ColumnRequest(inputs=inputs, target=None, group=None, labelled=False, source="")
    return describe_texts((path,)) if path.suffix == ".txt" else describe(path, request, None)


FORMS = {
    "Label Studio JSON": ("a.json", json.dumps([{"data": {"text": "late"}, "annotations": [{"result": [
        {"from_name": "pile", "type": "choices", "value": {"choices": ["post"]}}]}]}] * 3)),
    "OpenAI evals": ("a.jsonl", '{"input": [{"role": "user", "content": "late"}], "ideal": "post"}\n' * 3),
    "ShareGPT": ("a.jsonl", '{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}\n'),
    "spaCy cats": ("a.jsonl", '{"text": "late", "cats": {"post": 1.0, "money": 0.0}}\n' * 3),
    "doccano spans": ("a.jsonl", '{"text": "late", "label": [[0, 4, "TIME"]]}\n' * 3),
    "promptfoo tests": ("a.jsonl", '{"vars": {"a": "late"}, "assert": [{"type": "equals", "value": "post"}]}\n' * 3),
    "fastText lines": ("train.txt", "__label__post my parcel is late\n" * 3),
    "CoNLL": ("a.csv", "my O\nparcel B-THING\n\nis O\n"),
    "YAML": ("a.yml", "nlu:\n- intent: post\n  examples: |\n    - late\n"),
    "text in an unknown format": ("a.md", "# My parcels\n\nThey are late.\nAll of them.\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_not_curated_is_refused_by_name(name: str, tmp_path: Path) -> None:
    file, text = FORMS[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match="which `ockham curate` does not read") as caught:
        looked_at(tmp_path / file)
    assert caught.value.code == "E_FORMAT"
    assert name in caught.value.message


def test_what_is_named_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(FORMS["spaCy cats"][1])
    assert looked_at(tmp_path / "a.jsonl", inputs=("text",)).inputs == ("text",)
    (tmp_path / "b.jsonl").write_text('{"text": "late", "is_ad": 0, "is_long": 1, "is_old": 0}\n' * 3)
    assert looked_at(tmp_path / "b.jsonl").inputs == ("text",)


def documents(path: Path, rows: int, broken: int = 0) -> Path:
    texts = [f"parcel {number} is {'very ' * (number % 7)}late" for number in range(rows)]
    lines = [json.dumps({"text": text, "label": "post"}) for text in texts]
    path.write_text("".join(f"{line}\n" for line in [*lines, *(["{broken"] * broken)]))
    return path


def test_a_share_of_records_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    report = curate(documents(tmp_path / "a.jsonl", 30, 20), out=tmp_path / "out").report
    assert report.left_out["unreadable"] == 20
    with pytest.raises(DataError, match=r"31 of 61 records cannot be read.* at most 50 % are tolerated") as caught:
        curate(documents(tmp_path / "b.jsonl", 30, 31), out=tmp_path / "bad")
    assert caught.value.code == "E_FORMAT"
    assert not (tmp_path / "bad" / "report.json").exists()


def test_no_row_left_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"parcel {number} is late"}) + "\n" for number in range(30)))
    with pytest.raises(DataError, match="all 30 rows were dropped: 30 too short") as caught:
        curate(path, out=tmp_path / "out")
    assert caught.value.code == "E_TOO_FEW"
    assert "--skip length" in caught.value.fix
    assert preview(path).left_out == {"too_short": 30}
