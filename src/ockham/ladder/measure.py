"""Measure a rung as it will be served, and put its numbers into a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ockham import catalog
from ockham.api import consent
from ockham.api.consent import Destination
from ockham.data import multiple_choice
from ockham.data.multiple_choice import infer_answer_form
from ockham.errors import Defect
from ockham.evals import cost, metrics, queueing, sample_size, tasks
from ockham.evals.cut_texts import count_cut_texts
from ockham.evals.intervals import proportion
from ockham.evals.scorer_plugs import LoadedScorer
from ockham.ladder.answer_quality import answer_quality, required_fields
from ockham.ladder.costs import serving_costs
from ockham.llm import prompts
from ockham.models.backend import is_networked
from ockham.models.extraction import field_match
from ockham.plain_numbers import milliseconds, percent, percent_range
from ockham.readers.row_sample import evenly_spaced
from ockham.records import (
    Answer,
    Candidate,
    CoveragePoint,
    Estimate,
    Example,
    Profile,
    Progress,
    RateLatency,
    Report,
    Requirements,
    Score,
    Side,
    Status,
    TaskName,
    digest,
)
from ockham.records.quantities import LATENCIES, SPEEDS, metric_words
from ockham.rungs.rung import BuiltRung, RunContext, Rung, cache_key
from ockham.serving.process import BenchmarkSpec, ServingProcess
from ockham.store.memo import find_or_make, find_or_make_batches
from ockham.verdict.decide import MeasuredCandidate, decide

_PAID = BenchmarkSpec(seconds=0, most=20, rounds=0)
_FREE = BenchmarkSpec()
_REORDERED = 200
"""Test questions of options that are asked a second time, in another order."""


@dataclass(slots=True)
class RungResult:
    """How a rung stands: what was built, and its reports on the validation and on the test rows."""

    rung: Rung
    status: Status
    why: str
    built_rung: BuiltRung | None = None
    valid: Report | None = None
    test: Report | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAnswers:
    """What a serving process answered on one side, and the profile taken in it.

    ``again`` are the answers to some of the questions with their options in another order.
    """

    answers: tuple[Answer, ...]
    profile: Profile
    again: tuple[Answer, ...] = ()


def valid_report(
    context: RunContext, rung_result: RungResult, requirements: Requirements, prices: catalog.Prices
) -> Report | None:
    """Report on the validation rows, what the climb may look at: answers of a model that had not seen them.

    ``None`` where there are none, as for an endpoint, which is paid by the answer.
    """
    if rung_result.built_rung is None or not rung_result.built_rung.built.answers:
        return None
    built = rung_result.built_rung.built
    profile = _profile(context, rung_result.rung, rung_result.built_rung.folder, requirements)
    served = ServedAnswers(answers=built.valid_answers(), profile=profile)
    return _report(context, rung_result, "valid", served, requirements, prices)


def test_report(
    context: RunContext, rung_result: RungResult, requirements: Requirements, prices: catalog.Prices
) -> Report | None:
    """Report on the sealed test rows, answered by the bundle itself in a serving process."""
    if rung_result.built_rung is None:
        return None
    served = _ask(context, rung_result.rung, rung_result.built_rung.folder, requirements)
    return _report(context, rung_result, "test", served, requirements, prices)


def meets_requirements(report: Report, requirements: Requirements) -> bool:
    """Say whether a validation report alone would choose its candidate: where the climb may pause."""
    decision = decide(
        [to_verdict_input(report)],
        requirements,
        (),
        metric=next(iter(report.metrics)),
        rows_needed=sample_size.rows_needed,
    )
    return decision.chosen is not None


def to_verdict_input(report: Report, nature: str = "") -> MeasuredCandidate:
    """Return the part of a report that a verdict is made from: latency at the rate of requests, where one was named."""
    profile = report.profile
    latency = report.at_rate or profile
    return MeasuredCandidate(
        name=report.candidate.name,
        rung=report.candidate.rung,
        nature=nature,
        metrics=report.metrics,
        p50_ms=latency.p50_ms if latency else None,
        p95_ms=latency.p95_ms if latency else None,
        p99_ms=latency.p99_ms if latency else None,
        memory_mb=profile.memory_mb if profile else None,
        artifact_mb=report.artifact_mb,
        cost_per_day=report.cost_per_day,
        quality=answer_quality(report),
        disturbed=_requirements_left_open(report.candidate.kind, profile),
    )


def _requirements_left_open(kind: str, profile: Profile | None) -> frozenset[str]:
    """Name the requirements that a measurement on a busy machine leaves open; an API's price is not of its speed."""
    if profile is None or not profile.contention:
        return frozenset()
    return frozenset(LATENCIES if is_networked(kind) else SPEEDS)


