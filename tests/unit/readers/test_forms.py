"""What annotation tools and training APIs write, in small: what is taken, what is left out, and what is refused."""

from __future__ import annotations

import json
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.sample_letters import prompt

from ockham import cli
from ockham.cli import output
from ockham.data.dry_run import dry_run
from ockham.data.label_merges import merge_notes
from ockham.data.prepare import Prepared, prepare
from ockham.data.split import SplitSpec
from ockham.errors import DataError
from ockham.readers.forms.form_table import FORMS
from ockham.readers.forms.nlu_document import DOCUMENTS
from ockham.readers.read import ReadResult, ReadSpec, read
from ockham.readers.tagged_lines import LINE_FORMS

Rows = Sequence[Mapping[str, Any]]
KINDS = ("leak", "noise", "smell")


def write_lines(folder: Path, rows: Sequence[object], name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pairs(reading: ReadResult) -> list[tuple[str, str]]:
    return [(example.input, example.target) for example in reading.examples]


def reasons(reading: ReadResult) -> dict[str, int]:
    assert reading.rows == len(reading.examples) + len(reading.dropped) + len(reading.quarantined)
    return dict(Counter(row.reason for row in reading.dropped))


def refuse(path: Path, **spec: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, ReadSpec(**spec))
    return caught.value


def words(number: int) -> str:
    return f"the pump in flat {number} makes trouble"


# Label Studio


def task(number: int, *annotations: Mapping[str, Any], **data: Any) -> dict[str, Any]:
    return {"id": number, "annotations": list(annotations), "data": {"text": words(number), **data}, "predictions": []}


def choice(label: str, *, control: str = "fault", **more: Any) -> dict[str, Any]:
    result = {"from_name": control, "to_name": "txt", "type": "choices", "value": {"choices": [label]}}
    return {"result": [result], "was_cancelled": False, "ground_truth": False, **more}


def test_label_studio_takes_the_choice_that_was_not_cancelled(tmp_path: Path) -> None:
    rows = [
        task(1, choice("noise", was_cancelled=True), choice("leak")),
        task(2, choice("leak", was_cancelled=True)),
        task(3, choice("smell"), choice("smell")),
        task(4, choice("smell"), choice("leak")),
        task(5, choice("smell"), choice("leak", ground_truth=True)),
        task(6),
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1))
    reading = read(tmp_path / "a.json", ReadSpec())
    assert pairs(reading) == [(words(1), "leak"), (words(3), "smell"), (words(5), "leak")]
    assert reasons(reading) == {"was_cancelled": 1, "annotators_disagree": 1, "not_labelled": 1}
    source = reading.sources[0]
    assert (source.format, source.inputs, source.target) == ("json array, Label Studio JSON", ("text",), "fault")
    assert len(read(tmp_path / "a.json", ReadSpec(inputs=("text",), labelled=False)).examples) == 6


def test_label_studio_asks_which_of_several_controls_is_meant(tmp_path: Path) -> None:
    both = choice("leak")
    both["result"] += choice("high", control="urgency")["result"]
    path = write_lines(tmp_path, [task(n, both) for n in range(3)])
    error = refuse(path)
    assert error.code == "E_COLUMN"
    assert "--target fault" in error.fix
    assert {target for _, target in pairs(read(path, ReadSpec(target="urgency")))} == {"high"}


def test_label_studio_spans_become_fields(tmp_path: Path) -> None:
    def region(start: int, end: int, label: str) -> dict[str, Any]:
        value = {"start": start, "end": end, "labels": [label]}
        return {"from_name": "part", "to_name": "txt", "type": "labels", "value": value}

    rows = [
        task(1, {"result": [region(4, 8, "DEVICE"), region(17, 18, "FLAT")]}),
        task(2, {"result": []}),
        task(3, {"result": [region(4, 400, "DEVICE")]}),
    ]
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert pairs(reading) == [(words(1), '{"DEVICE":"pump","FLAT":"1"}')]
    assert reading.spans
    assert reasons(reading) == {"not_labelled": 1, "span_outside_text": 1}


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_label_studio_min(tmp_path: Path, kind: str) -> None:
    meta = {"annotation_id": 1, "annotator": 2, "created_at": "t", "updated_at": "t", "lead_time": 3.5}
    labels: list[object] = ["leak", "noise", {"choices": ["noise", "leak"]}, "leak", "noise"]
    rows = [{"id": n, "text": words(n), "fault": label, **meta} for n, label in enumerate(labels)]
    path = tmp_path / f"a.{kind}"
    if kind == "json":
        path.write_text(json.dumps(rows))
    else:
        cell = json.dumps(labels[2]).replace('"', '""')
        lines = [f'{n},"{words(n)}","{cell if n == 2 else label}",1,2,t,t,3' for n, label in enumerate(labels)]
        head = "id,text,fault,annotation_id,annotator,created_at,updated_at,lead_time"
        path.write_text("\n".join([head, *lines]) + "\n")
    error = refuse(path)
    assert error.code == "E_LABEL_SEVERAL"
    assert "1 of 5 rows have several labels" in error.message
    assert reasons(read(path, ReadSpec(several_labels="one"))) == {"several_labels": 1}
    assert pairs(read(path, ReadSpec(several_labels="sets")))[2] == (words(2), '["leak","noise"]')


