"""The environment variables by which libraries are told to report nothing and to fetch nothing, in one table.

A switch counts only if it is set before its library is imported, and some libraries (onnxruntime) read it once, when
they are loaded. So ``import ockham`` applies the table first of all. To change ``os.environ`` on import is more than a
library usually takes upon itself; it is done because the alternative is that the encoder reports to a vendor what our
user was promised stays here. In a process of the user's own only the switches of `Reach.EVERYWHERE` are set: they end
reports, and change nothing that a library computes or fetches.

Switches are a courtesy of the libraries, not a lock: the jail of this room is the lock.

This file is imported with ``import ockham``, so it imports little itself: dataclasses alone would double the time.
"""

from __future__ import annotations

import enum
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, NamedTuple

from ockham.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path


class Reach(enum.Enum):
    """Where a switch is set, and whether a user's own value stands."""

    EVERYWHERE = "everywhere"
    """In every process that imports ockham, over a user's value: it ends reports that nobody asked for."""
    OURS = "ours"
    """In processes that are ockham's own (the command line, workers, benchmarks), over a user's value: it would end the
    records that a program around ``import ockham`` keeps on purpose."""
    OFFLINE = "offline"
    """In ockham's own processes; on the command line a user's value stands (``HF_HUB_OFFLINE=0`` fetches a model)."""
    WORKER = "worker"
    """In workers alone, which never fetch: it would hinder a user who fetches."""


class Switch(NamedTuple):
    """One variable: its value, the library that reads it, and how its name was verified.

    ``package`` is the import name in whose installed files the name must stand (a test looks), or ``None`` where the
    library is none that this project installs; ``verified`` then says where the name was read.
    """

    name: str
    value: str
    library: str
    reach: Reach
    package: str | None = None
    verified: str = "its files name it"


_DOCUMENTED = "the library's documentation and programs that set it; not installed here"

SWITCHES = (
    Switch(
        name="ORT_DISABLE_TELEMETRY",
        value="1",
        library="onnxruntime",
        reach=Reach.EVERYWHERE,
        package="onnxruntime",
        verified="its files name it, and 1.31.1 was seen to report without it, and to write and send nothing with it",
    ),
    Switch(
        name="ORT_TELEMETRY_DISABLED",
        value="1",
        library="onnxruntime",
        reach=Reach.EVERYWHERE,
        verified="onnxruntime pull request 29843; the releases 1.29.0 to 1.31.1 do not name it, and 1.31.1 ignores it",
    ),
    Switch(
        name="HF_HUB_DISABLE_TELEMETRY",
        value="1",
        library="huggingface_hub, transformers",
        reach=Reach.EVERYWHERE,
        package="huggingface_hub",
    ),
    Switch(
        name="DO_NOT_TRACK",
        value="1",
        library="huggingface_hub, daft, vLLM and others that keep to it",
        reach=Reach.EVERYWHERE,
        package="huggingface_hub",
    ),
    Switch(name="RAY_USAGE_STATS_ENABLED", value="0", library="ray", reach=Reach.EVERYWHERE, package="ray"),
    Switch(
        name="DAFT_ANALYTICS_ENABLED",
        value="0",
        library="daft",
        reach=Reach.EVERYWHERE,
        verified="daft's own __init__.py, which reports on import without it; not installed here",
    ),
    Switch(name="SCARF_NO_ANALYTICS", value="true", library="daft", reach=Reach.EVERYWHERE, verified=_DOCUMENTED),
    Switch(name="VLLM_NO_USAGE_STATS", value="1", library="vLLM", reach=Reach.EVERYWHERE, verified=_DOCUMENTED),
    Switch(name="WANDB_MODE", value="disabled", library="wandb", reach=Reach.OURS, package="transformers"),
    Switch(name="WANDB_DISABLED", value="true", library="wandb", reach=Reach.OURS, verified=_DOCUMENTED),
    Switch(name="COMET_MODE", value="disabled", library="comet_ml", reach=Reach.OURS, package="transformers"),
    *(
        Switch(name=name, value=value, library=library, reach=Reach.OURS, verified=_DOCUMENTED)
        for name, value, library in (
            ("MLFLOW_DISABLE_TELEMETRY", "true", "mlflow"),
            ("PREFECT_SERVER_ANALYTICS_ENABLED", "false", "prefect"),
            ("DVC_NO_ANALYTICS", "1", "dvc"),
            ("AXOLOTL_DO_NOT_TRACK", "1", "axolotl"),
            ("GRADIO_ANALYTICS_ENABLED", "False", "gradio"),
            ("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false", "streamlit"),
            ("ANONYMIZED_TELEMETRY", "False", "chromadb"),
            ("LANGSMITH_TRACING", "false", "langsmith"),
            ("LANGCHAIN_TRACING_V2", "false", "langchain"),
            ("DEEPEVAL_TELEMETRY_OPT_OUT", "YES", "deepeval"),
            ("RAGAS_DO_NOT_TRACK", "true", "ragas"),
            ("PROMPTFOO_DISABLE_TELEMETRY", "1", "promptfoo"),
            ("OTEL_SDK_DISABLED", "true", "opentelemetry"),
            ("OLLAMA_NO_CLOUD", "1", "ollama"),
        )
    ),
    *(
        Switch(name=name, value="1", library="huggingface_hub", reach=Reach.OFFLINE, package="huggingface_hub")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_UPDATE_CHECK")
    ),
    Switch(name="HF_DATASETS_OFFLINE", value="1", library="datasets", reach=Reach.OFFLINE, verified=_DOCUMENTED),
    Switch(name="HF_EVALUATE_OFFLINE", value="1", library="evaluate", reach=Reach.OFFLINE, verified=_DOCUMENTED),
    Switch(
        name="LITELLM_LOCAL_MODEL_COST_MAP", value="True", library="litellm", reach=Reach.OFFLINE, verified=_DOCUMENTED
    ),
    Switch(
        name="PIP_DISABLE_PIP_VERSION_CHECK",
        value="1",
        library="pip",
        reach=Reach.OFFLINE,
        verified="pip's documentation: PIP_ and the name of the option",
    ),
    *(
        Switch(name=name, value="1", library="huggingface_hub", reach=Reach.WORKER, package="huggingface_hub")
        for name in ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_DISABLE_XET")
    ),
)
"""PYTHONNOUSERSITE is left out: where ockham itself is installed for one user, its workers would not find it."""

