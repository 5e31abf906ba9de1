"""The rungs of the ladder, smallest first: what each needs, and how it becomes a folder that serves."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ockham import store
from ockham.data.prepare import Prepared
from ockham.evals import judging, parity
from ockham.models import constant, encoder, endpoint, linear, lookup, sentence
from ockham.models.endpoint import EndpointSpec
from ockham.records import (
    Answer,
    Candidate,
    EpochPoint,
    Example,
    Manifest,
    Parity,
    Progress,
    Score,
    Side,
    TaskName,
    digest,
)
from ockham.tune.spec import TuneSpec, guardrails

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ockham.models.embedder import Embedder
    from ockham.tune import encoder as tuning

VECTORS = "vectors.safetensors"
LABELLED: tuple[TaskName, ...] = ("classify", "choose")
SEEN: tuple[Side, ...] = ("train", "valid")


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
        return judging.point(self.prepared.dataset.task, self.plan.metric, targets, answers)

    def judged(self, side: Side, answers: Sequence[str]) -> tuple[Score, ...]:
        """Judge one answer for each example of a side."""
        return judging.judged(self.prepared.dataset.task, self.side(side), [Answer(value=one) for one in answers])

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

    def absent(self, plan: Plan) -> str | None:
        """Say why the rung cannot be climbed here and for this task, or nothing."""
        if plan.task not in self.tasks:
            return f"it answers with labels only, and the task is {plan.task}"
        return self.missing(plan)


def _nothing(plan: Plan) -> None:  # noqa: ARG001 - every rung takes the plan
    return None


def _constant(material: Material, folder: Path) -> Built:
    train, valid = material.side("train"), material.side("valid")
    constant.fit([*train, *valid], folder)
    usual = constant.learn(train)
    return Built(answers=(usual.value,) * len(valid))


def _lookup(material: Material, folder: Path) -> Built:
    train, valid = material.side("train"), material.side("valid")
    answers = lookup.learn(train).answer([row.input for row in valid])
    lookup.fit([*train, *valid], folder)
    return Built(answers=tuple(str(answer.value) for answer in answers))


def _linear(material: Material, folder: Path) -> Built:
    train, valid = material.side("train"), material.side("valid")
    found, answers = linear.fit(train, valid, folder, metric=material.metric, seed=material.plan.seed)
    return Built(settings={"C": found.strength, "temperature": found.temperature}, answers=answers)


def _encoder(material: Material, folder: Path) -> Built:
    from ockham.tune import heads

    found = sentence.find(material.plan.encoder)
    embedder = _write_encoder(material, found, found.weights(), folder)
    vectors = embed_sides(material, found, lambda: embedder)
    train, valid = ([example.target for example in material.side(side)] for side in SEEN)
    fitted = heads.fit(vectors["train"], train, vectors["valid"], valid, material.metric)
    fitted.head.save(folder)
    temperature = fitted.head.settings.temperature
    numbers = {"C": fitted.strength, "temperature": temperature}
    return Built(settings={"encoder": found.name, **numbers}, answers=fitted.answers)


def _encoder_tuned(material: Material, folder: Path) -> Built:
    from ockham.tune import encoder as tuning
    from ockham.tune import heads

    spec = material.plan.tune
    found = sentence.find(material.plan.encoder)
    frozen = make(material, ENCODER)
    embedder = encoder.load(frozen.folder).embedder
    vectors = embed_sides(material, found, lambda: embedder)
    train, valid = _tokens(embedder, material.side("train")), _tokens(embedder, material.side("valid"))
    # The frozen rung's own head has seen the validation rows, which stop the tuning: this one has not.
    head = heads.solve(vectors["train"], train.targets, frozen.built.strength)
    head = heads.calibrated(head, vectors["valid"], valid.targets)
    rows = tuning.Material(sentence=found, head=head, train=train, valid=valid)

    def tell(done: int, total: int) -> None:
        material.tell(Progress(stage="climb", message="tuning the encoder", done=done, total=total))

    place = Checkpoint(material.run, f"tuning-{work_of(material, ENCODER_TUNED)[:16]}")
    tuned = tuning.tune(rows, spec, material.metric, place, tell)
    served = _write_encoder(material, found, tuned.weights, folder)
    tuned_vectors: dict[str, NDArray[np.float32]] = {
        side: served.embed([row.input for row in material.side(side)]) for side in SEEN
    }
    stayed = _parity(material, tuned.answers, tuned.head.best(tuned_vectors["valid"]))
    head, answers = heads.best(tuned.head, tuned_vectors, (train.targets, valid.targets), material.metric)
    head.save(folder)
    best = next(point.epoch for point in tuned.points if point.kept)
    rates = {"rank": spec.rank, "learning_rate": spec.learning_rate}
    return Built(
        settings={"encoder": found.name, "passes": best, **rates},
        answers=answers,
        points=tuned.points,
        parity=stayed,
        warnings=guardrails(spec, len(train.tokens)),
    )


def _parity(material: Material, before: Sequence[str], after: Sequence[str]) -> tuple[Parity, ...]:
    """Compare a tuned encoder's answers before merging with those of the 8-bit graph that serves."""
    if not before:
        return ()
    was, now = (material.judged("valid", answers) for answers in (before, after))
    found = parity.compare("merging and quantizing to 8 bits", was, now, material.plan.metric)
    cause = "the 8-bit graph answers otherwise than the model that was tuned"
    fix = "the encoder rung below stays; tune on more rows, whose texts set the 8-bit ranges"
    parity.check(found, cause, fix)
    return (found,)