# doccano


def test_doccano_lists_of_one_label_are_that_label(tmp_path: Path) -> None:
    rows = [{"id": n, "text": words(n), "label": [KINDS[n % 3]] if n else [], "Comments": []} for n in range(7)]
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert [target for _, target in pairs(reading)] == ["", *(KINDS[n % 3] for n in range(1, 7))]


def test_doccano_several_labels_are_said_and_their_order_means_nothing(tmp_path: Path) -> None:
    lists = [["leak"], ["noise", "leak"], ["leak", "noise"], [], ["noise"], ["leak"]]
    path = write_lines(
        tmp_path, [{"text": words(n), "label": labels, "Comments": []} for n, labels in enumerate(lists)]
    )
    error = refuse(path)
    assert error.code == "E_LABEL_SEVERAL"
    assert "2 of 6" in error.message
    assert "--several-labels" in error.fix
    sets = [target for _, target in pairs(read(path, ReadSpec(several_labels="sets")))]
    assert sets == ["leak", '["leak","noise"]', '["leak","noise"]', "", "noise", "leak"]
    assert [target for _, target in pairs(read(path, ReadSpec(several_labels="one")))] == ["leak", "", "noise", "leak"]


@pytest.mark.parametrize("kind", ["label", "entities"])
def test_doccano_spans(tmp_path: Path, kind: str) -> None:
    spans = [[(4, 8, "DEVICE")], [(4, 8, "DEVICE"), (17, 18, "FLAT")], [], [(0, 1, "DEVICE")], [(90, 99, "FLAT")]]
    rows: list[dict[str, Any]] = []
    for number, entries in enumerate(spans):
        value: Any = [list(entry) for entry in entries]
        if kind == "entities":
            value = [{"id": 1, "start_offset": s, "end_offset": e, "label": name} for s, e, name in entries]
        text = words(number) if number != 3 else "t or t"
        rows.append({"id": number, "text": text, kind: value, **({"relations": [{}]} if kind == "entities" else {})})
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert [target for _, target in pairs(reading)] == ['{"DEVICE":"pump"}', '{"DEVICE":"pump","FLAT":"1"}']
    assert reasons(reading) == {"not_labelled": 1, "span_text_not_unique": 1, "span_outside_text": 1}
    assert any("relations, which are not used" in text for text in reading.warnings) == (kind == "entities")


# Prodigy


def prodigy(number: int, answer: str, **more: Any) -> dict[str, Any]:
    return {"text": words(number), "_input_hash": number, "_task_hash": -number, "answer": answer, **more}


def test_prodigy_takes_what_was_accepted(tmp_path: Path) -> None:
    rows = [
        prodigy(n, ("accept", "reject", "ignore")[n % 3], label=KINDS[n % 2], _view_id="classification")
        for n in range(9)
    ]
    path = write_lines(tmp_path, rows)
    reading = read(path, ReadSpec())
    assert pairs(reading) == [(words(n), KINDS[n % 2]) for n in (0, 3, 6)]
    assert reasons(reading) == {"answer_reject": 3, "answer_ignore": 3}
    assert len(read(path, ReadSpec(labelled=False)).examples) == 9
    assert pairs(read(path, ReadSpec(inputs=("text",), target="label"))) == pairs(reading)


def test_prodigy_one_label_is_a_question_of_yes_or_no(tmp_path: Path) -> None:
    rows = [prodigy(n, ("accept", "reject", "ignore")[n % 3], label="leak") for n in range(6)]
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert [target for _, target in pairs(reading)] == ["leak", "not leak", "leak", "not leak"]
    assert reasons(reading) == {"answer_ignore": 2}