def progress_line(report: Report) -> str:
    """Put a report into one line for the progress of a climb."""
    name, seen = next(iter(report.metrics.items()))
    took = f", p95 {milliseconds(report.profile.p95_ms.value)}" if report.profile else ""
    if report.profile and report.profile.contention:
        took += " on a busy machine"
    where = "validation rows" if report.side == "valid" else "test rows"
    return (
        f"{report.candidate.name}: {metric_words(name)} {percent(seen.value)} "
        f"({percent_range(seen.low, seen.high)}) on {seen.n:,} {where}{took}"
    )


def score_with_clusters(
    task: TaskName,
    rows: Sequence[Example],
    answers: Sequence[Answer],
    clusters: Sequence[int],
    scorer: LoadedScorer | None = None,
) -> tuple[Score, ...]:
    """Judge one answer per row, and note the cluster that each row belongs to."""
    scores = tasks.score_answers(task, rows, answers, scorer)
    return tuple(dataclasses.replace(score, cluster=cluster) for score, cluster in zip(scores, clusters, strict=True))


def probe(kind: str) -> BenchmarkSpec:
    """Say how long to measure a bundle of a kind: an endpoint is paid by the answer, whoever measures it."""
    return _PAID if is_networked(kind) else _FREE


def probe_rows(rows: int) -> int:
    """Say how many of so many rows a paid probe sends at most."""
    return min(rows, _PAID.most)


def size_mb(folder: Path) -> float:
    """Return the size of a bundle on disk, in megabytes (10^6 bytes)."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def coverage(reports: Sequence[Report]) -> dict[str, tuple[CoveragePoint, ...]]:
    """Return each candidate's share kept against error, where its answers carry a confidence."""
    curves = {report.candidate.name: metrics.risk_coverage(report.scores) for report in reports}
    return {name: points for name, points in curves.items() if points}


def _report(
    context: RunContext,
    rung_result: RungResult,
    side: Side,
    served: ServedAnswers,
    requirements: Requirements,
    prices: catalog.Prices,
) -> Report:
    built_rung, rung = rung_result.built_rung, rung_result.rung
    if built_rung is None:
        raise Defect("E_DEFECT", "a rung that was not built was measured", fix="please report this")
    rows = context.side(side)
    indices = context.prepared.split.valid if side == "valid" else context.prepared.split.test
    clusters = [context.prepared.split.clusters[index] for index in indices]
    task = context.prepared.dataset.task
    scorer = context.config.scorer
    answers = field_match.credit_answers(rows, served.answers, context.config.match)
    scores = score_with_clusters(task, rows, answers, clusters, scorer)
    spec = context.config.endpoint if rung.is_paid else None
    daily, million = serving_costs(served.answers, served.profile, spec, requirements, prices)
    every = tasks.estimate_metrics(task, scores, context.prepared.dataset.labels)
    first = context.config.metric
    per_label = tasks.per_label_scores(task, scores)
    return Report(
        candidate=Candidate(name=rung.name, rung=rung.number, kind=rung.kind, settings=built_rung.built.settings),
        dataset=context.prepared.dataset.digest,
        spec=cache_key(context, rung),
        side=side,
        metrics={first: every[first], **every, **required_fields(per_label, requirements)},
        per_label=per_label,
        scores=scores,
        profile=served.profile,
        artifact_mb=size_mb(built_rung.folder),
        fit_seconds=built_rung.built.seconds,
        cost_per_day=daily,
        cost_per_million=million,
        at_rate=None if spec else _at_rate(served.profile, requirements.requests_per_day, context.config.seed),
        order_consistency=_estimate_stability(context, served),
        scorer=None if scorer is None else scorer.use,
        cut=count_cut_texts(served.answers),
    )


def _at_rate(profile: Profile, daily: float | None, seed: int) -> RateLatency | None:
    """Return the latency at the user's traffic, on as many machines as their cost is counted for."""
    if daily is None:
        return None
    machines = cost.machines(profile.throughput_per_s.value, daily)
    return queueing.at_rate(profile, daily, machines=machines, seed=seed)


def _ask(context: RunContext, rung: Rung, folder: Path, requirements: Requirements) -> ServedAnswers:
    """Answer the test rows in a serving process, once a run."""
    rows = context.side("test")
    sealed = len(rows)
    if not rung.is_paid:  # which is paid by the answer
        rows += [second for _, second in _reordered_questions(context)]
    key = digest([cache_key(context, rung), [row.id for row in rows]])

    def open_test_set() -> ServedAnswers:
        context.on_progress(Progress(stage="measure", message=f"opening the test set for {rung.name}"))
        _announce(context, rung)
        answers = _answers(context, rung, folder, rows)
        profile = _profile(context, rung, folder, requirements)
        return ServedAnswers(answers=answers[:sealed], profile=profile, again=answers[sealed:])

    def measure_again(served: ServedAnswers) -> ServedAnswers:
        if not _is_worth_another_try(rung.kind, served.profile, requirements):
            return served
        return dataclasses.replace(served, profile=_profile(context, rung, folder, requirements))

    return find_or_make(context.run, "answers", key, ServedAnswers, open_test_set, refresh=measure_again)


