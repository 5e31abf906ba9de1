"""The settings of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PORT = 8017
KEY_VARIABLE = "OCKHAM_API_KEY"
ADMIN_VARIABLE = "OCKHAM_ADMIN_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSpec:
    """Where the server listens, with which key, and when a model declines to answer.

    A ``host`` that other machines reach needs ``tls_cert`` and ``tls_key`` (files in PEM), or ``behind_proxy``: what
    stands in front speaks TLS. ``allow_hosts`` are the names by which clients call the server then. A model that nobody
    asks for ``idle_seconds`` is unloaded until it is asked again, as the longest unused ones are while less than
    ``free_mb`` of memory is free (a twentieth of the machine's). ``max_waiting`` requests and ``max_waiting_tokens``
    are let in at once, each for ``queue_seconds`` until its turn comes; a language model then writes its first token
    within ``first_token_seconds``, and the whole answer takes ``answer_seconds``. Without ``api_key`` the key is in
    the environment variable ``api_key_env``, or else made up. ``keys_file`` names further keys; ``admin_key_env`` is
    the variable of the key of the admin routes.
    ``port`` 0 takes a free one. Below ``min_confidence`` a model gives no answer.
    ``rungs`` are candidates of the runs that are served beside the chosen ones.
    """

    host: str = "127.0.0.1"
    port: int = field(default=DEFAULT_PORT, metadata={"min": 0, "max": 65535})
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str = KEY_VARIABLE
    keys_file: Path | None = None
    admin_key_env: str = ADMIN_VARIABLE
    min_confidence: float | None = field(default=None, metadata={"min": 0, "max": 1})
    rungs: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    allow_hosts: tuple[str, ...] = ()
    idle_seconds: float | None = field(default=None, metadata={"above": 0})
    free_mb: float | None = field(default=None, metadata={"min": 0})
    queue_seconds: float = field(default=60.0, metadata={"above": 0, "max": 3600})
    max_waiting: int = field(default=256, metadata={"min": 1, "max": 100_000})
    max_waiting_tokens: int = field(default=1_000_000, metadata={"min": 1, "max": 1_000_000_000})
    first_token_seconds: float = field(default=120.0, metadata={"above": 0})
    answer_seconds: float = field(default=300.0, metadata={"above": 0})
