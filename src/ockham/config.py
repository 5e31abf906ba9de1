"""Settings from the outside: `ockham.toml` read, and plain values turned into the frozen Spec a verb takes.

Everything is checked here, before a model is loaded: types strictly (a quoted "1e-4" is no number, ``true`` is no
count), names (an unknown one is an error that gives the nearest known one) and ranges. A range stands with its field:
``field(metadata={"min": 1, "max": 64})``, or ``above`` and ``below`` where the bound itself is not allowed. Nothing is
interpolated: ``"${TOKEN}"`` stays these characters, so a secret can be named in a file but never pulled into it.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import operator
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast

from ockham.errors import ConfigError
from ockham.rung_table import RUNGS
from ockham.verb_table import VERBS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 1_000_000
MAX_INTEGER = 2**63 - 1
_DEEPEST = 32
"""Dots in a name; no setting has so many. The parser's time grows with the square of them: hours for 1 MB."""
_QUOTED = re.compile(r""""[^"\n]*"|'[^'\n]*'""")

T = TypeVar("T")

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    Path: "a path in quotes",
}
_BOUNDS = {
    "min": ("at least", operator.ge),
    "max": ("at most", operator.le),
    "above": ("above", operator.gt),
    "below": ("below", operator.lt),
}


def load(path: Path, verbs: Sequence[str] = tuple(VERBS)) -> dict[str, dict[str, object]]:
    """Read a TOML file with one table per verb.

    Gives the tables as they stand, by verb; `build` checks what is in them. Raises `ConfigError` (``E_CONFIG``) for a
    file that is missing, not a regular file, over 1 MB, not UTF-8 or not TOML (duplicate keys included; the line is
    named), for a table that no verb has, and for a setting outside any table.
    """
    document = _parse(_read(path), path)
    tables: dict[str, dict[str, object]] = {}
    for name, value in document.items():
        if not isinstance(value, dict):
            raise _wrong(
                f"{path.name}: {_quote_name(name)} stands outside any table", "put it under its command, as in [fit]"
            )
        if name not in verbs:
            raise _wrong(f"{path.name}: no command has the table {_quote_name(name)}", _nearest(name, verbs))
        tables[name] = value
    return tables


def build(kind: type[T], values: Mapping[str, object], where: str) -> T:
    """Make a frozen dataclass from plain values, checking every name, type and range.

    ``where`` says where the values come from ("ockham.toml [fit]", "the command line"). Fields may be ``bool``,
    ``int``, ``float``, ``str``, `pathlib.Path`, ``Literal``, ``X | None``, ``tuple[X, ...]``, ``Mapping[str, X]``, or
    another such dataclass. Raises `ConfigError` (``E_CONFIG``); the message names the setting, never its value.
    """
    fields = {field.name: field for field in dataclasses.fields(cast("Any", kind)) if field.init}
    check_names(values, tuple(fields), where)
    hints = typing.get_type_hints(kind)
    checked: dict[str, object] = {}
    for name, field in fields.items():
        if name in values:
            checked[name] = _value(hints[name], values[name], f"{where}: {name}", field.metadata)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise _wrong(f"{where}: {name} is missing", f"add {name}")
    return kind(**checked)


def check_names(names: Iterable[object], known: Sequence[str], where: str) -> None:
    """Raise `ConfigError` (``E_CONFIG``) for a setting that there is not, with the nearest name."""
    for name in names:
        if name not in known:
            raise _wrong(f"{where}: there is no setting {_quote_name(str(name))}", _nearest(str(name), known))