def test_prodigy_choices_cats_and_spans(tmp_path: Path) -> None:
    options = [{"id": label, "text": label.title()} for label in KINDS]
    rows = [prodigy(n, "accept", options=options, accept=[KINDS[n % 3]]) for n in range(6)]
    assert [target for _, target in pairs(read(write_lines(tmp_path, rows), ReadSpec()))] == [*KINDS, *KINDS]
    rows = [prodigy(n, "accept", options=[{"id": 7, "text": "leak"}], accept=[7]) for n in range(2)]
    assert {target for _, target in pairs(read(write_lines(tmp_path, rows), ReadSpec()))} == {"leak"}
    rows = [prodigy(n, "accept", cats={"leak": n % 2, "noise": 1 - n % 2}) for n in range(4)]
    assert [t for _, t in pairs(read(write_lines(tmp_path, rows), ReadSpec()))] == ["noise", "leak", "noise", "leak"]
    spans = [{"start": 4, "end": 8, "label": "DEVICE", "token_start": 1, "token_end": 1}]
    rows = [
        prodigy(1, "accept", spans=spans, tokens=[]),
        prodigy(2, "accept", spans=[]),
        prodigy(3, "ignore", spans=[]),
    ]
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert [target for _, target in pairs(reading)] == ['{"DEVICE":"pump"}', "{}"]


# OpenAI


def chat(number: int, **answer: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words(number)}, {"role": "assistant", **answer}]}


def test_openai_a_last_turn_of_weight_0_is_left_out(tmp_path: Path) -> None:
    rows = [chat(n, content=KINDS[n % 3], **({} if n == 0 else {"weight": n % 2})) for n in range(6)]
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert pairs(reading) == [(words(n), KINDS[n % 3]) for n in (0, 1, 3, 5)]
    assert reasons(reading) == {"weight_0": 2}


def test_openai_tool_calls_are_objects_without_their_ids(tmp_path: Path) -> None:
    def call(number: int, name: str = "send") -> dict[str, Any]:
        function = {"name": name, "arguments": json.dumps({"crew": KINDS[number % 3], "floor": 2})}
        return {"id": f"call_{number}", "type": "function", "function": function}

    rows = [chat(n, tool_calls=[call(n)]) for n in range(6)]
    targets = [target for _, target in pairs(read(write_lines(tmp_path, rows), ReadSpec()))]
    assert targets == [f'{{"crew":"{KINDS[n % 3]}","floor":2}}' for n in range(6)]
    rows = [
        chat(1, tool_calls=[call(1)]),
        chat(2, tool_calls=[call(2, "wait")]),
        chat(3, tool_calls=[call(1), call(2)]),
    ]
    targets = [target for _, target in pairs(read(write_lines(tmp_path, rows), ReadSpec()))]
    assert [json.loads(target).get("name") for target in targets] == ["send", "wait", None]
    assert not any("call_" in target for target in targets)
    rows = [chat(1, content=None, function_call={"name": "send", "arguments": '{"crew": "leak"}'})]
    assert pairs(read(write_lines(tmp_path, rows), ReadSpec())) == [(words(1), '{"crew":"leak"}')]


def test_openai_several_assistant_turns_are_said(tmp_path: Path) -> None:
    row = chat(1, content="which flat?")
    row["messages"] += [{"role": "user", "content": "seven"}, {"role": "assistant", "content": "leak"}]
    reading = read(write_lines(tmp_path, [row, chat(2, content="noise")]), ReadSpec())
    assert [target for _, target in pairs(reading)] == ["leak", "noise"]
    assert "conversations with several assistant turns, of which the last is the answer: 1" in reading.warnings[0]


def test_openai_evals_are_the_user_s_turn_and_the_ideal_answer(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Name the fault."}
    rows = [{"input": [system, {"role": "user", "content": words(n)}], "ideal": KINDS[n % 3]} for n in range(6)]
    rows.append(
        {"input": [{"role": "system", "content": "Else"}, {"role": "user", "content": "x"}], "ideal": ["a", "b"]}
    )
    with_other = read(write_lines(tmp_path, rows), ReadSpec())
    assert pairs(with_other)[0] == (f"system: Name the fault.\nuser: {words(0)}", "leak")
    assert pairs(with_other)[-1] == ("system: Else\nuser: x", "a")
    reading = read(write_lines(tmp_path, rows[:-1]), ReadSpec())
    assert pairs(reading) == [(words(n), KINDS[n % 3]) for n in range(6)]
    assert "system turn" in reading.warnings[0]
    assert pairs(read(write_lines(tmp_path, [{"input": "a b", "ideal": ["c"]}]), ReadSpec())) == [("a b", "c")]


# Rows that say whether they are to be used


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("was_cancelled", [False, True], "was_cancelled_true"),
        ("is_valid", ["yes", "no"], "is_valid_no"),
        ("status", ["approved", "rejected"], "status_rejected"),
        ("annotation_status", ["submitted", "draft"], "annotation_status_draft"),
        ("answer", ["accept", "reject"], "answer_reject"),
        ("discarded", [0, 1], "discarded_1"),
    ],
)
def test_rows_that_say_so_are_left_out(tmp_path: Path, column: str, values: list[Any], reason: str) -> None:
    rows = [{"text": words(n), "label": KINDS[n % 3], column: values[n % 2]} for n in range(6)]
    path = write_lines(tmp_path, rows)
    reading = read(path, ReadSpec())
    assert pairs(reading) == [(words(n), KINDS[n % 3]) for n in (0, 2, 4)]
    assert reasons(reading) == {reason: 3}
    assert len(read(path, ReadSpec(labelled=False)).examples) == 6
    named = read(path, ReadSpec(inputs=("text",), target=column))
    assert len(named.examples) == 6


