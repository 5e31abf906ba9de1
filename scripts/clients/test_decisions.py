"""``OpenAIDecisions`` of langchain-openai against a running server; see `scripts/conformance`."""

from __future__ import annotations

import os

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai.decisions import Choice, OpenAIDecisions, Predicate, Score

BASE, KEY = f"{os.environ['OCKHAM_TEST_SERVER']}/v1", os.environ["OCKHAM_API_KEY"]
LABELS = ("billing", "delivery", "defect")


def client(model: str = "mail", key: str = KEY) -> OpenAIDecisions:
    return OpenAIDecisions(model=model, base_url=BASE, api_key=key, max_retries=0)


def choice(*values: str) -> Choice:
    return Choice(instructions="Which topic?", choices=dict.fromkeys(values, None))


def test_several_questions_are_answered_together() -> None:
    levels = Score(instructions="How bad?", levels=list(LABELS))
    reply = client().invoke({"input": "a refund", "questions": {"topic": choice(*LABELS), "level": levels}})
    topic, level = reply.choices["topic"], reply.scores["level"]
    assert (reply.model, topic.choice) == ("mail", "billing")
    assert sum(topic.probabilities.values()) == pytest.approx(1)
    assert topic.confidence == max(topic.probabilities.values())
    assert level.legend == dict(enumerate(LABELS))
    assert level.score == pytest.approx(sum(value * share for value, share in level.probabilities.items()))
    assert (reply.usage.input_tokens or 0) > 0


def test_a_predicate_has_a_probability() -> None:
    asked = {"spam": Predicate(instructions="Is it spam?")}
    yes, no = client("spam").batch([{"input": f"text of {label}", "questions": asked} for label in ("yes", "no")])
    assert yes.predicates["spam"].probability > 0.5 > no.predicates["spam"].probability


def test_some_of_the_labels_share_what_the_others_leave() -> None:
    whole, part = (
        client().invoke({"input": "a refund", "questions": {"topic": choice(*values)}}).choices["topic"]
        for values in (LABELS, LABELS[:2])
    )
    ratio = whole.probabilities["billing"] / whole.probabilities["delivery"]
    assert part.probabilities["billing"] / part.probabilities["delivery"] == pytest.approx(ratio)


async def test_messages_and_conversations_are_read() -> None:
    asked = {"topic": choice(*LABELS)}
    plain = await client().ainvoke({"input": "a refund", "questions": asked})
    message = await client().ainvoke({"input": [HumanMessage("a refund")], "questions": asked})
    assert message.answers == plain.answers
    talk = [HumanMessage("hello"), AIMessage("what is it?"), HumanMessage("a refund")]
    assert (await client().ainvoke({"input": talk, "questions": asked})).choices["topic"].choice in LABELS


def test_what_cannot_be_answered_is_an_error_in_words() -> None:
    with pytest.raises(openai.BadRequestError, match="billing, defect, delivery"):
        client().invoke({"input": "a refund", "questions": {"topic": choice("billing", "weather")}})
    with pytest.raises(openai.NotFoundError):
        client("gone").invoke({"input": "a refund", "questions": {"topic": choice(*LABELS)}})
    with pytest.raises(openai.AuthenticationError):
        client(key="another-key-of-nobody").invoke({"input": "a refund", "questions": {"topic": choice(*LABELS)}})
    image = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])
    with pytest.raises(openai.BadRequestError, match="type"):
        client().invoke({"input": [image], "questions": {"topic": choice(*LABELS)}})
