"""Paid calls to an OpenAI-compatible API: one question out, one reply or a reason back, within a deadline and a budget.

What can pass (429, 5xx, a lost connection, a reply that is no reply) is tried again; what cannot (a wrong key, a wrong
address) stops the work at once. Neither the key nor a prompt nor a server's own words ever enter an error or a log:
a server may echo both.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from ockham.api import relay
from ockham.api.relay_refusal import RefusedError
from ockham.api.responses import Reply, RetryableError, endpoint_error, parse_response
from ockham.errors import EndpointError

if TYPE_CHECKING:
    import httpx

MAX_REPLY_BYTES = 1_000_000
CHAT, DECISIONS = "/chat/completions", "/decisions"
"""How the addresses of both APIs end."""
Asked = Sequence[Mapping[str, str]] | Mapping[str, object]
"""What is asked: the messages of a chat, or the input and the questions for a decision API."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSpec:
    """Which API to ask, and within what bounds.

    ``url`` is the base ("https://api.example.com/v1"); one that ends in ``/decisions`` is asked as a decision API, any
    other by chat. ``key_env`` names the environment variable that holds the key; the key itself is never stored
    ("" or ``None``: no key is sent). ``timeout_s`` bounds one attempt and
    ``deadline_s`` one answer with all its attempts. ``silence_s``, but never less than ``timeout_s``, is how long no
    question at all may get a response before the endpoint is given up. Prices are in USD per million tokens,
    ``max_cost`` in USD over the life of the loaded model; it needs both prices. ``stop_after`` answers in a row that
    fail for good stop the work. ``omit`` names parameters that an API refuses. ``trust_env`` lets proxies and
    certificates named in the environment count; without it they do not.
    """

    url: str
    model: str
    key_env: str | None = "OPENAI_API_KEY"
    timeout_s: float = field(default=20.0, metadata={"above": 0, "max": 3600})
    silence_s: float = field(default=20.0, metadata={"above": 0, "max": 3600})
    deadline_s: float = field(default=120.0, metadata={"above": 0, "max": 86400})
    retries: int = field(default=4, metadata={"min": 0, "max": 20})
    concurrency: int = field(default=4, metadata={"min": 1, "max": 64})
    shots: int = field(default=8, metadata={"min": 0, "max": 64})
    max_output_tokens: int = field(default=32, metadata={"min": 1, "max": 100_000})
    price_in: float | None = field(default=None, metadata={"min": 0, "max": 100_000})
    price_out: float | None = field(default=None, metadata={"min": 0, "max": 100_000})
    max_cost: float | None = field(default=None, metadata={"above": 0, "max": 1_000_000})
    stop_after: int = field(default=3, metadata={"min": 1, "max": 1000})
    seed: int = field(default=0, metadata={"min": 0})
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"  # noqa: S105 - a parameter's name
    omit: tuple[Literal["seed", "temperature"], ...] = ()
    trust_env: bool = False

    def cost(self, tokens_in: int, tokens_out: int) -> float | None:
        """Price a call in USD; ``None`` where a price is not known."""
        if self.price_in is None or self.price_out is None:
            return None
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time and chance, so that tests can bring their own. ``pause`` ends early, with true, when the event is set."""

    now: Callable[[], float] = time.monotonic
    pause: Callable[[threading.Event, float], bool] = threading.Event.wait
    jitter: Callable[[], float] = random.SystemRandom().random


class Budget:
    """A cap that is never passed: each attempt reserves the most it can cost before it is sent."""

    def __init__(self, cap: float | None) -> None:
        """Start with nothing spent; ``cap`` in USD, or ``None`` for no cap."""
        self.spent = 0.0
        self._cap = cap
        self._reserved = 0.0
        self._lock = threading.Lock()

    def reserve(self, amount: float) -> bool:
        """Set an amount aside; false where the cap could then be passed."""
        with self._lock:
            if self._cap is not None and self.spent + self._reserved + amount > self._cap:
                return False
            self._reserved += amount
            return True

    def settle(self, reserved: float, spent: float) -> None:
        """Hand a reservation back and book what was spent in its place."""
        with self._lock:
            self._reserved -= reserved
            self.spent += spent


class Client:
    """A connection to one API. Safe to use from several threads; ``close`` it when done."""

    def __init__(
        self, spec: EndpointSpec, key: str | None, clock: Clock, more: Mapping[str, object] | None = None
    ) -> None:
        """Check the address and the key; nothing is sent yet. ``more`` are parameters that every question carries.

        Raises `EndpointError` (``E_ENDPOINT``).
        """
        self.budget = Budget(spec.max_cost)
        self._spec = spec
        self._more = dict(more or {})
        self._clock = clock
        self._url = address(spec.url)
        if spec.trust_env and relay.is_needed():
            raise endpoint_error("a sealed command uses no proxy (trust_env)", "--unsealed works without the seal")
        # An HTTP library quotes a header it cannot send in its error: a key that is none must not get that far.
        if key is not None and not is_key(key):
            raise malformed_key()
        self._headers = common_headers(key)
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()
        self._patience = max(spec.silence_s, spec.timeout_s)
        self._heard = clock.now()
        self.answered = False
        """Whether any response has come since the connection was made."""

    def begin(self) -> None:
        """Start to count the endpoint's silence: before this it was not asked."""
        self._heard = self._clock.now()

    def silence_left(self) -> float:
        """Return the seconds within which some response must come, or the endpoint is given up."""
        return self._heard + self._patience - self._clock.now()

    def given_up(self, reason: str) -> EndpointError:
        """Make the error for an endpoint that was silent for too long."""
        what = f"the endpoint gave no response to any question for {self._patience:g} s; the last reason: {reason}"
        return endpoint_error(
            what, "try again later, or check the URL and the network; a slow API needs a larger timeout_s"
        )

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def ask(self, asked: Asked, stop: threading.Event) -> Reply | RetryableError:
        """Ask once, trying again within the deadline; `RetryableError` says why there is no reply.

        Waits grow from half a second to 20 seconds, jittered, and are never shorter than the API asks for. Raises
        `EndpointError` (``E_ENDPOINT``) for what no further attempt can mend, where the next could pass the cap, and
        where the endpoint has been silent for too long.
        """
        body = self._body(asked)
        # A token is at least one byte of the prompt; 64 allow for the marks a chat template puts around it.
        worst = self._spec.cost(len(body) + 64, self._spec.max_output_tokens) or 0.0
        end = self._clock.now() + self._spec.deadline_s
        trouble = RetryableError(reason="the work was stopped", billed=False)
        for attempt in range(self._spec.retries + 1):
            if stop.is_set():
                break
            got = self._ask_within_budget(body, worst, end)
            if isinstance(got, Reply):
                return got
            trouble = got
            wait = max(got.wait, min(20.0, 0.5 * 2.0**attempt) * (0.5 + self._clock.jitter() / 2))
            if attempt == self._spec.retries or self._clock.now() + wait >= end:
                break
            _log.debug("attempt %d failed: %s; next in %.1f s", attempt + 1, got.reason, wait)
            if got.responded:  # what was asked to pause, or is left alone after a refusal, is not silent meanwhile
                self._heard = max(self._heard, self._clock.now() + wait)
            if self._clock.pause(stop, max(0.0, min(wait, self.silence_left()))):
                break
            if self.silence_left() <= 0:
                raise self.given_up(got.reason)
        return trouble

    def _body(self, asked: Asked) -> bytes:
        spec = self._spec
        if isinstance(asked, Mapping):
            return json.dumps({"model": spec.model, **asked}).encode("ascii")
        body: dict[str, object] = {
            "model": spec.model,
            "messages": list(asked),
            "temperature": 0,
            "seed": spec.seed,
            spec.token_limit: spec.max_output_tokens,
            "stream": False,
            **self._more,
        }
        return json.dumps({name: value for name, value in body.items() if name not in spec.omit}).encode("ascii")

    def _ask_within_budget(self, body: bytes, worst: float, end: float) -> Reply | RetryableError:
        if not self.budget.reserve(worst):
            raise endpoint_error(
                "the next answer could exceed the spending limit, so nothing more is sent",
                "raise max_cost, or use fewer rows",
            )
        spent = worst
        try:
            got = self._attempt(body, end)
            if isinstance(got, RetryableError):
                spent = worst if got.billed else 0.0
            elif got.content is None and got.tokens_in is None:
                spent = 0.0
            elif got.tokens_in is not None and got.tokens_out is not None:
                spent = self._spec.cost(got.tokens_in, got.tokens_out) or 0.0
        except EndpointError:
            spent = 0.0
            raise
        finally:
            self.budget.settle(worst, spent)
        return got

    def _attempt(self, body: bytes, end: float) -> Reply | RetryableError:
        import httpx

        limit = min(self._spec.timeout_s, end - self._clock.now(), self.silence_left())
        if limit <= 0:
            return RetryableError(reason="no answer in time", billed=False)
        until = self._clock.now() + limit
        try:
            request = self._connect().stream("POST", self._url, content=body, headers=self._headers, timeout=limit)
            with request as response:
                raw = self._raw(response, until)
                if isinstance(raw, RetryableError):
                    return raw
                self.answered, self._heard = True, self._clock.now()
                got = parse_response(response.status_code, response.headers, raw)
                return replace(got, responded=True) if isinstance(got, RetryableError) else got
        except RefusedError as error:
            raise endpoint_error(*error.words) from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return RetryableError(reason="no connection could be made", billed=False)
        except httpx.TimeoutException:
            return RetryableError(reason="no answer in time", billed=True)
        except (httpx.HTTPError, httpx.StreamError, OSError):
            return RetryableError(reason="the connection was lost", billed=True)
        except httpx.InvalidURL:
            raise endpoint_error("the endpoint's url is not valid", 'give it as url = "https://host/v1"') from None

    def _raw(self, response: httpx.Response, until: float) -> bytes | RetryableError:
        """Read the body as sent; it is never inflated, for a small body could inflate without end."""
        billed = response.is_success
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            return RetryableError(reason="the reply was compressed, which was not asked for", billed=billed)
        raw = bytearray()
        for chunk in response.iter_raw():
            raw += chunk
            if len(raw) > MAX_REPLY_BYTES:
                return RetryableError(reason="the reply was larger than 1 MB", billed=billed)
            if self._clock.now() > until:
                return RetryableError(reason="no answer in time", billed=billed)
        return bytes(raw)

    def _connect(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                if relay.is_needed():
                    from ockham.api.relay_transport import relay_client

                    self._client = relay_client(self._url, self._spec.key_env or None)
                else:
                    self._client = secure_client(
                        self._url, connections=self._spec.concurrency, trust_env=self._spec.trust_env
                    )
            return self._client


def secure_client(url: str, *, connections: int | None = None, trust_env: bool = False) -> httpx.Client:
    """Return a client for an address: no redirects, certificates checked, and no proxy without ``trust_env``."""
    import ssl

    import httpx

    # A plain http address needs no certificates, and reading them takes longer than a local answer. This context trusts
    # none, so nothing can be reached by TLS with it unchecked.
    bare = url.startswith("http:") and not trust_env
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if bare else True
    limits = httpx.Limits(max_connections=connections)
    return httpx.Client(verify=verify, follow_redirects=False, trust_env=trust_env, limits=limits)


def is_key(key: str) -> bool:
    """Return whether a text can be a key."""
    return bool(key) and all("!" <= character <= "~" for character in key)


def malformed_key() -> EndpointError:
    """Make the error for a key that is none."""
    return endpoint_error(
        "the key is empty or contains spaces or other characters that cannot be in a key", "set it again"
    )


def common_headers(key: str | None) -> dict[str, str]:
    """Return the headers of every question."""
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "ockham"}
    return headers if key is None else {**headers, "Authorization": f"Bearer {key}"}