def test_such_a_column_is_never_the_target_unless_it_is_named(tmp_path: Path) -> None:
    rows = [{"text": words(n), "status": "approved" if n % 2 else "rejected"} for n in range(6)]
    error = refuse(write_lines(tmp_path, rows))
    assert error.code == "E_LABEL_MISSING"
    assert "'status' seems to say which rows to use" in error.message
    order = [{"text": words(n), "status": ("lost", "on its way")[n % 2]} for n in range(6)]
    assert {t for _, t in pairs(read(write_lines(tmp_path, order), ReadSpec()))} == {"lost", "on its way"}


# What costs no rows


def test_a_number_that_json_does_not_know_costs_no_row_where_nobody_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        f'{{"text": "{words(n)}", "label": "leak", "score": NaN, "meta": {{"p": [-Infinity]}}}}\n' for n in range(3)
    ]
    path.write_text("".join(lines) + '{"text": "b", "label": "noise", "score": 1, "meta": 2}\n')
    assert len(read(path, ReadSpec()).examples) == 4
    reading = read(path, ReadSpec(target="score"))
    assert [row.reason for row in reading.quarantined] == ["a number is not finite (NaN or Infinity)"] * 3
    assert len(read(path, ReadSpec(target="meta")).quarantined) == 3


# Sides of the user's own split, class numbers, and spellings


def prepared(source: object, **more: Any) -> Prepared:
    spec = ReadSpec(**{key: more.pop(key) for key in ("merge_labels",) if key in more})
    return prepare(source, spec, SplitSpec(), test=None, task_name=more.pop("task", None), on_progress=lambda _: None)


def side_inputs(result: Prepared) -> list[set[str]]:
    examples = result.dataset.examples
    sides = (result.split.train, result.split.valid, result.split.test)
    return [{examples[index].input for index in side} for side in sides]


SUBJECTS = [
    "pump",
    "lamp",
    "door",
    "tank",
    "fan",
    "bolt",
    "hose",
    "roof",
    "lift",
    "gate",
    "oven",
    "sink",
    "tile",
    "rope",
    "bell",
    "vent",
    "pipe",
    "cord",
    "fuse",
    "lock",
]
EVENTS = ["hums", "drips", "rattles", "burns", "jams", "leaks", "smokes", "whines", "sticks", "cracks"]


def different(number: int) -> str:
    return (
        f"{SUBJECTS[number % 20]} {number * 7919 % 9973} {EVENTS[number // 20 % 10]} {SUBJECTS[(number * 3 + 1) % 20]}"
    )


def rows_for(numbers: range) -> list[dict[str, str]]:
    return [{"text": different(n), "label": KINDS[n % 3]} for n in numbers]


@pytest.mark.parametrize("layout", ["files", "shards", "folders", "column"])
def test_the_user_s_own_split_is_taken_as_it_is(tmp_path: Path, layout: str) -> None:
    sides = {"train": rows_for(range(60)), "validation": rows_for(range(60, 75)), "test": rows_for(range(75, 95))}
    sides["train"].append(sides["test"][0])
    source: object = tmp_path
    if layout == "files":
        for name, rows in sides.items():
            write_lines(tmp_path, rows, f"{name}.jsonl")
    elif layout == "shards":
        (tmp_path / "data").mkdir()
        (tmp_path / "README.md").write_text("about")
        for name, rows in sides.items():
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / f"{name}-00000-of-00001.parquet")
    elif layout == "folders":
        for name, rows in sides.items():
            (tmp_path / name).mkdir()
            write_lines(tmp_path / name, rows, "part.jsonl")
    else:
        rows = [{**row, "split": name.upper()} for name, rows in sides.items() for row in rows]
        source = write_lines(tmp_path, rows)
    result = prepared(source)
    train, valid, test = side_inputs(result)
    assert test == {row["text"] for row in sides["test"]}
    assert valid == {row["text"] for row in sides["validation"]}
    assert train == {row["text"] for row in sides["train"]} - test
    assert result.intake.dropped_counts() == {"in_test_set": 1}
    assert result.intake.rows == 96 == result.intake.kept_rows + 1


