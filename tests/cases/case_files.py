"""The same 210 letters in the forms that tools write, each with what is to be read of it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.sample_letters import PROMPT, letters, prompt
from tests.sheet_bytes import write_ods, write_xls

LETTERS = letters()
LABELS = ("loan", "rooms", "membership")
COUNTS = dict(Counter(label for _, label in LETTERS))
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A form: how the letters are written into it, and what is read of them.

    ``rows`` are the letters that are kept, with the labels that they are read with; ``left_out`` counts the others by
    reason. ``form`` is a part of the format as it is said.
    """

    name: str
    write: Callable[[Path], Path]
    rows: Sequence[tuple[str, str]] = field(default_factory=lambda: LETTERS)
    left_out: Mapping[str, int] = field(default_factory=dict)
    form: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A form that is refused: by which code, what the message says, and which command helps."""

    name: str
    write: Callable[[Path], Path]
    code: str
    says: str
    helps: str


def jsonl(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def array(path: Path, rows: Iterable[object]) -> Path:
    path.write_text(json.dumps(list(rows), ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def table(path: Path, rows: Iterable[Sequence[object]], delimiter: str = ",") -> Path:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    path.write_text(stream.getvalue(), encoding="utf-8")
    return path


def in_lines(row: Callable[[int, str, str], object]) -> Callable[[Path], Path]:
    return lambda folder: jsonl(folder / "a.jsonl", each(row))


def in_array(row: Callable[[int, str, str], object]) -> Callable[[Path], Path]:
    return lambda folder: array(folder / "a.json", each(row))


def in_table(head: Sequence[str], row: Callable[[int, str, str], Sequence[object]]) -> Callable[[Path], Path]:
    return lambda folder: table(folder / "a.csv", [head, *each(row)])


def each(row: Callable[[int, str, str], Any]) -> list[Any]:
    return [row(number, text, label) for number, (text, label) in enumerate(LETTERS)]


def other(label: str) -> str:
    return LABELS[(LABELS.index(label) + 1) % 3]


# Annotation tools


def label_studio(number: int, text: str, label: str) -> Row:
    def annotation(choice: str, *, cancelled: bool) -> Row:
        result = {"from_name": "pile", "to_name": "text", "type": "choices", "value": {"choices": [choice]}}
        return {"id": number, "result": [result], "was_cancelled": cancelled, "ground_truth": False, "lead_time": 2.5}

    entries = [annotation(other(label), cancelled=True)] * (number % 5 == 0) + [annotation(label, cancelled=False)]
    return {"id": number, "annotations": entries, "drafts": [], "predictions": [], "data": {"text": text}, "meta": {}}


def label_studio_min(number: int, text: str, label: str) -> Row:
    made = {"created_at": "2024-05-02T08:00:00Z", "updated_at": "2024-05-02T08:00:00Z", "lead_time": 3.25}
    return {"id": number, "text": text, "pile": label, "annotator": 1, "annotation_id": number, **made}


def label_studio_several(folder: Path) -> Path:
    head = ["annotation_id", "annotator", "created_at", "id", "lead_time", "text", "pile", "updated_at"]

    def row(number: int, text: str, label: str) -> list[object]:
        cell = json.dumps({"choices": [label, "urgent"]}) if number % 4 == 0 else label
        return [number, 1, "2024-05-02T08:00:00Z", number, 2.5, text, cell, "2024-05-02T08:00:00Z"]

    return table(folder / "a.csv", [head, *each(row)])


def doccano_several(folder: Path) -> Path:
    def row(number: int, text: str, label: str) -> Row:
        sets: tuple[list[str], ...] = ([label], [], [label, "urgent"], [label], ["urgent", label])
        return {"id": number, "text": text, "label": sets[number % 5], "Comments": []}

    return jsonl(folder / "a.jsonl", each(row))


def prodigy(number: int, text: str, label: str) -> Row:
    hashes = {"_input_hash": 3 * number, "_task_hash": 5 * number, "_view_id": "classification"}
    wrong = number % 3 == 0
    return {
        "text": text,
        "label": other(label) if wrong else label,
        **hashes,
        "answer": "reject" if wrong else "accept",
    }


def prodigy_choice(number: int, text: str, label: str) -> Row:
    options = [{"id": name, "text": name.upper()} for name in LABELS]
    return {"text": text, "options": options, "accept": [label], "answer": "accept", "_view_id": "choice"}


ACCEPTED = [pair for number, pair in enumerate(LETTERS) if number % 3]


def cats(label: str) -> dict[str, float]:
    return {name: float(name == label) for name in LABELS}


# Trainers and evaluators


def chat(text: str, *answers: str, system: str = "", **more: Any) -> Row:
    turns = [{"role": "system", "content": system}] if system else []
    for answer in answers:
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": answer, **more}]
    return {"messages": turns}


def turn(speaker: str, text: str) -> Row:
    return {"from": speaker, "value": text}


def tool_call(number: int, text: str, label: str) -> Row:
    function = {"name": "sort_letter", "arguments": json.dumps({"pile": label})}
    calls = [{"id": f"call_{number}", "type": "function", "function": function}]
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": None, "tool_calls": calls}]
    return {"messages": turns, "tools": [{"type": "function", "function": {"name": "sort_letter"}}]}


def logged_call(number: int, text: str, label: str) -> Row:
    answer = {"index": 0, "message": {"role": "assistant", "content": label}, "finish_reason": "stop"}
    return {
        "request": {"model": "large", "messages": [{"role": "user", "content": text}]},
        "response": {"id": f"chat-{number}", "choices": [answer]},
    }


def evals(number: int, text: str, label: str) -> Row:
    turns = [{"role": "system", "content": "Name the pile."}, {"role": "user", "content": text}]
    return {"input": turns, "ideal": label}


def rasa(folder: Path) -> Path:
    lines = ['version: "3.1"', "nlu:"]
    for label in LABELS:
        lines += [f"- intent: {label}", "  examples: |"]
        lines += [f"    - {text}" for text, own in LETTERS if own == label]
    path = folder / "nlu.yml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def snips(folder: Path) -> Path:
    intents = {
        label: {"utterances": [{"data": [{"text": text}]} for text, own in LETTERS if own == label]} for label in LABELS
    }
    path = folder / "a.json"
    path.write_text(json.dumps({"intents": intents, "entities": {}, "language": "en"}))
    return path


SORTED = sorted(LETTERS, key=lambda pair: LABELS.index(pair[1]))


def fasttext(folder: Path) -> Path:
    path = folder / "train.txt"
    path.write_text("".join(f"__label__{label} {text}\n" for text, label in LETTERS), encoding="utf-8")
    return path


# Files


def features(names: Sequence[str]) -> dict[str, Any]:
    label = {"names": list(names), "_type": "ClassLabel"}
    return {"features": {"text": {"dtype": "string", "_type": "Value"}, "label": label}}


def numbered() -> dict[str, list[Any]]:
    return {"text": [text for text, _ in LETTERS], "label": [LABELS.index(label) for _, label in LETTERS]}


def class_labels(folder: Path) -> Path:
    note = json.dumps({"info": features(LABELS)}).encode()
    pq.write_table(pa.table(numbered()).replace_schema_metadata({b"huggingface": note}), folder / "a.parquet")
    return folder / "a.parquet"


def saved_to_disk(folder: Path) -> Path:
    data = pa.table(numbered())
    with pa.ipc.new_stream(folder / "data-00000-of-00001.arrow", data.schema) as writer:
        writer.write_table(data)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (folder / "dataset_info.json").write_text(json.dumps(features(LABELS)))
    return folder


def names_beside(kind: str) -> Callable[[Path], Path]:
    """Return what writes class numbers into a file, and the names of the classes into the note beside it."""

    def write(folder: Path) -> Path:
        rows = [{"text": text, "label": LABELS.index(label)} for text, label in LETTERS]
        (folder / "dataset_info.json").write_text(json.dumps(features(LABELS)))
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
        elif kind == "csv":
            table(folder / "train.csv", [["text", "label"], *(list(row.values()) for row in rows)])
        else:
            (jsonl if kind == "jsonl" else array)(folder / f"train.{kind}", rows)
        return folder

    return write


def own_split(folder: Path) -> Path:
    for name, part in (("train", slice(0, 150)), ("validation", slice(150, 180)), ("test", slice(180, 210))):
        table(folder / f"{name}.csv", [["text", "label"], *LETTERS[part]])
    return folder


def stray_quotes(folder: Path) -> Path:
    """Write a table in which some cells begin with a quote that is text, and one line has a single one."""
    path = folder / "a.tsv"
    rows = ["text\tlabel", *(f"{quoted(number, text)}\t{label}" for number, (text, label) in enumerate(LETTERS))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def quoted(number: int, text: str) -> str:
    first, _, behind = text.partition(" ")
    return f'"{first}" {behind}' if number % 9 == 4 else f'"{text}' if number % 50 == 17 else text


def headerless(folder: Path) -> Path:
    return table(folder / "a.csv", [(text.replace(" ", ", ", 1), label) for text, label in LETTERS])


# Several labels a row


def joined(separator: str) -> Callable[[Path], Path]:
    def row(number: int, text: str, label: str) -> list[object]:
        names = (label,) if number % 4 else (label, "urgent") if number % 8 else ("urgent", label)
        return [number, text, separator.join(names)]

    return in_table(["id", "text", "label"], row)


def hot_columns(number: int, text: str, label: str) -> Row:
    return {"id": number, "text": text, **{name: int(name == label) for name in LABELS}}


def preferences(number: int, text: str, label: str) -> Row:
    return {"prompt": text, "chosen": label, "rejected": other(label)}


def kahneman(number: int, text: str, label: str) -> Row:
    good = number % 3 > 0
    return {"prompt": text, "completion": label if good else other(label), "label": good}


CASES: tuple[Case, ...] = (
    Case(name="csv", write=in_table(["text", "label"], lambda _, text, label: [text, label])),
    Case(name="json array", write=in_array(lambda _, text, label: {"text": text, "label": label})),
    Case(name="ods", write=lambda folder: write_ods(folder / "a.ods", [("text", "label"), *LETTERS]), form="sheet 1"),
    Case(name="xls", write=lambda folder: write_xls(folder / "a.xls", [("text", "label"), *LETTERS]), form="sheet 1"),
    Case(name="label studio", write=in_array(label_studio), form="Label Studio JSON"),
    Case(name="label studio min", write=in_array(label_studio_min), form="Label Studio JSON-MIN or CSV"),
    Case(
        name="doccano", form="doccano classes",
        write=in_lines(lambda n, text, label: {"id": n, "text": text, "label": [label], "Comments": []}),
    ),
    Case(
        name="prodigy", form="Prodigy", write=in_lines(prodigy), rows=ACCEPTED,
        left_out={"answer_reject": len(LETTERS) - len(ACCEPTED)},
    ),
    Case(name="prodigy choice", form="Prodigy", write=in_lines(prodigy_choice)),
    Case(name="cats", form="spaCy cats", write=in_lines(lambda _, text, label: {"text": text, "cats": cats(label)})),
    Case(name="cats in pairs", form="spaCy", write=in_array(lambda _, text, label: [text, {"cats": cats(label)}])),
    Case(name="cats in lines", form="spaCy", write=in_lines(lambda _, text, label: [text, {"cats": cats(label)}])),
    Case(name="rasa", form="Rasa", write=rasa, rows=SORTED),
    Case(name="snips", form="Snips", write=snips, rows=SORTED),
    Case(name="fasttext", form="fastText", write=fasttext),
    Case(name="chat", form="chat", write=in_lines(lambda _, text, label: chat(text, label))),
    Case(
        name="chat, weight 0", form="chat", rows=ACCEPTED, left_out={"weight_0": len(LETTERS) - len(ACCEPTED)},
        write=in_lines(lambda n, text, label: chat(text, label if n % 3 else other(label), weight=int(n % 3 > 0))),
    ),
    Case(name="logged calls", form="chat", write=in_lines(logged_call)),
    Case(
        name="tool calls", form="chat", write=in_lines(tool_call),
        rows=[(text, json.dumps({"pile": label}, separators=(",", ":"))) for text, label in LETTERS],
    ),
    Case(
        name="long system turn", form="chat",
        write=in_lines(lambda _, text, label: chat(text, label, system=prompt(109))),
        rows=[(f"system: {prompt(109)}\nuser: {text}", label) for text, label in LETTERS],
    ),
    Case(name="evals", form="OpenAI evals", write=in_lines(evals)),
    Case(
        name="pairs", form="prompt and completion",
        write=in_lines(lambda _, text, label: {"prompt": f"{text}\n\n###\n\n", "completion": f" {label} END"}),
    ),
    Case(
        name="judged pairs", form="prompt and completion", write=in_lines(kahneman), rows=ACCEPTED,
        left_out={"label_false": len(LETTERS) - len(ACCEPTED)},
    ),
    Case(
        name="alpaca", form="Alpaca",
        write=in_array(lambda _, text, label: {"instruction": PROMPT, "input": text, "output": label}),
    ),
    Case(
        name="sharegpt", form="ShareGPT",
        write=in_array(lambda _, text, label: {"conversations": [turn("human", text), turn("gpt", label)]}),
    ),
    Case(
        name="promptfoo", form="promptfoo",
        write=in_lines(lambda _, text, label: {"vars": {"a": text}, "assert": [{"type": "equals", "value": label}]}),
    ),
    Case(
        name="promptfoo table", form="promptfoo",
        write=in_table(["a", "__expected"], lambda _, text, label: [text, label]),
    ),
    Case(name="a column a label", form="a column for each label", write=in_lines(hot_columns)),
    Case(name="class labels", write=class_labels),
    Case(name="save_to_disk", form="arrow", write=saved_to_disk),
    *(Case(name=f"names beside {kind}", write=names_beside(kind)) for kind in ("parquet", "jsonl", "json", "csv")),
    Case(name="own split", write=own_split, rows=[*LETTERS[180:], *LETTERS[:180]]),
    Case(
        name="stray quotes", write=stray_quotes,
        rows=[(quoted(number, text), label) for number, (text, label) in enumerate(LETTERS)],
    ),
)  # fmt: skip
REFUSALS: tuple[Refusal, ...] = (
    *(
        Refusal(name=name, write=write, code="E_LABEL_SEVERAL", says="have several labels", helps="--several-labels")
        for name, write in {
            "label studio": label_studio_several, "doccano": doccano_several, "bars": joined("|"),
            "semicolons": joined(";"), "doccano csv": joined("#"), "commas": joined(", "), "blanks": joined(" "),
        }.items()
    ),
    Refusal(
        name="preferences", write=in_lines(preferences), code="E_FORMAT", says="a better and a worse answer",
        helps="--input prompt --target chosen",
    ),
    Refusal(
        name="no header", write=headerless, code="E_COLUMN", says="first row looks like data", helps="text,label",
    ),
)  # fmt: skip
