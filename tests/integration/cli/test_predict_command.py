"""`ockham predict`: every row is answered, or counted with a reason; the user's columns are kept; no file is torn."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.integration.serving.test_process import bundle

from ockham import store
from ockham.bundles.answered_rows import RowAccount, answer_rows
from ockham.cli import commands
from ockham.cli.predict_lines import confidence_text
from ockham.errors import StoreError
from ockham.models import fake, model_files
from ockham.models.fake import Fake
from ockham.readers.forms.form import LeftOut
from ockham.readers.input_rows import InputRow, InputTable
from ockham.records import Answer, CutTexts, ignore
from ockham.store.atomic import NewFile

KNOWN = {"where is my parcel": "delivery", "charged twice": "refund"}
DOUBTFUL = "something else"  # answered by a hash of the text, with confidence .037
Run = Callable[..., tuple[int, str, str]]


def make(folder: Path, known: dict[str, str], **changes: Any) -> Path:
    """Seal a model that knows some texts as a bundle."""
    folder.mkdir()
    model_files.write(Fake(answers=known, labels=("delivery", "refund")), folder / fake.FILE)
    sealed = bundle(folder, "fake", ("delivery", "refund"))
    if changes:
        manifest = dataclasses.replace(store.read_bundle(sealed), files={}, **changes)
        (sealed / "bundle.json").unlink()
        store.seal_bundle(sealed, manifest)
    return sealed


@pytest.fixture
def served(tmp_path: Path) -> Path:
    return make(tmp_path / "bundle", KNOWN)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def command(*args: str | Path, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as leaving:
            commands.main(["predict", *(str(arg) for arg in args)])
        out, err = capsys.readouterr()
        assert isinstance(leaving.value.code, int)
        return leaving.value.code, out, err

    return command


def table_of(path: Path, comma: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=comma))


def write(path: Path, lines: Sequence[str], encoding: str = "utf-8") -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
    return path


def test_only_certainty_is_shown_as_such() -> None:
    assert [confidence_text(share) for share in (1.0, 0.99999, 0.4004)] == ["1.000", "0.999", "0.400"]


def test_texts_are_answered_with_their_confidence(served: Path, run: Run) -> None:
    status, out, err = run(served, "--text", "where is my parcel", "--text", "charged twice")
    assert (status, out, err) == (0, "delivery\t1.000\nrefund\t1.000\n", "")
    status, out, err = run(served, "--text", "where is my parcel", "--text", " ", "--json")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"id": "1", "answer": "delivery", "confidence": 1.0},
        {"id": "2", "answer": None, "confidence": None},
    ]
    assert (status, err) == (0, "2 rows: 1 answered, 1 empty\n")


def test_lines_of_standard_input_keep_their_places(served: Path, run: Run) -> None:
    lines = b"where is my parcel\r\n\n\xff\xfe\ncharged twice"
    status, out, err = run(served, "-", stdin=lines)
    assert (status, out) == (5, "delivery\t1.000\n\n\nrefund\t1.000\n")
    assert err.splitlines() == [
        "warning: text 3: E_ENCODING: the line is not valid utf-8; name its encoding: --encoding NAME",
        "4 rows: 2 answered, 1 empty, 1 unreadable",
    ]
    status, out, err = run(served, "-", "--json", "-q", "--encoding", "utf-8", stdin=lines)
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["answer"] for answer in answers] == ["delivery", None, None, "refund"]
    assert answers[2]["error"] == "E_ENCODING: the line is not valid utf-8"


def test_a_model_of_several_columns_takes_lines_of_json(tmp_path: Path, run: Run) -> None:
    two = make(tmp_path / "two", {"subject: box\nbody: late": "delivery"}, inputs=("subject", "body"))
    lines = ['{"subject": "box", "body": "late"}', "box late", '{"subject": " ", "body": ""}', '{"subject": "box"}']
    status, out, err = run(two, "-", "--json", stdin="\n".join(lines).encode())
    answers = [json.loads(line) for line in out.splitlines()]
    assert (answers[0]["answer"], answers[0]["confidence"]) == ("delivery", 1.0)
    assert answers[1]["error"].startswith("E_FORMAT: the model reads several columns (subject, body)")
    assert answers[2] == {"id": "3", "answer": None, "confidence": None}
    assert answers[3]["error"].startswith("E_COLUMN: ")
    assert (status, err.splitlines()[-1]) == (5, "4 rows: 1 answered, 1 empty, 2 unreadable")


def test_the_columns_of_the_user_are_kept_and_every_row_is_accounted_for(
    served: Path, run: Run, tmp_path: Path
) -> None:
    lines = ["Nr;text;Betrag", "A 1;where is my parcel;-12,50", "A 2;  ;3", "broken", f"A 4;{DOUBTFUL};=1+1"]
    write(tmp_path / "neu.csv", lines, "utf-8-sig")
    status, out, err = run(served, "neu.csv", "-o", "out.csv", "--min-confidence", "0.5")
    assert (status, out) == (5, "")
    assert (tmp_path / "out.csv").read_bytes().decode() == (
        "\ufeffNr;text;Betrag;answer;confidence\r\n"
        "A 1;where is my parcel;-12,50;delivery;1\r\n"
        "A 2;  ;3;;\r\n"
        f"A 4;{DOUBTFUL};'=1+1;;0.037\r\n"
    )
    assert err.splitlines()[-2:] == [
        "out.csv: 4 rows: 1 answered, 1 empty, 1 below the minimum confidence, 1 unreadable",
        "note: 1 cell that a spreadsheet would run as a formula now begins with '",
    ]
    assert "warning: left out 1 of 4 records" in err


@pytest.mark.parametrize("suffix", [".tsv", ".jsonl", ".parquet"])
def test_answers_are_written_in_the_form_of_the_extension(served: Path, run: Run, tmp_path: Path, suffix: str) -> None:
    rows = [{"n": 1, "text": "where is my parcel", "tags": ["a", "b"]}, {"n": 2, "text": 'say "hi"\tnow', "late": True}]
    write(tmp_path / "new.jsonl", [json.dumps(row) for row in rows])
    out = tmp_path / f"out{suffix}"
    assert run(served, "new.jsonl", "-o", out, "-q")[0] == 0
    if suffix == ".jsonl":
        first, second = (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())
        assert list(first.items())[:3] == list(rows[0].items())
        assert second["late"] is True
    elif suffix == ".parquet":
        first, second = pq.read_table(out).to_pylist()
        assert (first["n"], first["tags"], second["late"], first["late"]) == (1, ["a", "b"], True, None)
        assert pq.read_schema(out).field("n").type == pa.int64()
    else:
        first, second = table_of(out, "\t")
        assert (first["n"], first["tags"], second["late"], first["late"]) == ("1", '["a","b"]', "true", "")
    assert list(first)[-2:] == ["answer", "confidence"]
    assert first["answer"] == "delivery"
    assert second["text"] == rows[1]["text"]


def test_an_extracted_object_is_a_column_a_field(tmp_path: Path, run: Run) -> None:
    answers = {"a": '{"name": "Ann", "items": [1, 2]}', "b": '{"date": "May"}', "c": "no object"}
    model = make(tmp_path / "extract", answers, task="extract", labels=())
    write(tmp_path / "new.csv", ["text,date", "a,1", "b,2", "c,3", ",4"])
    assert run(model, "new.csv", "-o", "out.csv", "-q")[0] == 0
    assert [list(row.values()) for row in table_of(tmp_path / "out.csv")] == [
        ["a", "1", "Ann", "[1,2]", "", "1"],
        ["b", "2", "", "", "May", "1"],
        ["c", "3", "", "", "", "1"],
        ["", "4", "", "", "", ""],
    ]
    assert list(table_of(tmp_path / "out.csv")[0]) == ["text", "date", "name", "items", "date_predicted", "confidence"]
    _, out, _ = run(model, "new.csv", "-o", "whole.csv", "--json")
    assert table_of(tmp_path / "whole.csv")[0]["answer"] == answers["a"]
    assert json.loads(out) == {
        "rows": 4,
        "answered": 3,
        "empty": 1,
        "doubtful": 0,
        "no_answer": 0,
        "left_out": 0,
        "quarantined": 0,
        "cut": None,
        "fields_left_empty": 0,
    }


@pytest.mark.parametrize(("encoding", "marked"), [("utf-8", False), ("utf-8-sig", True), ("cp1252", True)])
def test_a_spreadsheet_program_can_tell_the_encoding_of_answers_to_its_own_file(
    served: Path, run: Run, tmp_path: Path, encoding: str, marked: bool
) -> None:
    write(tmp_path / "new.csv", ["text;note", "row;f\u00fcr"], encoding)
    named = ("--encoding", encoding) if encoding == "cp1252" else ()
    assert run(served, "new.csv", *named, "-o", "out.csv")[0] == 0
    written = (tmp_path / "out.csv").read_bytes()
    assert written.startswith(b"\xef\xbb\xbf") == marked
    assert "f\u00fcr".encode() in written


def test_a_column_that_is_the_users_already_keeps_its_name(served: Path, run: Run, tmp_path: Path) -> None:
    write(tmp_path / "new.csv", ["text,answer,confidence", "charged twice,mine,sure"])
    _, _, err = run(served, "new.csv", "-o", "out.csv")
    (row,) = table_of(tmp_path / "out.csv")
    assert list(row.values()) == ["charged twice", "mine", "sure", "refund", "1"]
    assert list(row)[3:] == ["answer_predicted", "confidence_predicted"]
    assert "note: your file already has a column 'answer'; the new one is called 'answer_predicted'" in err


def test_columns_can_be_named(tmp_path: Path, run: Run) -> None:
    two = make(tmp_path / "two", {"subject: box\nbody: late": "delivery"}, inputs=("subject", "body"))
    write(tmp_path / "new.csv", ["Nr,Betreff,Nachricht", "A 7,box,late"])
    named = ("--input", "Betreff", "--input", "Nachricht")
    assert run(two, "new.csv", *named, "-o", "out.csv", "--id", "Nr", "-q")[0] == 0
    assert table_of(tmp_path / "out.csv") == [{"Nr": "A 7", "answer": "delivery", "confidence": "1"}]
    _, out, _ = run(two, "new.csv", *named, "--id", "Nr", "-q")
    assert json.loads(out) == {"id": "A 7", "answer": "delivery", "confidence": 1.0}
    for form in ((), ("-o", "no.csv")):
        status, _, err = run(two, "new.csv", *named, "--id", "Nummer", "-q", *form)
        assert (status, err.startswith("E_COLUMN: there is no column 'Nummer'")) == (2, True)
    assert not (tmp_path / "no.csv").exists()
    status, _, err = run(two, "new.csv", "--input", "Betreff", "-q")
    assert (status, err.startswith("E_COLUMN: the model reads 2 columns (subject, body), but --input names 1")) == (
        2,
        True,
    )


def test_a_file_that_is_there_gives_way_to_force_alone(served: Path, run: Run, tmp_path: Path) -> None:
    write(tmp_path / "new.csv", ["text", "charged twice"])
    (tmp_path / "out.csv").write_text("mine")
    status, _, err = run(served, "new.csv", "-o", "out.csv")
    assert (status, (tmp_path / "out.csv").read_text()) == (2, "mine")
    assert "add --force to overwrite it" in err
    assert run(served, "new.csv", "-o", "out.csv", "--force", "-q")[0] == 0
    assert table_of(tmp_path / "out.csv")[0]["answer"] == "refund"
    status, _, err = run(served, "new.csv", "-o", "new.csv", "--force")
    assert (status, "is the input file" in err) == (2, True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, StoreError("E_DISK", "full", fix="free some")])
def test_what_stops_it_leaves_no_torn_file(
    served: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write(tmp_path / "new.csv", ["text", *["charged twice"] * 10_000])
    (tmp_path / "out.csv").write_text("before")
    before = NewFile.write
    calls: list[int] = []

    def interrupt(self: NewFile, data: bytes) -> None:
        before(self, data)
        calls.append(len(data))
        if len(calls) == 3:
            raise error

    monkeypatch.setattr(NewFile, "write", interrupt)
    assert run(served, "new.csv", "-o", "out.csv", "--force", "-q")[0] in (2, 130)
    assert len(calls) == 3, "some of it was written by then"
    assert (tmp_path / "out.csv").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "new.csv", "out.csv"]


def test_confidence_is_asked_of_models_that_have_one(tmp_path: Path, run: Run) -> None:
    silent = tmp_path / "silent"
    silent.mkdir()
    model_files.write(Fake(answers={}, labels=()), silent / fake.FILE)
    bundle(silent, "fake")
    write(tmp_path / "new.csv", ["text", "a"])
    status, _, err = run(silent, "new.csv", "-o", "out.csv")
    assert (status, err.splitlines()[-1]) == (0, "out.csv: 1 row: 0 answered, 1 without a valid answer")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "there is nothing to answer"),
        (("new.csv", "--text", "a"), "both --text and DATA are given"),
        (("-", "-o", "out.csv"), "answers to texts and lines are printed"),
        (("new.csv", "-o", "out.xlsx"), ".csv, .tsv, .jsonl or .parquet"),
        (("new.csv", "--min-confidence", "90"), "it must be at least 0 and at most 1"),
        (("nwe.csv",), "did you mean new.csv?"),
        (("new.csv", "--encoding", "utf-99"), "the encoding is unknown"),
    ],
)
def test_what_is_wrong_with_the_command_is_said_before_any_work(
    served: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: Sequence[str], message: str
) -> None:
    write(tmp_path / "new.csv", ["text", "a"])
    monkeypatch.setitem(sys.modules, "ockham.bundles.predict", None)
    status, out, err = run(served, *args)
    assert (status, out) == (2, "")
    assert message in err


def test_a_record_that_its_form_leaves_out_is_counted() -> None:
    table = InputTable(columns=("text",), rows=iter([InputRow("1", 1, None, {}, "a"), LeftOut("answer_reject")]))
    account = RowAccount()
    answered = list(answer_rows(lambda texts: [Answer(value="x")] * len(texts), table, account, on_progress=ignore))
    assert [row.answer.value for row in answered] == ["x"]
    counts = account.counts()
    assert (counts.rows, counts.answered, counts.left_out) == (2, 1, 1)


def test_rows_that_were_not_read_whole_are_counted_among_those_that_were_asked() -> None:
    account = RowAccount()
    for number, (text, unread) in enumerate([("a", 0.0), ("b", 0.5), ("", None), ("c", 0.25), ("d", None)]):
        account.settle(InputRow(str(number), number, None, {}, text), Answer(value="x", unread=unread), None)
    assert account.counts().cut == CutTexts(texts=4, cut=2, least=0.25, most=0.5)


def test_ten_thousand_rows_are_answered_in_batches_and_progress_is_told(served: Path, run: Run, tmp_path: Path) -> None:
    write(tmp_path / "new.csv", ["text", *(f"row {number}" for number in range(10_000))])
    status, _, err = run(served, "new.csv", "-o", "out.csv")
    assert status == 0
    assert len(table_of(tmp_path / "out.csv")) == 10_000
    answering = [line for line in err.splitlines() if line.startswith("measure: answering")]
    assert answering[-1] == "measure: answering (10,000 of 10,000)"
