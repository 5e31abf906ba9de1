"""Replies that are heard while they are written: each in a thread of its own, told in frames, and stopped by a word.

Frames about request 7: ``{"id": 7, "piece": TEXT, "tokens": […]}`` for what has been decoded, and then exactly one of
``{"id": 7, "answer": {…}, "ended": BOOL}``, ``{"id": 7, "too_long": [TOKENS, ROOM]}``, ``{"id": 7, "stopped": true}``
and ``{"id": 7, "error": […]}``. ``{"do": "stop", "of": 7}`` stops it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ockham.errors import OckhamError
from ockham.llm.decoding import Piece, StoppedError
from ockham.models.replies import ReplyModel, ReplyWish, TooLongError
from ockham.records import plain

Say = Callable[[dict[str, Any]], None]
_PATIENCE_S = 0.5


def error_frame(error: OckhamError) -> dict[str, Any]:
    """Return the frame that tells of an error (`ockham.serving.process.told_error` reads it)."""
    return {"error": [type(error).__name__, error.code, error.message, error.fix]}


class ReplyDesk:
    """What is being written in this process."""

    def __init__(self, models: Sequence[ReplyModel | None], say: Say) -> None:
        """Begin with nothing; a model that cannot be heard has no places, and takes nothing."""
        self._models = models
        self._say = say
        self._stops: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self.places = [0 if model is None else model.places for model in models]
        """How many texts each model answers side by side."""

    def take(self, request: dict[str, Any]) -> bool:
        """Take a request if it is about a reply; return whether it is."""
        if request["do"] == "stop":
            stop = self._stops.get(request["of"])
            if stop is not None:
                stop.set()
            return True
        model = self._models[request.get("seat", 0)]
        if request["do"] != "reply" or model is None:
            return False
        self._stops[request["id"]] = threading.Event()
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=self._answer, args=[model, request], daemon=True))
        self._threads[-1].start()
        return True

    def _answer(self, model: ReplyModel, request: dict[str, Any]) -> None:
        number: int = request["id"]
        stop = self._stops[number]

        def hear(piece: Piece) -> bool:
            if (piece.text or piece.tokens) and not stop.is_set():
                self._say({"id": number, "piece": piece.text, "tokens": list(piece.tokens)})
            return stop.is_set()

        wish = ReplyWish(**{**request["wish"], "stop": tuple(request["wish"].get("stop", ()))})
        try:
            reply = model.reply(request["text"], wish, hear)
            last: dict[str, Any] = {"answer": plain(reply.answer), "ended": reply.ended}
        except StoppedError:
            last = {"stopped": True}
        except TooLongError as error:
            last = {"too_long": [error.asked, error.room]}
        except OckhamError as error:
            last = error_frame(error)
        except Exception as error:  # told to whoever waits; its words may hold anything, and are left out
            last = {"error": ["Defect", "E_DEFECT", f"the model failed ({type(error).__name__})", "please report this"]}
        del self._stops[number]
        self._say({"id": number, **last})

    def close(self) -> None:
        """Stop everything, and wait a moment until it has stopped."""
        for stop in list(self._stops.values()):
            stop.set()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
