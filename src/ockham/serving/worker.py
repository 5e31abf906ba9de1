"""The process that only serves: loads a bundle, or several that share a base, answers, and times itself.

Started by `ockham.serving.process`.

It speaks JSON lines over its standard streams. Whatever a library prints goes to standard error instead, so nothing can
mix with the answers.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import orjson

from ockham import machine, store
from ockham.api.consent import Destination
from ockham.errors import OckhamError
from ockham.models import backend, endpoint
from ockham.records import Answer, plain
from ockham.serving import contention
from ockham.serving.reply_desk import ReplyDesk, error_frame

if TYPE_CHECKING:
    from ockham.models.backend import Model

T = TypeVar("T")

WARM_UP = 20
WARM_SECONDS = 5.0
SLOW_SECONDS = 60.0
FEW = 5
"""A slow model is warmed up and timed for so long, and for no fewer answers than these."""
BATCH = 4096
LEAST = 8
TOKENS = ("tokens_in", "tokens_kept", "tokens_out")
TRIES = 2
PAUSE_SECONDS = 2.0
AGAIN_SECONDS = 20.0
"""Where other programs take the processor, times are taken so often, so long apart, and none is begun after so long."""
_SAYING = threading.Lock()
GRACE_S = 1.0
"""How long the model has to end by itself once nobody asks any more."""
ROUND_SECONDS = 5.0
"""A round has no more inputs than so many seconds of single answers, and no fewer than `LEAST`."""


def main(scratch: str, url: str, key_env: str, *folders: str) -> int:
    """Load the bundles and serve requests until standard input ends.

    ``scratch`` is the temporary folder of this process alone, which is removed in the end: whoever made it may be gone.
    ``url`` is the address that the bundle of an endpoint may ask, and ``key_env`` the variable of the key. A request
    says which bundle it is for by the place among ``folders``; without a word it is the first.
    """
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_leave_with_whoever_asks, args=[scratch], daemon=True).start()
    begin = time.perf_counter()
    try:
        before = [store.bundle_digest(Path(folder)) for folder in folders]
        models = _load([Path(folder) for folder in folders], Destination(url=url, key_env=key_env) if url else None)
        desk = ReplyDesk([backend.reply_model(model) for model in models], partial(_say, out))
        widths = [model.width if model else 0 for model in map(backend.embedding_model, models)]
        loaded = {"loaded": time.perf_counter() - begin, "places": desk.places, "widths": widths}
        # Both before and after loading: what was replaced in between is not taken for either.
        digests = [[digest, store.bundle_digest(Path(folder))] for digest, folder in zip(before, folders, strict=True)]
        _say(out, {**loaded, "digests": digests})
        for line in sys.stdin.buffer:
            request = json.loads(line)
            if not desk.take(request):
                _say(out, {"id": request.get("id"), **_serve(models[request.get("seat", 0)], request)})
        desk.close()
    except OckhamError as error:
        _say(out, error_frame(error))
        return error.exit_status
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        # Nobody may be left to hear the last word.
        with suppress(OSError):
            out.close()
    return 0


def _load(folders: Sequence[Path], permitted: Destination | None) -> list[Model]:
    kinds = [store.read_bundle(folder).kind for folder in folders]
    for kind, folder in zip(kinds, folders, strict=True):
        if backend.is_networked(kind):
            endpoint.permit(folder, permitted)
    return backend.load_models(kinds, folders)


def _leave_with_whoever_asks(scratch: str) -> None:
    """End this process soon after the other side of standard input is gone, a long answer in hand or not."""
    end = select.poll()
    end.register(0, 0)  # of what is there to be read the other thread hears; only the end is waited for
    end.poll()
    time.sleep(GRACE_S)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


def _serve(model: Model, request: dict[str, Any]) -> dict[str, Any]:
    inputs: list[str] = request["inputs"]
    if request["do"] == "answer":
        return {"answers": [plain(answer) for answer in model.answer(inputs)]}
    if request["do"] == "decide":
        answers, labels, rows = backend.decide(model, inputs)
        return {"answers": [plain(answer) for answer in answers], "labels": labels, "probabilities": rows}
    if request["do"] == "embed":
        embedding = backend.embedding_model(model)
        vectors, tokens = ([], []) if embedding is None else embedding.embed(inputs)
        return {"vectors": vectors, "tokens": tokens}
    if request["do"] == "probabilities":
        labels, rows = backend.label_probabilities(model, inputs) or (None, [])
        return {"labels": labels, "probabilities": rows}
    seconds = request["seconds"]
    (times, answers), lost = _quietest(lambda: _latencies(model, inputs, seconds, request["most"]), seconds)
    # Few rounds over a batch that a busy server would see; the median round is what it can keep up.
    batch = inputs[: max(LEAST, min(BATCH, int(ROUND_SECONDS / (sum(times) / len(times) / 1000))))]
    rounds, rounds_lost = _quietest(lambda: [_round(model, batch) for _ in range(request["rounds"])], seconds)
    return {
        "latency": times,
        "tokens": {name: _mean(answers, name) for name in TOKENS},
        "rounds": rounds,
        "lost": max((share for share in (lost, rounds_lost) if share is not None), default=None),
        "memory_mb": machine.peak_rss_mb(),
    }


def _quietest(measure: Callable[[], T], seconds: float) -> tuple[T, float | None]:
    """Measure, again after a pause while other programs take the processor, and keep what was measured most quietly.

    Also returns the share of the time that was lost to other programs. A probe without ``seconds`` is not repeated.
    """
    begun = time.perf_counter()
    measured: list[tuple[T, float | None]] = []
    while True:
        before = contention.processor_use()
        outcome = measure()
        lost = contention.lost_share(before, contention.processor_use(), os.cpu_count() or 1)
        measured.append((outcome, lost))
        took = time.perf_counter() - begun
        if not lost or not seconds or took > AGAIN_SECONDS or len(measured) == TRIES:
            return min(measured, key=lambda outcome_and_share: outcome_and_share[1] or 0.0)
        time.sleep(PAUSE_SECONDS)


def _latencies(model: Model, inputs: Sequence[str], seconds: float, most: int) -> tuple[list[float], list[Answer]]:
    """Time single answers, in milliseconds, after a warm-up, until the time or ``most`` is over.

    At least 20 are timed, of a model that needs longer than a minute for them at least 5.
    """
    begun = time.perf_counter()
    for index in range(min(WARM_UP, most)):
        if index >= FEW and time.perf_counter() - begun > WARM_SECONDS:
            break
        model.answer([inputs[index % len(inputs)]])
    times: list[float] = []
    answers: list[Answer] = []
    begun = time.perf_counter()

    def is_time_left() -> bool:
        took = time.perf_counter() - begun
        return len(times) < FEW or took < seconds or (len(times) < WARM_UP and took < SLOW_SECONDS)

    while len(times) < most and is_time_left():
        batch = [inputs[len(times) % len(inputs)]]
        begin = time.perf_counter()
        answers += model.answer(batch)
        times.append((time.perf_counter() - begin) * 1000)
    return times, answers


def _mean(answers: Sequence[Answer], name: str) -> float | None:
    """Return the mean of a count over the answers that have it; ``None`` where none has."""
    counts = [count for count in (getattr(answer, name) for answer in answers) if count is not None]
    return sum(counts) / len(counts) if counts else None


def _round(model: Model, inputs: list[str]) -> float:
    begin = time.perf_counter()
    model.answer(inputs)
    return len(inputs) / (time.perf_counter() - begin)


def _say(out: BinaryIO, message: dict[str, Any]) -> None:
    try:
        line = orjson.dumps(message)
    except TypeError:  # half a character in a text, which it refuses
        line = json.dumps(message).encode()
    with _SAYING:
        out.write(line + b"\n")
        out.flush()


if __name__ == "__main__":
    # Whatever is still being computed is left behind. The interpreter would end its threads, and where one is inside
    # the engine of language models, which is C++, that aborts the process.
    status = main(*sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)
