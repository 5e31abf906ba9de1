"""The top rung: an OpenAI-compatible API, asked for one answer per text. Off unless the user names an endpoint.

A bundle of this kind holds the spec, the task with its labels or schema, and the examples prompts choose from. It holds
no key: only the name of the environment variable where the key stands.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ockham.api import batch, consent, decision_question
from ockham.api.client import Asked, Client, Clock, EndpointSpec, asks_decisions
from ockham.api.consent import Destination
from ockham.api.responses import Reply, endpoint_error
from ockham.llm import prompts
from ockham.llm.prompt_builder import PromptTask, longest, task_shown
from ockham.llm.task_words import without_meanings
from ockham.models import model_files
from ockham.models.backend import NETWORKED
from ockham.records import Answer, Example, TaskName

__all__ = ["KIND", "Endpoint", "EndpointSpec", "fit", "load", "permit"]

KIND = NETWORKED

FILE = "endpoint.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What the bundle's file holds."""

    spec: EndpointSpec
    task: PromptTask
    pool: tuple[prompts.Shot, ...]
    descriptions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What is said of labels, for a decision API, which is told it beside each choice."""


class Endpoint:
    """A named API as a model. Answers carry the tokens the API counted; only a decision API tells its confidence.

    ``close`` it when done.
    """

    def __init__(self, record: _Kept, key: str | None, clock: Clock) -> None:
        """Take what the bundle holds and the key; nothing is sent before the first answer."""
        self.spec = record.spec
        self._kept = record
        self._pool = prompts.ShotPool(record.pool)
        self._caller = Client(record.spec, key, clock)

    @property
    def cost_usd(self) -> float:
        """Say what was spent since loading, in USD, at the spec's prices; lost replies count at their most."""
        return self._caller.budget.spent

    def close(self) -> None:
        """Close the connections; the next answer opens new ones."""
        self._caller.close()

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Ask for every input, several at a time, and give the answers in order.

        A reply that names no label or option, or no reply at all within the deadline, is an `Answer` of ``None``; where
        a text lists no options that could be found, the reply itself is the answer. Raises
        `EndpointError` (``E_ENDPOINT``) for a refusal that no retry can mend, where ``stop_after`` answers in a row
        (or all there are) got no reply, and where the next call could pass ``max_cost``. No further call is then made.
        """
        replies = batch.request_replies(self._caller, self.spec, self._chat, inputs)
        return [self._read(reply, text) for reply, text in zip(replies, inputs, strict=True)]

    def _chat(self, text: str) -> Asked:
        if asks_decisions(self.spec.url):
            task = self._kept.task
            return decision_question.question(text, task.labels, task.instructions, self._kept.descriptions)
        return self._kept.task.chat(self._pool.choose(text, self.spec.shots), text)

    def _read(self, reply: Reply | None, text: str) -> Answer:
        if reply is None:
            return Answer(value=None)
        value, confidence = reply.content, None
        if asks_decisions(self.spec.url):
            value = value if value in self._kept.task.labels else None
            confidence = None if value is None else reply.confidence
        elif value is not None:
            value = self._kept.task.read(value, text)
        return Answer(value=value, confidence=confidence, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out)


def fit(
    examples: Sequence[Example],
    folder: Path,
    spec: EndpointSpec,
    *,
    task: TaskName = "classify",
    instructions: str = "",
    descriptions: Mapping[str, str] | None = None,
) -> None:
    """Write what prompts are made from; nothing is sent.

    Labels and schema are those of the targets. ``instructions`` are the user's own words about the task, in which
    the ``descriptions`` of labels stand too: a decision API is told them beside its choices instead. Raises
    `ConfigError` (``E_CONFIG``) for a spec out of range and `EndpointError` (``E_ENDPOINT``) for an address that is
    none, for a cap without prices, and where there is no label to choose from.
    """
    batch.check(spec)
    if not examples:
        raise endpoint_error("there is no example, so there is nothing to ask for", "give at least one labelled row")
    prompt_task = task_shown(task, examples, instructions)
    if asks_decisions(spec.url):
        if task != "classify":
            raise endpoint_error("a decision API answers with labels alone", "ask its chat API: --endpoint-api chat")
        decision_question.check_labels(prompt_task.labels)
        spec = dataclasses.replace(spec, shots=0)
        said = dict(descriptions or {})
        prompt_task = dataclasses.replace(prompt_task, instructions=without_meanings(prompt_task.instructions, said))
    else:
        said = {}
    if task != "classify":
        spec = dataclasses.replace(spec, max_output_tokens=max(spec.max_output_tokens, longest(prompt_task, examples)))
    pool = prompts.choose_pool(examples) if spec.shots else ()
    record = _Kept(spec=spec, task=prompt_task, pool=pool, descriptions=said)
    model_files.write(record, folder / FILE)


def permit(folder: Path, destination: Destination | None) -> EndpointSpec:
    """Check that a bundle sends rows only where the caller said, and return what it would ask; nothing is sent.

    Raises `ConsentError` (``E_CONSENT``) where the caller named no endpoint or another one, `ModelError` for a missing
    or damaged file, `EndpointError` (``E_ENDPOINT``) for a spec that cannot work.
    """
    spec = model_files.read(_Kept, folder / FILE).spec
    batch.check(spec)
    consent.permit(spec, destination)
    return spec


def load(folder: Path, *, environment: Mapping[str, str] | None = None, clock: Clock | None = None) -> Endpoint:
    """Read the bundle's file and take the key from the environment; nothing is sent.

    Raises `ModelError` for a missing or damaged file and `EndpointError` (``E_ENDPOINT``) where the variable that
    ``key_env`` names is not set.
    """
    record = model_files.read(_Kept, folder / FILE)
    batch.check(record.spec)
    return Endpoint(
        record, batch.key(record.spec, os.environ if environment is None else environment), clock or Clock()
    )
