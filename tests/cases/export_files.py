"""More forms of the same letters: what trackers, tracing tools, spreadsheets and libraries export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.cases.case_files import (
    LABELS,
    LETTERS,
    SORTED,
    Case,
    Refusal,
    Row,
    each,
    in_array,
    in_lines,
    in_table,
    other,
)
from tests.sheet_bytes import write_ods

SYSTEM = "Put each letter on a pile."
ANSWERED = [pair for number, pair in enumerate(LETTERS) if number % 5]
UNANSWERED = {"not_labelled": len(LETTERS) - len(ANSWERED)}
WITH_SYSTEM = [(f"system: {SYSTEM}\nuser: {text}", label) for text, label in LETTERS]


def user(text: str) -> Row:
    return {"role": "user", "content": text}


def document(value: object) -> Any:
    def write(folder: Path) -> Path:
        (folder / "a.json").write_text(json.dumps(value), encoding="utf-8")
        return folder / "a.json"

    return write


def text_file(name: str, text: str, encoding: str = "utf-8") -> Any:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(text.encode(encoding))
        return folder / name

    return write


def sheets(*rows: Sequence[Sequence[str | float]]) -> Any:
    return lambda folder: write_ods(folder / "a.ods", *rows)


# Annotation tools


def argilla_old(number: int, text: str, label: str) -> Row:
    predicted = [{"label": other(label), "score": 0.5}]
    more = {"annotation_agent": "me", "status": "Validated" if number % 5 else "Default", "multi_label": False}
    return {"text": text, "inputs": {"text": text}, "prediction": predicted, "annotation": label, **more} | (
        {} if number % 5 else {"annotation": None}
    )


def argilla(number: int, text: str, label: str) -> Row:
    response = {"value": label, "user_id": "a", "status": "submitted"}
    draft = {"value": other(label), "user_id": "b", "status": "draft"}
    responses = {"pile": [response, draft]} if number % 5 else {}
    return {
        "id": f"r{number}",
        "status": "completed",
        "fields": {"text": text},
        "suggestions": {},
        "responses": responses,
    }


def argilla_hub(number: int, text: str, label: str) -> Row:
    answers = [label, label if number % 5 else other(label)]
    responses = [{"user_id": str(who), "value": value, "status": "submitted"} for who, value in enumerate(answers)]
    return {"text": text, "pile": responses, "pile-suggestion": other(label), "external_id": None, "metadata": "{}"}


def brat(folder: Path) -> Path:
    (folder / "a.txt").write_text("Anna lives here.")
    (folder / "a.ann").write_text("T1\tPER 0 4\tAnna\n")
    return folder


# Calls and traces


def langfuse(number: int, text: str, label: str) -> Row:
    turns = [{"role": "system", "content": SYSTEM}, user(text)]
    answer = {"role": "assistant", "content": label}
    return {"id": str(number), "name": "sort", "input": {"messages": turns}, "output": answer, "latency": 1.5}


def stored_completion(number: int, text: str, label: str) -> Row:
    choice = {"index": 0, "message": {"role": "assistant", "content": label}, "finish_reason": "stop"}
    return {"id": f"c{number}", "object": "chat.completion", "input": [user(text)], "choices": [choice]}


def response(number: int, text: str, label: str) -> Row:
    question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    reasoning = {"type": "reasoning", "summary": []}
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": label}]}
    return {"id": f"r{number}", "object": "response", "input": [question], "output": [reasoning, answer]}


def gemini(_: int, text: str, label: str) -> Row:
    contents = [{"role": "user", "parts": [{"text": text}]}, {"role": "model", "parts": [{"text": label}]}]
    return {"systemInstruction": {"parts": [{"text": SYSTEM}]}, "contents": contents}


def batch_answer(number: int, _: str, label: str) -> Row:
    body = {"choices": [{"message": {"role": "assistant", "content": label}}]}
    return {"id": f"b{number}", "custom_id": str(number), "response": {"status_code": 200, "body": body}, "error": None}


# Libraries


def viewer_rows() -> Mapping[str, Any]:
    kind = {"names": list(LABELS), "_type": "ClassLabel"}
    features = [{"name": "text", "type": {"dtype": "string"}}, {"name": "label", "type": kind}]
    rows = each(lambda n, text, label: {"row_idx": n, "row": {"text": text, "label": LABELS.index(label)}})
    return {"features": features, "rows": rows, "num_rows_total": len(rows)}


def frame(*, by_columns: bool) -> Mapping[str, Any]:
    if by_columns:
        return {
            name: {str(number): pair[place] for number, pair in enumerate(LETTERS)}
            for place, name in enumerate(("text", "label"))
        }
    return {str(number): {"text": text, "label": label} for number, (text, label) in enumerate(LETTERS)}


def data_card(folder: Path) -> Path:
    names = "".join(f"          '{number}': {name}\n" for number, name in enumerate(LABELS))
    features = (
        f"  - name: text\n    dtype: string\n  - name: label\n    dtype:\n      class_label:\n        names:\n{names}"
    )
    (folder / "README.md").write_text(f"---\ndataset_info:\n  features:\n{features}---\n# Letters\n")
    (folder / "data").mkdir()
    rows = [{"text": text, "label": LABELS.index(label)} for text, label in LETTERS]
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "all-00000-of-00001.parquet")
    return folder


def squad() -> Mapping[str, Any]:
    def question(number: int, text: str, label: str) -> Row:
        answers = [{"text": label, "answer_start": 0}] if number % 5 else []
        entry = {"id": str(number), "question": "Which pile?", "answers": answers, "is_impossible": not answers}
        return {"context": text, "qas": [entry]}

    return {"version": "2.0", "data": [{"title": "letters", "paragraphs": each(question)}]}


# Tables

HEAD = ("text", "label")
LINES = "".join(f'"{text}";{label}\r\n' for text, label in LETTERS)
GERMAN = [("Anfrage", "Kategorie", "Datum"), *((text, label, "2.5.2024") for text, label in LETTERS)]

EXPORTS: tuple[Case, ...] = (
    Case(name="argilla, old", form="Argilla", write=in_lines(argilla_old), rows=ANSWERED, left_out=UNANSWERED),
    Case(name="argilla", form="Argilla", write=in_lines(argilla), rows=ANSWERED, left_out=UNANSWERED),
    Case(
        name="argilla on the hub", form="Argilla", write=in_lines(argilla_hub), rows=ANSWERED,
        left_out={"annotators_disagree": len(LETTERS) - len(ANSWERED)},
    ),
    Case(name="langfuse", form="exchanges", write=in_array(langfuse), rows=WITH_SYSTEM),
    Case(
        name="langfuse data set",
        write=in_lines(lambda n, text, label: {"id": str(n), "input": text, "expectedOutput": label, "metadata": None}),
    ),
    Case(
        name="langsmith", form="exchanges",
        write=in_lines(lambda n, text, label: {"id": n, "inputs": {"question": text}, "outputs": {"answer": label}}),
    ),
    Case(name="stored completions", form="exchanges", write=in_lines(stored_completion)),
    Case(name="responses", form="exchanges", write=in_lines(response)),
    Case(name="gemini", form="exchanges", write=in_lines(gemini), rows=WITH_SYSTEM),
    Case(
        name="turns in prompt and completion", form="exchanges",
        write=in_lines(
            lambda _, text, label: {"prompt": [user(text)], "completion": [{"role": "assistant", "content": label}]}
        ),
    ),
    Case(
        name="parts without a kind", form="chat",
        write=in_lines(
            lambda _, text, label: {
                "messages": [
                    {"role": "user", "content": [{"text": text}]}, {"role": "assistant", "content": [{"text": label}]},
                ]
            }
        ),
    ),
    Case(
        name="utterances", form="wrapped rows",
        write=document(
            {
                "luis_schema_version": "7.0.0", "intents": [{"name": name} for name in LABELS],
                "utterances": [{"text": text, "intent": label, "entities": []} for text, label in LETTERS],
            }
        ),
    ),
    Case(name="the hub's viewer", form="wrapped rows", write=document(viewer_rows())),
    Case(name="frame by columns", form="a frame", write=document(frame(by_columns=True))),
    Case(name="frame by rows", form="a frame", write=document(frame(by_columns=False))),
    Case(
        name="frame in lists", form="a frame",
        write=document({"text": [text for text, _ in LETTERS], "label": [label for _, label in LETTERS]}),
    ),
    Case(
        name="frame, split", form="a frame",
        write=document({"columns": HEAD, "index": list(range(len(LETTERS))), "data": LETTERS}),
    ),
    Case(
        name="texts by label", form="texts by label", rows=SORTED,
        write=document({name: [text for text, label in LETTERS if label == name] for name in LABELS}),
    ),
    Case(name="names in a card", write=data_card),
    Case(
        name="squad", form="SQuAD", left_out={"no_answer_in_passage": len(LETTERS) - len(ANSWERED)},
        rows=[(f"context: {text}\nquestion: Which pile?", label) for text, label in ANSWERED],
        write=document(squad()),
    ),
    Case(name="a line that names the separator", write=text_file("a.csv", f"sep=;\r\ntext;label\r\n{LINES}")),
    Case(name="lines above a table", write=text_file("a.csv", f"Letters of May\r\n\r\n1,2\r\ntext;label\r\n{LINES}")),
    Case(name="a comment above a table", write=text_file("a.csv", f"# made by a tool; v2\r\ntext;label\r\n{LINES}")),
    Case(name="byte order mark", write=text_file("a.csv", f"text;label\r\n{LINES}", "utf-8-sig")),
    Case(name="utf-16", write=text_file("a.csv", f"text;label\r\n{LINES}", "utf-16")),
    Case(
        name="names in German",
        write=text_file("a.csv", "".join(f"{';'.join(row)}\n" for row in [*GERMAN])),
    ),
    Case(name="a title above a sheet", write=sheets([("Letters", ""), ("", ""), HEAD, *LETTERS]), form="sheet 1"),
    Case(name="a sheet of notes first", write=sheets([("About",), ("us",)], [HEAD, *LETTERS]), form="sheet 2 of 2"),
)  # fmt: skip
REFUSED_EXPORTS: tuple[Refusal, ...] = (
    Refusal(name="brat", write=brat, code="E_FORMAT", says="brat annotations", helps="anntoconll.py"),
    Refusal(
        name="batch answers", write=in_lines(batch_answer), code="E_FORMAT", says="without the questions",
        helps="custom_id",
    ),
    Refusal(
        name="xml", write=text_file("a.xml", "<?xml version='1.0'?><rows><row label='x'/></rows>"), code="E_FORMAT",
        says="is XML", helps="CSV (UTF-8)",
    ),
    Refusal(
        name="web page", write=text_file("a.html", "<!DOCTYPE html><table><tr><td>a</td></tr></table>"),
        code="E_FORMAT", says="is a web page", helps="CSV (UTF-8)",
    ),
    Refusal(
        name="markdown", write=text_file("a.md", "| text | label |\n|---|---|\n| a b | c |\n"), code="E_FORMAT",
        says="a Markdown table", helps="CSV (UTF-8)",
    ),
    Refusal(
        name="the likelier target", code="E_LABEL_MISSING", says="no column that is clearly the target",
        helps="--target resolution",
        write=in_table(
            ["id", "created", "closed", "text", "score", "resolution"],
            lambda n, text, label: [n, "2024-05-02", "true", text, n % 7, label],
        ),
    ),
)  # fmt: skip
