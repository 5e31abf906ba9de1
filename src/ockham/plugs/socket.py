"""Sockets and what is plugged into them: filters and scorers found by name, configured, and called with care.

A plug is a module, or anything else with these names, that a package puts under the socket's entry point group::

    Spec          a frozen dataclass: the settings and their defaults; left out where there are none
    load(spec)    returns the callable that the socket asks for, once a process

A plug is somebody else's code: what it raises is told by its kind and its line alone, since the words of an exception
may hold the user's data, and what it prints goes to stderr.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import re
import sys
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from ockham import config
from ockham.errors import ConfigError, OckhamError, PlugError
from ockham.records import PlugRequest, PlugSpec, PlugUse, digest
from ockham.store import file_digest
from ockham.version import __version__

_PACKAGE = Path(__file__).parents[1]
_OWN = f"ockham {__version__}"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""What plugs and their reasons may be called: names stand in reports, keys and messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """A place for plugs: what one is called, the entry point group, and our own plugs by name and module."""

    word: str
    group: str
    own: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """A plug that was found and configured; ``module`` is what its entry point names."""

    word: str
    module: Any
    spec: object
    use: PlugUse

    def load(self) -> Any:  # noqa: ANN401 - what the socket asks for
        """Load the callable. Raises `PlugError` (``E_PLUG``) where that fails."""
        with guard(self.word, self.use, "while it was loaded"):
            loaded = self.module.load(*(() if self.spec is None else (self.spec,)))
        if not callable(loaded):
            raise unusable(self.word, self.use.name, "load() did not return a callable")
        return loaded


def find_entry(group: str, name: str) -> EntryPoint | None:
    """Find an entry point. Raises `ConfigError` (``E_CONFIG``) where two packages provide one of this name."""
    entries = {(entry.value, package_name(entry)): entry for entry in entry_points(group=group) if entry.name == name}
    if len(entries) > 1:
        packages = " and ".join(sorted(package for _, package in entries))
        message = f"{name} stands twice under {group}: in {packages}"
        raise ConfigError("E_CONFIG", message, fix="remove one of the two packages")
    return next(iter(entries.values()), None)


def package_name(entry: EntryPoint) -> str:
    """Return the name and version of the package that an entry point comes from, or where it points to."""
    return entry.value if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def find_plug(socket: Socket, request: PlugRequest) -> Plug:
    """Find a plug by its name and configure it; only then is its module imported.

    Our own plugs come first. Raises `ConfigError` (``E_CONFIG``) for a name that nobody provides and for settings that
    its Spec does not take, `PlugError` (``E_PLUG``) for one that cannot be imported or is none.
    """
    name, settings = (request.name, request.settings) if isinstance(request, PlugSpec) else _split(request)
    if NAME.fullmatch(name) is None:
        message = f"{name[:40]!a} is not the name of a {socket.word}"
        raise ConfigError("E_CONFIG", message, fix="names are lower-case letters, digits, _ and -")
    module, package = _import(socket, name)
    kind = getattr(module, "Spec", None)
    if not callable(getattr(module, "load", None)):
        raise unusable(socket.word, name, "it has no function load(spec)")
    if kind is not None and not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise unusable(socket.word, name, "its Spec is not a dataclass")
    if kind is None and settings:
        raise ConfigError("E_CONFIG", f"the {socket.word} {name} takes no settings", fix=f"leave out {_list(settings)}")
    spec = None
    if kind is not None:
        values = settings if isinstance(request, PlugSpec) else _read_words(kind, settings)
        try:
            spec = config.build(kind, values, f"{socket.word} {name}")
        except TypeError as error:  # a field of a kind that no setting can have
            raise unusable(socket.word, name, "its Spec has a field of a type that no setting has") from error
    plain_settings = {} if spec is None else _plain_settings(spec)
    use = PlugUse(
        name=name,
        package=package,
        sha256=digest([_digest_of(module), _files(spec)]),
        settings=plain_settings,
        title=_title(module),
    )
    return Plug(word=socket.word, module=module, spec=spec, use=use)


def load_again(socket: Socket, use: PlugUse) -> Plug:
    """Find a plug that another process has configured, and make sure that it is the same one.

    Raises `PlugError` (``E_PLUG``) where it is not, as on a machine of a cluster with another version of the package.
    """
    plug = find_plug(socket, PlugSpec(name=use.name, settings=use.settings))
    if plug.use != use:
        raise unusable(socket.word, use.name, "this process has another version of it than the one that began the run")
    return plug


@contextmanager
def guard(word: str, use: PlugUse, what: str) -> Iterator[None]:
    """Run code of a plug: what it raises becomes a `PlugError` (``E_PLUG``), what it prints goes to stderr.

    Running out of memory is no fault of the plug's and passes.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except MemoryError:
        raise
    except OckhamError as error:
        if use.package == _OWN:  # whose words are ours
            raise
        raise _failure(word, use, what, error) from None
    except (Exception, SystemExit) as error:
        raise _failure(word, use, what, error) from None