def server_base(url: str) -> str:
    """Return the base address of a server's API; raises `EndpointError` where it is no plain one."""
    return address(url.rstrip("/").removesuffix("/v1") + "/v1").removesuffix("/chat/completions")


def address(url: str) -> str:
    """Return the full address that is asked: chat completions under a base url, or decisions where it ends so.

    Raises `EndpointError` (``E_ENDPOINT``) where it is no plain one.
    """
    fix = 'give it as url = "https://host/v1"'
    try:
        parts = urlsplit(url)
        plain = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        plain = False
    if not plain or not url.isascii() or not url.isprintable() or " " in url:
        raise endpoint_error("the endpoint's url is not an http or https address", fix)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise endpoint_error(
            "the endpoint's url contains a name, a password or a query", f"leave them out: {fix}; name a key by key_env"
        )
    base = url.rstrip("/")
    return base if base.endswith((CHAT, DECISIONS)) else base + CHAT


def address_of(url: str, api: Literal["chat", "decisions"]) -> str:
    """Return the full address of one of the APIs that a host has, from its base or from the address of either."""
    base = url.rstrip("/")
    return base.removesuffix(CHAT).removesuffix(DECISIONS) + (CHAT if api == "chat" else DECISIONS)


def asks_decisions(url: str) -> bool:
    """Return whether an address is that of a decision API."""
    return url.rstrip("/").endswith(DECISIONS)
