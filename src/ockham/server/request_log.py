"""The log: a line of JSON for each event, with names of ours and numbers, and never a word of a request."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import orjson

ROOM = "ockham.server"
_SECONDS = 0.05


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON: what stands in a message cannot begin another."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = getattr(record, "fields", {})
        return _line(record.created, record.levelname.lower(), record.getMessage(), fields).decode()


class RequestLog:
    """The lines about requests: the one event that happens often, so those of a moment are written together."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lines: list[bytes] = []

    def write(self, fields: Mapping[str, Any]) -> None:
        """Write that a request is over, within 50 ms."""
        if not self._lines:
            asyncio.get_running_loop().call_later(_SECONDS, self.flush)
        self._lines.append(_line(time.time(), "info", "request", fields))

    def flush(self) -> None:
        """Write what waits."""
        lines, self._lines = self._lines, []
        logger = logging.getLogger(ROOM)
        for handler in logger.handlers if lines and logger.isEnabledFor(logging.INFO) else ():
            if isinstance(handler, logging.StreamHandler):
                handler.stream.write(b"\n".join([*lines, b""]).decode())
                handler.flush()


def _line(moment: float, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    head = {"time": f"{seconds}.{int(moment % 1 * 1000):03}Z", "level": level, "event": event}
    return orjson.dumps({**head, **fields})


def install() -> None:
    """Write the events of this room to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(ROOM)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # Its words would come without a form; what matters of them is in ours.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
