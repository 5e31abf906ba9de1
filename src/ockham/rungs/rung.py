"""The rungs of the ladder, smallest first: what each needs, and how it becomes a folder that serves."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from ockham import store
from ockham.data.prepare import Prepared
from ockham.evals import tasks
from ockham.models.endpoint import EndpointSpec
from ockham.records import (
    Answer,
    Candidate,
    DeviceName,
    EpochPoint,
    Example,
    Manifest,
    Parity,
    Precision,
    Progress,
    Score,
    Side,
    TaskName,
    digest,
)
from ockham.sealed import switches
from ockham.tune.tune_spec import TuneSpec

LABELLED: tuple[TaskName, ...] = ("classify", "choose")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the data and the user decided about the rungs."""

    task: TaskName
    metric: str
    seed: int
    encoder: str | None
    tune: TuneSpec
    endpoint: EndpointSpec | None
    learning_rate: float | None = None
    """The one that was asked for; without it each kind of model has its own."""
    precision: Precision = "float32"
    """What language models are tuned in; encoders always in float32."""
    device: DeviceName = "auto"
    judge: EndpointSpec | None = None
    """A large model to judge written answers; no rung and no verdict depends on it."""
    every: bool = False
    """Every rung is wanted, also one that promises nothing."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a rung is made from: the prepared data, the plan, and the run that keeps what was made."""

    prepared: Prepared
    plan: Plan
    run: store.Run
    tell: Callable[[Progress], None]

    def side(self, name: Side) -> list[Example]:
        """Give the examples of one side."""
        places = {
            "train": self.prepared.split.train,
            "valid": self.prepared.split.valid,
            "test": self.prepared.split.test,
        }
        return [self.prepared.dataset.examples[place] for place in places[name]]

    def labels(self) -> tuple[str, ...]:
        """Give the labels that stand in training and validation, sorted."""
        return tuple(sorted({row.target for row in (*self.side("train"), *self.side("valid"))}))

    def metric(self, targets: Sequence[str], answers: Sequence[str]) -> float:
        """Measure the plan's metric on answers: the one number that choices are made by."""
        return tasks.point(self.prepared.dataset.task, self.plan.metric, targets, answers)

    def judged(self, side: Side, answers: Sequence[str]) -> tuple[Score, ...]:
        """Judge one answer for each example of a side."""
        return tasks.judged(self.prepared.dataset.task, self.side(side), [Answer(value=one) for one in answers])

    def work(self, *parts: object) -> str:
        """Name a piece of work: the digest of the data, its split, and what else decides its outcome."""
        split = self.prepared.split
        return digest([self.prepared.dataset.digest, list(split.train), list(split.valid), self.plan.seed, list(parts)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What building a rung decided and took."""

    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    """What a model that had not seen the validation rows answered to them: the rung's own has learnt from them too."""
    seconds: float = 0.0
    points: tuple[EpochPoint, ...] = ()
    parity: tuple[Parity, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def strength(self) -> float:
        """The C that validation chose for a linear classifier."""
        return float(self.settings["C"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A place on the ladder. ``missing`` says why it cannot be built here, or nothing."""

    name: str
    number: int
    kind: str
    missing: Callable[[Plan], str | None]
    build: Callable[[Material, Path], Built]
    decides: Callable[[Plan], object]
    """The part of the plan that decides the outcome, beside data and seed."""
    tasks: tuple[TaskName, ...] = ("classify",)
    does: str = "answers with labels only"
    """Why it is of no use for other tasks."""
    unsuited: Callable[[Material], str | None] = lambda _material: None
    """Says why the rows are not for this rung, or nothing."""

    def absent(self, plan: Plan) -> str | None:
        """Say why the rung cannot be climbed here and for this task, or nothing."""
        if plan.task not in self.tasks:
            return f"it {self.does}, and the task is {plan.task}"
        return self.missing(plan)


def without(*modules: str, extra: str) -> Callable[[Plan], str | None]:
    """Give a check that says which of the modules are not installed or cannot be silenced, and what to do about it."""

    def missing(plan: Plan) -> str | None:  # noqa: ARG001 - every rung takes the plan
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        if absent:
            return f"{', '.join(absent)} not installed (pip install 'ockham[{extra}]')"
        if switches.REPORTING in modules and (why := switches.silence()) is not None:
            return f"{why}; {switches.REMEDY}"
        return None

    return missing


@dataclass(frozen=True, slots=True)
class Made:
    """A rung as it stands in the run: a folder that serves, and what building it decided."""

    folder: Path
    built: Built


def work_of(material: Material, rung: Rung) -> str:
    """Name the work of building a rung."""
    return material.work("rung", rung.name, rung.decides(material.plan))


def made(material: Material, rung: Rung) -> Made | None:
    """Find a rung that was built in this run; ``None`` where it was not, or did not stay whole."""
    key = work_of(material, rung)
    built, folder = material.run.find("built", key, Built), material.run.artifact("bundle", key)
    return None if built is None or folder is None else Made(folder, built)


def make(material: Material, rung: Rung) -> Made:
    """Find a rung, or build it into a bundle and keep it."""
    found = made(material, rung)
    if found is not None:
        return found
    key, prepared = work_of(material, rung), material.prepared
    material.tell(Progress(stage="climb", message=f"building {rung.name}"))
    with material.run.staging() as staging:
        begin = time.monotonic()
        built = rung.build(material, staging)
        built = dataclasses.replace(built, seconds=time.monotonic() - begin)
        manifest = Manifest(
            format=1,
            ockham=version("ockham"),
            task=prepared.dataset.task,
            kind=rung.kind,
            candidate=Candidate(name=rung.name, rung=rung.number, kind=rung.kind, settings=built.settings),
            labels=prepared.dataset.labels if prepared.dataset.task in LABELLED else (),
            inputs=prepared.inputs,
            target=prepared.target,
            dataset=prepared.dataset.digest,
            files={},
        )
        store.seal_bundle(staging, manifest)
        material.run.keep("built", key, built)
        return Made(material.run.seal("bundle", key, staging), built)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of tuning as a file of the run."""

    run: store.Run
    name: str

    def load(self) -> bytes | None:
        """Give the last state saved, or ``None``."""
        path = self.run.path / f"{self.name}.safetensors"
        return path.read_bytes() if path.exists() else None

    def save(self, state: bytes) -> None:
        """Save a state in place of the last one."""
        self.run.publish(f"{self.name}.safetensors", state)
