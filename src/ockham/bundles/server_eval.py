"""Measure a running server on labelled rows: the same rows must give the same answers as the bundle that it serves."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ockham.api.client import address, common_headers, secure_client
from ockham.api.consent import host
from ockham.bundles.measured_rows import EvalSpec, read_measured_rows
from ockham.errors import EndpointError
from ockham.printable import printable
from ockham.records import Answer, Candidate, Manifest, Progress, Report, ignore

if TYPE_CHECKING:
    import httpx

MOST_CHOICES = 255
"""More labels than this fit into no question; such a model is asked by chat."""
_AT_ONCE = 8
_SECONDS = 300.0
_FIX = "start it with ockham serve, and name its address: --server http://127.0.0.1:8017"


def evaluate_server(
    server: str,
    source: object,
    spec: EvalSpec | None = None,
    *,
    model: str | None = None,
    key_env: str = "OCKHAM_API_KEY",
    on_progress: Callable[[Progress], None] = ignore,
) -> Report:
    """Measure a model of a running server on labelled rows; ``model`` may be left out where there is only one.

    The key is in the environment variable ``key_env``. Classifiers are asked by the decision API, others by chat. The
    report has no profile: a server shares its machine with whoever else asks. Raises `EndpointError` (``E_ENDPOINT``)
    where the server cannot be asked, and `DataError` as `evaluate`.
    """
    base = address(server.rstrip("/").removesuffix("/v1") + "/v1").removesuffix("/chat/completions")
    spec = spec or EvalSpec()
    with secure_client(base, connections=_AT_ONCE) as client:
        client.headers.update(common_headers(os.environ.get(key_env)))
        client.timeout = _SECONDS
        manifest = _manifest(client, base, model)
        measured = read_measured_rows(manifest, source, spec, on_progress)
        message = f"{len(measured.rows):,} rows go to {host(base)}"
        on_progress(Progress(stage="endpoint", message=message))
        asks = _decide if manifest.task == "classify" and 2 <= len(manifest.labels) <= MOST_CHOICES else _chat
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            answers = list(threads.map(lambda text: asks(client, base, manifest, text), measured.inputs))
    return measured.report(answers, spec)


def _manifest(client: httpx.Client, base: str, name: str | None) -> Manifest:
    """Return what the server says of a model, as a manifest whose candidate has its name."""
    models: Sequence[Mapping[str, Any]] = _reply(client, "GET", f"{base}/models")["data"]
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
        raise EndpointError("E_ENDPOINT", "the server is not one of ockham serve", fix=_FIX) from None


def _decide(client: httpx.Client, base: str, manifest: Manifest, text: str) -> Answer:
    choices = [{"value": label} for label in manifest.labels]
    question = {"type": "choice", "instructions": "Choose the label.", "choices": choices}
    body = {"model": manifest.candidate.name, "input": text, "questions": [question]}
    reply = _reply(client, "POST", f"{base}/decisions", body)
    answer, tokens = reply["answers"][0], reply["usage"]["input_tokens"]
    if answer["type"] == "refusal":
        return Answer(value=None, tokens_in=tokens)
    return Answer(value=answer["choice"], confidence=answer["confidence"], tokens_in=tokens)


def _chat(client: httpx.Client, base: str, manifest: Manifest, text: str) -> Answer:
    messages = [{"role": "user", "content": text}]
    body = {"model": manifest.candidate.name, "messages": messages, "logprobs": True}
    reply = _reply(client, "POST", f"{base}/chat/completions", body)
    choice, usage = reply["choices"][0], reply["usage"]
    tokens = (choice.get("logprobs") or {}).get("content") or []
    confidence = math.exp(math.fsum(token["logprob"] for token in tokens)) if tokens else None
    return Answer(
        value=choice["message"]["content"],
        confidence=confidence,
        tokens_in=usage["prompt_tokens"],
        tokens_out=usage["completion_tokens"],
    )


def _reply(client: httpx.Client, method: str, url: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
    """Send a request, again where the server is busy, and return its reply. Raises `EndpointError`."""
    import time

    import httpx

    for attempt in range(100):
        try:
            response = client.request(method, url, json=body)
        except httpx.HTTPError:
            raise EndpointError("E_ENDPOINT", f"{host(url)} cannot be reached", fix=_FIX) from None
        if response.status_code != 429:
            break
        time.sleep(min(5.0, float(response.headers.get("retry-after-ms", "500")) / 1000) * (1 + attempt / 10))
    if response.status_code == 401:
        fix = "set its variable; another is named by --server-key-env NAME"
        raise EndpointError("E_ENDPOINT", "the server does not know the key, or none is set", fix=fix)
    if not response.is_success:
        message = f"the server answered with status {response.status_code}"
        raise EndpointError("E_ENDPOINT", message, fix="look into its log")
    try:
        return response.json()
    except ValueError:
        raise EndpointError("E_ENDPOINT", "the server's reply is not JSON", fix=_FIX) from None
