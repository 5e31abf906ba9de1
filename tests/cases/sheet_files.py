"""What spreadsheets, surveys, trackers and databases write around the letters, and files that are no rows at all."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cases.case_files import LETTERS, Case, Refusal, Row, in_array, in_lines, in_table, table
from tests.cases.export_files import text_file
from tests.cases.refused_files import refusal

Cells = Sequence[object]
HEAD = ("text", "label")


def rows_file(*rows: Cells) -> Callable[[Path], Path]:
    return lambda folder: table(folder / "a.csv", rows)


def document(rows: Callable[[], object]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "a.json").write_text(json.dumps(rows()))
        return folder / "a.json"

    return write


def binary(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def office(member: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(member, "<x/>")
    return packed.getvalue()


def imported(name: str) -> str:
    return json.dumps({"ImportId": name}).replace(" ", "")


def github(number: int, text: str, label: str) -> Row:
    labels = [{"id": number, "name": label, "color": "fff"}]
    return {"number": number, "title": "", "body": text, "user": {"login": "a"}, "labels": labels, "state": "open"}


def zendesk(_: int, text: str, label: str) -> Row:
    people = {"requester_id": 1, "submitter_id": 2, "assignee_id": 3, "group_id": 4}
    return {"subject": "", "description": text, **people, "type": label, "priority": None, "tags": [], "status": "open"}


def jira(number: int, text: str, label: str) -> Row:
    return {"key": f"A-{number}", "fields": {"summary": text, "issuetype": {"name": label}, "status": {"name": "Open"}}}


def nested(number: int, text: str, label: str) -> Row:
    return {"id": number, "ticket": {"text": text, "from": {"name": "a"}}, "review": {"label": label, "by": "b"}}


CODES = [imported(name) for name in ("QID1_TEXT", "QID2")]
WORDS = ("body", "description")
BODIES, TICKETS = ([(f"{word}: {text}", label) for text, label in LETTERS] for word in WORDS)
SHEETS: tuple[Case, ...] = (
    Case(name="a title and a blank row above", write=rows_file(("Letters", ""), ("", ""), HEAD, *LETTERS)),
    Case(
        name="a total below", write=rows_file(HEAD, *LETTERS[:-1], ("Total", len(LETTERS) - 1)), rows=LETTERS[:-1],
        left_out={"total_of_rows": 1},
    ),
    Case(
        name="two files in one", write=rows_file(HEAD, *LETTERS[:90], HEAD, *LETTERS[90:-1]), rows=LETTERS[:-1],
        left_out={"names_of_columns": 1},
    ),
    Case(
        name="qualtrics", write=rows_file(HEAD, ("What happened?", "Which pile?"), CODES, *LETTERS[:-2]),
        rows=LETTERS[:-2], left_out={"names_of_columns": 2}, form="Qualtrics",
    ),
    Case(
        name="surveymonkey", rows=LETTERS[:-1], left_out={"names_of_columns": 1}, form="SurveyMonkey",
        write=rows_file(
            ("Respondent ID", *HEAD), ("", "Open-Ended Response", "Response"),
            *((number, *letter) for number, letter in enumerate(LETTERS[:-1], 1)),
        ),
    ),
    Case(
        name="mturk", rows=LETTERS[1:], left_out={"assignmentstatus_rejected": 1},
        write=in_table(
            ("HITId", "AssignmentStatus", *HEAD), lambda n, t, label: [n, "Approved" if n else "Rejected", t, label]
        ),
    ),
    Case(
        name="a spreadsheet in German", rows=LETTERS[1:], left_out={"is_valid_falsch": 1},
        write=in_table(("Text", "Kategorie", "is_valid"), lambda n, t, label: [t, label, "WAHR" if n else "FALSCH"]),
    ),
    Case(
        name="cohere", form="chat",
        write=in_lines(lambda _, t, label: {
            "messages": [{"role": "User", "content": t}, {"role": "Chatbot", "content": label}]}),
    ),
    Case(name="github", write=in_array(github), rows=BODIES, form="GitHub issues"),
    Case(name="zendesk of one question", write=in_array(zendesk), rows=TICKETS, form="Zendesk"),
    Case(name="nested records", write=in_lines(nested), form="nested records"),
    Case(
        name="a search", form="wrapped rows",
        write=document(lambda: {"hits": {"total": 1, "hits": [
            {"_id": "a", "_source": {"text": text, "label": label}} for text, label in LETTERS]}}),
    ),
    Case(name="labels by text", write=document(lambda: dict(LETTERS)), form="labels by text"),
)  # fmt: skip
REFUSED_SHEETS: tuple[Refusal, ...] = (
    refusal("jira", in_array(jira), "clearly the target", "--target issuetype", "E_LABEL_MISSING"),
    refusal("a mail", text_file("a.eml", "From: a@b\nTo: c@d\nSubject: x\n\nhello\n"), "an email", "JSON"),
    refusal("xml", text_file("a.xml", "<rows><row><text>a</text></row></rows>\n"), "XML", "JSON"),
    refusal("whatsapp", text_file("a.txt", "[12.03.24, 10:15:00] A: hello\n"), "WhatsApp", "JSON"),
    refusal("brat", text_file("a.ann", "T1\tPER 0 4\tAnna\n"), "brat", "anntoconll"),
    *(
        refusal(name, binary(f"a.{name}", content), says, helps)
        for name, content, says, helps in (
            ("zsav", b"$FL3@(#) SPSS" + bytes(99), "SPSS", "/TYPE=CSV"),
            ("dta", b"\x73\x02\x01\x00" + bytes(99), "Stata", "export delimited"),
            ("sas7bdat", bytes(12) + b"\xc2\xea\x81\x60" + bytes(99), "SAS", "proc export"),
            ("rds", gzip.compress(b"X\n\0\0\0\3" + bytes(99)), "data of R", "write.csv"),
            ("gguf", b"GGUF" + bytes(99), "weights of a model", "--models"),
            ("safetensors", b"\x40" + bytes(7) + b'{"a":{}}', "weights of a model", "--models"),
            ("png", b"\x89PNG\r\n\x1a\n" + bytes(99), "an image", "texts"),
            ("docx", office("word/document.xml"), "Word", "CSV"),
        )
    ),
)