def unusable(word: str, name: str, why: str) -> PlugError:
    """Return the error of a plug that is not what its socket asks for."""
    return PlugError("E_PLUG", f"the {word} {name} cannot be used: {why}", fix=f"fix it: see docs/{word}s.md")


def _failure(word: str, use: PlugUse, what: str, error: BaseException) -> PlugError:
    message = f"the {word} {use.name} ({use.package}) raised {type(error).__name__}{_line_of(error)} {what}"
    return PlugError("E_PLUG", message, fix=f"fix the {word}: its contract test shows the whole error")


def _split(text: str) -> tuple[str, dict[str, list[str]]]:
    """Split ``NAME:key=value,key=value``."""
    name, _, rest = text.strip().partition(":")
    settings: dict[str, list[str]] = {}
    for pair in filter(None, rest.split(",")):
        key, sign, value = pair.partition("=")
        if not sign:
            message = f"a setting of {name[:40]!a} has no value"
            fix = f"write {name}:key=value,key=value; a value with a comma in it stands in ockham.toml"
            raise ConfigError("E_CONFIG", message, fix=fix)
        settings.setdefault(key.strip(), []).append(value)
    return name, settings


def _read_words(kind: type, settings: Mapping[str, list[str]]) -> dict[str, object]:
    """Turn the words of a command line into values of the types that a Spec asks for; what fits none stays text."""
    hints = typing.get_type_hints(kind)
    values: dict[str, object] = {}
    for name, words in settings.items():
        kinds = {hints.get(name), *typing.get_args(hints.get(name))} - {type(None), Ellipsis}
        is_list = typing.get_origin(hints.get(name)) is tuple
        items = [_literal(word) if not kinds & {str, Path} else word for word in words]
        values[name] = items if is_list or len(items) > 1 else items[0]
    return values


def _literal(word: str) -> object:
    """Read a number, or true and false; anything else stays text, which the Spec refuses."""
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(word)
    return word


def _import(socket: Socket, name: str) -> tuple[Any, str]:
    if name in socket.own:
        return importlib.import_module(socket.own[name]), _OWN
    entry = find_entry(socket.group, name)
    if entry is None:
        names = sorted({*socket.own, *(entry.name for entry in entry_points(group=socket.group))})
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}? If not," if near else f"choose from {', '.join(names)}, or" if names else ""
        message = f"no {socket.word} is called {name}"
        raise ConfigError("E_CONFIG", message, fix=f"{hint} install the package that provides it".strip())
    package = package_name(entry)
    with guard(socket.word, PlugUse(name=name, package=package, sha256=""), "while it was imported"):
        module = entry.load()
    return module, package


def _title(module: object) -> str | None:
    title = getattr(module, "TITLE", None)
    return title[:80] if isinstance(title, str) else None


def _plain_settings(spec: object) -> dict[str, Any]:
    """Return the settings as they are read back from a record: names sorted, lists, paths as text."""
    settings = dataclasses.asdict(spec)  # type: ignore[call-overload] # a dataclass, which config.build has made
    plain_settings: dict[str, Any] = json.loads(json.dumps(settings, default=str, sort_keys=True))
    return plain_settings


def _digest_of(module: object) -> str:
    """Return the digest of the file in which a plug's ``load`` stands; nothing for one that has no file."""
    source: object = module
    if not isinstance(module, ModuleType):
        function: Callable[..., Any] = module.load  # type: ignore[attr-defined]
        source = sys.modules.get(getattr(function, "__module__", None) or type(module).__module__)
    file = getattr(source, "__file__", None)
    try:
        return "" if file is None else file_digest(Path(file))
    except OSError:
        return ""


def _files(spec: object) -> dict[str, str]:
    """Return the digest of each file that a Spec names by a path."""
    digests: dict[str, str] = {}
    for field in dataclasses.fields(spec) if dataclasses.is_dataclass(spec) else ():
        value = getattr(spec, field.name)
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, Path) and path.is_file():
                try:
                    digests[f"{field.name}: {path}"] = file_digest(path)
                except OSError as error:
                    message = f"{path.name}, which {field.name} names, cannot be read ({error.strerror})"
                    raise ConfigError("E_CONFIG", message, fix="check the path and its permissions") from None
    return digests


def _line_of(error: BaseException) -> str:
    """Say where in a plug's own file an error was raised, or came through."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at {Path(error.filename).name}, line {error.lineno},"
    frames = traceback.extract_tb(error.__traceback__)
    others = [frame for frame in frames if not _is_ours(frame.filename)]
    lines = [frame for frame in others if frame.filename == others[0].filename]
    return f" at {Path(lines[-1].filename).name}, line {lines[-1].lineno}," if lines else ""


def _is_ours(file: str) -> bool:
    return file.startswith("<frozen") or "importlib" in Path(file).parts or Path(file).is_relative_to(_PACKAGE)


def _list(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(sorted(names))
