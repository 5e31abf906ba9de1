"""What the page shows of a model: its manifest, its run's figures, and the texts it was wrong about."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.served import fake_bundle

import ockham
from ockham.errors import RunError
from ockham.ladder.candidate_facts import candidate_facts
from ockham.ladder.run_facts import FACTS, decode_facts, encode_facts, read_facts
from ockham.ladder.run_folder import load_result
from ockham.readers.examples import input_of
from ockham.server import console_reader
from ockham.server.console_facts import console_facts, split_cells
from ockham.server.console_reader import ConsoleReader, read_report
from ockham.server.served_bundle import read_served_bundles


@pytest.fixture(scope="module")
def run(mails: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mail"
    spec = ockham.FitSpec(inputs=("subject", "body"), target="label", rungs=("constant", "lookup"))
    ockham.fit(mails, spec, ockham.Requirements(), out=folder)
    return folder


def test_a_candidate_of_a_run_is_shown_as_it_was_measured(run: Path) -> None:
    chosen, other = read_served_bundles([str(run)], ["constant"])
    assert (chosen.name, other.name) == ("mail", "mail.constant")
    result = load_result(run)
    facts, others = (console_facts(bundle, read_facts(run)) for bundle in (chosen, other))
    assert facts["candidate"] == result.verdict.chosen == "lookup"
    assert facts["because"] == f"{result.verdict.headline} {result.verdict.because}"
    assert others["because"] is None  # the run chose another
    assert facts["figures"][0]["title"] == "Accuracy"
    (report,) = (report for report in result.reports if report.candidate.name == "lookup")
    wrong = [score for score in report.scores if score.value == 0.0]
    assert 0 < len(facts["mistakes"]) == min(100, len(wrong))
    sure = [mistake["confidence"] for mistake in facts["mistakes"]]
    assert sure == sorted(sure, reverse=True)
    assert set(facts["mistakes"][0]["cells"]) <= {"subject", "body"}
    assert all(mistake["answer"] != mistake["target"] for mistake in facts["mistakes"])
    page = read_report(run)
    assert facts["has_report"]
    assert page is not None
    assert page.startswith(b"<!DOCTYPE html>")


def read_by_server(*folders: Path) -> list[bytes]:
    """Return the facts of the bundle of each folder, as one reader gives them."""

    async def scenario() -> list[bytes]:
        reader = ConsoleReader()
        return [await reader.facts_of(read_served_bundles([str(folder)])[0]) for folder in folders]

    return asyncio.run(scenario())


def test_the_facts_that_the_run_wrote_down_need_no_process(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere")
    (chosen,) = read_served_bundles([str(run)])
    assert read_by_server(run) == [orjson.dumps(console_facts(chosen, candidate_facts(load_result(run))))]


def test_those_of_an_older_run_are_found_out_once_by_a_process(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "mail"
    shutil.copytree(run, older)
    (older / FACTS).unlink()
    asked: list[Path] = []

    async def ask(folder: Path) -> object:
        asked.append(folder)
        return await ask_process(folder)

    ask_process = console_reader._ask_process
    monkeypatch.setattr(console_reader, "_ask_process", ask)
    assert read_by_server(older, older) == read_by_server(run) * 2
    assert asked == [older]


def empty(_: bytes) -> bytes:
    return b""


def other_text(data: bytes) -> bytes:
    return data.replace(b'"cost":', b'"SECRET":', 1)


def no_rows(data: bytes) -> bytes:
    return json.dumps({**json.loads(data), "rows": {}}).encode()


def no_mistakes_left(data: bytes) -> bytes:
    found = json.loads(data)
    return json.dumps({**found, "candidates": [], "rows": found["rows"]}).encode()


@pytest.mark.parametrize(
    "damage", [empty, other_text, no_rows, no_mistakes_left, lambda data: data[:-9], lambda _: b"[" * 100_000]
)
def test_damaged_facts_are_none_and_the_page_and_the_log_say_so(
    run: Path, tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "mail"
    shutil.copytree(run, broken)
    (broken / FACTS).write_bytes(damage((run / FACTS).read_bytes()))
    with pytest.raises(RunError) as caught:
        read_facts(broken)
    assert caught.value.code == "E_RUN_CHANGED"
    assert "SECRET" not in str(caught.value)
    (facts,) = map(json.loads, read_by_server(broken))
    assert (facts["candidate"], facts["is_damaged"], facts["figures"], facts["mistakes"]) == ("lookup", True, [], [])
    (line,) = (entry for entry in caplog.records if entry.getMessage() == "facts damaged")
    assert vars(line)["fields"] == {"model": "mail", "error": "E_RUN_CHANGED"}


def test_facts_are_read_as_they_were_written(run: Path) -> None:
    data = (run / FACTS).read_bytes()
    facts = decode_facts(data)
    assert facts == candidate_facts(load_result(run)) == read_facts(run)
    assert encode_facts(facts) == data


def test_a_run_that_cannot_be_read_leaves_the_manifest(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "mail"
    shutil.copytree(run, broken)
    (broken / FACTS).unlink()
    (broken / "account.json").write_bytes(b"{")
    (facts,) = map(json.loads, read_by_server(broken))
    assert (facts["candidate"], facts["is_damaged"], facts["figures"], facts["mistakes"]) == ("lookup", True, [], [])
    assert "facts damaged" in caplog.messages


def test_a_bundle_alone_shows_what_its_manifest_says(tmp_path: Path) -> None:
    (bundle,) = read_served_bundles([str(fake_bundle(tmp_path / "tale", {"tell me": "once upon a time"}))])
    facts = console_facts(bundle, None)
    assert (facts["task"], facts["labels"], facts["inputs"]) == ("generate", [], ["text"])
    assert (facts["figures"], facts["mistakes"], facts["because"], facts["has_report"]) == ([], [], None, False)
    assert not facts["is_damaged"]


@given(st.dictionaries(st.sampled_from(["subject", "body", "note"]), st.text("ab: \nsubject", max_size=20)))
def test_columns_that_were_joined_are_told_apart_again(cells: dict[str, str]) -> None:
    names = ("subject", "body", "note")
    known = {name: text for name, text in cells.items() if text.strip()}
    if any(f"\n{name}: " in f"\n{text}" for text in known.values() for name in names):
        return  # a text that itself looks like a column cannot be told from one
    assert dict(split_cells(input_of(known, names), names)) == known


def test_one_column_is_the_whole_text() -> None:
    assert split_cells("text: a\nb", ["text"]) == {"text": "text: a\nb"}
