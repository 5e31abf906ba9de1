"""Still more forms of the same letters: labelling platforms, logs of calls, bots, tagged tokens, packed files."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cases.case_files import (
    LABELS,
    LETTERS,
    SORTED,
    Case,
    Row,
    each,
    in_array,
    in_lines,
    in_table,
    other,
    table,
    turn,
)
from tests.cases.export_files import SYSTEM, WITH_SYSTEM, document, text_file, user

NUMBERED = [(text, str(LABELS.index(label) + 1)) for text, label in LETTERS]


def first(text: str) -> str:
    return text.split(maxsplit=1)[0]


FIRST_WORDS = [
    (text, json.dumps({"FIRST": first(text)}, separators=(",", ":")))
    for text, _ in LETTERS
    if len(re.findall(rf"(?<!\w){re.escape(first(text))}(?!\w)", text)) == 1
]
REPEATED = {"span_text_not_unique": len(LETTERS) - len(FIRST_WORDS)}


def spans(name: str, write: Callable[[Path], Path], form: str = "") -> Case:
    return Case(name=name, write=write, rows=FIRST_WORDS, left_out=REPEATED, form=form)


def entity(text: str, **names: str) -> Row:
    start, end, label = (names.get(key, key) for key in ("start", "end", "label"))
    return {start: 0, end: len(first(text)), label: "FIRST"}


# Annotation tools


def argilla_flat(number: int, text: str, label: str) -> Row:
    given = {"pile.responses": [label], "pile.responses.users": ["a"], "pile.responses.status": ["submitted"]}
    return {"id": f"{number}", "text": text, **given, "pile.suggestion": other(label), "pile.suggestion.score": 0.5}


def argilla_lists(_: int, text: str, label: str) -> Row:
    return {"text": text, "pile": {"user_id": ["a"], "value": [label], "status": ["submitted"]}}


def old_doccano(number: int, text: str, label: str) -> Row:
    return {"id": number, "text": text, "annotations": [{"label": LABELS.index(label) + 1, "user": 1}], "meta": {}}


def old_doccano_spans(_: int, text: str, __: str) -> Row:
    return {"text": text, "annotations": [{**entity(text, start="start_offset", end="end_offset"), "user": 1}]}


def labelbox(number: int, text: str, label: str) -> Row:
    answer = {"name": "pile", "radio_answer": {"name": label}}
    labels = [{"annotations": {"objects": [], "classifications": [answer]}}]
    return {"data_row": {"id": f"d{number}", "row_data": text}, "projects": {"p": {"labels": labels}}}


def old_labelbox(number: int, text: str, label: str) -> Row:
    answers = {"objects": [], "classifications": [{"title": "pile", "answer": {"title": label, "value": label}}]}
    return {"ID": f"a{number}", "Labeled Data": text, "Label": answers, "Skipped": False}


def kili(number: int, text: str, label: str) -> Row:
    def given(kind: str, name: str) -> Row:
        return {"jsonResponse": {"PILE": {"categories": [{"name": name, "confidence": 100}]}}, "labelType": kind}

    return {
        "content": text,
        "externalId": f"{number}",
        "labels": [given("PREDICTION", other(label)), given("DEFAULT", label)],
    }


def manifest(_: int, text: str, label: str) -> Row:
    return {
        "source": text,
        "pile": LABELS.index(label),
        "pile-metadata": {"class-name": label, "human-annotated": "yes"},
    }


def vertex(_: int, text: str, label: str) -> Row:
    return {"textContent": text, "classificationAnnotation": {"displayName": label}, "dataItemResourceLabels": {}}


def dataturks(_: int, text: str, label: str) -> Row:
    return {"content": text, "annotation": {"labels": [label], "note": ""}, "extras": None}


def dataturks_spans(_: int, text: str, __: str) -> Row:
    point = {"start": 0, "end": len(first(text)) - 1, "text": first(text)}
    return {"content": text, "annotation": [{"label": ["FIRST"], "points": [point]}]}


def intercom(number: int, text: str, label: str) -> Row:
    source = {"type": "email", "subject": "", "body": f"<p>{text}</p>"}
    tags = {"type": "tag.list", "tags": [{"type": "tag", "name": label}]}
    return {"type": "conversation", "id": f"{number}", "source": source, "tags": tags}


# Logs of calls


def anthropic(_: int, text: str, label: str) -> Row:
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": label}]
    response = {"type": "message", "role": "assistant", "content": parts, "stop_reason": "end_turn"}
    return {"request": {"system": SYSTEM, "messages": [user(text)]}, "response": response}


def anthropic_tuning(_: int, text: str, label: str) -> Row:
    return {"system": SYSTEM, "messages": [user(text), {"role": "assistant", "content": label}]}


def helicone(number: int, text: str, label: str) -> Row:
    answer = {"choices": [{"message": {"role": "assistant", "content": label}}]}
    return {"request_id": f"{number}", "request_body": {"messages": [user(text)]}, "response_body": answer}


def bedrock(_: int, text: str, label: str) -> Row:
    answer = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": label}]}
    return {"input": {"inputBodyJson": {"messages": [user(text)]}}, "output": {"outputBodyJson": answer}}


def langchain(_: int, text: str, label: str) -> Row:
    made = {"lc": 1, "id": ["langchain", "schema", "messages", "HumanMessage"], "kwargs": {"content": text}}
    return {"inputs": {"messages": [[made]]}, "outputs": {"generations": [[{"text": label, "type": "Generation"}]]}}


def langfuse_cells(number: int, text: str, label: str) -> Sequence[object]:
    return [number, json.dumps({"messages": [user(text)]}), json.dumps({"role": "assistant", "content": label})]


def sharegpt_tools(_: int, text: str, label: str) -> Row:
    called = turn("function_call", json.dumps({"name": "look", "arguments": {"in": "list"}}))
    return {
        "conversations": [turn("human", text), called, turn("observation", "ok"), turn("gpt", label)],
        "tools": "[]",
    }


CALLED = '{"arguments":{"in":"list"},"name":"look"}'

# Bots and data sets


def by_intent(entry: Callable[[str, list[str]], object]) -> list[object]:
    return [entry(name, [text for text, label in LETTERS if label == name]) for name in LABELS]


def dialogflow(folder: Path) -> Path:
    (folder / "agent.json").write_text("{}")
    (folder / "intents").mkdir()
    for name in LABELS:
        (folder / "intents" / f"{name}.json").write_text(json.dumps({"name": name, "responses": []}))
        phrases = [
            {"id": "u", "data": [{"text": text[:3]}, {"text": text[3:]}]} for text, own in LETTERS if own == name
        ]
        (folder / "intents" / f"{name}_usersays_en.json").write_text(json.dumps(phrases))
    return folder


def kaggle(folder: Path) -> Path:
    table(folder / "train.csv", [["id", "text", "target"], *each(lambda n, text, label: [n, text, label])])
    table(folder / "test.csv", [["id", "text"], [1, "a letter"], [2, "another letter"]])
    table(folder / "sample_submission.csv", [["id", "target"], [1, "loan"], [2, "loan"]])
    return folder


def conll(tag: str, head: str = "") -> str:
    sentences = ("".join(f"{w} {tag if not i else 'O'}\n" for i, w in enumerate(t.split())) for t, _ in LETTERS)
    return head + "\n".join(sentences) + "\n"


def annotator() -> Mapping[str, Any]:
    notes = [[text, {"entities": [[0, len(first(text)), "FIRST"]]}] for text, _ in LETTERS]
    return {"classes": ["FIRST"], "annotations": [*notes, None]}


# Packed files

PLAIN = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in LETTERS).encode()


def gzipped(folder: Path) -> Path:
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(PLAIN))
    return folder / "a.jsonl.gz"


def zipped(*names: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, PLAIN)
        return folder / "a.zip"

    return write


def folder_of_gzip(folder: Path) -> Path:
    (folder / "all.jsonl.gz").write_bytes(gzip.compress(PLAIN))
    return folder


TOOLS: tuple[Case, ...] = (
    Case(name="argilla columns", form="Argilla", write=in_lines(argilla_flat)),
    Case(name="argilla lists", form="Argilla", write=in_lines(argilla_lists)),
    Case(name="old doccano", form="doccano annotations", write=in_lines(old_doccano), rows=NUMBERED),
    Case(name="labelbox", form="Labelbox", write=in_lines(labelbox)),
    Case(name="old labelbox", form="Labelbox", write=in_array(old_labelbox)),
    Case(name="kili", form="Kili", write=in_array(kili)),
    Case(name="ground truth", form="SageMaker Ground Truth", write=in_lines(manifest)),
    Case(name="vertex", form="Vertex AI", write=in_lines(vertex)),
    Case(name="dataturks", form="DataTurks", write=in_lines(dataturks)),
    spans("dataturks spans", in_lines(dataturks_spans), "DataTurks"),
    Case(name="intercom", form="Intercom", write=document({"type": "list", "conversations": each(intercom)})),
    Case(name="anthropic", form="chat", write=in_lines(anthropic), rows=WITH_SYSTEM),
    Case(name="anthropic tuning", form="chat", write=in_lines(anthropic_tuning), rows=WITH_SYSTEM),
    Case(name="helicone", form="exchanges", write=in_lines(helicone)),
    Case(name="bedrock", form="exchanges", write=in_lines(bedrock)),
    Case(name="langchain", form="exchanges", write=in_lines(langchain)),
    Case(name="langfuse in cells", form="exchanges", write=in_table(["id", "input", "output"], langfuse_cells)),
    Case(
        name="langfuse items",
        form="exchanges",
        write=in_lines(lambda _, text, label: {"input": {"q": text}, "expectedOutput": {"a": label}, "output": None}),
    ),
    Case(
        name="sharegpt with tools",
        form="ShareGPT",
        write=in_lines(sharegpt_tools),
        rows=[(f"user: {text}\nassistant: {CALLED}\ntool: ok", label) for text, label in LETTERS],
    ),
    Case(
        name="ragas",
        write=in_lines(lambda _, t, label: {"user_input": t, "reference_contexts": ["a"], "reference": label}),
    ),
    Case(
        name="watson",
        form="intents",
        rows=SORTED,
        write=document(
            {"intents": by_intent(lambda n, texts: {"intent": n, "examples": [{"text": t} for t in texts]})}
        ),
    ),
    Case(
        name="dialogflow cx",
        form="intents",
        rows=SORTED,
        write=document(
            {
                "intents": by_intent(
                    lambda n, texts: {"displayName": n, "trainingPhrases": [{"parts": [{"text": t}]} for t in texts]}
                )
            }
        ),
    ),
    Case(
        name="lex",
        form="intents",
        rows=SORTED,
        write=document({"resource": {"intents": by_intent(lambda n, texts: {"name": n, "sampleUtterances": texts})}}),
    ),
    Case(name="dialogflow es", form="Dialogflow ES", write=dialogflow, rows=sorted(LETTERS, key=lambda p: (p[1],))),
    Case(
        name="sides in a document",
        form="sides of a split",
        write=document({"train": LETTERS[:150], "val": LETTERS[150:180], "test": LETTERS[180:]}),
    ),
    Case(name="kaggle", write=kaggle),
    spans(
        "tokens and tags",
        in_lines(lambda _, t, __: {"tokens": t.split(), "ner_tags": ["B-FIRST", *"O" * len(t.split()[1:])]}),
        "tokens and tags",
    ),
    spans(
        "gliner", in_lines(lambda _, t, __: {"tokenized_text": t.split(), "ner": [[0, 0, "FIRST"]]}), "tokens and tags"
    ),
    spans("ner annotator", document(annotator()), "NER Annotator"),
    spans("names above tags", text_file("a.tsv", conll("S-FIRST", "token tag\n")), "CoNLL"),
    Case(
        name="numbers and their names",
        write=in_table(["text", "label", "label_text"], lambda _, text, label: [text, LABELS.index(label), label]),
    ),
    Case(
        name="two sentences",
        write=in_table(["premise", "hypothesis", "label"], lambda _, text, label: [text, "So it is.", label]),
        rows=[(f"premise: {text}\nhypothesis: So it is.", label) for text, label in LETTERS],
    ),
    Case(
        name="columns that come again",
        write=in_table(["Note", "text", "Note", "label"], lambda n, t, label: [n, t, n, label]),
    ),
    Case(
        name="comment_text",
        write=in_table(["id", "comment_text", *LABELS], lambda n, t, label: [n, t, *(int(label == x) for x in LABELS)]),
    ),
    Case(
        name="stars",
        write=in_table(["review_id", "text", "stars"], lambda n, t, label: [f"r{n}", t, LABELS.index(label) + 1]),
        rows=NUMBERED,
    ),
    Case(name="gzip", write=gzipped),
    Case(name="zip", write=zipped("out/a.jsonl", "__MACOSX/._a.jsonl", "out/readme.txt")),
    Case(name="folder of gzip", write=folder_of_gzip),
)
