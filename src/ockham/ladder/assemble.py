"""Put what a climb found into the records that leave it: the verdict for scripts, the account for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone

from ockham import catalog, machine, store
from ockham.api import relay
from ockham.errors import StoreError
from ockham.evals.cut_texts import describe_cut_texts
from ockham.evals.selective import choose_threshold, selective_answers
from ockham.ladder import measure
from ockham.ladder.climb import TEST_EVALUATIONS, ClimbDecision
from ockham.ladder.diagnostics import DataDiagnostics
from ockham.ladder.llm_judge import JudgeFindings
from ockham.ladder.measure import RungResult
from ockham.records import (
    CandidateResult,
    DatasetSummary,
    Example,
    Json,
    Profile,
    RateLatency,
    Requirements,
    RunResult,
    SelectiveAnswers,
    Verdict,
    plain,
)
from ockham.rungs import decoder_rungs
from ockham.rungs.rung import RunContext
from ockham.sealed import state
from ockham.store import Run
from ockham.verdict.decide import Decision
from ockham.version import __version__

SEALS = "seals"
"""The run's journal of how it was kept from the network: one row for each label it ever had."""
REQUESTS = "requests"
"""The run's journal of goes that could ask endpoints: whom, and in a later row, how often they did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimbOutcome:
    """What a run came to: how each rung stands, what was asked for, what the data and a judge say, and the decision."""

    standings: Sequence[RungResult]
    requirements: Requirements
    prices: catalog.Prices
    diagnostics: DataDiagnostics
    opinions: JudgeFindings
    decided: ClimbDecision


def record_protection(run: Run) -> None:
    """Write down what protects this process before it does any work: a run that goes on unsealed was not sealed."""
    row: dict[str, Json] = {"label": state.current().label}
    if row not in run.rows(SEALS):
        run.append(SEALS, row)


@contextmanager
def record_requests(run: Run) -> Iterator[None]:
    """Write down, for the length of a go, whom it may ask, and in the end how often it did.

    A go that was killed leaves no number: its evidence has it (`protection_label`).
    """
    hosts = state.current().hosts
    if not hosts:
        yield
        return
    go = 1 + len([row for row in run.rows(REQUESTS) if "hosts" in row])
    run.append(REQUESTS, {"go": go, "hosts": list(hosts), "name": state.current().go})
    try:
        yield
    finally:
        counts = relay.count_requests()
        if counts is not None:
            with suppress(StoreError):  # of a full disk the run itself tells
                run.append(REQUESTS, {"go": go, "sent": dict(counts)})


def protection_label(run: Run) -> str:
    """Return how a run was kept from the network, the weakest of all goes, and what it sent to endpoints in all."""
    label = state.weakest([str(row["label"]) for row in run.rows(SEALS)] or [state.current().label])
    rows = run.rows(REQUESTS)
    hosts = dict.fromkeys(str(host) for row in rows for host in _items(row.get("hosts")))
    names = {row["go"]: str(row.get("name", "")) for row in rows if "hosts" in row}
    counts = {row["go"]: _counts(row["sent"]) for row in rows if "sent" in row}
    # A go that was killed wrote no number; the one after it has taken up its ledger, before it began itself.
    listed = _list_requests(run) if names.keys() - counts.keys() else {}
    counts |= {go: listed[name] for go, name in names.items() if go not in counts and name in listed}
    missing = [name for go, name in names.items() if go not in counts]
    if state.current().hosts and (now := relay.count_requests()) is not None:
        counts[None] = now  # this go itself has written no number yet
        missing = [name for name in missing if name != state.current().go]
    sent: Counter[str] = Counter()
    for requests in counts.values():
        sent.update(requests)
    return state.with_requests(label, sent, tuple(hosts), missing=bool(missing))


def _list_requests(run: Run) -> dict[str, dict[str, int]]:
    """Read in the evidence how many requests the goes that have ended sent to whom."""
    from ockham.sealed import evidence

    with suppress(OSError):
        return evidence.count_sent((run.path / evidence.FILE).read_bytes())
    return {}


def _items(value: Json | None) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def _counts(value: Json | None) -> dict[str, int]:
    return (
        {host: number for host, number in value.items() if isinstance(number, int)} if isinstance(value, dict) else {}
    )


def build_verdict(material: RunContext, outcome: ClimbOutcome) -> Verdict:
    """Put the decision, and the numbers behind it, into the record that scripts depend on."""
    decision, prepared = outcome.decided.decision, material.prepared
    split, intake = prepared.split, prepared.intake
    chosen = next((standing.made for standing in outcome.standings if standing.rung.name == decision.chosen), None)
    required = {name: value for name, value in plain(outcome.requirements).items() if value is not None}
    return Verdict(
        ockham=__version__,
        task=prepared.dataset.task,
        metric=material.plan.metric,
        scorer=None if material.plan.scorer is None else material.plan.scorer.use,
        dataset=DatasetSummary(
            rows=intake.rows,
            train=len(split.train),
            valid=len(split.valid),
            test=len(split.test),
            digest=prepared.dataset.digest,
            dropped=intake.dropped_counts(),
            leaks_prevented=split.leaks_prevented,
        ),
        requirements=required,
        candidates=tuple(_result(standing, decision) for standing in outcome.standings),
        chosen=decision.chosen,
        because=decision.because,
        next=decision.next,
        proven=decision.proven,
        test_openings=len(material.run.rows(TEST_EVALUATIONS)),
        run=str(material.run.path),
        bundle=None if chosen is None else store.bundle_digest(chosen.folder),
        sealed=protection_label(material.run),
    )


def build_result(material: RunContext, outcome: ClimbOutcome) -> RunResult:
    """Put together everything that the run found out, the verdict first."""
    verdict, diagnosed = build_verdict(material, outcome), outcome.diagnostics
    reports = tuple(standing.test for standing in outcome.standings if standing.test)
    builds = [(standing.rung.name, standing.made.built) for standing in outcome.standings if standing.made]
    doubted = _by_id(material, (issue.id for issue in diagnosed.label_issues))
    chosen = next((report for report in reports if report.candidate.name == verdict.chosen), None)
    return RunResult(
        title=material.prepared.dataset.name,
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        verdict=verdict,
        intake=material.prepared.intake,
        reports=reports,
        comparisons=outcome.decided.comparisons,
        examples={row.id: row for row in material.side("test")} | doubted,
        doubts=diagnosed.label_issues,
        curve=diagnosed.curve,
        training={name: built.points for name, built in builds if built.points},
        parity={name: built.parity for name, built in builds if built.parity},
        flattery=diagnosed.split_optimism,
        coverage=measure.coverage(reports),
        selective=_selective(outcome.standings, outcome.requirements),
        apis=measure.api_costs(
            chosen or (reports[-1] if reports else None), material.side("test"), verdict, outcome.prices
        ),
        machine_per_day=24 * outcome.prices.machine.per_hour,
        openings=tuple(_join_names(row["candidates"]) for row in material.run.rows(TEST_EVALUATIONS)),
        judged=outcome.opinions.summaries,
        tuned_in=decoder_rungs.tuned_in(material.run),
        machine=machine.describe(),
        attacks=state.current().attacks,
        warnings=(
            *material.prepared.split.warnings,
            *outcome.opinions.notes,
            *(text for _, built in builds for text in built.warnings),
            *(
                f"{report.candidate.name}, test rows: {describe_cut_texts(report.cut)}"
                for report in reports
                if report.cut is not None
            ),
        ),
    )


def _selective(standings: Sequence[RungResult], requirements: Requirements) -> dict[str, SelectiveAnswers]:
    """Return what a threshold on confidence, chosen on the validation rows, does on the test rows, by candidate.

    The error aimed at is the one that a required accuracy allows, and half of the candidate's own where that is met or
    none is required.
    """
    outcomes: dict[str, SelectiveAnswers] = {}
    for standing in standings:
        if standing.valid is None or standing.test is None:
            continue
        wrong = [float(score.value != 1.0) for score in standing.valid.scores if score.value is not None]
        own = sum(wrong) / max(1, len(wrong))
        allowed = None if requirements.min_accuracy is None else 1 - requirements.min_accuracy
        aim = allowed if allowed is not None and allowed < own else own / 2
        threshold = choose_threshold(standing.valid.scores, aim) if own > 0 else None
        outcome = None if threshold is None else selective_answers(standing.test.scores, threshold, aim)
        if outcome is not None:
            outcomes[standing.rung.name] = outcome
    return outcomes


def _result(standing: RungResult, decision: Decision) -> CandidateResult:
    rung, report = standing.rung, standing.test
    if report is None or report.profile is None:
        return CandidateResult(
            name=rung.name, rung=rung.number, status=standing.status, why=standing.why, named=rung.named
        )
    profile = report.profile
    latency = _percentiles(profile)
    if profile.lost:
        latency["lost_to_other_programs"] = profile.lost
    if report.at_rate is not None:
        rate = {"requests_per_second": report.at_rate.requests_per_second, "machines": report.at_rate.machines}
        latency["at_rate"] = {**rate, **_percentiles(report.at_rate)}
    return CandidateResult(
        name=rung.name,
        rung=rung.number,
        status="measured",
        why=standing.why,
        metrics=report.metrics,
        latency_ms=latency,
        throughput_per_s=profile.throughput_per_s.value,
        memory_mb=profile.memory_mb,
        artifact_mb=report.artifact_mb,
        fit_seconds=report.fit_seconds,
        cost_per_day=report.cost_per_day,
        meets=decision.meets.get(rung.name, {}),
        rows_needed=decision.rows_needed.get(rung.name),
        named=rung.named,
    )


def _percentiles(latency: Profile | RateLatency) -> dict[str, object]:
    ends = {"p50": latency.p50_ms, "p95": latency.p95_ms, "p99": latency.p99_ms}
    estimates = {name: estimate for name, estimate in ends.items() if estimate is not None}
    values: dict[str, object] = {name: estimates[name].value if name in estimates else None for name in ends}
    values["intervals"] = {name: [estimate.low, estimate.high] for name, estimate in estimates.items()}
    values["n"] = max((estimate.n for estimate in estimates.values()), default=0)
    return values


def _by_id(material: RunContext, ids: Iterable[str]) -> dict[str, Example]:
    id_set = set(ids)
    return {row.id: row for row in material.prepared.dataset.examples if row.id in id_set}


def _join_names(names: object) -> str:
    return ", ".join(str(name) for name in names) if isinstance(names, list) else ""
