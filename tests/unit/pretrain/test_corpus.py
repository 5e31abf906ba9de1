"""What goes into the base model: cleaned, no test half, no repetition, a part held out, and all of it accounted for."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
from pretrain import bpe, corpus, packing
from pretrain.corpus import build, clean, deduplicated, is_held_out, tidy, together, without_repeated_lines
from pretrain.sources import LEFT_OUT, SOURCES, Document, Source, documents
from pretrain.sources import test_half as of_test_half

from ockham.errors import DataError

DATA = Path(__file__).parents[3].parent / "shared" / "data"
PROSE = "The quick brown fox walks over the lazy dog, and nobody in the village minds. " * 12


def book(text: str, year: str = "1890") -> Document:
    header = f"# Title: A Book\n\n## Author: Somebody\n\n## Year: {year}\n\n-------\n"
    return Document(source="books", text=header + text, key=text)


def row(ask: str, answer: str, source: str = "hwu64") -> Document:
    return Document(source=source, text=f"Text: {ask}\nLabel: {answer}", key=ask, ask=ask, answer=answer)


def source(path: str, **fields: str) -> Source:
    return Source(
        name="clinc150",
        path=path,
        licence="CC BY 3.0",
        origin="nowhere",
        form="rows",
        names=("Text", "Label"),
        test=fields.get("test"),
        only=fields.get("only", ""),
    )


def test_a_book_loses_its_header_and_keeps_its_text() -> None:
    made = clean(book(f"_Translated by A. N. Other_\n\n\n\n## I\n\n{PROSE}  \n"))
    assert isinstance(made, Document)
    assert made.text == f"_Translated by A. N. Other_\n\n## I\n\n{PROSE.strip()}"


@pytest.mark.parametrize(
    ("year", "reason"),
    [("1931", "perhaps_in_copyright"), ("1962", "perhaps_in_copyright"), ("", "no_year"), ("unknown", "no_year")],
)
def test_books_that_may_not_be_free_are_left_out(year: str, reason: str) -> None:
    assert clean(book(PROSE, year)) == reason


@pytest.mark.parametrize("year", ["1930", "413", "-50"])
def test_old_books_stay(year: str) -> None:
    assert isinstance(clean(book(PROSE, year)), Document)


def test_a_short_book_is_no_book() -> None:
    assert clean(book("The end.")) == "too_short"


def test_a_proposal_keeps_its_title_its_indents_and_no_address() -> None:
    text = (
        "PEP: 7\nTitle: Style\n Guide\nAuthor: Some One <one@python.example.org>\nStatus: Active\n\n"
        f"Intro\n=====\n\n{PROSE}\n\n    if x:\n        call(x,   y)\n\nWrite to one at python.example.org or not.\n"
    )
    made = clean(Document(source="technical", text=text, key=text))
    assert isinstance(made, Document)
    assert made.text.startswith("Style Guide\n\nIntro\n=====\n")
    assert "\n    if x:\n        call(x, y)\n" in made.text
    assert "Author" not in made.text
    assert "python.example" not in made.text
    assert made.text.endswith("Write to name@example.org or not.")


def test_quotation_marks_become_straight_and_white_space_single() -> None:
    given = "\u201cIt\u2019s\u00a0late\u201d  he said\u2014twice.\n\n\n\ncafe\u0301\t!"
    assert tidy(given, indented=False) == '"It\'s late" he said\u2014twice.\n\ncafé !'


def test_addresses_of_people_go_and_those_of_pages_stay() -> None:
    given = "Ask jo.doe+x@mail.example.com; more is available at www.cancer.gov today."
    assert tidy(given, indented=False) == "Ask name@example.org; more is available at www.cancer.gov today."
    assert tidy("  jo at example.com", indented=True) == "  name@example.org"


def test_notices_that_stand_in_many_documents_go_and_short_lines_stay() -> None:
    notice, short = "This document has been placed in the public domain.", "Yes, sir."
    given = [Document(source="technical", text=f"Text {i}\n{notice}\n{short}", key=str(i)) for i in range(20)]
    kept, gone = without_repeated_lines(given)
    assert gone == 20
    assert [document.text for document in kept] == [f"Text {i}\n{short}" for i in range(20)]
    assert without_repeated_lines(given[:19])[1] == 0


def test_the_first_of_near_duplicates_stays() -> None:
    given = [row("please turn the lights off in the kitchen now", "off") for _ in range(2)]
    given.append(row("please turn the lights off in the kitchen now!", "off"))
    given.append(row("what is the weather like in Paris this week", "weather"))
    assert deduplicated(given) == [given[0], given[3]]


def test_the_side_follows_from_the_key_alone() -> None:
    sides = [is_held_out(Document(source="s", text="", key=f"key {i}")) for i in range(5_000)]
    assert 25 <= sum(sides) <= 75  # one in a hundred; six standard deviations are 42
    assert sides == [is_held_out(Document(source="t", text=f"other {i}", key=f"key {i}")) for i in range(5_000)]


def test_rows_are_joined_by_twelve_in_an_order_that_does_not_depend_on_theirs() -> None:
    rows = [row(f"question {i}", "label") for i in range(30)]
    made = together(rows)
    assert [document.text.count("Label: ") for document in made] == [12, 12, 6]
    assert made == together(rows[::-1])
    assert sorted("\n\n".join(document.text for document in made).split("\n\n")) == sorted(r.text for r in rows)


def test_nothing_of_the_test_half_goes_in(tmp_path: Path) -> None:
    answer = "A long answer that is shared by several questions. " * 3
    train = [
        {"input": "How late is it?", "target": "clock"},
        {"input": "Turn on the radio", "target": "radio"},
        {"input": "What helps against a cold and a cough?", "target": answer},
        {"input": "Where is my phone", "target": "find"},
    ]
    test = [{"input": "how late IS it", "target": "clock"}, {"input": "What is a cold?", "target": answer}]
    for name, rows in (("train", train), ("test", test)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    made = build([source("train.jsonl", test="test.jsonl")], tmp_path, lambda _: None)
    text = "\n".join(document.text for document in (*made.train, *made.held))
    # A label that both halves have is no reason.
    assert "Turn on the radio" in text
    assert "Where is my phone" in text
    assert "How late" not in text
    assert "cold" not in text
    account = made.accounts[0]
    assert account.dropped == {"in_test_half": 2}
    assert account.documents == 4
    assert account.kept + account.held == 2


def test_only_the_rows_of_the_licensed_part_are_read(tmp_path: Path) -> None:
    rows = [{"input": "geography: how long is it", "target": "A"}, {"input": "advising: who teaches", "target": "B"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    found = list(documents(source("a.jsonl", only="advising: "), tmp_path))
    assert [(document.ask, document.answer) for document in found] == [("who teaches", "B")]


def test_questions_with_one_answer_stay_on_one_side(tmp_path: Path) -> None:
    medical = next(one for one in SOURCES if one.name == "medical")
    lines = [{"text": f"Question: What is {name} ?\nAnswer: An illness.", "source": "x"} for name in ("A", "B")]
    path = tmp_path / medical.path
    path.parent.mkdir()
    path.write_bytes(lzma.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    first, second = documents(medical, tmp_path)
    assert (first.ask, first.answer) == ("What is A ?", "An illness.")
    assert first.key == second.key == "An illness."


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read") as missing:
        list(documents(source("none.jsonl"), tmp_path))
    assert missing.value.code == "E_IO"
    (tmp_path / "cut.jsonl.xz").write_bytes(lzma.compress(b'{"input": "a", "target": "b"}\n' * 999)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        list(documents(source("cut.jsonl.xz"), tmp_path))
    (tmp_path / "odd.jsonl").write_text('{"input": "secret"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"odd\.jsonl, record 1") as odd:
        list(documents(source("odd.jsonl"), tmp_path))
    assert "secret" not in str(odd.value)
    (tmp_path / "no.jsonl").write_text("{\n", encoding="utf-8")
    with pytest.raises(DataError, match="not what its name says"):
        list(documents(source("no.jsonl"), tmp_path))


def test_the_streams_hold_every_document_and_their_stretches_add_up() -> None:
    texts = ["one two", "three", "four five six"]
    given = [Document(source="ab"[i // 2], text=text, key=text) for i, text in enumerate(texts)]
    tokenizer = bpe.train(texts, 300)
    heard: list[tuple[int, int]] = []
    stream, stretches = packing.encode(tokenizer, given, lambda done, total: heard.append((done, total)))
    assert heard == [(3, 3)]
    assert tokenizer.decode(stream.tolist(), skip_special_tokens=False) == "".join(f"{text}{bpe.END}" for text in texts)
    assert [(s.source, s.documents, s.size) for s in stretches] == [("a", 2, 12), ("b", 1, 13)]
    assert sum(s.tokens for s in stretches) == len(stream)


def test_the_sample_of_the_vocabulary_takes_of_a_large_source_a_part_and_of_a_small_one_all() -> None:
    large = Document(source="large", text="x" * 200_000, key="l")
    small = Document(source="small", text="y" * 30_000, key="s")
    pieces = list(bpe.sample([large, small], limit=50_000))
    assert sum(piece.count("x") for piece in pieces) == 60_000
    assert sum(piece.count("y") for piece in pieces) == 30_000


def test_no_source_is_one_of_those_left_out_and_none_is_a_test_half() -> None:
    folders = {Path(one.path).parts[0] for one in SOURCES}
    assert folders & {name.split()[0] for name in LEFT_OUT} == {"text2sql"}  # a part of it, by its prefix
    assert all("test" not in Path(one.path).name for one in SOURCES)
    assert next(one for one in SOURCES if one.path.startswith("text2sql")).only == "advising: "
    for one in SOURCES:
        assert not any(word in one.licence for word in ("SA", "NC", "ND", "ODbL", "GPL")), one.name


@pytest.mark.real
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize("name", ["hwu64", "ncbi_disease", "text2sql_advising"])
def test_real_rows_are_free_of_their_test_half(name: str) -> None:
    one = next(source for source in SOURCES if source.name == name)
    made = corpus.build([one], DATA, lambda _: None)
    account = made.accounts[0]
    assert account.documents == account.kept + account.held + sum(account.dropped.values())
    assert 0.003 < account.held / (account.held + account.kept) < 0.04
    text = "\n".join(document.text for document in (*made.train, *made.held))
    heading = f"{one.names[0]}: "
    inputs = {line.removeprefix(heading) for line in text.split("\n") if line.startswith(heading)}
    assert inputs.isdisjoint(tidy(asked, indented=False) for asked in of_test_half(one, DATA))