def test_a_side_without_labels_is_no_test_side(tmp_path: Path) -> None:
    write_lines(tmp_path, rows_for(range(60)), "train.jsonl")
    write_lines(tmp_path, [{"text": different(n), "label": ""} for n in range(60, 80)], "test.jsonl")
    result = prepared(tmp_path)
    assert 4 <= len(result.split.test) < 60
    assert result.intake.dropped_counts() == {"missing_target": 20}
    assert any("the test set is drawn" in text for text in result.intake.warnings)


def features(names: Sequence[str]) -> dict[bytes, bytes]:
    label = {"names": list(names), "_type": "ClassLabel"}
    return {b"huggingface": json.dumps({"info": {"features": {"label": label}}}).encode()}


def test_class_numbers_give_names(tmp_path: Path) -> None:
    table = pa.table({"text": [words(n) for n in range(6)], "label": [0, 1, 2, 0, -1, 2]})
    table = table.replace_schema_metadata(features(KINDS))
    pq.write_table(table, tmp_path / "a.parquet")
    expected = ["leak", "noise", "smell", "leak", "", "smell"]
    assert [target for _, target in pairs(read(tmp_path / "a.parquet", ReadSpec()))] == expected
    assert [target for _, target in pairs(read(table, ReadSpec()))] == expected


def test_class_numbers_in_a_table_of_text_give_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nthe pump,0\nthe lift,2\nthe door,-1\n")
    (tmp_path / "dataset_info.json").write_text(json.dumps({
        "features": {"label": {"names": list(KINDS), "_type": "ClassLabel"}}
    }))  # fmt: skip
    reading = read(tmp_path / "a.csv", ReadSpec())
    assert [target for _, target in pairs(reading)] == ["leak", "smell", ""]


@pytest.mark.parametrize("several", [True, False])
def test_what_save_to_disk_wrote(tmp_path: Path, several: bool) -> None:
    folders = [tmp_path / "train", tmp_path / "test"] if several else [tmp_path]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        table = pa.table({"text": [words(n) for n in range(4)], "label": [0, 1, 2, 0]})
        table = table.replace_schema_metadata(features(KINDS))
        with pa.ipc.new_stream(folder / "data-00000-of-00001.arrow", table.schema) as writer:
            writer.write_table(table)
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
        (folder / "dataset_info.json").write_text("{}")
    if several:
        (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    reading = read(tmp_path, ReadSpec())
    assert [target for _, target in pairs(reading)] == ["leak", "noise", "smell", "leak"] * len(folders)
    assert set(reading.sides.values()) == ({"train", "test"} if several else set())
    (folders[0] / "data-00000-of-00001.arrow").write_bytes(b"\xff\xff\xff\xff" + b"\x07" * 40)
    assert refuse(tmp_path).code == "E_FORMAT"


def test_l01_labels_that_differ_in_outer_blanks_are_one_and_others_are_proposed() -> None:
    spellings = ["leak", " leak", "leak ", "Leak", "noise", "noise\t", "NOISE", "noise"]
    rows = [{"text": different(n), "label": spellings[n % 8]} for n in range(80)]
    result = prepared(rows)
    assert result.dataset.labels == ("Leak", "NOISE", "leak", "noise")
    assert any("spaces around them" in text for text in result.intake.warnings)
    notes = merge_notes(result.intake.merges)
    assert "'leak' (30 rows), 'Leak' (10 rows)" in notes[0]
    assert "--merge-labels" in notes[-1]
    assert prepared(rows, merge_labels=True).dataset.labels == ("leak", "noise")


def test_spans_are_not_classified(tmp_path: Path) -> None:
    rows = [{"text": different(n), "label": [[0, len(different(n).split()[0]), "PART"]]} for n in range(40)]
    path = write_lines(tmp_path, rows)
    assert prepared(path).dataset.task == "extract"
    with pytest.raises(DataError) as caught:
        prepared(path, task="classify")
    assert caught.value.code == "E_LABEL_MISSING"


# Other forms


def test_sharegpt(tmp_path: Path) -> None:
    def talk(*turns: str, **more: str) -> dict[str, Any]:
        names = {"h": "human", "g": "gpt"}
        return {"conversations": [{"from": names[turn[0]], "value": turn[2:]} for turn in turns], **more}

    rows = [
        talk("h a", "g leak"),
        talk("h b", "g which?", "h c", "g noise"),
        talk("h d", "g smell", system="s"),
        talk(),
    ]
    rows.append({"conversations": [{"from": "stranger", "value": "x"}]})
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert pairs(reading) == [
        ("a", "leak"), ("user: b\nassistant: which?\nuser: c", "noise"), ("system: s\nuser: d", "smell"),
    ]  # fmt: skip
    assert [row.record for row in reading.quarantined] == [4, 5]


def test_alpaca_and_pairs(tmp_path: Path) -> None:
    rows = [{"instruction": "name it", "input": words(n), "output": KINDS[n % 3]} for n in range(6)]
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert pairs(reading) == [(words(n), KINDS[n % 3]) for n in range(6)]
    assert "the same in every record" in reading.warnings[0]
    rows = [{"instruction": f"do {n}", "input": "", "output": "x"} for n in range(3)]
    assert pairs(read(write_lines(tmp_path, rows), ReadSpec()))[0] == ("do 0", "x")
    rows = [{"prompt": f"{words(n)}\n\n###\n\n", "completion": f" {KINDS[n % 3]} END"} for n in range(6)]
    assert pairs(read(write_lines(tmp_path, rows), ReadSpec())) == [(words(n), KINDS[n % 3]) for n in range(6)]


def test_promptfoo(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"vars": {"mail": words(1)}, "assert": [{"type": "latency", "value": 9}, {"type": "equals", "value": "leak"}]},
        {"vars": {"mail": words(2), "want": "noise"}, "assert": [{"type": "equals", "value": "{{ want }}"}]},
        {"vars": {"mail": words(3)}, "assert": [{"type": "llm-rubric", "value": "kind"}]},
    ]
    expected = [(words(1), "leak"), (words(2), "noise")]
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert pairs(reading) == expected
    assert reasons(reading) == {"no_exact_assertion": 1}
    (tmp_path / "a.json").write_text(json.dumps({"prompts": ["x"], "tests": rows}))
    assert pairs(read(tmp_path / "a.json", ReadSpec())) == expected
    text = f"mail,__expected,__description\n{words(1)},leak,d\n{words(2)},equals: noise,d\n{words(3)},contains:x,d\n"
    (tmp_path / "a.csv").write_text(text)
    assert pairs(read(tmp_path / "a.csv", ReadSpec())) == expected


