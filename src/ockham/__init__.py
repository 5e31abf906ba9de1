"""Find the smallest language model that provably does the job.

The doorway: every name a user needs, each imported when it is first asked for, so that ``import ockham`` loads
nothing heavy. Every command of the command line is a function of the same name: ``fit``, ``tune``, ``curate``,
``predict``, ``eval``, ``serve``, ``export``, ``verify``, ``report``, ``plan``, ``decide`` and ``doctor``; those of
``ockham models`` are ``list_models``, ``pull_model`` and ``remove_model``. ``load`` keeps a model loaded, and
``load_result`` reads what a run found out. The rest are the records that these take and return, and the errors that
they raise.

To import it sets a few environment variables, by which libraries are told not to report their use to their vendors
(`ockham.sealed.switches`): onnxruntime does so by default, and can only be told before it is loaded.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ockham.api.client import EndpointSpec
    from ockham.api.consent import Destination
    from ockham.bundles.export import export
    from ockham.bundles.loaded_model import LoadedModel, load
    from ockham.bundles.measured_rows import EvalSpec
    from ockham.bundles.predict import Prediction, PredictSpec, predict
    from ockham.bundles.verify import Check, Verification, verify
    from ockham.curation.curate import Curated, CurateSpec, curate
    from ockham.curation.filters import Filter, FilterRecord, check_filter
    from ockham.diagnosis import Diagnosis
    from ockham.downloads.pull import PullResult, PullSpec
    from ockham.errors import ConfigError, DataError, OckhamError
    from ockham.evals.scorer_plugs import Scorer, check_scorer
    from ockham.ladder.fit import FitSpec, fit, tune
    from ockham.ladder.run_folder import load_result
    from ockham.planning import Advice, Plan, PlanSpec, Questions
    from ockham.records import (
        Candidate,
        Dataset,
        Estimate,
        Example,
        PlugSpec,
        Progress,
        Report,
        Requirements,
        RunResult,
        Verdict,
    )
    from ockham.sealing import seal
    from ockham.server.serve import Listening, serve
    from ockham.server.serve_spec import ServeSpec
    from ockham.verbs import (
        decide,
        doctor,
        eval,  # noqa: A004 - the name of the command
        list_models,
        plan,
        pull_model,
        remove_model,
        report,
    )

from ockham.sealed import switches as _switches
from ockham.version import __version__

_switches.apply(os.environ)
if os.environ.get("OCKHAM_JAIL"):  # a process that a sealed one has started
    from ockham.sealed import witness as _witness

    _witness.install()
elif os.environ.get("OCKHAM_GUARD"):  # the same where the system has no walls
    from ockham.sealed import guard as _guard

    _guard.install()

_HOMES = {
    "ockham.bundles.loaded_model": ("LoadedModel", "load"),
    "ockham.bundles.export": ("export",),
    "ockham.bundles.measured_rows": ("EvalSpec",),
    "ockham.bundles.predict": ("PredictSpec", "Prediction", "predict"),
    "ockham.curation.curate": ("Curated", "curate"),
    "ockham.curation.curate_spec": ("CurateSpec",),
    "ockham.curation.filters": ("Filter", "FilterRecord", "check_filter"),
    "ockham.evals.scorer_plugs": ("Scorer", "check_scorer"),
    "ockham.diagnosis": ("Diagnosis",),
    "ockham.errors": ("ConfigError", "DataError", "OckhamError"),
    "ockham.ladder.fit": ("FitSpec", "fit", "tune"),
    "ockham.ladder.run_folder": ("load_result",),
    "ockham.planning.advice": ("Advice", "Questions"),
    "ockham.records.plan": ("Plan", "PlanSpec"),
    "ockham.verbs": ("decide", "doctor", "eval", "list_models", "plan", "pull_model", "remove_model", "report"),
    "ockham.downloads.pull": ("PullResult", "PullSpec"),
    "ockham.api.client": ("EndpointSpec",),
    "ockham.api.consent": ("Destination",),
    "ockham.sealing": ("seal",),
    "ockham.server.serve": ("Listening", "serve"),
    "ockham.server.serve_spec": ("ServeSpec",),
    "ockham.records": (
        "RunResult",
        "Candidate",
        "Dataset",
        "Estimate",
        "Example",
        "PlugSpec",
        "Progress",
        "Report",
        "Requirements",
        "Verdict",
    ),
    "ockham.bundles.verify": ("Check", "Verification", "verify"),
}
_ORIGIN = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Advice",
    "Candidate",
    "Check",
    "ConfigError",
    "CurateSpec",
    "Curated",
    "DataError",
    "Dataset",
    "Destination",
    "Diagnosis",
    "EndpointSpec",
    "Estimate",
    "EvalSpec",
    "Example",
    "Filter",
    "FilterRecord",
    "FitSpec",
    "Listening",
    "LoadedModel",
    "OckhamError",
    "Plan",
    "PlanSpec",
    "PlugSpec",
    "PredictSpec",
    "Prediction",
    "Progress",
    "PullResult",
    "PullSpec",
    "Questions",
    "Report",
    "Requirements",
    "RunResult",
    "Scorer",
    "ServeSpec",
    "Verdict",
    "Verification",
    "__version__",
    "check_filter",
    "check_scorer",
    "curate",
    "decide",
    "doctor",
    "eval",
    "export",
    "fit",
    "list_models",
    "load",
    "load_result",
    "plan",
    "predict",
    "pull_model",
    "remove_model",
    "report",
    "seal",
    "serve",
    "tune",
    "verify",
]


def __getattr__(name: str) -> object:
    """Import a public name from its room."""
    if name not in _ORIGIN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_ORIGIN[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