def _endpoint(material: Material, folder: Path) -> Built:
    spec = material.plan.endpoint
    if spec is None:  # `missing` has said so before
        return Built()
    endpoint.fit(material.side("train"), folder, spec, task=material.plan.task)
    return Built(settings={"url": spec.url, "model": spec.model, "shots": spec.shots})


def without(*modules: str, extra: str) -> Callable[[Plan], str | None]:
    """Give a check that says which of the modules are not installed, and how to get them."""

    def missing(plan: Plan) -> str | None:  # noqa: ARG001 - every rung takes the plan
        absent = [module for module in modules if importlib.util.find_spec(module) is None]
        return f"{', '.join(absent)} not installed (pip install 'ockham[{extra}]')" if absent else None

    return missing


def _no_endpoint(plan: Plan) -> str | None:
    return "no endpoint was named (--endpoint URL); nothing leaves this machine" if plan.endpoint is None else None


def _tuning(plan: Plan) -> object:
    return [plan.encoder, plan.metric, plan.tune]


_NEEDS = ("onnx", "onnxruntime", "tokenizers")

LINEAR = Rung(
    name="linear",
    number=2,
    kind="linear",
    missing=_nothing,
    build=_linear,
    decides=lambda plan: plan.metric,
)
ENCODER = Rung(
    name="encoder",
    number=3,
    kind="encoder",
    missing=without(*_NEEDS, extra="encoder"),
    build=_encoder,
    decides=lambda plan: [plan.encoder, plan.metric],
)
ENCODER_TUNED = Rung(
    name="encoder-tuned",
    number=4,
    kind="encoder",
    missing=without(*_NEEDS, "torch", "transformers", "peft", extra="tune"),
    build=_encoder_tuned,
    decides=_tuning,
)
LADDER: tuple[Rung, ...] = (
    Rung(
        name="constant",
        number=0,
        kind="constant",
        missing=_nothing,
        build=_constant,
        decides=_nothing,
        tasks=get_args(TaskName),
    ),
    Rung(
        name="lookup",
        number=1,
        kind="lookup",
        missing=_nothing,
        build=_lookup,
        decides=_nothing,
        tasks=get_args(TaskName),
    ),
    LINEAR,
    ENCODER,
    ENCODER_TUNED,
    Rung(
        name="endpoint",
        number=7,
        kind="endpoint",
        missing=_no_endpoint,
        build=_endpoint,
        decides=lambda plan: plan.endpoint,
        tasks=get_args(TaskName),
    ),
)


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


def embed_sides(
    material: Material, found: sentence.Sentence, load: Callable[[], Embedder]
) -> dict[str, NDArray[np.float32]]:
    """Embed the training and validation rows with the frozen encoder, once a run: (rows, hidden) each.

    ``load`` gives the encoder as it will be served; it is not asked where the vectors were kept.
    """
    from safetensors.numpy import load_file, save_file

    key = material.work("vectors", found.sha256)
    kept = material.run.artifact("vectors", key)
    if kept is not None:
        return dict(load_file(kept / VECTORS))
    vectors: dict[str, NDArray[np.float32]] = {}
    embedder = load()
    for side in SEEN:
        texts = [example.input for example in material.side(side)]
        material.tell(Progress(stage="climb", message=f"reading {len(texts):,} {side} rows with {found.name}"))
        vectors[side] = embedder.embed(texts)
    with material.run.staging() as staging:
        save_file(vectors, staging / VECTORS)
        material.run.seal("vectors", key, staging)
    return vectors


def _write_encoder(
    material: Material, found: sentence.Sentence, weights: dict[str, NDArray[np.float32]], folder: Path
) -> Embedder:
    from ockham.convert import encoder_files

    texts = [example.input for example in material.side("train")]
    return encoder_files.write(found, weights, texts, folder)


def _tokens(embedder: Embedder, examples: Sequence[Example]) -> tuning.Rows:
    from ockham.tune import encoder as tuning

    tokens = embedder.tokens([example.input for example in examples])
    return tuning.Rows(tokens=tokens, targets=[example.target for example in examples])


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
