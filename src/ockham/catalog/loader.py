"""Catalogue files: TOML in, checked entries out, and entries found by name."""

from __future__ import annotations

import datetime as dt
import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from ockham import config
from ockham.errors import ConfigError

T = TypeVar("T")

_SHOWN = 40
_NEAREST = 3


def read(path: Path | None, own: str, name: str) -> dict[str, Any]:
    """Read a TOML file: the user's ``path``, or the package's ``own``; ``name`` is what messages call it.

    Raises `ConfigError` (``E_CONFIG``) for a file that cannot be read and for one that is not TOML.
    """
    try:
        source = resources.files("ockham.catalog").joinpath(own) if path is None else path
        return _parse(source.read_bytes())
    except OSError as error:
        raise ConfigError("E_CONFIG", f"{name} cannot be read: {error.strerror}", fix="check the path") from None
    except ValueError:
        raise ConfigError("E_CONFIG", f"{name} is not valid TOML in UTF-8", fix="correct the file's syntax") from None


def entries(kind: type[T], own: str, key: str) -> tuple[T, ...]:
    """Read one of the package's own lists into frozen records: every name, type, range and date checked.

    ``kind`` has a field ``date``, an ISO date as text. Raises `ConfigError` (``E_CONFIG``).
    """
    table = read(None, own, own)
    tables = table.get(key)
    if set(table) != {key} or not isinstance(tables, list):
        raise ConfigError("E_CONFIG", f"{own} holds something else than [[{key}]]", fix=f"write only [[{key}]] tables")
    return tuple(_entry(kind, values, f"{own}, {key} {number}") for number, values in enumerate(tables, 1))


def lookup(name: str, entries: Sequence[T], keys: Callable[[T], Iterable[str]], what: str, *, begun: bool = False) -> T:
    """Find an entry by one of its names, whatever the case, spaces and hyphens.

    ``keys`` gives the names of an entry, the one to show first; with ``begun`` the beginning of a name will do where
    only one entry's begins so. Raises `ConfigError` (``E_CONFIG``) with the nearest names where there is none.
    """
    query = plain_name(name)
    by_name: dict[str, T] = {}
    shown: dict[str, str] = {}
    for entry in entries:
        names = list(keys(entry))
        for key in names:
            by_name.setdefault(plain_name(key), entry)
            shown.setdefault(plain_name(key), names[0])
    if query in by_name:
        return by_name[query]
    starting = {shown[key]: entry for key, entry in by_name.items() if begun and query and key.startswith(query)}
    if len(starting) == 1:
        return next(iter(starting.values()))
    near = [] if len(starting) < 2 else [key for key in by_name if key.startswith(query)]
    near += difflib.get_close_matches(query, by_name, n=2 * _NEAREST, cutoff=0.5)
    near += [key for key in by_name if query and query in key and key not in near]
    names = list(dict.fromkeys(shown[key] for key in near))[:_NEAREST]
    quoted = repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")
    fix = (
        f"did you mean {' or '.join(names)}?"
        if names
        else f"one of: {', '.join(next(iter(keys(k))) for k in entries[:8])}, …"
    )
    raise ConfigError("E_CONFIG", f"the catalogue has no {what} {quoted}", fix=fix)


def plain_name(name: str) -> str:
    """Return a name without case, spaces and punctuation, so that ``rtx4090`` finds ``RTX 4090``."""
    return re.sub(r"[\s_\-/(),]+", "", name).casefold()


def _parse(data: bytes) -> dict[str, Any]:
    # The standard library has tomllib from 3.11 on; tomli is the same code for 3.10.
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        toml = importlib.import_module("tomli")
    table: dict[str, Any] = toml.loads(data.decode())
    return table


def _entry(kind: type[T], values: object, where: str) -> T:
    if not isinstance(values, Mapping):
        raise ConfigError("E_CONFIG", f"{where} is no table", fix="compare it with the other entries")
    date = values.get("date")
    if not isinstance(date, dt.date) or isinstance(date, dt.datetime):
        raise ConfigError("E_CONFIG", f"{where}: date must be a date such as 2026-01-31", fix="correct the entry")
    return config.build(kind, {**values, "date": date.isoformat()}, where)
