"""The keys of a server: where they come from, and what is kept of them.

They are read before the command is sealed, since a sealed process gives up the variables that hold secrets.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ockham.errors import ConfigError
from ockham.printable import printable
from ockham.server.access import key_digest
from ockham.server.serve_spec import ServeSpec

MAIN, ADMIN = "main", "admin"
"""The name of the key that is given or made up, and that of the key of the admin routes in a file of keys."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KEY = re.compile(r"[!-~]{16,1024}")
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeys:
    """Digests of the keys by name, that of the admin key where there is one, and a key to show to whoever started it.

    ``shown`` is ``None`` where the keys are those of a file.
    """

    digests: Mapping[str, bytes]
    admin: bytes | None = None
    shown: str | None = field(default=None, repr=False)


def read_keys(spec: ServeSpec) -> ServerKeys:
    """Return the keys that the settings name: one that is given or in a variable, and those of a file.

    Without any, one is made up. Raises `ConfigError` (``E_CONFIG``) for a file that others may read, and for lines that
    are not a name and a key.
    """
    named = {} if spec.keys_file is None else read_key_file(spec.keys_file)
    in_file = named.pop(ADMIN, None)
    admin = os.environ.get(spec.admin_key_env) or in_file
    shown = spec.api_key or os.environ.get(spec.api_key_env) or None
    for key in (shown, admin):
        if key is not None and not _KEY.fullmatch(key):
            raise _unusable("a key is not of 16 to 1,024 printable characters", "leave it out, and one is made up")
    if shown is None and not named:
        shown = secrets.token_urlsafe(24)
    if shown is not None:
        named = {MAIN: shown, **named}
    digests = {name: key_digest(key) for name, key in named.items()}
    if len({*digests.values()}) < len(digests) or (admin is not None and key_digest(admin) in digests.values()):
        raise ConfigError("E_CONFIG", "two of the server's keys are the same", fix="give each its own key")
    return ServerKeys(digests=digests, admin=None if admin is None else key_digest(admin), shown=shown)


def read_key_file(path: Path) -> dict[str, str]:
    """Read a file of keys, a name and a key on each line; lines that begin with # are none.

    Raises `ConfigError` (``E_CONFIG``) for what cannot be read, for a file that other users may read or change, and for
    lines of another form; the message has the number of the line, and nothing of it.
    """
    where = f"the file of keys {printable(path.name)}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            _check_owner(status, where)
            text = file.read(_MOST_BYTES).decode("ascii")
    except OSError as error:
        raise _unusable(f"{where} cannot be read: {os.strerror(error.errno or 0)}", "check its path") from None
    except UnicodeDecodeError:
        raise _unusable(f"{where} is not ASCII", "write a name and a key on each line") from None
    keys: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, key = line.strip().partition(" ")
        if not _NAME.fullmatch(name) or not _KEY.fullmatch(key.strip()):
            fix = "write a name (a-z, 0-9, dots, dashes, underscores), a space, and a key of at least 16 characters"
            raise _unusable(f"{where}: line {number} is not a name and a key", fix)
        if name in keys:
            raise _unusable(f"{where}: the name on line {number} stands there twice", "give each key its own name")
        keys[name] = key.strip()
    if not keys.keys() - {ADMIN}:
        raise _unusable(f"{where} has no key", "write a name and a key on each line")
    return keys


def _check_owner(status: os.stat_result, where: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(f"{where} is not a regular file", "name a file")
    if hasattr(os, "getuid") and (status.st_uid not in (0, os.getuid()) or status.st_mode & 0o077):
        raise _unusable(f"{where} can be read or changed by other users", "chmod 600 it, or let its owner start this")


def _unusable(message: str, fix: str) -> ConfigError:
    return ConfigError("E_CONFIG", message, fix=fix)
