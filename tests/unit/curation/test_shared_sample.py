"""Documents are judged and compared without the text that rows share, and written as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.sample_letters import framed, letters

from ockham.curation import shared_sample
from ockham.curation.curate import Curated, CurateSpec, curate, prepare_curation
from ockham.data import passage_search
from ockham.data.shared_text import SharedText

LETTERS = letters()


def source(folder: Path, form: str, *, labelled: bool = True) -> Path:
    path = folder / f"{form.replace(' ', '-')}.jsonl"
    rows = [
        {"text": framed(form, text, number)} | ({"label": label} if labelled else {})
        for number, (text, label) in enumerate(LETTERS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def kept(outcome: Curated) -> list[str]:
    rows = [
        json.loads(line)
        for shard in outcome.report.shards
        if shard.path.startswith("clean/")
        for line in (outcome.path / shard.path).read_text(encoding="utf-8").splitlines()
    ]
    return [row["text"] for row in rows]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Curated:
    folder = tmp_path_factory.mktemp("bare")
    return curate(source(folder, "bare"), out=folder / "out")


@pytest.mark.parametrize("form", ["15 words", "109 words", "footer", "some without", "three prompts", "numbers differ"])
def test_the_rows_stay_that_stay_of_the_bare_ones(form: str, bare: Curated, tmp_path: Path) -> None:
    wrapped = curate(source(tmp_path, form), out=tmp_path / "out")
    numbers = {text: number for number, (text, _) in enumerate(LETTERS)}
    stays = [framed(form, text, numbers[text]) for text in kept(bare)]
    assert 100 < len(stays) < len(LETTERS)
    assert kept(wrapped) == stays  # the same rows, and whole
    assert any("rows are judged and compared without them" in warning for warning in wrapped.report.warnings)
    assert bare.report.warnings == ()


def test_workers_and_chunks_change_nothing(tmp_path: Path) -> None:
    file = source(tmp_path, "three prompts")
    first = curate(file, out=tmp_path / "one")
    second = curate(file, out=tmp_path / "two", workers=2, chunk_mb=1)
    assert first.report == second.report


def test_what_was_redacted_in_the_shared_text_is_shared_still(bare: Curated, tmp_path: Path) -> None:
    footer = "Write to desk@library.example or ring the bell beside the door when nobody is at the desk."
    path = tmp_path / "mails.jsonl"
    path.write_text(
        "".join(json.dumps({"text": f"{text}\n{footer}", "label": label}) + "\n" for text, label in LETTERS)
    )
    spec = CurateSpec(personal="redact")
    report = curate(path, spec, out=tmp_path / "out").report
    assert report.personal == {"email": report.rows}
    assert report.unchanged + report.changed == bare.report.unchanged


def test_test_rows_leak_by_their_own_text_alone(tmp_path: Path) -> None:
    leaks: dict[str, int] = {}
    for form in ("bare", "109 words"):
        test = tmp_path / f"test-{form}.jsonl"
        rows = ["My violin has lost a string in the practice cellar.", LETTERS[5][0]]
        test.write_text("".join(json.dumps({"text": framed(form, text, 0)}) + "\n" for text in rows))
        outcome = curate(source(tmp_path, form), CurateSpec(test=(str(test),)), out=tmp_path / f"out-{form}")
        leaks[form] = outcome.report.left_out["leak"]
    assert leaks["109 words"] == leaks["bare"] < 30


def test_only_the_first_rows_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_seen: list[int] = []

    def spy(texts: list[str], targets: list[str] | None) -> SharedText:
        rows_seen.append(len(texts))
        return SharedText()

    monkeypatch.setattr(passage_search, "find_shared_text", spy)
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"text": f"row {n} of very many rows"}) + "\n" for n in range(9_000)))
    prepare_curation(path, CurateSpec(), lambda _: None)
    assert rows_seen == [4_000]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("size", [8_000_000, 40_000])
def test_a_file_that_is_sorted_shows_the_prompts_of_its_end(
    kind: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole file is read where it is small; of a large one, some lines in several places."""
    monkeypatch.setattr(shared_sample, "_CHARACTERS", size)
    rows = [{"text": framed("109 words", text, n) if n >= 140 else text} for n, (text, _) in enumerate(LETTERS)]
    path = tmp_path / f"sorted.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        cells = (row["text"].replace("\n", " ").replace('"', "'") for row in rows)
        path.write_text("text,note\n" + "".join(f'"{cell}",x\n' for cell in cells), encoding="utf-8")
    monkeypatch.setattr(shared_sample, "_ROWS", 150)
    _, plan, warnings = prepare_curation(path, CurateSpec(), lambda _: None)
    assert [passage.words for passage in plan.shared.passages] == [111], "the prompt, and who speaks"
    assert any("rows are judged and compared without them" in warning for warning in warnings)
