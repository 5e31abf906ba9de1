"""From `ockham.toml` and the flags to the records a verb takes: one list of names, one check, the flags win."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from ockham import config
from ockham.errors import ConfigError, ConsentError
from ockham.records import Requirements

if TYPE_CHECKING:
    from ockham.api.client import EndpointSpec
    from ockham.api.consent import Destination

FILE = "ockham.toml"

# A flag that may be given several times is one word; the record holds them all.
_SEVERAL = {"input": "inputs", "rung": "rungs", "allow_host": "allow_hosts"}
# The APIs that may be named, and the settings of one: ``endpoint`` is the address, ``endpoint_model`` its model.
_APIS = ("endpoint", "judge")
_SERVER = "server"
_API = {"": "url", "_model": "model", "_key_env": "key_env", "_max_cost": "max_cost"}

_OPENING = (
    *("host", "behind_proxy", "allow_host", "allow_hosts", "tls_cert", "tls_key"),
    *("api_key", "api_key_env", "keys_file", "admin_key_env"),
)
"""The settings of a server that say who reaches it, and with which key."""

# Said by a flag alone: a file cannot vouch for itself.
_YES = "yes"

T = TypeVar("T")


def collect(verb: str, path: Path | None, flags: Mapping[str, object]) -> dict[str, object]:
    """Put a verb's settings together: the file's table, then the flags that were given (``None`` and () were not).

    ``path`` is the file the user named; without one `ockham.toml` in the caller's folder counts where it is. Raises
    `ConfigError` (``E_CONFIG``) for a file or table that cannot be used.
    """
    file = Path(FILE) if path is None else path
    values: dict[str, object] = {}
    if path is not None or file.exists():
        values = dict(config.load(file).get(verb, {}))
    return values | {name: value for name, value in flags.items() if value not in (None, ()) and name != _YES}


def check_names(values: Mapping[str, object], flags: Mapping[str, object]) -> None:
    """Refuse a setting of the file that is no flag of its command, before anything heavy is loaded.

    Those of an API are checked with it. Raises `ConfigError` (``E_CONFIG``) with the nearest name.
    """
    names = [name for name in values if not any(_of(api, name) for api in _APIS)]
    config.check_names(names, [*flags, *_SEVERAL.values()], "settings")


def origins(path: Path | None, flags: Mapping[str, object], values: Mapping[str, object]) -> dict[str, str]:
    """Say of each API in ``values`` where its address and the variable of its key were named.

    Raises `ConsentError` (``E_CONSENT``) where that is an `ockham.toml` that nobody named, and --yes was not said: it
    may have come with somebody else's folder.
    """
    flag_names = {name for name, value in flags.items() if value not in (None, ())}
    file = FILE if path is None else str(path)
    named: dict[str, str] = {}
    for api in (*_APIS, _SERVER):
        value = values.get(api)
        table: Mapping[str, object] = value if isinstance(value, Mapping) else {}
        if value is None or (table and "url" not in table):
            continue  # without an address nothing can be sent, which `spec` says
        key_env = f"{api}_key_env"
        address = f"--{api}" if api in flag_names else file
        key = f"--{api}-key-env" if key_env in flag_names else file if key_env in values or "key_env" in table else ""
        if path is None and not flags.get(_YES) and file in (address, key):
            raise _unasked_destination(api, table.get("url", value), values.get(key_env, table.get("key_env")), flags)
        named[api] = f"address: {address}; key: {key or 'the default'}"
    return named


def check_cluster(path: Path | None, flags: Mapping[str, object], values: Mapping[str, object]) -> None:
    """Refuse a Ray cluster where a file names it that was only found: rows go there, and no wall stands there.

    Raises `ConsentError` (``E_CONSENT``).
    """
    if values.get("engine") == "ray":
        what = "would send rows to a Ray cluster, where nothing keeps them from the network"
        _refuse_found(path, flags, values, ("engine", "address"), f"{what} ({{}}); nothing was read")


def check_opening(path: Path | None, flags: Mapping[str, object], values: Mapping[str, object]) -> None:
    """Refuse settings that open a server to others, where a file names them that was only found.

    Raises `ConsentError` (``E_CONSENT``), as `origins` does.
    """
    _refuse_found(path, flags, values, _OPENING, "says who may reach the server ({}); nothing was served")


def _refuse_found(
    path: Path | None, flags: Mapping[str, object], values: Mapping[str, object], names: Sequence[str], what: str
) -> None:
    """Raise `ConsentError` where one of the settings stands in an `ockham.toml` that nobody named."""
    named = [name for name in names if name in values and flags.get(name) in (None, ())]
    if path is None and named and not flags.get(_YES):
        message = f"{FILE}, which was found in the current folder and not named, {what.format(', '.join(named))}"
        fix = f"if you trust the file, add --config {FILE}; otherwise use options"
        raise ConsentError("E_CONSENT", message, fix=fix)


def _unasked_destination(api: str, url: object, key_env: object, flags: Mapping[str, object]) -> ConsentError:
    from ockham.api import consent

    key = f", with the key from {consent.variable(str(key_env))}" if key_env else ""
    where = f"the {api} {consent.host(str(url))}{key}"
    message = (
        f"{FILE}, which was found in the current folder and not named, would send rows to {where}; nothing was sent"
    )
    fix = f"if you trust the file, add --yes or --config {FILE}"
    if api in flags:
        fix += f"; or name the address yourself: --{api} URL --{api}-key-env NAME"
    return ConsentError("E_CONSENT", message, fix=fix)


def destination(values: dict[str, object]) -> Destination | None:
    """Take the API that a bundle may ask out of ``values``.

    Raises `ConfigError` (``E_CONFIG``) for a key's variable without an address, and for other settings of an API.
    """
    from ockham.api.consent import Destination

    own = {name: values.pop(name) for name in [name for name in values if _of("endpoint", name)]}
    if not own:
        return None
    value = own.pop("endpoint", None)
    fields = dict(value) if isinstance(value, Mapping) else {} if value is None else {"url": value}
    for name, setting in own.items():
        fields["api" if name == "endpoint_api" else _API.get(name.removeprefix("endpoint"), name)] = setting
    if "url" not in fields:
        raise ConfigError("E_CONFIG", "settings: the endpoint has no address", fix="add --endpoint URL")
    return config.build(Destination, _with_api(fields), "the endpoint")


def endpoints(values: Mapping[str, object]) -> list[EndpointSpec]:
    """Return the APIs that ``values`` name.

    Raises `ConfigError` (``E_CONFIG``) as `spec` does.
    """
    named = {api: {name: value for name, value in values.items() if _of(api, name)} for api in _APIS}
    if not any(named.values()):
        return []
    from ockham.api.client import EndpointSpec

    return [config.build(EndpointSpec, _api(api, own), "settings") for api, own in named.items() if own]


def requirements(values: dict[str, object]) -> Requirements:
    """Take what the user requires out of ``values`` and check it."""
    names = [field.name for field in dataclasses.fields(Requirements) if field.name in values]
    if isinstance(values.get("min_field"), (list, tuple)):
        values["min_field"] = dict(_field_share(entry) for entry in cast("Sequence[object]", values["min_field"]))
    return config.build(Requirements, {name: values.pop(name) for name in names}, "requirements")


def _field_share(entry: object) -> tuple[str, float]:
    """Read ``total=0.95``; the last sign parts the two. Raises `ConfigError` (``E_CONFIG``)."""
    name, sign, share = str(entry).rpartition("=")
    try:
        number = float(share)
    except ValueError:
        sign, number = "", 0.0
    if not sign or not name:
        message = "--min-field is not of the form FIELD=SHARE"
        raise ConfigError(
            "E_CONFIG", message, fix="name the field and its minimum F1, for example --min-field total=0.95"
        )
    return name, number


def spec(kind: type[T], values: Mapping[str, object]) -> T:
    """Make a verb's Spec from its settings.

    Raises `ConfigError` (``E_CONFIG``) for a name the Spec does not know, a wrong type, a number out of range, an
    unknown rung, and an endpoint or a judge without its address or model.
    """
    own = {api: {name: value for name, value in values.items() if _of(api, name)} for api in _APIS}
    fields = {
        _SEVERAL.get(name, name): _wrap_single(name, value)
        for name, value in values.items()
        if not any(name in settings for settings in own.values())
    }
    fields |= {api: _api(api, settings) for api, settings in own.items() if settings}
    return config.build(kind, fields, "settings")


def text(values: dict[str, object], name: str) -> str | None:
    """Take a setting that must be a text out of ``values``."""
    value = values.pop(name, None)
    if value is None or isinstance(value, str):
        return value
    raise ConfigError("E_CONFIG", f"settings: {name} is not text", fix=f"put {name} in quotes")


def _wrap_single(name: str, value: object) -> object:
    """Let a setting that may be given several times stand alone, as in ``input = "text"``, and columns be one target.

    Models stand in one flag.
    """
    if name in ("models", "encoder") and isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if name == "target" and isinstance(value, (list, tuple)) and value and all(isinstance(part, str) for part in value):
        from ockham.readers.target_names import join_names

        return join_names(value)
    return (value,) if name in _SEVERAL and isinstance(value, str) else value


def _of(api: str, name: str) -> bool:
    return name == api or name.startswith(f"{api}_")


def _api(api: str, values: Mapping[str, object]) -> dict[str, object]:
    """Put the flat names (``endpoint_model``) and the table ``[fit.endpoint]`` together."""
    fields: dict[str, object] = {}
    for name, value in values.items():
        part = name.removeprefix(api)
        if name == api and isinstance(value, Mapping):
            fields = {**value, **fields}
        elif name == "endpoint_api":
            fields["api"] = value
        elif part in _API:
            fields[_API[part]] = value
        elif part == "_price":
            fields["price_in"], fields["price_out"] = _prices(name, value)
        else:
            names = ", ".join(sorted(f"{api}{end}" for end in (*_API, "_price")))
            kind = "an endpoint" if api == "endpoint" else f"a {api}"
            raise ConfigError("E_CONFIG", f"settings: {kind} has no such setting", fix=f"use one of: {names}")
    if "url" not in fields:
        raise ConfigError("E_CONFIG", f"settings: the {api} has no address", fix=f"add --{api} URL")
    if "model" not in fields:
        raise ConfigError("E_CONFIG", f"settings: the {api} has no model", fix=f"add --{api}-model NAME")
    return _with_api(fields)


def _with_api(fields: dict[str, object]) -> dict[str, object]:
    """Put which API of a host is meant into its address. Raises `ConfigError` (``E_CONFIG``) for one that is none."""
    api = fields.pop("api", None)
    if api is None:
        return fields
    if api not in ("chat", "decisions"):
        raise ConfigError(
            "E_CONFIG",
            "settings: endpoint_api is neither chat nor decisions",
            fix="use --endpoint-api chat or --endpoint-api decisions",
        )
    from ockham.api.client import address_of

    return {**fields, "url": address_of(str(fields["url"]), "chat" if api == "chat" else "decisions")}


def _prices(name: str, value: object) -> tuple[object, object]:
    """Read IN,OUT: USD per million tokens."""
    parts: object = value
    if isinstance(value, str):
        try:
            parts = [float(part) for part in value.split(",")]
        except ValueError:
            parts = None
    if not isinstance(parts, (list, tuple)) or len(parts) != 2:
        flag = f"--{name.replace('_', '-')}"
        fix = f"give the prices per million input and output tokens, as in {flag} 0.15,0.60"
        raise ConfigError("E_CONFIG", f"settings: {name} is not two numbers", fix=fix)
    return parts[0], parts[1]
