"""llama.cpp inside this process: tokens in, probabilities or text out. The only file that knows xllamacpp.

The package can only be had with an HTTP server around it. Ours listens on no port: its address is a socket that no
other user can reach (`ockham.llm.private_socket`), behind a key drawn anew for each engine. Through it go the two
questions the package has no call for (the template, the tokens); answers are asked for by calls in this process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import secrets
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ockham.errors import Defect, ModelError
from ockham.llm import gguf_file, lora_file
from ockham.llm.decoding import Completion, DecodingLimits, Generated, Hearer
from ockham.llm.private_socket import PrivateSocket
from ockham.llm.spin_limit import short_spins
from ockham.sealed import connector
from ockham.version import install_command

BIAS = 256.0
"""Added to the logits of allowed tokens: far above any real difference, and still fine in 32 bits (3e-5)."""

_LIFTS = range(0, 400, 20)
_SMALLEST = 2.0**-149
"""The smallest number above 0 in 32 bits."""

TIMEOUT_S = 60.0

STEP = 16
"""Tokens that a processor reads of a prompt before it looks whether anybody still wants the answer. Other steps give
other numbers (`docs/design/017-serve.md`). With 135 million weights, 16 stop within 201 ms on two cores, 32 in 445."""

_FIX = install_command("gguf")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """How an engine runs: tokens of context per request, requests side by side, threads, layers on a GPU.

    ``own_template``: it loads the model's chat template, a program of whoever made the file, which the engine runs
    without limits; only `ockham.llm.template_process` asks for it.
    """

    context: int
    slots: int
    threads: int
    gpu_layers: int = 0
    own_template: bool = False


def accelerators() -> tuple[str, ...]:
    """Name the graphics processors that this build of the engine computes on; none where it is not installed."""
    try:
        with short_spins():
            import xllamacpp
    except ImportError:
        return ()
    kind = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_GPU
    return tuple(device["description"] for device in xllamacpp.get_device_info() if device["type"] == kind)


class Engine:
    """One model, loaded; ``close`` it when done. Requests may come from several threads, one per slot at a time.

    What a slot's request begins with in common with its last one is computed once.
    """

    def __init__(self, weights: Path, spec: EngineSpec, adapters: Sequence[Path] = ()) -> None:
        """Check the files and load them; adapters are off until a request turns one on.

        Raises `ModelError`: ``E_MODEL_MISSING`` where a file or the package is not here, ``E_MODEL_FORMAT`` where a
        file is damaged, an adapter does not fit, or the engine does not know the architecture.
        """
        self.spec = spec
        self.head = gguf_file.inspect(weights)
        for adapter in adapters:
            lora_file.check(gguf_file.inspect(adapter), self.head, adapter.name)
        self._adapters = len(adapters)
        self._read = [0] * spec.slots
        self._seen: list[tuple[int, ...]] = [()] * spec.slots
        self._scaled: list[tuple[float, ...]] = [()] * spec.slots
        self._forgotten: set[int] = set()
        self._hearers: dict[int, Hearer] = {}
        key = secrets.token_hex(32)
        self._socket = PrivateSocket()
        try:
            self._server = _start(weights, spec, adapters, self._socket.path, key)
            client = _Client(self._socket.hide(), key)
        except BaseException:
            self._socket.close()
            raise
        self._end = weakref.finalize(self, _let_go, client, self._socket)
        self._client: _Client | None = client
        self._spaced = False
        self._break = self.tokens("\n", special=False)[-1]
        self._spaced = (
            self.head.metadata.get("tokenizer.ggml.model") == "llama"
            and self.head.metadata.get("tokenizer.ggml.add_space_prefix", True) is True
        )
        # Tokens that are whole characters, to be drawn in place of one that is none.
        self._whole = [self.tokens(letter, special=False)[-1] for letter in "abcdefgh"]

    def close(self) -> None:
        """Let the model and its socket go."""
        self._client = self._server = None
        self._end()

    @contextlib.contextmanager
    def listen(self, slot: int, hearer: Hearer) -> Iterator[None]:
        """Let ``hearer`` hear what is written in a slot, and stop its requests, until the block ends.

        A request that is stopped raises `StoppedError`: within a token, or `STEP` tokens of a prompt.
        """
        self._hearers[slot] = hearer
        try:
            yield
        finally:
            del self._hearers[slot]

    def read(self, slot: int) -> int:
        """Count the tokens of prompts that a slot has computed so far; those that stood in its cache do not count."""
        return self._read[slot]

    def begin(self, prompt: Sequence[int], *, slot: int, whole: bool, scales: Sequence[float] = ()) -> None:
        """Prepare a slot for a prompt that is new: all of it is computed (``whole``), or two tokens of it at least.

        A single token is computed by other code than several, and once in some hundred prompts that changes its
        numbers. The next requests, which go on from this prompt, compute what they add.
        """
        if whole:
            self._forgotten.add(slot)
        elif self._seen[slot][: len(prompt) - 1] == tuple(prompt[:-1]) and self._scaled[slot] == tuple(scales):
            self._complete(prompt[:-2], slot, scales, {"max_tokens": 1, "temperature": 0.0})

    def tokens(self, text: str, *, special: bool, begin: bool = False) -> list[int]:
        """Encode a text. ``special``: marks such as ``<|im_end|>`` become their token; ``begin``: the start token."""
        # A SentencePiece vocabulary of this kind sets a space before whatever it is given, also in the midst of a
        # prompt. Behind a line break it has been set already.
        lead = "\n" if self._spaced and text and not begin else ""
        body = {"content": lead + text, "add_special": begin, "parse_special": special}
        tokens: list[int] = self._post("/tokenize", body)["tokens"]
        return tokens[tokens.index(self._break) + 1 :] if lead else tokens

    def render(self, chat: Sequence[Mapping[str, str]]) -> str:
        """Write a chat as the model's own template does, up to where its answer begins; thinking is turned off.

        It needs ``own_template``. Raises `ModelError` (``E_MODEL_FORMAT``) where the template refuses the chat.
        """
        if not self.spec.own_template:
            raise _engine_defect("was loaded without the model's own template")
        body = {"messages": list(chat), "chat_template_kwargs": {"enable_thinking": False}}
        prompt: str = self._post("/apply-template", body)["prompt"]
        return prompt

    def probabilities(
        self, prompt: Sequence[int], allowed: Sequence[int], *, slot: int, scales: Sequence[float] = ()
    ) -> list[float]:
        """Return the probability of each allowed token to come next, over the allowed ones alone (they sum to 1)."""
        probs = self._chances(prompt, slot, scales, [[token, BIAS] for token in allowed])
        for lift in _LIFTS:
            if probs:
                break
            # The engine tells nothing of a token that ends inside a character. A token that is one, raised step by
            # step until it is the one drawn, makes it tell; the others keep their probabilities to one another.
            other = next(token for token in self._whole if token not in allowed)
            probs = self._chances(prompt, slot, scales, [[other, BIAS + lift], *([t, BIAS] for t in allowed)])
        whole = sum(probs.get(token, 0.0) for token in allowed)
        if not whole > 0:
            raise _engine_defect("gave no probability to any allowed token")
        return [probs.get(token, 0.0) / whole for token in allowed]

    def likelihoods(
        self, prompt: Sequence[int], allowed: Sequence[int], *, slot: int, scales: Sequence[float] = ()
    ) -> list[float]:
        """Return the log-probability of each allowed token to come next, over the whole vocabulary.

        The engine tells that of the token it draws alone, and of others how they stand to one another: one token that
        is a whole character is asked for both, and the allowed ones are measured by it.
        """
        if len(allowed) == 1 and (entries := self._draw_next(prompt, allowed[0], slot, scales)):
            return [float(entries[0]["logprob"])]
        other = self._whole[0]
        reference = float(self._draw_next(prompt, other, slot, scales)[0]["logprob"])
        rest = [[token, BIAS] for token in allowed if token != other]
        for lift in _LIFTS:
            probs = self._chances(prompt, slot, scales, [[other, BIAS + lift], *rest])
            self._read[slot] -= 1  # the last token, which was computed for the first request
            if probs.get(other, 0.0) > 0 and any(probs.get(token, 0.0) > 0 for token in allowed):
                zero = reference + lift - math.log(probs[other])
                # A token that has no number has one below the smallest that 32 bits hold.
                return [zero + math.log(max(probs.get(token, 0.0), _SMALLEST)) for token in allowed]
        raise _engine_defect("gave no probability to any allowed token")

    def top(self, prompt: Sequence[int], count: int, *, scales: Sequence[float] = ()) -> dict[int, float]:
        """Return the log-probabilities of the ``count`` tokens most probable next, over the whole vocabulary."""
        entries = self._draw_next(prompt, self._whole[0], 0, scales, count)
        return {entry["id"]: float(entry["logprob"]) for entry in entries[0]["top_logprobs"]}

    def write(
        self, prompt: Sequence[int], limits: DecodingLimits, *, slot: int, scales: Sequence[float] = ()
    ) -> Generated:
        """Let the model write within the limits, as a rule always its most probable next token."""
        reply = self._complete(prompt, slot, scales, {**limits.request(), "stream": True})
        choice = reply["choices"][0]
        taken = [float(entry["logprob"]) for entry in _token_entries(reply)]
        return Generated(
            text=choice["text"],
            ended=choice["finish_reason"] == "stop",
            tokens=int(reply["usage"]["completion_tokens"]),
            mean_logprob=sum(taken) / len(taken) if taken else 0.0,
        )

    def _chances(
        self, prompt: Sequence[int], slot: int, scales: Sequence[float], bias: Sequence[Sequence[float]]
    ) -> dict[int, float]:
        """Return the probabilities of raised tokens; none where the one drawn ends inside a character."""
        request = {
            "max_tokens": 1,
            "samplers": ["top_k", "temperature"],
            "temperature": 1.0,
            "top_k": len(bias),
            "logprobs": len(bias),
            "post_sampling_probs": True,
            "logit_bias": bias,
        }
        entries = _token_entries(self._complete(prompt, slot, scales, request))
        return {entry["id"]: float(entry["prob"]) for entry in (entries[0]["top_probs"] if entries else ())}

    def _draw_next(
        self, prompt: Sequence[int], token: int, slot: int, scales: Sequence[float], count: int = 1
    ) -> list[dict[str, Any]]:
        """Draw one token, and have its log-probability over the vocabulary and those of the ``count`` most probable.

        Nothing is told of a token that ends inside a character.
        """
        request = {"max_tokens": 1, "temperature": 0.0, "logprobs": count, "logit_bias": [[token, 4 * BIAS]]}
        return _token_entries(self._complete(prompt, slot, scales, request))

    def _complete(
        self, prompt: Sequence[int], slot: int, scales: Sequence[float], request: Mapping[str, Any]
    ) -> dict[str, Any]:
        if self._server is None:
            raise _engine_defect("is closed")
        if len(scales) > self._adapters:
            raise _engine_defect("was asked for an adapter it does not have")
        scales = [*scales, *[0.0] * (self._adapters - len(scales))]
        full = {
            "prompt": list(prompt),
            "id_slot": slot,
            "cache_prompt": slot not in self._forgotten,
            "seed": 0,
            # Every request names every adapter, also those that are off: with none named, what was computed with an
            # adapter on is used again for a request without it (llama.cpp issue 26207).
            "lora": [{"id": adapter, "scale": scale} for adapter, scale in enumerate(scales)],
            **request,
        }
        self._forgotten.discard(slot)
        self._seen[slot], self._scaled[slot] = tuple(prompt), tuple(scales)
        reply = _check_reply(self._run(full, self._hearers.get(slot)))
        usage = reply["usage"]
        self._read[slot] += int(usage["prompt_tokens"]) - int(usage["prompt_tokens_details"]["cached_tokens"])
        return reply

    def _run(self, request: dict[str, Any], hearer: Hearer | None) -> Any:  # noqa: ANN401 - JSON
        """Make a request: in parts where somebody hears them, or what was not ended within a character is left out."""
        if hearer is None and not request.get("stream"):
            return self._server.handle_completions(request)
        completion = Completion(hearer, is_told=bool(request.get("stream")))
        stream = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": hearer is not None}
        self._server.handle_completions({**request, **stream}, completion.take)
        return completion.reply()

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if self._client is None:
            raise _engine_defect("is closed")
        # ASCII JSON, so that a lone surrogate cannot stop the encoding; the engine refuses it, so it is replaced.
        return _check_reply(json.loads(self._client.post(path, json.dumps(body).encode())))


def _start(weights: Path, spec: EngineSpec, adapters: Sequence[Path], socket: Path, key: str) -> Any:  # noqa: ANN401 - the package has no types
    try:
        with short_spins():
            import xllamacpp
    except ImportError:
        raise ModelError("E_MODEL_MISSING", "the package xllamacpp is not installed", fix=_FIX) from None
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.hostnames = [str(socket)]
    params.api_keys = [key]
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_metrics = True
    params.offline = True
    params.n_threads_http = 1
    params.verbosity = -1
    params.n_ctx = spec.context * spec.slots
    params.n_parallel = spec.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = spec.threads
    params.n_gpu_layers = spec.gpu_layers
    if not spec.gpu_layers:
        params.n_batch = params.n_ubatch = max(STEP, spec.slots)
    params.fit_params = False
    params.warmup = False
    # Each slot has a cache of its own and nothing is kept elsewhere, so no request sees what another one computed.
    params.kv_unified = params.cache_idle_slots = params.ctx_shift = False
    params.cache_ram_mib = 0
    # Flash attention sums in another order when more tokens come at once: answers then depend on what stands in the
    # cache (differences up to .014 were seen). Without it they are the same to the last bit.
    params.flash_attn_type = int(xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED)
    if spec.own_template:
        params.no_extra_bufts = True  # nothing is computed: weights in another order would only take memory
    else:
        params.chat_template, params.use_jinja = "chatml", False
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 0.0) for path in adapters]
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        # The engine gives no reason; the file itself is whole, since it was checked.
        what = f"{weights.name}: the engine cannot load it (an architecture it does not know, or too little memory)"
        raise ModelError("E_MODEL_FORMAT", what, fix="use a newer xllamacpp, a smaller model or less context") from None
    # An engine that is let go before its loop has begun never ends: `server_queue::start_loop` forgets that it was told
    # to stop. This question is answered in the loop.
    server.handle_metrics()
    return server


class _Client:
    """Questions to the engine's socket file, one at a time; in a jail the broker makes the connection."""

    def __init__(self, path: Path, key: str) -> None:
        self._connection = _Connection(path)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._lock = threading.Lock()

    def post(self, path: str, body: bytes) -> bytes:
        """Ask, and give the body of the answer, whatever its status."""
        with self._lock:
            try:
                return self._ask(path, body)
            except (ConnectionError, http.client.BadStatusLine):
                self._connection.close()  # the engine closes a connection that was idle; the next one is fresh
                return self._ask(path, body)
            except BaseException:
                self._connection.close()
                raise

    def _ask(self, path: str, body: bytes) -> bytes:
        self._connection.request("POST", path, body, self._headers)
        return self._connection.getresponse().read()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = connector.connect(self._path, TIMEOUT_S)


def _let_go(client: _Client, socket: PrivateSocket) -> None:
    client.close()
    socket.close()


def _check_reply(reply: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if not isinstance(reply, dict):
        raise _engine_defect("answered with something else than an object")
    if "error" in reply:
        # Its words may quote the prompt; its kind does not.
        error = reply["error"]
        kind = error.get("type") if isinstance(error, dict) else None
        raise ModelError("E_MODEL_FORMAT", f"the engine refused a request ({kind})", fix="use a model made for chat")
    return reply


def _token_entries(reply: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = (reply["choices"][0]["logprobs"] or {}).get("content") or []
    return entries


def _engine_defect(what: str) -> Defect:
    return Defect("E_DEFECT", f"the engine {what}", fix="report this, with the model's name")
