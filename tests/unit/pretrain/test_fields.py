"""Fields that rules find in sentences: they stand in the text as they are, and come as chats in the rungs' words."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from pretrain import fields, instruct
from pretrain.fields import RULES
from pretrain.sources import Document

pytestmark = pytest.mark.tune


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I met Dr Ada Byrne at noon.", {"name": "Dr Ada Byrne", "time": "at noon"}),
        ("set an alarm for 5 pm next friday", {"number": "5", "day": "next friday", "time": "5 pm"}),
        ("we sent two crates from the depot to Linz", {"number": "two", "amount": "two crates", "from": "the depot"}),
        ('She said "never again" in the morning', {"said": "never again", "time": "in the morning"}),
        ("bring the ladder to my sister in Upper Wells", {"item": "the ladder", "place": "Upper Wells"}),
        ("it rains", {}),
    ],
)
def test_rules_find_what_stands_in_a_sentence(text: str, found: dict[str, str]) -> None:
    rules = {names[0]: rule for names, rule in RULES.items()}
    values = fields.filled(text, rules)
    assert found.items() <= values.items()
    assert all(value in text for value in values.values())


def test_tasks_have_fields_of_their_own_and_several_sentences() -> None:
    rows = [
        Document(source="hwu64", text="", key="", ask=f"wake me at {i % 9 + 1} pm on monday and buy a cake in Graz")
        for i in range(20)
    ]
    book = Document(source="books", text='He took the road to Rome. "Two horses are enough," said Anne. ' * 90, key="")
    found = list(itertools.islice(fields.tasks([rows, [], [book]], np.random.default_rng(0)), 60))
    again = list(itertools.islice(fields.tasks([rows, [], [book]], np.random.default_rng(0)), 60))
    assert found == again
    assert {len(task) for task in found} == {1, 2, 3, 4, 5}
    names = {name for group in RULES for name in group}
    for task in found:
        for one in task:
            values = json.loads(one.target)
            assert set(values) <= names
            assert all(value in one.text for value in values.values())
    full = [json.loads(one.target) for task in found for one in task]
    assert sum(len(values) > 1 for values in full) > sum(len(values) == 0 for values in full)


def test_texts_without_a_fitting_sentence_give_none() -> None:
    short = [Document(source="hwu64", text="no", key="", ask="too short")]
    assert list(fields.tasks([short], np.random.default_rng(0))) == []


def test_chats_show_a_schema_or_leave_it_out() -> None:
    rows = [
        Document(source="hwu64", text="", key="", ask=f"wake me at {i} pm on friday", answer="a") for i in range(1, 10)
    ]
    chats = list(itertools.islice(instruct.kinds({"hwu64": rows}, 0)["fields"], 40))
    listed = ["JSON schema" in chat[0]["content"] for chat in chats]
    assert 8 < sum(listed) < 32
    for chat in chats:
        text, answer = json.loads(chat[-2]["content"])["text"], json.loads(chat[-1]["content"])
        assert all(value in text for value in answer.values())