def check_rungs(names: object) -> None:
    """Raise `ConfigError` (``E_CONFIG``) for a rung that there is not, with the nearest name."""
    for name in (names,) if isinstance(names, str) else names if isinstance(names, (list, tuple)) else ():
        if isinstance(name, str) and name not in RUNGS:
            near = difflib.get_close_matches(name, RUNGS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise _wrong(f"there is no rung {name!a}", f"{hint}the rungs are: {', '.join(RUNGS)}")


def _read(path: Path) -> bytes:
    if not path.exists():
        raise _wrong(f"{path.name}: there is no such file", "name a file that exists, or leave the option out")
    if not path.is_file():
        raise _wrong(f"{path.name}: not a regular file", "name a TOML file")
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(f"{path.name}: cannot be read ({error.strerror})", "check the file's permissions") from None
    if len(raw) > MAX_BYTES:
        raise _wrong(f"{path.name}: larger than 1 MB", "name the settings file, not the data")
    return raw


def _parse(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _wrong(f"{path.name}, line {line}: not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    for line, words in enumerate(_QUOTED.sub("", text).split("\n"), 1):
        if max(part.count(".") for part in re.split(r"[=\[\]{},#]", words)) > _DEEPEST:
            raise _wrong(f"{path.name}, line {line}: a name has more than {_DEEPEST} dots", "shorten it")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's own message may quote the file, so only its place and its kind are passed on.
        message = str(error)
        match = re.search(r"line (\d+)", message)
        line = int(match.group(1)) if match else text.count("\n") + 1
        if re.search(r"overwrite|twice|mutate|immutable|Duplicate", message):
            raise _wrong(f"{path.name}, line {line}: a name is given twice", "keep one of the two") from None
        fix = 'correct the line: text stands in quotes, numbers without a leading zero, as in name = "value"'
        raise _wrong(f"{path.name}, line {line}: not valid TOML", fix) from None
    except (ValueError, RecursionError):
        raise _wrong(f"{path.name}: a number or a list is too long or too deep", "shorten it") from None


def _value(hint: Any, value: object, where: str, limits: Mapping[str, Any]) -> object:  # noqa: ANN401 - a type hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Union or origin is types.UnionType:
        return _union(arguments, value, where, limits)
    if origin is Literal:
        return _choice(arguments, value, where)
    if origin is tuple:
        return _tuple(arguments, value, where, limits)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        # Entries are named by their place: their keys may be a user's data.
        entries = enumerate(_table(value, where).items(), 1)
        return {str(key): _value(arguments[1], item, f"{where}, entry {n}", limits) for n, (key, item) in entries}
    if dataclasses.is_dataclass(hint):
        return value if type(value) is hint else build(cast("type", hint), _table(value, where), where)
    return _plain(hint, value, where, limits)


def _table(value: object, where: str) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    raise _wrong(f"{where} is {_kind(value)}", "it must be a table")


def _union(arguments: tuple[Any, ...], value: object, where: str, limits: Mapping[str, Any]) -> object:
    if value is None and type(None) in arguments:
        return None
    kinds = [argument for argument in arguments if argument is not type(None)]
    for kind in kinds[:-1]:
        # A plain kind is taken where the value's own type says so; whatever is left is judged by the last kind.
        if kind in _NAMES and type(value) is kind:
            return _value(kind, value, where, limits)
    return _value(kinds[-1], value, where, limits)


def _choice(allowed: tuple[Any, ...], value: object, where: str) -> object:
    for choice in allowed:
        if type(choice) is type(value) and choice == value:
            return value
    names = ", ".join(map(str, allowed))
    if isinstance(value, str):
        near = difflib.get_close_matches(value, [str(choice) for choice in allowed], n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise _wrong(f"{where} is not one of the choices", f"{hint}the choices are: {names}")
    raise _wrong(f"{where} is {_kind(value)}", f"the choices are: {names}")


def _tuple(arguments: tuple[Any, ...], value: object, where: str, limits: Mapping[str, Any]) -> tuple[object, ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(f"{where} is {_kind(value)}", "it must be a list, as in [1, 2]")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        kinds = [arguments[0]] * len(value)
    elif len(value) == len(arguments):
        kinds = list(arguments)
    else:
        raise _wrong(f"{where} has {len(value)} items", f"it must have {len(arguments)}")
    return tuple(
        _value(kind, item, f"{where}[{index}]", limits)
        for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _plain(hint: Any, value: object, where: str, limits: Mapping[str, Any]) -> object:  # noqa: ANN401 - a type hint
    if hint is Any:  # the settings of a plug, which its own Spec checks
        return value
    if hint not in _NAMES:
        raise TypeError(f"{where}: a setting cannot have the type {hint}")
    if hint is Path and isinstance(value, (str, Path)):
        if "\0" in str(value):
            raise _wrong(f"{where} holds a NUL character", "remove it")
        return Path(value)
    if hint is float and type(value) is int:
        value = _number(value, where, {})
        return _number(float(value), where, limits)
    if type(value) is not hint:
        raise _wrong(f"{where} is {_kind(value)}", f"it must be {_NAMES[hint]}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(value, where, limits)
    return value


def _number(value: float, where: str, limits: Mapping[str, Any]) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(f"{where} is not finite", "give an ordinary number")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise _wrong(f"{where} is too large", "the largest whole number is 2^63 - 1")
    bounds = " and ".join(f"{words} {limits[name]}" for name, (words, _) in _BOUNDS.items() if name in limits)
    for name, (_, holds) in _BOUNDS.items():
        if name in limits and not holds(value, limits[name]):
            raise _wrong(f"{where} is out of range", f"it must be {bounds}")
    return value


def _kind(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int):
        return "a whole number"
    return {float: "a number", type(None): "nothing"}.get(type(value), "a date or another kind of value")


def _quote_name(name: str) -> str:
    """Quote a setting's name so that it cannot forge or flood a message."""
    return repr(name if len(name) <= 40 else name[:40] + "…")


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.replace("-", "_"), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"the known names are: {', '.join(sorted(names))}"


def _wrong(message: str, fix: str) -> ConfigError:
    return ConfigError("E_CONFIG", message, fix=fix)
