"""The bodies of ``POST /v1/decisions`` and ``POST /v1/systemone``, as their clients write them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictStr, model_validator

from ockham.api.decision_question import LEAST_CHOICES, MOST_CHOICES
from ockham.server.strict_body import Strict

MOST_QUESTIONS, MOST_MESSAGES = 400, 10_000
LONGEST_NAME = 256


class TextPart(Strict):
    """A text part of a message."""

    type: Literal["text", "input_text", "output_text"]
    text: str
    prompt_cache_breakpoint: dict[str, Any] | None = None


class JsonPart(Strict):
    """A part of a message with one or more JSON objects."""

    type: Literal["input_json"]
    data: dict[str, Any] | list[dict[str, Any]]


Part = Annotated[TextPart | JsonPart, Field(discriminator="type")]
Content = StrictStr | Annotated[list[Part], Field(min_length=1)]


class DecisionMessage(Strict):
    """A message of the input."""

    type: Literal["message"] = "message"
    role: Literal["user", "developer", "system", "assistant"]
    content: Content


class ChoiceOption(Strict):
    """A possible value of the answer: a label of the model."""

    value: StrictStr | StrictBool
    description: str | None = None


class ChoiceQuestion(Strict):
    """A question for one of several values."""

    type: Literal["choice"]
    instructions: Content
    choices: Annotated[list[ChoiceOption], Field(min_length=LEAST_CHOICES, max_length=MOST_CHOICES)]
    name: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None

    @model_validator(mode="after")
    def check_choices_differ(self) -> ChoiceQuestion:
        """Refuse the same value twice; a text and a truth value of the same spelling are two."""
        values = [(type(choice.value), choice.value) for choice in self.choices]
        if len(set(values)) < len(values):
            raise ValueError("each choice must be unique")
        return self


class PredicateQuestion(Strict):
    """A question whether a statement about the input is true."""

    type: Literal["predicate"]
    instructions: Content
    name: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None


class Level(Strict):
    """A level of a score: a label of the model."""

    label: str
    description: str | None = None


class ScoreQuestion(Strict):
    """A question for a level, from the lowest to the highest."""

    type: Literal["score"]
    instructions: Content
    levels: Annotated[list[Level], Field(min_length=LEAST_CHOICES, max_length=MOST_CHOICES)]
    name: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None

    @model_validator(mode="after")
    def check_levels_differ(self) -> ScoreQuestion:
        """Refuse the same level twice."""
        labels = [level.label for level in self.levels]
        if len(set(labels)) < len(labels):
            raise ValueError("each level must be unique")
        return self


Question = Annotated[ChoiceQuestion | PredicateQuestion | ScoreQuestion, Field(discriminator="type")]


class DecisionRequest(Strict):
    """The body of ``POST /v1/decisions``. The parameters for prompt caching and safety identifiers have no effect."""

    model: str
    input: StrictStr | Annotated[list[DecisionMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    questions: Annotated[list[Question], Field(min_length=1, max_length=MOST_QUESTIONS)]
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    safety_identifier: str | None = None


class SystemOneQuestion(Strict):
    """A question of ``POST /v1/systemone``. Its criteria map each possible value to a description."""

    type: Literal["choice"] = "choice"
    instructions: Content | None = None
    criteria: Annotated[dict[str, str | None], Field(min_length=LEAST_CHOICES, max_length=MOST_CHOICES)]


class SystemOneRequest(Strict):
    """The body of ``POST /v1/systemone``."""

    model: str
    state: StrictStr | dict[str, Any] | list[Any]
    questions: Annotated[dict[str, SystemOneQuestion], Field(min_length=1, max_length=MOST_QUESTIONS)]