def test_cats_and_columns_of_labels(tmp_path: Path) -> None:
    rows = [{"text": words(n), "cats": {kind: float(KINDS[n % 3] == kind) for kind in KINDS}} for n in range(6)]
    assert [target for _, target in pairs(read(write_lines(tmp_path, rows), ReadSpec()))] == [*KINDS, *KINDS]
    hot = [{"id": n, "text": words(n), **{kind: int(KINDS[n % 3] == kind) for kind in KINDS}} for n in range(6)]
    path = write_lines(tmp_path, hot)
    assert [target for _, target in pairs(read(path, ReadSpec()))] == [*KINDS, *KINDS]
    assert {target for _, target in pairs(read(path, ReadSpec(inputs=("text",), target="leak")))} == {"0", "1"}
    hot[0]["smell"] = hot[1]["smell"] = 1
    assert refuse(write_lines(tmp_path, hot)).code == "E_LABEL_SEVERAL"


def test_rows_without_a_1_in_a_column_for_each_label_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "hot.csv"
    lines = [f"{words(n)},{' 1' if n % 3 == 0 else 0},{int(n % 3 == 1)},0" for n in range(6)]
    path.write_text("\n".join(["text,smell,taste,look", *lines]))
    reading = read(path, ReadSpec())
    assert [example.target for example in reading.examples] == ["smell", "taste", "", "smell", "taste", ""]
    (remark,) = [text for text in reading.warnings if "label column" in text]
    assert "2 rows have no 1 in a label column; they count as unlabelled" in remark
    assert not any("label column" in text for text in read(path, ReadSpec(labelled=False)).warnings)


RASA = """version: "3.1"
nlu:
- intent: report/leak
  examples: |
    - the [pump](device) drips
    - my [second pump]{"entity": "device", "value": "pump"} drips
- intent: no
  examples: |
    - not at all
- synonym: pump
  examples: |
    - the pumpe
"""


def test_rasa(tmp_path: Path) -> None:
    (tmp_path / "nlu.yml").write_text(RASA)
    expected = [("the pump drips", "report/leak"), ("my second pump drips", "report/leak"), ("not at all", "no")]
    assert pairs(read(tmp_path / "nlu.yml", ReadSpec())) == expected
    examples = [{"text": text, "intent": intent, "entities": []} for text, intent in expected]
    (tmp_path / "a.json").write_text(json.dumps({"rasa_nlu_data": {"common_examples": examples}}, indent=1))
    assert pairs(read(tmp_path / "a.json", ReadSpec())) == expected


