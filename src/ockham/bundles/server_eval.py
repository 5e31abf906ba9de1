"""Measure a running server on labelled rows: the same rows must give the same answers as the bundle that it serves."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ockham.api import relay
from ockham.api.client import common_headers, secure_client, server_base
from ockham.api.consent import Destination, announcement, host
from ockham.api.decision_question import LEAST_CHOICES, MOST_CHOICES, question
from ockham.api.relay_refusal import RefusedError
from ockham.bundles.measured_rows import EvalSpec, read_measured_rows
from ockham.errors import EndpointError
from ockham.printable import printable
from ockham.records import Answer, Candidate, Manifest, Progress, Report, ignore

if TYPE_CHECKING:
    import httpx

_AT_ONCE = 8
_ATTEMPTS = 100
_SECONDS = 300.0
_FIX = "start one with `ockham serve RUN`, then name its address: --server http://127.0.0.1:8017"


def evaluate_server(
    server: str,
    source: object,
    spec: EvalSpec | None = None,
    *,
    model: str | None = None,
    key_env: str | None = "OCKHAM_API_KEY",
    on_progress: Callable[[Progress], None] = ignore,
) -> Report:
    """Measure a model of a running server on labelled rows; ``model`` may be left out where there is only one.

    The key is in the environment variable ``key_env``; where that holds none, none is sent. Classifiers are asked by
    the decision API, others by chat. The report has no profile: a server shares its machine with whoever else asks.
    Raises `EndpointError` (``E_ENDPOINT``) where the server cannot be asked, and `DataError` as `evaluate`.
    """
    spec = spec or EvalSpec()
    with _Server(server_base(server), key_env) as api:
        manifest = _manifest(api, model)
        measured = read_measured_rows(manifest, source, spec, on_progress)
        destination = Destination(url=api.base, key_env=key_env)
        on_progress(Progress(stage="server", message=announcement(destination, len(measured.inputs))))
        fits_question = LEAST_CHOICES <= len(manifest.labels) <= MOST_CHOICES
        asks = _decide if manifest.task == "classify" and fits_question else _chat
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            answers = list(threads.map(lambda text: asks(api, manifest, text), measured.inputs))
    return measured.report(answers, spec)


class _Server:
    """A running server's API. A sealed process has the one asked that speaks for it (`ockham.api.egress`)."""

    def __init__(self, base: str, key_env: str | None) -> None:
        self.base = base
        self._key_env = key_env
        self._clients: dict[str, httpx.Client] = {}
        self._own = None if relay.is_needed() else secure_client(base, connections=_AT_ONCE)
        if self._own is not None:
            self._own.headers.update(common_headers(os.environ.get(key_env) if key_env else None))

    def __enter__(self) -> _Server:  # noqa: PYI034 - Self needs Python 3.11 or a package
        return self

    def __exit__(self, *_: object) -> None:
        for client in (self._own, *self._clients.values()):
            if client is not None:
                client.close()

    def get(self, call: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the reply to a call without a body. Raises `EndpointError`."""
        return self._reply("GET", call, None)

    def post(self, call: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        """Return the reply to a call. Raises `EndpointError`."""
        return self._reply("POST", call, body)

    def _reply(self, method: str, call: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        """Send a request, again where the server is busy, and return its reply. Raises `EndpointError`."""
        import httpx

        from ockham.api.relay_transport import relay_client

        url = f"{self.base}/{call}"
        client = self._own or self._clients.setdefault(call, relay_client(url, self._key_env))
        for attempt in range(_ATTEMPTS):
            try:
                response = client.request(method, url, json=body, timeout=_SECONDS)
            except RefusedError as error:
                what, fix = error.words
                raise EndpointError("E_ENDPOINT", what, fix=fix) from None
            except httpx.HTTPError:
                raise EndpointError("E_ENDPOINT", f"{host(url)} cannot be reached", fix=_FIX) from None
            if response.status_code != 429:
                break
            time.sleep(min(5.0, float(response.headers.get("retry-after-ms", "500")) / 1000) * (1 + attempt / 10))
        return _json_of(response)


def _manifest(api: _Server, name: str | None) -> Manifest:
    """Return what the server says of a model, as a manifest whose candidate has its name."""
    models: Sequence[Mapping[str, Any]] = api.get("models")["data"]
    names = [str(one.get("id")) for one in models]
    wanted = [one for one in models if name in (None, one.get("id"))]
    if len(wanted) != 1:
        what = "has several models" if name is None and models else f"has no model {printable(str(name))}"
        raise EndpointError("E_ENDPOINT", f"the server {what}", fix=f"name one of them: --model {' or '.join(names)}")
    told = wanted[0]
    try:
        return Manifest(
            format=1,
            ockham="",
            task=told["task"],
            kind="server",
            candidate=Candidate(name=str(told["id"]), rung=0, kind="server", settings={"digest": told["digest"]}),
            labels=tuple(told["labels"]),
            inputs=tuple(told["inputs"]),
            target=told["target"],
            dataset=told["dataset"],
            files={},
        )
    except (KeyError, TypeError):
        raise EndpointError("E_ENDPOINT", "the server was not started by `ockham serve`", fix=_FIX) from None


def _decide(api: _Server, manifest: Manifest, text: str) -> Answer:
    asked = question(text, manifest.labels, "Choose the label.")
    reply = api.post("decisions", {"model": manifest.candidate.name, **asked})
    answer, tokens = reply["answers"][0], reply["usage"]["input_tokens"]
    if answer["type"] == "refusal":
        # It declines, or it answers without a confidence, which a decision must have: chat tells.
        return _chat(api, manifest, text)
    return Answer(value=answer["choice"], confidence=answer["confidence"], tokens_in=tokens)


def _chat(api: _Server, manifest: Manifest, text: str) -> Answer:
    messages = [{"role": "user", "content": text}]
    body = {"model": manifest.candidate.name, "messages": messages, "logprobs": True}
    reply = api.post("chat/completions", body)
    choice, usage = reply["choices"][0], reply["usage"]
    tokens = (choice.get("logprobs") or {}).get("content") or []
    confidence = math.exp(math.fsum(token["logprob"] for token in tokens) / len(tokens)) if tokens else None
    return Answer(
        value=choice["message"]["content"],
        confidence=confidence,
        tokens_in=usage["prompt_tokens"],
        tokens_out=usage["completion_tokens"],
    )


def _json_of(response: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    if response.status_code == 401:
        fix = "put the key into OCKHAM_API_KEY, or name another variable with --server-key-env NAME"
        raise EndpointError("E_ENDPOINT", "the server does not accept the key, or no key is set", fix=fix)
    if not response.is_success:
        message = f"the server answered with status {response.status_code}"
        raise EndpointError("E_ENDPOINT", message, fix="check the server's log")
    try:
        return response.json()
    except ValueError:
        raise EndpointError("E_ENDPOINT", "the server's reply is not JSON", fix=_FIX) from None
