"""Who may ask: a key, compared in constant time; a host that is ours; no page of another origin."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ockham.server.api_error import ApiError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_LONGEST_KEY = 4096


def key_digest(key: str) -> bytes:
    """Return what is kept of a key: enough to know it again, and not the key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Digests of the keys by the name under which each is counted, and the hosts that the server answers to.

    ``hosts`` are as in the header Host, without a port. A page of another origin is refused even if it has the key.
    ``admin`` is the digest of the key of the admin routes, which opens nothing else; without one they are closed.
    """

    keys: Mapping[str, bytes]
    hosts: Collection[str]
    admin: bytes | None = None

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Refuse requests to other hosts, and by pages of other origins. Raises `ApiError` (403).

        A name that somebody else points at this machine (DNS rebinding) is no host of ours.
        """
        if _host(headers.get("host", "")) not in self.hosts:
            raise ApiError(403, "The server does not answer to this Host", code="host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and (not origin.startswith(("http://", "https://")) or not self._is_own(origin)):
            raise ApiError(403, "Pages of this Origin may not ask the server", code="origin_not_allowed")

    def _is_own(self, origin: str) -> bool:
        parts = urlsplit(origin)
        return not parts.path and _host(parts.netloc) in self.hosts

    def key_name(self, headers: Mapping[str, str]) -> str:
        """Return the name of the key of a request. Raises `ApiError` (401) where it has none that is known."""
        key = sent_key(headers)
        name = self._name_of(key)
        if name is None:
            raise _unknown_key(key)
        return name

    def check_admin(self, headers: Mapping[str, str]) -> None:
        """Refuse whoever has not the key of the admin routes. Raises `ApiError`: 403 for other keys of ours, or 401."""
        key = sent_key(headers)
        if self.admin is not None and hmac.compare_digest(key_digest(key), self.admin):
            return
        if self._name_of(key) is not None:
            raise ApiError(403, "The admin routes have a key of their own", code="admin_key_needed")
        raise _unknown_key(key)

    def _name_of(self, key: str) -> str | None:
        """Return the name of a key; every key that there is is compared."""
        digest = key_digest(key)
        names = [name for name, known in self.keys.items() if hmac.compare_digest(digest, known)]
        return names[0] if key and names else None


def sent_key(headers: Mapping[str, str]) -> str:
    """Return the key that a request brings, or "" where it brings none."""
    scheme, _, word = headers.get("authorization", "").partition(" ")
    key = word.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    return key[:_LONGEST_KEY]


def _unknown_key(key: str) -> ApiError:
    what = "is not known" if key else "is missing"
    message = f"The API key {what}: send it in the header Authorization: Bearer KEY"
    return ApiError(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _host(value: str) -> str:
    """Return the host of a value of the header Host, in lower case and without its port; "" for what is none."""
    host, bracket, rest = value.partition("]") if value.startswith("[") else (value.partition(":")[0], "", "")
    if not bracket:
        _, colon, port = value.partition(":")
    else:
        host, (before, colon, port) = f"{host}]", rest.partition(":")
        if before:
            return ""
    if colon and not (port.isascii() and port.isdecimal()):
        return ""
    return host.lower()