def test_rasa_s_markdown_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "nlu.md").write_text("## intent:leak\n- the pump drips\n")
    assert "rasa data convert" in refuse(tmp_path / "nlu.md").fix


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &a [1]\nb: *a\n", "alias"),
        ("a: [\n", "line 2"),
        ("[" * 70 + "]" * 70, "deep"),
        ("greeting: hello\n", "none of the forms"),
        ("!!python/object/apply:os.getcwd []\n", "none of the forms"),
    ],
)
def test_c02_yaml_that_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "a.yml").write_text(text)
    error = refuse(tmp_path / "a.yml")
    assert error.code == "E_FORMAT"
    assert why in error.message


def test_yaml_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nlu.yml").write_text(RASA)
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert "ockham-slm[yaml]" in refuse(tmp_path / "nlu.yml").fix


def test_snips(tmp_path: Path) -> None:
    data = [{"text": "the "}, {"text": "pump", "entity": "device", "slot_name": "part"}, {"text": " drips"}]
    document = {"language": "en", "entities": {}, "intents": {"leak": {"utterances": [{"data": data}]}}}
    for value in (document, {"leak": [{"data": data}]}):
        (tmp_path / "a.json").write_text(json.dumps(value, indent=1))
        assert pairs(read(tmp_path / "a.json", ReadSpec())) == [("the pump drips", "leak")]
    assert pairs(read(tmp_path / "a.json", ReadSpec(target="slots"))) == [("the pump drips", '{"part":"pump"}')]
    (tmp_path / "a.yaml").write_text("type: intent\nname: leak\nutterances:\n  - the [part:device](pump) drips\n")
    assert pairs(read(tmp_path / "a.yaml", ReadSpec())) == [("the pump drips", "leak")]


def test_wrapped_rows(tmp_path: Path) -> None:
    rows = [{"text": words(n), "label": KINDS[n % 3]} for n in range(4)]
    for value in ({"data": rows}, {"features": [], "rows": [{"row_idx": n, "row": row} for n, row in enumerate(rows)]}):
        (tmp_path / "a.json").write_text(json.dumps(value))
        assert pairs(read(tmp_path / "a.json", ReadSpec())) == [(row["text"], row["label"]) for row in rows]


def test_fasttext_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"__label__{KINDS[n % 3]} {words(n)}\n" for n in range(6)))
    reading = read(path, ReadSpec())
    assert pairs(reading) == [(words(n), KINDS[n % 3]) for n in range(6)]
    assert reading.sources[0].format == "text, fastText lines"
    path.write_text(path.read_text() + "__label__leak __label__noise both\n")
    assert refuse(path).code == "E_LABEL_SEVERAL"


