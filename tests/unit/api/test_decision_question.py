"""The wire form of decision APIs: what is asked, and which answers are believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ockham.api.client import address, address_of, asks_decisions
from ockham.api.decision_question import INSTRUCTIONS, check_labels, question, read_answer
from ockham.api.responses import Reply, RetryableError, parse_response
from ockham.errors import EndpointError

LISTED = [{"value": "a", "probability": 0.25}, {"value": "b", "probability": 0.75}]


def choice(**more: object) -> dict[str, Any]:
    return {"type": "choice", "name": None, "choice": "b", "confidence": 0.7, "probabilities": LISTED, **more}


def test_a_text_is_asked_about_all_labels_at_once() -> None:
    asked = question("the text", ("a", "b"), " ")
    assert asked["input"] == "the text"
    choices = [{"value": "a"}, {"value": "b"}]
    assert asked["questions"] == [{"type": "choice", "instructions": INSTRUCTIONS, "choices": choices}]
    assert question("t", ("a", "b"), "Which topic?")["questions"][0]["instructions"] == "Which topic?"


def test_what_is_said_of_labels_stands_beside_the_choices() -> None:
    asked = question("the text", ("a", "b"), "Which topic?", {"b": "all else"})
    assert asked["questions"][0]["choices"] == [{"value": "a"}, {"value": "b", "description": "all else"}]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (choice(), ("b", 0.75)),
        (choice(probabilities=None), ("b", 0.7)),
        (choice(probabilities=[], confidence=None), ("b", None)),
        (choice(probabilities=[{"value": "b", "probability": 7}]), ("b", None)),
        (choice(probabilities=[{"value": "b", "probability": True}]), ("b", None)),
        ({"type": "refusal", "name": None}, (None, None)),
        ({"type": "predicate", "probability": 0.5}, None),
        (choice(choice=True), None),
        ("b", None),
    ],
)
def test_an_answer_is_its_choice_and_the_probability_of_it(answer: object, expected: object) -> None:
    assert read_answer({"answers": [answer]}) == expected


def test_no_answer_and_several_are_no_decision() -> None:
    for answers in ([], [choice(), choice()], None, "b"):
        assert read_answer({"answers": answers}) is None


def test_a_response_is_read_with_its_tokens() -> None:
    usage = {"input_tokens": 12, "output_tokens": 0, "total_tokens": 12}
    raw = json.dumps({"model": "m", "answers": [choice()], "usage": usage}).encode()
    assert parse_response(200, {}, raw) == Reply(content="b", confidence=0.75, tokens_in=12, tokens_out=0)
    refused = json.dumps({"answers": [{"type": "refusal", "name": None}]}).encode()
    assert parse_response(200, {}, refused) == Reply(content="")
    assert isinstance(parse_response(200, {}, b'{"answers": []}'), RetryableError)


@pytest.mark.parametrize(
    "url", ["https://h/v1", "https://h/v1/", "https://h/v1/decisions", "https://h/v1/chat/completions"]
)
def test_the_api_that_is_meant_stands_in_the_address(url: str) -> None:
    assert address(address_of(url, "decisions")) == "https://h/v1/decisions"
    assert address(address_of(url, "chat")) == "https://h/v1/chat/completions"
    assert asks_decisions(url) == url.endswith("/decisions")


@pytest.mark.parametrize("number", [1, 256])
def test_too_few_and_too_many_labels_are_refused(number: int) -> None:
    with pytest.raises(EndpointError, match="2 to 255 labels"):
        check_labels([str(place) for place in range(number)])
