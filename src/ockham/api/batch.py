"""Ask an API many questions, several at a time, in order; and what must hold before anything is sent."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from ockham import config
from ockham.api import relay
from ockham.api.client import Asked, Client, EndpointSpec, address
from ockham.api.consent import ENV_NAME
from ockham.api.responses import Reply, RetryableError, endpoint_error
from ockham.errors import EndpointError

_GLANCE = 0.1
_GRACE = 1.0
"""Seconds: how often the silence is looked at, and how long a worker may take to notice that the work has ended."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


def request_replies(
    caller: Client, spec: EndpointSpec, chat: Callable[[T], Asked], items: Sequence[T]
) -> list[Reply | None]:
    """Ask about every item and give the replies in order; ``None`` where there was none within the deadline.

    ``chat`` writes what is asked about an item. Raises `EndpointError` (``E_ENDPOINT``) for a refusal that no retry can
    mend, where ``stop_after`` questions in a row (or all there are) got no reply, where no response at all came for
    ``silence_s``, and where the next call could pass ``max_cost``. No further call is then made.
    """
    if not items:
        return []
    batch = _Batch(limit=min(spec.stop_after, len(items)))
    replies: list[Reply | None] = [None] * len(items)
    indices = iter(range(len(items)))

    def work() -> None:
        while not batch.stop.is_set():
            index = next(indices, None)  # one step of the interpreter: no two workers get the same place
            if index is None:
                return
            try:
                replies[index] = _reply(caller, chat(items[index]), batch)
            except Exception as error:  # a fault of ours: it is raised where it can be told
                batch.end(error)

    caller.begin()
    # A name that is being looked up, or a response that comes byte by byte, cannot be interrupted: the workers are left
    # behind then, and none of them begins another call.
    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(spec.concurrency, len(items)))]
    try:
        for worker in workers:
            worker.start()
        _wait(workers, batch, caller)
    finally:
        batch.stop.set()
    if isinstance(batch.fault, EndpointError):
        # The worker's traceback goes: its frames hold the prompt.
        raise batch.fault.with_traceback(None)
    if batch.fault is not None:
        raise batch.fault
    return replies


def _reply(caller: Client, chat: Asked, batch: _Batch) -> Reply | None:
    try:
        got = caller.ask(chat, batch.stop)
    except EndpointError as error:
        batch.end(error)
        return None
    if isinstance(got, RetryableError):
        batch.note_failure(got.reason)
        return None
    batch.note_success()
    return got


def _wait(workers: Sequence[threading.Thread], batch: _Batch, caller: Client) -> None:
    """Wait for the workers, but no longer than the endpoint may be silent, nor much longer than the work goes on."""
    leave: float | None = None
    for worker in workers:
        while worker.is_alive():
            worker.join(_GLANCE)
            if leave is None and caller.silence_left() < -_GRACE:
                batch.end(caller.given_up("no answer in time"))
            if batch.stop.is_set():
                leave = leave or time.monotonic() + _GRACE
                if time.monotonic() > leave:
                    return


def check(spec: EndpointSpec) -> None:
    """Check a spec: every range, the address, and that prices are there for a cap; nothing is sent.

    Raises `ConfigError` (``E_CONFIG``) and `EndpointError` (``E_ENDPOINT``).
    """
    config.build(EndpointSpec, {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec)}, "the endpoint")
    address(spec.url)
    if not spec.model.strip():
        raise endpoint_error("the endpoint names no model", 'give it as model = "name"')
    if spec.key_env and not ENV_NAME.fullmatch(spec.key_env):
        # The usual mistake is the key itself; it must not reach a file or a message.
        raise endpoint_error(
            "key_env is not the name of an environment variable", 'give it as key_env = "OPENAI_API_KEY"'
        )
    if spec.max_cost is not None and (spec.price_in is None or spec.price_out is None):
        raise endpoint_error(
            "max_cost is set but a price is not", "set price_in and price_out, in USD per million tokens"
        )


def key(spec: EndpointSpec, environment: Mapping[str, str]) -> str | None:
    """Take the key from the variable that ``key_env`` names; ``None`` where none is wanted, or another process has it.

    Raises `EndpointError` (``E_ENDPOINT``) where the variable is not set.
    """
    if not spec.key_env:
        return None
    held = relay.holds(spec.key_env, environment)
    api_key = environment.get(spec.key_env, "").strip()
    if not api_key and not held:
        fix = f'set it, or set key_env = "" where the API needs no key: export {spec.key_env}=...'
        raise endpoint_error(f"the environment variable {spec.key_env} is not set", fix)
    parts = urlsplit(spec.url)
    if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        _log.warning("the endpoint's url is http: the key and every text travel unencrypted")
    return None if held else api_key


class _Batch:
    """What the workers of one batch share: whether to stop, why, and how many answers in a row failed."""

    def __init__(self, limit: int) -> None:
        self.stop = threading.Event()
        self.fault: Exception | None = None
        self._limit = limit
        self._row = 0
        self._lock = threading.Lock()

    def note_success(self) -> None:
        with self._lock:
            self._row = 0

    def note_failure(self, reason: str) -> None:
        with self._lock:
            if self.stop.is_set():
                return
            self._row += 1
            _log.warning("no reply from the endpoint: %s", reason)
            if self._row < self._limit:
                return
        what = f"{self._limit} answers in a row failed; the last reason: {reason}"
        self.end(EndpointError("E_ENDPOINT", what, fix="try again later, or check the URL and the network"))

    def end(self, fault: Exception) -> None:
        with self._lock:
            self.fault = self.fault or fault
            self.stop.set()