def test_conll(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text(
        "-DOCSTART- O\n\nthe DT O\npump NN B-DEVICE\nin IN O\nNew NN B-PLACE\nTown NN I-PLACE\n\n"
        "all O\nwell O\nso O\nfar O\nthank O\nyou O\n\nodd\nx B-A\n"
    )
    reading = read(path, ReadSpec())
    assert pairs(reading) == [
        ("the pump in New Town", '{"DEVICE":"pump","PLACE":"New Town"}'),
        ("all well so far thank you", "{}"),
    ]
    assert [row.reason for row in reading.quarantined] == ["a token of the sentence has no tag"]


# What is said


def test_a_dry_run_says_what_would_be_read_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {**prodigy(n, "accept" if n % 4 else "reject", label=KINDS[n % 3], _view_id="classification"), "text": text}
        for n, text in enumerate(map(different, range(60)))
    ]
    path = write_lines(tmp_path, rows)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert cli.run(["fit", "--dry-run", str(path)]) == 0
    text = capsys.readouterr().out
    assert "a.jsonl: jsonl, Prodigy, utf-8; text -> label" in text
    assert "Task: classify" in text
    assert "60 rows: 45 kept; dropped: answer reject 15." in text
    assert [line.split() for line in text.splitlines() if line.startswith(KINDS)] == [[kind, "15"] for kind in KINDS]
    assert not any(row["text"] in text for row in rows)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert cli.run(["fit", "--dry-run", "--json", str(path)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["left_out"] == {"answer_reject": 15}
    assert not any(row["text"] in json.dumps(record) for row in rows)
    assert list((tmp_path / "empty").iterdir()) == []


def test_the_first_rows_are_shown_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_for(range(30))
    preview, first = dry_run(rows, ReadSpec(), test=None, task_name=None)
    output.preview(preview, first)
    text = " ".join(capsys.readouterr().out.split())
    assert f"1: {different(0)} -> leak 2: {different(1)} -> noise 3: {different(2)} -> smell" in text
    assert different(3) not in text


def test_the_first_rows_are_shown_without_what_all_share(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**row, "text": f"{prompt(60)}\n{row['text']}"} for row in rows_for(range(30))]
    preview, first = dry_run(rows, ReadSpec(), test=None, task_name=None)
    output.preview(preview, first)
    text = " ".join(capsys.readouterr().out.split())
    assert "60 words occur in every input; rows are compared without them" in text
    assert f"1: {different(0)} -> leak" in text


def test_an_id_is_not_a_text(tmp_path: Path) -> None:
    rows = [{"message": f"m-{n}", "text": words(n), "label": KINDS[n % 3]} for n in range(6)]
    assert "--input text" in refuse(write_lines(tmp_path, rows)).fix
    rows = [{"key": f"m-{n}", "remark": words(n), "label": KINDS[n % 3]} for n in range(6)]
    assert "--input remark" in refuse(write_lines(tmp_path, rows)).fix


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("first", ["Where is my pump?", "the pump in flat nine makes trouble", "I have a question"])
def test_a_first_row_of_data_is_never_printed(tmp_path: Path, delimiter: str, first: str) -> None:
    path = tmp_path / "a.csv"
    lines = [f"{first}{delimiter}question", *(f"{words(n)}{delimiter}{('question', 'order')[n % 2]}" for n in range(6))]
    path.write_text("\n".join(lines) + "\n")
    for spec in ({}, {"target": "label"}, {"inputs": ("text",)}):
        error = refuse(path, **spec)
        assert first not in f"{error.message} {error.fix}"


def test_every_form_has_a_line_of_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    every = [(form.name, form.recognised, form.taken) for form in FORMS]
    every += [(form.name, form.recognised, form.taken) for form in DOCUMENTS]
    every += [(form.name, form.recognised, form.taken) for form in LINE_FORMS]
    for name, recognised, taken in every:
        assert f"| {name} | {recognised} | {taken} |" in page


# Spreadsheets


def sheet_xml(rows: Sequence[Sequence[object]]) -> str:
    def cell(value: object) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    return f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def write_xlsx(path: Path, *sheets: Sequence[Sequence[object]]) -> None:
    numbers = range(1, len(sheets) + 1)
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kinds}.worksheet+xml"/>' for n in numbers
    )
    names = "".join(f'<sheet name="s{n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType="application/'
            'vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
            f'ContentType="{kinds}.sheet.main+xml"/>{types}</Types>',
        )
        parts.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="w" Type="{OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        parts.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>'
        )
        parts.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>'
        )
        for number, rows in zip(numbers, sheets, strict=True):
            parts.writestr(f"xl/worksheets/sheet{number}.xml", sheet_xml(rows))


def test_a_spreadsheet(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine", reason="needs the extra excel")
    write_xlsx(tmp_path / "a.xlsx", [["note"]], [["text", "label"], ["a b", 1], [], ["c d", 2.5], ["=1+1", "x"]])
    reading = read(tmp_path / "a.xlsx", ReadSpec())
    assert pairs(reading) == [("a b", "1"), ("c d", "2.5"), ("=1+1", "x")]
    assert reading.sources[0].format == "spreadsheet, sheet 2 of 2"
    write_xlsx(tmp_path / "b.xlsx", [["text", "label"]])
    assert refuse(tmp_path / "b.xlsx").code == "E_EMPTY"
    (tmp_path / "c.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes()[:-300])
    assert refuse(tmp_path / "c.xlsx").code == "E_FORMAT"
    with zipfile.ZipFile(tmp_path / "d.xlsx", "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet1.xml", "0" * 70_000_000)
    assert "times its size" in refuse(tmp_path / "d.xlsx").message


def test_columns_of_a_spreadsheet_that_have_one_name(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine", reason="needs the extra excel")
    write_xlsx(tmp_path / "a.xlsx", [["text", "Comment", "Comment", "label"], ["a b", "first", "second", "x"]])
    assert pairs(read(tmp_path / "a.xlsx", ReadSpec())) == [("a b", "x")]
    assert pairs(read(tmp_path / "a.xlsx", ReadSpec(inputs=("Comment (2)",)))) == [("second", "x")]
    write_xlsx(tmp_path / "a.xlsx", [["text", "label", "label"], ["a b", "x", "y"]])
    assert "columns 2 and 3 have the same name" in refuse(tmp_path / "a.xlsx").message


def test_a_spreadsheet_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_xlsx(tmp_path / "a.xlsx", [["text", "label"], ["a", "b"]])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    assert "ockham-slm[excel]" in refuse(tmp_path / "a.xlsx").fix
