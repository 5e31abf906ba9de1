"""The top rung: an OpenAI-compatible API, asked for one answer per text. Off unless the user names an endpoint.

A bundle of this kind holds the spec, the task with its labels or schema, and the examples prompts choose from. It holds
no key: only the name of the environment variable where the key stands.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from ockham import config
from ockham.errors import EndpointError
from ockham.models import prompts, settings
from ockham.models.calls import Caller, Clock, EndpointSpec, address
from ockham.models.question import Task, longest, task_of
from ockham.models.replies import Trouble, refusal
from ockham.records import Answer, Example, TaskName

__all__ = ["Endpoint", "EndpointSpec", "fit", "load"]

FILE = "endpoint.json"

_ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What the bundle's file holds."""

    spec: EndpointSpec
    task: Task
    pool: tuple[prompts.Shot, ...]


class Endpoint:
    """A named API as a model. Answers carry the tokens the API counted; confidence is unknown.

    ``close`` it when done.
    """

    def __init__(self, kept: _Kept, key: str | None, clock: Clock) -> None:
        """Take what the bundle holds and the key; nothing is sent before the first answer."""
        self.spec = kept.spec
        self._kept = kept
        self._pool = prompts.Pool(kept.pool)
        self._caller = Caller(kept.spec, key, clock)

    @property
    def spent(self) -> float:
        """Say what was spent since loading, in USD, at the spec's prices; lost replies count at their most."""
        return self._caller.budget.spent

    def close(self) -> None:
        """Close the connections; the next answer opens new ones."""
        self._caller.close()

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Ask for every input, several at a time, and give the answers in order.

        A reply that names no label, or no reply at all within the deadline, is an `Answer` of ``None``. Raises
        `EndpointError` (``E_ENDPOINT``) for a refusal that no retry can mend, where ``stop_after`` answers in a row
        (or all there are) got no reply, and where the next call could pass ``max_cost``. No further call is then made.
        """
        if not inputs:
            return []
        batch = _Batch(limit=min(self.spec.stop_after, len(inputs)))
        pool = ThreadPoolExecutor(max_workers=min(self.spec.concurrency, len(inputs)))
        try:
            futures = [pool.submit(self._one, text, batch) for text in inputs]
            answers = [future.result() for future in futures]
        finally:
            batch.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if batch.fault is not None:
            # The worker's traceback goes: its frames hold the prompt.
            raise batch.fault.with_traceback(None)
        return answers

    def _one(self, text: str, batch: _Batch) -> Answer:
        if batch.stop.is_set():
            return Answer(value=None)
        kept = self._kept
        shots = self._pool.choose(text, self.spec.shots)
        try:
            got = self._caller.ask(kept.task.chat(shots, text), batch.stop)
        except EndpointError as error:
            batch.end(error)
            return Answer(value=None)
        if isinstance(got, Trouble):
            batch.failed(got.reason)
            return Answer(value=None)
        batch.succeeded()
        value = None if got.content is None else kept.task.read(got.content)
        return Answer(value=value, tokens_in=got.tokens_in, tokens_out=got.tokens_out)


class _Batch:
    """What the workers of one batch share: whether to stop, why, and how many answers in a row failed."""

    def __init__(self, limit: int) -> None:
        self.stop = threading.Event()
        self.fault: EndpointError | None = None
        self._limit = limit
        self._row = 0
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        with self._lock:
            self._row = 0

    def failed(self, reason: str) -> None:
        with self._lock:
            if self.stop.is_set():
                return
            self._row += 1
            _log.warning("no reply from the endpoint: %s", reason)
            if self._row < self._limit:
                return
        what = f"{self._limit} answers in a row got no reply; the last time, {reason}"
        self.end(EndpointError("E_ENDPOINT", what, fix="try again later, or check url and the network"))

    def end(self, fault: EndpointError) -> None:
        with self._lock:
            self.fault = self.fault or fault
            self.stop.set()


def fit(
    examples: Sequence[Example],
    folder: Path,
    spec: EndpointSpec,
    *,
    task: TaskName = "classify",
    instructions: str = "",
) -> None:
    """Write what prompts are made from; nothing is sent.

    Labels and schema are those of the targets. ``instructions`` are the user's own words about the task. Raises
    `ConfigError` (``E_CONFIG``) for a spec out of range and `EndpointError` (``E_ENDPOINT``) for an address that is
    none, for a cap without prices, and where there is no label to choose from.
    """
    _check(spec)
    if not examples:
        raise refusal("there is no example, so there is nothing to ask for", "give at least one labelled row")
    targets = [example.target for example in examples]
    asked = task_of(task, targets, instructions)
    if task in ("extract", "generate"):
        spec = dataclasses.replace(spec, max_output_tokens=max(spec.max_output_tokens, longest(targets)))
    pool = prompts.choose_pool(examples) if spec.shots else ()
    kept = _Kept(spec=spec, task=asked, pool=pool)
    settings.write(kept, folder / FILE)


def load(folder: Path, *, environment: Mapping[str, str] | None = None, clock: Clock | None = None) -> Endpoint:
    """Read the bundle's file and take the key from the environment; nothing is sent.

    Raises `ModelError` for a missing or damaged file and `EndpointError` (``E_ENDPOINT``) where the variable that
    ``key_env`` names is not set.
    """
    kept = settings.read(_Kept, folder / FILE)
    _check(kept.spec)
    return Endpoint(kept, _key(kept.spec, os.environ if environment is None else environment), clock or Clock())


def _check(spec: EndpointSpec) -> None:
    config.build(EndpointSpec, {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}, "the endpoint")
    address(spec.url)
    if not spec.model.strip():
        raise refusal("the endpoint names no model", 'give it as model = "name"')
    if spec.key_env and not _ENV_NAME.fullmatch(spec.key_env):
        # The usual mistake is the key itself; it must not reach a file or a message.
        raise refusal("key_env is not the name of an environment variable", 'give it as key_env = "OPENAI_API_KEY"')
    if spec.max_cost is not None and (spec.price_in is None or spec.price_out is None):
        raise refusal("max_cost is set but a price is not", "set price_in and price_out, in USD per million tokens")


def _key(spec: EndpointSpec, environment: Mapping[str, str]) -> str | None:
    if not spec.key_env:
        return None
    key = environment.get(spec.key_env, "").strip()
    if not key:
        fix = f'set it, or set key_env = "" where the API needs no key: export {spec.key_env}=...'
        raise refusal(f"the environment variable {spec.key_env} is not set", fix)
    parts = urlsplit(spec.url)
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        _log.warning("the endpoint's url is http: the key and every text travel unencrypted")
    return key
