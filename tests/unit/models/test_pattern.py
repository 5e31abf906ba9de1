"""Rules by shape, label words and position: what is learnt, how it reads, and how long it takes."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import get_args

import pytest
from tests.unit.models.test_linear_tagger import receipts

from ockham.errors import ModelError
from ockham.models import model_files, pattern
from ockham.models.extraction import pattern_learning, pattern_rules, tagger_learning, text_words
from ockham.models.extraction.value_places import TextRow


@pytest.fixture(scope="module")
def model() -> pattern.Pattern:
    return pattern_learning.learn(tagger_learning.place_rows(receipts(60)))


def test_rules_find_values_by_shape_and_label(model: pattern.Pattern) -> None:
    rows = receipts(20, 100)
    answers = [json.loads(str(answer.value)) for answer in model.answer([row.text for row in rows])]
    assert answers == [json.loads(row.target) for row in rows]


def test_the_bundle_lists_its_rules_as_sentences(model: pattern.Pattern, tmp_path: Path) -> None:
    model.save(tmp_path)
    lines = (tmp_path / pattern.LIST).read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(model.rules) > 1
    assert lines[0] == "date: the first text of the shape 9+-9+-9+ (right in 60 of 60 rows)"
    assert all(line.startswith(("date: ", "total: ")) and line.endswith(" rows)") for line in lines)
    again = pattern.load(tmp_path)
    texts = [row.text for row in receipts(5, 200)]
    assert again.answer(texts) == model.answer(texts)
    rules = model_files.read(pattern.RuleList, tmp_path / pattern.RULES).rules
    broken = pattern.RuleList(rules=(dataclasses.replace(rules[0], field=7),))
    model_files.write(broken, tmp_path / pattern.RULES)
    with pytest.raises(ModelError, match="not of the fields"):
        pattern.load(tmp_path)


def test_a_rule_of_one_row_is_not_believed() -> None:
    rows = [TextRow(text=f"code {'abcdefgh'[number]}{number}{number}", target='{"c": "x"}') for number in range(8)]
    rows.append(TextRow(text="code zz-9", target='{"c": "zz-9"}'))
    assert pattern_learning.learn(tagger_learning.place_rows(rows)).rules == ()


def test_of_shapes_that_are_as_frequent_the_same_are_looked_up_in_every_process() -> None:
    words = [f"w{number:03}" for number in range(100)]  # all in one row, so that a set holds them
    rows = tagger_learning.place_rows([TextRow(text=" ".join(words), target=json.dumps({"codes": words}))] * 3)
    pages = [pattern_rules.read_text(text, text_words.split_words(text, frozenset({"a0"}))) for text in rows.texts]
    keys = pattern_learning._keys_of(0, rows, pattern_learning._Material(pages=pages, values=[]))
    assert [key for kind, key in keys if kind == "word"] == words[: len(keys) - 2]
    assert [kind for kind, _ in keys[:2]] == ["loose", "shape"]


def test_several_values_are_taken_where_the_field_has_several() -> None:
    rows = [
        TextRow(text=f"from A{n} via B{n} and C{n} at noon", target=json.dumps({"stops": [f"A{n}", f"B{n}", f"C{n}"]}))
        for n in range(10, 40)
    ]
    learnt = pattern_learning.learn(tagger_learning.place_rows(rows))
    answer = learnt.answer(["via Q51 to Z52, at 9"])[0]
    assert json.loads(str(answer.value)) == {"stops": ["Q51", "Z52"]}


@pytest.mark.parametrize("text", ["9" * 100_000, "9." * 50_000, "TOTAL 1.00\n" * 9000, "-" * 100_000, ""])
def test_no_text_takes_more_than_its_length_in_time(model: pattern.Pattern, text: str) -> None:
    begin = time.process_time()
    (answer,) = model.answer([text])
    assert time.process_time() - begin < 5
    assert isinstance(json.loads(str(answer.value)), dict)


def test_runs_are_found_by_every_key_that_they_have_and_by_no_other() -> None:
    """The tree of shapes and words says what trying each run by itself says."""
    text = "SHOP 1\nDATE 22-04-16 a\nTEA 1.50 tea 2.50\n\nTOTAL RM 9.00 MYR\nCASH\n10.00"
    page = pattern_rules.read_text(text, text_words.split_words(text, ("0-", "-0", "0.", ".0")))
    runs = [range(a, b) for line in page.lines for a in line for b in range(a + 1, line.stop + 1)]
    sought = sorted({key for run in runs for key in pattern_rules.run_keys(page, run)})[::2]
    rules = [
        pattern_rules.PatternRule(field=0, kind=kind, key=key, context="anywhere", word="", pick="all", right=1, rows=1)
        for kind, key in sought
    ]
    keys, most_lines = pattern_rules.index_rules(rules)
    hits = pattern_rules.find_candidates(page, keys, most_lines)
    assert hits == {key: [run for run in runs if key in set(pattern_rules.run_keys(page, run))] for key in sought}


def test_a_context_that_is_looked_at_alone_is_one_of_all() -> None:
    """Rules are applied without working out every context; both ways say the same."""
    text = "SHOP 1\nDATE 22-04-16 a\nTEA 1.50\n\nTOTAL RM 9.00 MYR\nCASH\n10.00"
    page = pattern_rules.read_text(text, text_words.split_words(text, ("0-", "-0", "0.", ".0")))
    words = {*page.lows, *map(str, range(1, 9)), ""}
    for first in range(len(page.words)):
        for stop in range(first + 1, len(page.words) + 1):
            run = range(first, stop)
            every = set(pattern_rules.contexts(page, run))
            for context in get_args(pattern_rules.Context):
                alone = {word for word in words if pattern_rules.stands_in(page, run, context, word)}
                if context == "anywhere":
                    assert alone == words
                else:
                    assert alone == {word for name, word in every if name == context}
