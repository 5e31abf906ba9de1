"""What the page shows of a model: its manifest, its run's figures, and the texts it was wrong about."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.served import fake_bundle

import ockham
from ockham.ladder.run_folder import load_result
from ockham.readers.examples import input_of
from ockham.server.console_facts import console_facts, split_cells
from ockham.server.console_reader import ConsoleReader, read_report
from ockham.server.served_bundle import read_served_bundles

MAILS = Path(__file__).parents[3] / "examples/support_mail.csv"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mail"
    spec = ockham.FitSpec(inputs=("subject", "body"), target="label", rungs=("constant", "lookup"))
    ockham.fit(MAILS, spec, ockham.Requirements(), out=folder)
    return folder


def test_a_candidate_of_a_run_is_shown_as_it_was_measured(run: Path) -> None:
    chosen, other = read_served_bundles([str(run)], ["constant"])
    assert (chosen.name, other.name) == ("mail", "mail.constant")
    facts, others = console_facts(chosen), console_facts(other)
    result = load_result(run)
    assert facts["candidate"] == result.verdict.chosen == "lookup"
    assert facts["because"] == result.verdict.because
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


def test_the_facts_are_read_once_by_a_process_of_their_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (chosen,) = read_served_bundles([str(run)])

    async def scenario() -> tuple[bytes, bytes]:
        reader = ConsoleReader()
        first = await reader.facts_of(chosen)
        monkeypatch.setattr("sys.executable", "/nowhere")
        return first, await reader.facts_of(chosen)

    first, again = asyncio.run(scenario())
    assert first == again == orjson.dumps(console_facts(chosen))


def test_a_bundle_alone_shows_what_its_manifest_says(tmp_path: Path) -> None:
    (bundle,) = read_served_bundles([str(fake_bundle(tmp_path / "tale", {"tell me": "once upon a time"}))])
    facts = console_facts(bundle)
    assert (facts["task"], facts["labels"], facts["inputs"]) == ("generate", [], ["text"])
    assert (facts["figures"], facts["mistakes"], facts["because"], facts["has_report"]) == ([], [], None, False)


@given(st.dictionaries(st.sampled_from(["subject", "body", "note"]), st.text("ab: \nsubject", max_size=20)))
def test_columns_that_were_joined_are_told_apart_again(cells: dict[str, str]) -> None:
    names = ("subject", "body", "note")
    known = {name: text for name, text in cells.items() if text.strip()}
    if any(f"\n{name}: " in f"\n{text}" for text in known.values() for name in names):
        return  # a text that itself looks like a column cannot be told from one
    assert dict(split_cells(input_of(known, names), names)) == known


def test_one_column_is_the_whole_text() -> None:
    assert split_cells("text: a\nb", ["text"]) == {"text": "text: a\nb"}