NOWHERE = dict.fromkeys(
    ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:9"
)
"""A proxy on a port of this machine where nobody listens, for libraries that have no switch."""

NOT_FOR_WORKERS = re.compile(
    r"(?i:https?_proxy|all_proxy|ftp_proxy|no_proxy)|HF_ENDPOINT|.*(?:_|^)(?:API_KEY|TOKEN|SECRET|PASSWORD|ACCESS_KEY)"
)
"""What a process that asks nobody has no use for: the way out, and the keys to it."""


def apply(environment: MutableMapping[str, str], *, own: bool = False) -> None:
    """Set the switches in an environment; with ``own``, that of a process of ockham's own, all but the workers'."""
    for switch in SWITCHES:
        if switch.reach is Reach.EVERYWHERE or (own and switch.reach is Reach.OURS):
            environment[switch.name] = switch.value
        elif own and switch.reach is Reach.OFFLINE:
            environment.setdefault(switch.name, switch.value)


def worker_environment(environment: Mapping[str, str], *, asks: bool = False) -> dict[str, str]:
    """Return the environment of a worker: every switch set, whatever the user says, and no key, token or proxy.

    ``asks`` is for a worker that asks an endpoint, or may do so: it keeps those.
    """
    inherited = {name: value for name, value in environment.items() if asks or not NOT_FOR_WORKERS.fullmatch(name)}
    return {**inherited, **{switch.name: switch.value for switch in SWITCHES}}


REPORTING, FIRST_REPORTING = "onnxruntime", (1, 29)
"""The library that reports by default, read once when it is loaded, and the first version that does."""
REMEDY = "start again, and import ockham before onnxruntime, or set ORT_DISABLE_TELEMETRY=1 before both"
_SWITCH = "ORT_DISABLE_TELEMETRY"
_OFF = {"", "0", "false", "no", "off"}


def reports(modules: Mapping[str, object], environment: Mapping[str, str]) -> bool:
    """Return whether onnxruntime is loaded, of a version that reports, in an environment that does not forbid it.

    Where a CI's variables keep it quiet the answer is the same: what fails on a user's machine shall fail there too.
    """
    module = modules.get(REPORTING)
    numbers = re.match(r"(\d+)\.(\d+)", str(getattr(module, "__version__", "")))
    old = numbers is not None and (int(numbers[1]), int(numbers[2])) < FIRST_REPORTING
    return module is not None and not old and environment.get(_SWITCH, "").lower() in _OFF


LOADED_BEFORE = reports(sys.modules, os.environ)
"""Whether onnxruntime was loaded, and began to report, before ockham could forbid it."""


def silence(modules: Mapping[str, object] | None = None, *, loaded_before: bool = LOADED_BEFORE) -> str | None:
    """Make sure that onnxruntime reports nothing in this process; returns why that can no longer be done, or ``None``.

    Call it before importing onnxruntime.
    """
    here = sys.modules if modules is None else modules
    if loaded_before or reports(here, os.environ):
        return "onnxruntime was imported before ockham, and would report the encoder's use to its vendor"
    apply(os.environ)
    return None


def need_silence() -> None:
    """Raise `ModelError` (``E_TELEMETRY``) where onnxruntime was imported before it could be told to report nothing."""
    if (why := silence()) is not None:
        raise ModelError("E_TELEMETRY", why, fix=REMEDY)


def leftovers(environment: Mapping[str, str]) -> Path | None:
    """Return the folder with the device id and the waiting reports that onnxruntime keeps, or ``None`` without one.

    On Linux its place was seen with onnxruntime 1.31.1, on macOS it is that of onnxruntime's issue 32476.
    """
    from pathlib import Path

    home = Path(environment.get("HOME") or "~").expanduser()
    cache = environment.get("XDG_CACHE_HOME")
    roots = [Path(cache) if cache else home / ".cache", home / "Library/Application Support"]
    folders = [root / "Microsoft/DeveloperTools/.onnxruntime" for root in roots]
    return next((folder for folder in folders if folder.is_dir()), None)