def _reordered_questions(context: RunContext) -> list[tuple[int, Example]]:
    """Return some test questions of options once more, their options in another order, each with its row's place."""
    rows = context.side("test")
    if context.config.task != "choose":
        return []
    form = infer_answer_form(rows)
    few = evenly_spaced(range(len(rows)), _REORDERED)
    pairs = [(index, multiple_choice.reshuffle_options(rows[index], form, context.config.seed)) for index in few]
    return [(index, dataclasses.replace(row, id=f"{row.id} again")) for index, row in pairs if row is not None]


def _estimate_stability(context: RunContext, served: ServedAnswers) -> Estimate | None:
    """Estimate how often an answer stays the same when the options of its question stand in another order."""
    if not served.again:
        return None
    rows, split = context.side("test"), context.prepared.split
    form, pairs = infer_answer_form(rows), _reordered_questions(context)
    same = [
        multiple_choice.is_same_option(rows[index], served.answers[index].value, second, answer.value, form)
        for (index, second), answer in zip(pairs, served.again, strict=True)
    ]
    clusters = [split.clusters[split.test[index]] for index, _ in pairs]
    return proportion([float(agrees) for agrees in same], clusters)


def _answers(context: RunContext, rung: Rung, folder: Path, rows: Sequence[Example]) -> tuple[Answer, ...]:
    """Answer rows in a serving process; what slow and paid models answered is kept at every step of a run."""
    answers: list[Answer] = []
    with ExitStack() as stack:
        serving: ServingProcess | None = None

        def serve(chunk: Sequence[Example]) -> tuple[Answer, ...]:
            nonlocal serving
            serving = serving or stack.enter_context(ServingProcess(folder, _destination(context, rung)))
            return tuple(serving.answer([row.input for row in chunk]))

        if not rung.saved_every:
            return serve(rows)
        chunks = [rows[start : start + rung.saved_every] for start in range(0, len(rows), rung.saved_every)]
        key = cache_key(context, rung)
        batches = [(digest([key, "part", [row.id for row in chunk]]), chunk) for chunk in chunks]
        for part in find_or_make_batches(context.run, "part", batches, tuple[Answer, ...], serve):
            answers += part
            message = f"answering the test rows with {rung.name}"
            context.on_progress(Progress(stage="measure", message=message, done=len(answers), total=len(rows)))
    return tuple(answers)


def _is_worth_another_try(kind: str, profile: Profile, requirements: Requirements) -> bool:
    """Say whether speeds from a busy machine leave a requirement open: the machine may be quiet now."""
    return not _requirements_left_open(kind, profile).isdisjoint(requirements.limits())


def _profile(context: RunContext, rung: Rung, folder: Path, requirements: Requirements) -> Profile:
    """Take latency, throughput and memory in a serving process, on validation rows, once a run.

    What was measured on a busy machine is measured again where that leaves a required latency or cost open.
    """

    def take() -> Profile:
        context.on_progress(Progress(stage="measure", message=f"measuring {rung.name} as it will be served"))
        with ServingProcess(folder, _destination(context, rung)) as serving:
            inputs = [row.input for row in context.side("valid") or context.side("train")]
            return serving.profile(inputs, probe(rung.kind))

    def take_again(profile: Profile) -> Profile:
        return take() if _is_worth_another_try(rung.kind, profile, requirements) else profile

    return find_or_make(context.run, "profile", cache_key(context, rung), Profile, take, refresh=take_again)


def _destination(context: RunContext, rung: Rung) -> Destination | None:
    spec = context.config.endpoint
    if spec is None or not rung.is_paid:
        return None
    return Destination(url=spec.url, key_env=spec.key_env)


def _announce(context: RunContext, rung: Rung) -> None:
    """Say what goes to an endpoint before anything does."""
    spec = context.config.endpoint
    if spec is None or not rung.is_paid:
        return
    test, timed = len(context.side("test")), probe_rows(len(context.side("valid") or context.side("train")))
    shots = len(prompts.choose_pool(context.side("train"))) if spec.shots else 0
    why = f": {test:,} to test it, {timed:,} to time it"
    if shots:
        why += f", {shots:,} with their answers as examples"
    context.on_progress(Progress(stage="endpoint", message=consent.announcement(spec, test + timed + shots, why)))
