"""Wrong answers and doubted labels as files for a spreadsheet: the rows of the page, whole, and nothing that runs."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

from tests.sample_account import bare_account, sample_account
from tests.unit.ladder.test_run_folder import finished
from tests.unit.reporting.test_page import extracting_account

from ockham.cli import run as command
from ockham.records import RunResult
from ockham.reporting.candidate_view import focus
from ockham.reporting.row_numbers import row_number
from ockham.reporting.saved_tables import DOUBTS, WRONG, tables


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def account_and_tables() -> tuple[RunResult, list[dict[str, str]], list[dict[str, str]]]:
    account = sample_account()
    files = tables(account)
    return account, read(files[WRONG]), read(files[DOUBTS])


def test_every_wrong_answer_of_the_chosen_candidate_is_a_row() -> None:
    account, answers, _ = account_and_tables()
    line = focus(account)
    assert line is not None
    wrong = [score for score in line.scores if score.value == 0]
    assert [row["row"] for row in answers] == [row_number(account.ingest, score.example) for score in wrong]
    assert [row["right answer"] for row in answers] == [score.target for score in wrong]
    assert [row[f"{line.name} answered"] for row in answers] == [score.answer or "" for score in wrong]
    assert all(row["text"] for row in answers)


def test_doubts_are_all_there_worst_first() -> None:
    account, _, doubts = account_and_tables()
    assert len(doubts) == len(account.label_issues) > 0
    assert [row["doubt"] for row in doubts] == sorted((row["doubt"] for row in doubts), reverse=True)


def test_texts_that_a_spreadsheet_would_run_are_quoted() -> None:
    account = sample_account()
    examples = {key: replace(row, input='=HYPERLINK("x")') for key, row in account.examples.items()}
    files = tables(replace(account, examples=examples))
    assert {row["text"] for name in files for row in read(files[name])} == {'\'=HYPERLINK("x")'}


def test_extracted_objects_say_which_fields_are_wrong() -> None:
    rows = read(tables(extracting_account())[WRONG])
    assert rows
    assert all(row["wrong fields"] for row in rows)


def test_only_classified_rows_have_a_table_of_doubts() -> None:
    assert list(tables(extracting_account())) == [WRONG]


def test_a_run_without_doubts_gives_headers_alone(tmp_path: Path) -> None:
    assert tables(bare_account())[DOUBTS] == b"\xef\xbb\xbfrow,text,given label,suggested,doubt\r\n"
    assert command(["report", str(finished(tmp_path / "run")), "--csv", "-o", str(tmp_path / "x/page.html")]) == 0
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [DOUBTS, "page.html", WRONG]
