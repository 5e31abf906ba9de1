"""What the base model may read, and what it may not: every source with its licence and origin, and how to read it.

Only what is in the public domain, CC0, CC BY or MIT goes in, never a test half, and never the answers of another model.
"""

from __future__ import annotations

import csv
import hashlib
import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ockham.errors import DataError

Form = Literal["text", "rows"]

LONG_ANSWER = 100
"""From this many letters on an answer is a text of its own, and not a label that many rows share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of texts (``text``: one document a line) or of labelled rows (``rows``).

    ``names`` are what a row's input and answer are called in the text that is made of it. ``test`` is the half that
    nobody may learn from: it is read for one purpose, to leave out what stands in it.
    """

    name: str
    path: str
    licence: str
    origin: str
    form: Form
    names: tuple[str, str] = ("", "")
    test: str | None = None
    only: str = ""
    """Rows whose input begins otherwise are left out; the beginning itself is cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text. ``ask`` and ``answer`` are a row's two parts; what shares a ``key`` never stands on two sides."""

    source: str
    text: str
    key: str
    ask: str = ""
    answer: str = ""

    @property
    def digest(self) -> str:
        """Name the document by its content: SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


SOURCES = (
    Source(
        name="books",
        path="pretrain/books.jsonl.xz",
        licence="public domain in the United States (published before 1931)",
        origin="296 books in English as Markdown; those of 1931 and later, or without a year, are left out",
        form="text",
    ),
    Source(
        name="technical",
        path="pretrain/technical.jsonl.xz",
        licence="public domain or CC0-1.0",
        origin="Python Enhancement Proposals, https://github.com/python/peps",
        form="text",
    ),
    Source(
        name="medical",
        path="pretrain/medical.jsonl.xz",
        licence="CC BY 4.0",
        origin="MedQuAD, https://github.com/abachaa/MedQuAD",
        form="text",
        names=("Question", "Answer"),
        test="medquad/test.jsonl",
    ),
    Source(
        name="dialogues",
        path="pretrain/dialogues.jsonl.xz",
        licence="CC BY 4.0",
        origin="Taskmaster-4 (written by crowd workers), https://github.com/google-research-datasets/Taskmaster",
        form="text",
    ),
    Source(
        name="clinc150",
        path="clinc150/train.csv",
        licence="CC BY 3.0",
        origin="https://github.com/clinc/oos-eval",
        form="rows",
        names=("Text", "Label"),
        test="clinc150/test.csv",
    ),
    Source(
        name="hwu64",
        path="hwu64/train.csv",
        licence="CC BY 4.0",
        origin="https://github.com/xliuhw/NLU-Evaluation-Data",
        form="rows",
        names=("Text", "Label"),
        test="hwu64/test.csv",
    ),
    Source(
        name="cuad_clauses",
        path="cuad_clauses/train.csv",
        licence="CC BY 4.0",
        origin="CUAD v1, https://github.com/YiYang02/Legal-Text-Classification",
        form="rows",
        names=("Clause", "Type"),
        test="cuad_clauses/test.csv",
    ),
    Source(
        name="ncbi_disease",
        path="ncbi_disease/train.jsonl",
        licence="CC BY 4.0",
        origin="https://github.com/cambridgeltl/MTL-Bioinformatics-2016",
        form="rows",
        names=("Sentence", "JSON"),
        test="ncbi_disease/test.jsonl",
    ),
    Source(
        name="tldr_commands",
        path="tldr_commands/train.jsonl",
        licence="CC BY 4.0",
        origin="https://github.com/tldr-pages/tldr",
        form="rows",
        names=("Task", "Command"),
        test="tldr_commands/test.jsonl",
    ),
    Source(
        name="text2sql_advising",
        path="text2sql/train.jsonl",
        licence="CC BY 4.0",
        origin="the database 'advising' of https://github.com/jkkummerfeld/text2sql-data",
        form="rows",
        names=("Question", "SQL"),
        test="text2sql/test.jsonl",
        only="advising: ",
    ),
)

LEFT_OUT: Mapping[str, str] = {
    "bbh": "a test set only",
    "bitext_support": "CDLA-Sharing-1.0 asks to share alike",
    "gsm8k": "its worked answers are instruction answers",
    "restaurant8k": "the evaluation of this model; a part of it is CC BY-SA",
    "sms_spam": "the copy carries no licence file",
    "text2sql geography": "shared by permission, without a licence",
    "usaddress": "a part of it is ODbL",
    "wnut17": "posts of a social network, whose terms are unclear",
}


def documents(source: Source, data: Path) -> Iterator[Document]:
    """Read a source's documents, in file order.

    Raises `DataError`: ``E_IO`` for a file that cannot be read, ``E_FORMAT`` (with the line) for one of another form.
    """
    for number, record in _records(data / source.path):
        try:
            made = _text(source, record) if source.form == "text" else _row(source, record)
        except (KeyError, AttributeError, TypeError):
            raise _malformed(source.path, number) from None
        if made is not None:
            yield made


def test_half(source: Source, data: Path) -> Iterator[str]:
    """Read the inputs of a source's test half, and those answers that are texts of their own, by their length."""
    if source.test is None:
        return
    for number, record in _records(data / source.test):
        try:
            ask, answer = _parts(record)
        except (KeyError, TypeError):
            raise _malformed(source.test, number) from None
        yield ask.removeprefix(source.only)
        if len(answer) >= LONG_ANSWER:
            yield answer


def _text(source: Source, record: Mapping[str, Any]) -> Document:
    text = record["text"].replace("\r\n", "\n")
    if not source.names[0]:
        return Document(source=source.name, text=text, key=text)
    ask, _, answer = text.partition("\n")
    ask, answer = ask.removeprefix(f"{source.names[0]}: "), answer.removeprefix(f"{source.names[1]}: ")
    # Many questions share one answer: they stay together.
    return Document(source=source.name, text=text, key=answer, ask=ask, answer=answer)


def _row(source: Source, record: Mapping[str, Any]) -> Document | None:
    ask, answer = _parts(record)
    if not ask.startswith(source.only):
        return None
    ask = ask.removeprefix(source.only)
    text = f"{source.names[0]}: {ask}\n{source.names[1]}: {answer}"
    return Document(source=source.name, text=text, key=record.get("contract") or text, ask=ask, answer=answer)


def _parts(record: Mapping[str, Any]) -> tuple[str, str]:
    if "text" in record:
        return record["text"], record["label"]
    target = record["target"]
    return record["input"], target if isinstance(target, str) else json.dumps(target, ensure_ascii=False)


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read JSON lines (packed with xz or not) or a CSV file with a header, each record with its number from 1."""
    opener = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as stream:
            if path.suffix == ".csv":
                yield from enumerate(csv.DictReader(stream), 1)
                return
            for number, line in enumerate(stream, 1):
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise _malformed(path.name, number)
                yield number, record
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise DataError(
            "E_IO", f"{path}: cannot be read ({type(error).__name__})", fix="name the folder with --data"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, csv.Error):
        raise DataError("E_FORMAT", f"{path.name}: not what its name says", fix="fetch the file again") from None


def _malformed(name: str, number: int) -> DataError:
    return DataError(
        "E_FORMAT", f"{name}, record {number}: a field is missing or of another kind", fix="fetch it again"
    )
