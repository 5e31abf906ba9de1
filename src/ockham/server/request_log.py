"""The log: a line of JSON for each event, with names of ours and numbers, and never a word of a request."""

from __future__ import annotations

import json
import logging
import sys
import time

ROOM = "ockham.server"


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON: what stands in a message cannot begin another."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {"time": f"{moment}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        return json.dumps({**fields, "event": record.getMessage(), **getattr(record, "fields", {})})


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
