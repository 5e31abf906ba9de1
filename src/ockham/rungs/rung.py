"""The rungs of the ladder, smallest first: what each needs, and how it becomes a folder that serves."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from ockham import store
from ockham.data import seen_rows
from ockham.data.prepare import Prepared
from ockham.evals import tasks
from ockham.evals.scorer_plugs import LoadedScorer
from ockham.models.backend import save_shared_text
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
from ockham.store.memo import FolderWithRecord
from ockham.tuning.tune_spec import TuneSpec, early_stop
from ockham.version import __version__, install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BARE_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
T = TypeVar("T")
LABELLED: tuple[TaskName, ...] = ("classify", "choose")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """What the data and the user decided about the rungs."""

    task: TaskName
    metric: str
    seed: int
    encoder: str | None
    tune: TuneSpec
    endpoint: EndpointSpec | None
    learning_rate: float | None = None
    """The one that was asked for; without it each kind of model has its own."""
    rank: int | None = None
    """The one that was asked for; without it an encoder's tagger may tune all weights."""
    epochs: int | None = None
    """Those that were asked for; without them an encoder's tagger has its own."""
    batch: int | None = None
    """The one that was asked for; without it an encoder's tagger has its own."""
    precision: Precision = "float32"
    """What language models are tuned in; encoders always in float32."""
    device: DeviceName = "auto"
    keep_adapter: bool = False
    """A tuned language model is served as its base with the adapter, which are not merged."""
    judge: EndpointSpec | None = None
    """A large model to judge written answers; no rung and no verdict depends on it."""
    scorer: LoadedScorer | None = None
    """The scorer whose mean score is the metric."""
    instructions: str = ""
    """What the user says of the task, for models that are asked in words (`ockham.llm.task_words`)."""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    """What the user says of labels, by label as the data spell it; part of ``instructions`` too."""
    match: frozenset[str] = frozenset()
    """The fields whose values match where they say the same (`ockham.models.extraction.field_match`)."""
    every: bool = False
    """Every rung is wanted, also one that promises nothing."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a rung is made from: the prepared data, what was decided, and the run that keeps what was made."""

    prepared: Prepared
    config: BuildConfig
    run: store.Run
    on_progress: Callable[[Progress], None]
    memory: dict[str, object] = field(default_factory=dict, compare=False)
    """What was worked out once for several rungs, for as long as this process lives."""

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what has this name among all that is known, made the first time."""
        if name not in self.memory:
            self.memory[name] = make()
        return cast("T", self.memory[name])

    def side(self, name: Side) -> list[Example]:
        """Return the examples of one side."""
        indices = {
            "train": self.prepared.split.train,
            "valid": self.prepared.split.valid,
            "test": self.prepared.split.test,
        }
        return [self.prepared.dataset.examples[index] for index in indices[name]]

    def short_side(self, name: Side) -> list[Example]:
        """Return training or validation examples as models read them that learn from words: without shared text."""
        split = self.prepared.split
        return [self.prepared.short[place] for place in (split.train if name == "train" else split.valid)]

    def labels(self) -> tuple[str, ...]:
        """Return the labels that stand in training and validation, sorted."""
        return tuple(sorted({row.target for row in (*self.side("train"), *self.side("valid"))}))

    def metric(self, targets: Sequence[str], answers: Sequence[str]) -> float:
        """Measure the configured metric on answers: the one number that choices are made by."""
        return tasks.metric_value(self.prepared.dataset.task, self.config.metric, targets, answers, self.config.scorer)

    def score_answers(self, side: Side, answers: Sequence[str]) -> tuple[Score, ...]:
        """Judge one answer for each example of a side."""
        return tasks.score_answers(
            self.prepared.dataset.task, self.side(side), [Answer(value=text) for text in answers], self.config.scorer
        )

    def label_warnings(self) -> tuple[str, ...]:
        """Warn of labels that tell a language model nothing: bare numbers, of which nobody said what they mean."""
        labels = self.labels() if self.config.task == "classify" else ()
        if not labels or self.config.instructions or not all(_BARE_NUMBER.fullmatch(label.strip()) for label in labels):
            return ()
        return (
            f"all {len(labels):,} labels are bare numbers, which tell a language model nothing: say what they mean "
            "(--labels FILE with the columns label and description, or --instructions)",
        )

    def cache_key(self, *parts: object) -> str:
        """Name a piece of work: the digest of the data, its split, and what else decides its outcome."""
        split = self.prepared.split
        if self.config.scorer is not None:
            parts = (*parts, self.config.scorer.use)
        if self.config.instructions:
            parts = (*parts, self.config.instructions)
        return digest(
            [self.prepared.dataset.digest, list(split.train), list(split.valid), self.config.seed, list(parts)]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInfo:
    """What building a rung decided and took."""

    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    """What a model that had not seen the validation rows answered to them: the rung's own has learnt from them too."""
    confidences: tuple[float | None, ...] = ()
    """How sure that model was of each of them; empty where it was not asked."""
    field_confidences: tuple[dict[str, float] | None, ...] = ()
    """How sure it was of each field of each of them; empty where it does not say."""
    seconds: float = 0.0
    points: tuple[EpochPoint, ...] = ()
    parity: tuple[Parity, ...] = ()
    warnings: tuple[str, ...] = ()

    def valid_answers(self) -> tuple[Answer, ...]:
        """Return the answers to the validation rows with all that is known of how sure they are."""
        sure = self.confidences or (None,) * len(self.answers)
        fields = self.field_confidences or (None,) * len(self.answers)
        return tuple(
            Answer(value=value, confidence=confidence, fields=by_field)
            for value, confidence, by_field in zip(self.answers, sure, fields, strict=True)
        )

    @property
    def strength(self) -> float:
        """The C that validation chose for a linear classifier."""
        return float(self.settings["C"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A place on the ladder, with every fact about it: reports, doctor and measuring ask it and have no table."""

    name: str
    number: int
    kind: str
    summary: str
    """What kind of model it is, in a few plain words."""
    nature: str = ""
    """What the verdict says of it where it is chosen and no language model is needed; empty for language models."""
    build: Callable[[RunContext, Path], BuildInfo]
    cache_inputs: Callable[[BuildConfig], object]
    """The part of the config that decides the outcome, beside data and seed."""
    packages: tuple[str, ...] = ()
    """What is imported to build and to serve it, as modules."""
    extra: str | None = None
    """The extras of ockham that install them, as pip is told; ``None`` where they come with ockham."""
    any_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What is imported for each form of model that it serves, where one of them will do."""
    needs_encoder: bool = False
    """It needs the built-in encoder, where no other is named."""
    ready_note: str = "no further packages needed"
    """What `ockham doctor` says of it where all that it needs is installed; ``{forms}`` are those of ``any_of``."""
    unavailable_reason: Callable[[BuildConfig], str | None] = lambda _config: None
    """Says why it cannot be built here, beside packages that are not installed, or nothing."""
    tasks: tuple[TaskName, ...] = ("classify",)
    task_note: str = "answers with labels only"
    """Why it is of no use for other tasks."""
    reads_short: bool = False
    """Its model learns from words, and reads inputs without the text that all rows share."""
    skip_reason: Callable[[RunContext], str | None] = lambda _context: None
    """Says why the rows are not for this rung, or nothing."""
    is_paid: bool = False
    """Its answers come from an API, and each costs money: none is asked for twice."""
    saved_every: int = 0
    """After how many answers, which take long or cost money, they are written down; 0 where all are made at once."""
    named: bool = False
    """The user named its model: it is measured also where a smaller rung does the job."""
    built_as: str | None = None
    """The name that its work is kept by, where another rung of the run may ask for the same; else ``name``."""
    cross_validate: Callable[[RunContext, BuiltRung, Sequence[int]], NDArray[np.float64]] | None = None
    """Returns each training and validation row's margins from a model that has not seen its fold, where that is cheap.

    It is handed the rung as it was built and each row's fold; see `ockham.rungs.out_of_fold`."""
    members: tuple[Rung, ...] = ()
    """The rungs that it blends."""

    def reason_to_skip(self, config: BuildConfig) -> str | None:
        """Say why the rung cannot be climbed here and for this task, or nothing."""
        if config.task not in self.tasks:
            return f"it {self.task_note}, and the task is {config.task}"
        return self.unavailable_reason(config) or missing_packages(self.packages, self.extra)


def missing_packages(packages: Sequence[str], extra: str | None) -> str | None:
    """Say which packages are not installed or cannot be silenced, and how to mend it, or nothing."""
    absent = [module for module in packages if importlib.util.find_spec(module) is None]
    if absent:
        return f"{', '.join(absent)} not installed ({install_command(extra)})"
    if switches.REPORTING in packages and (why := switches.silence()) is not None:
        return f"{why}; {switches.REMEDY}"
    return None


@dataclass(frozen=True, slots=True)
class BuiltRung:
    """A rung as it stands in the run: a folder that serves, and what building it decided."""

    folder: Path
    built: BuildInfo


_BUILT = FolderWithRecord("bundle", "built")


def cache_key(context: RunContext, rung: Rung) -> str:
    """Name the work of building a rung."""
    return context.cache_key("rung", rung.built_as or rung.name, rung.cache_inputs(context.config))


def find_built(context: RunContext, rung: Rung) -> BuiltRung | None:
    """Find a rung that was built in this run; ``None`` where it was not, or did not stay whole."""
    both = _BUILT.find(context.run, cache_key(context, rung), BuildInfo)
    return None if both is None else BuiltRung(*both)


def build_rung(context: RunContext, rung: Rung) -> BuiltRung:
    """Find a rung, or build it into a bundle and keep it."""
    key, build_bundle = cache_key(context, rung), partial(_build_bundle, context, rung)
    return BuiltRung(*_BUILT.find_or_make(context.run, key, BuildInfo, build_bundle))


def _build_bundle(context: RunContext, rung: Rung, staging: Path) -> BuildInfo:
    """Make a folder a bundle of a rung, timed."""
    prepared = context.prepared
    context.on_progress(Progress(stage="climb", message=f"building {rung.name}"))
    begin = time.monotonic()
    built = rung.build(context, staging)
    built = dataclasses.replace(built, seconds=time.monotonic() - begin)
    manifest = Manifest(
        format=1,
        ockham=__version__,
        task=prepared.dataset.task,
        kind=rung.kind,
        candidate=Candidate(name=rung.built_as or rung.name, rung=rung.number, kind=rung.kind, settings=built.settings),
        labels=prepared.dataset.labels if prepared.dataset.task in LABELLED else (),
        inputs=prepared.inputs,
        target=prepared.target,
        dataset=prepared.dataset.digest,
        files={},
    )
    if rung.reads_short:
        save_shared_text(prepared.shared, staging)
    inputs = {side: [row.input for row in context.side(side)] for side in seen_rows.SIDES}
    seen = seen_rows.pack(inputs, prepared.dataset.task)
    store.save_bytes(staging / seen_rows.FILE, seen)
    store.seal_bundle(staging, manifest)
    return built


def note_early_stop(context: RunContext, points: Sequence[EpochPoint], spec: TuneSpec) -> None:
    """Say at once where tuning ended before its last epoch."""
    text = early_stop(points, spec)
    if text is not None:
        context.on_progress(Progress(stage="climb", message=text))


@dataclass(frozen=True, slots=True)
class RunCheckpoint:
    """The state of tuning as a file of the run."""

    run: store.Run
    name: str

    def load(self) -> bytes | None:
        """Return the last state saved, or ``None``."""
        path = self.run.path / f"{self.name}.safetensors"
        return path.read_bytes() if path.exists() else None

    def save(self, state: bytes) -> None:
        """Save a state in place of the last one."""
        self.run.publish(f"{self.name}.safetensors", state)
