"""``POST /v1/decisions`` and ``POST /v1/systemone``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ockham.readers.table import text_of
from ockham.server.asking import ask
from ockham.server.decision_types import (
    ChoiceOption,
    ChoiceQuestion,
    DecisionRequest,
    SystemOneQuestion,
    SystemOneRequest,
)
from ockham.server.input_text import text_of_input
from ockham.server.json_response import json_response
from ockham.server.request_body import read_body
from ockham.server.server_state import ServerState, headers_of
from ockham.server.token_usage import decision_usage, usage_of


async def decide(state: ServerState, request: Request) -> Response:
    """Answer the questions of a decision request: the model reads its input once for all of them."""
    body = await read_body(request, DecisionRequest)
    service = state.service(body.model)
    classifier = state.classifier(service)
    messages = body.input if isinstance(body.input, str) else [message.model_dump() for message in body.input]
    text = text_of_input(messages, service.bundle.manifest, "input")
    for number, question in enumerate(body.questions):
        classifier.check(question, f"questions[{number}]")
    decided = await ask(state, request, service, [text])
    answers = [classifier.answer(question, decided[0]) for question in body.questions]
    usage = decision_usage(usage_of([text], [decided[0].answer]))
    return json_response({"model": body.model, "answers": answers, "usage": usage}, headers=headers_of(service))


async def decide_system_one(state: ServerState, request: Request) -> Response:
    """Answer the questions of a System One request, which are maps of what the others list."""
    body = await read_body(request, SystemOneRequest)
    service = state.service(body.model)
    classifier = state.classifier(service)
    text = text_of_input(text_of(body.state), service.bundle.manifest, "state")
    questions = {name: _choice_question(name, question) for name, question in body.questions.items()}
    for question in questions.values():
        classifier.labels_of([choice.value for choice in question.choices], "questions.criteria")
    decided = (await ask(state, request, service, [text]))[0]
    answers = {}
    for name, question in questions.items():
        answer = classifier.answer(question, decided)
        answer.pop("name")
        if "probabilities" in answer:
            answer["probabilities"] = {share["value"]: share["probability"] for share in answer["probabilities"]}
        answers[name] = answer
    usage = usage_of([text], [decided.answer])
    tokens = {"input_tokens": usage.read, "output_tokens": 0}
    return json_response({"model": body.model, "answers": answers, "usage": tokens}, headers=headers_of(service))


def _choice_question(name: str, question: SystemOneQuestion) -> ChoiceQuestion:
    choices = [ChoiceOption(value=value, description=words) for value, words in question.criteria.items()]
    return ChoiceQuestion(type="choice", name=name[:256], instructions=question.instructions or name, choices=choices)
