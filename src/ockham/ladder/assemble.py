"""Put what a climb found into the records that leave it: the verdict for scripts, the result for the report."""

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
from ockham.ladder import costs, measure
from ockham.ladder.climb import TEST_EVALUATIONS, ClimbDecision
from ockham.ladder.diagnostics import DataDiagnostics
from ockham.ladder.llm_judge import JudgeFindings
from ockham.ladder.measure import RungResult
from ockham.models.extraction import field_match
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
from ockham.rungs.linear_tagger_rung import field_notes, train_facts
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

    rung_results: Sequence[RungResult]
    requirements: Requirements
    prices: catalog.Prices
    diagnostics: DataDiagnostics
    opinions: JudgeFindings
    decision: ClimbDecision


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


def build_verdict(context: RunContext, outcome: ClimbOutcome) -> Verdict:
    """Put the decision, and the numbers behind it, into the record that scripts depend on."""
    decision, prepared = outcome.decision.decision, context.prepared
    split, intake = prepared.split, prepared.intake
    chosen = next(
        (rung_result.built_rung for rung_result in outcome.rung_results if rung_result.rung.name == decision.chosen),
        None,
    )
    needs = outcome.requirements
    required = {name: value for name, value in plain(needs).items() if value is not None and name != "min_field"}
    required |= needs.limits()
    return Verdict(
        ockham=__version__,
        task=prepared.dataset.task,
        metric=context.config.metric,
        scorer=None if context.config.scorer is None else context.config.scorer.use,
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
        candidates=tuple(_result(rung_result, decision) for rung_result in outcome.rung_results),
        chosen=decision.chosen,
        headline=decision.headline,
        because=decision.because,
        next=decision.next,
        proven=decision.proven,
        test_evaluations=len(context.run.rows(TEST_EVALUATIONS)),
        run=str(context.run.path),
        bundle=None if chosen is None else store.bundle_digest(chosen.folder),
        sealed=protection_label(context.run),
    )


def build_result(context: RunContext, outcome: ClimbOutcome) -> RunResult:
    """Put together everything that the run found out, the verdict first."""
    verdict, diagnosed = build_verdict(context, outcome), outcome.diagnostics
    reports = tuple(rung_result.test for rung_result in outcome.rung_results if rung_result.test)
    builds = [
        (rung_result.rung.name, rung_result.built_rung.built)
        for rung_result in outcome.rung_results
        if rung_result.built_rung
    ]
    doubted = _by_id(context, (issue.id for issue in diagnosed.label_issues))
    chosen = next((report for report in reports if report.candidate.name == verdict.chosen), None)
    return RunResult(
        title=context.prepared.dataset.name,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        verdict=verdict,
        ingest=context.prepared.intake,
        reports=reports,
        comparisons=outcome.decision.comparisons,
        examples={row.id: row for row in context.side("test")} | doubted,
        label_issues=diagnosed.label_issues,
        curve=diagnosed.curve,
        hosted=tuple(rung_result.rung.name for rung_result in outcome.rung_results if rung_result.rung.is_paid),
        training={name: built.points for name, built in builds if built.points},
        parity={name: built.parity for name, built in builds if built.parity},
        split_optimism=diagnosed.split_optimism,
        coverage=measure.coverage(reports),
        selective=_selective(outcome.rung_results, outcome.requirements),
        apis=costs.api_costs(
            chosen or (reports[-1] if reports else None), context.side("test"), verdict, outcome.prices
        ),
        machine_per_day=24 * outcome.prices.machine.per_hour,
        summaries={rung_result.rung.name: rung_result.rung.summary for rung_result in outcome.rung_results},
        test_evaluations=tuple(_join_names(row["candidates"]) for row in context.run.rows(TEST_EVALUATIONS)),
        judge_summaries=outcome.opinions.summaries,
        tuned_in=decoder_rungs.tuned_in(context.run),
        machine=machine.describe(),
        attacks=state.current().attacks,
        fields=train_facts(context),
        warnings=(
            *context.prepared.split.warnings,
            *field_notes(context),
            *([field_match.describe_match(context.config.match)] if context.config.match else []),
            *outcome.opinions.notes,
            *(text for _, built in builds for text in built.warnings),
            *(
                f"{report.candidate.name}, test rows: {describe_cut_texts(report.cut)}"
                for report in reports
                if report.cut is not None
            ),
        ),
    )


def _selective(rung_results: Sequence[RungResult], requirements: Requirements) -> dict[str, SelectiveAnswers]:
    """Return what a threshold on confidence, chosen on the validation rows, does on the test rows, by candidate.

    The error aimed at is the one that a required accuracy allows, and half of the candidate's own where that is met or
    none is required.
    """
    outcomes: dict[str, SelectiveAnswers] = {}
    for rung_result in rung_results:
        if rung_result.valid is None or rung_result.test is None:
            continue
        wrong = [float(score.value != 1.0) for score in rung_result.valid.scores if score.value is not None]
        own = sum(wrong) / max(1, len(wrong))
        allowed = None if requirements.min_accuracy is None else 1 - requirements.min_accuracy
        aim = allowed if allowed is not None and allowed < own else own / 2
        threshold = choose_threshold(rung_result.valid.scores, aim) if own > 0 else None
        outcome = None if threshold is None else selective_answers(rung_result.test.scores, threshold, aim)
        if outcome is not None:
            outcomes[rung_result.rung.name] = outcome
    return outcomes


def _result(rung_result: RungResult, decision: Decision) -> CandidateResult:
    rung, report = rung_result.rung, rung_result.test
    if report is None or report.profile is None:
        return CandidateResult(
            name=rung.name, rung=rung.number, status=rung_result.status, why=rung_result.why, named=rung.named
        )
    profile = report.profile
    latency = _percentiles(profile)
    if profile.contention:
        latency["lost_to_other_programs"] = profile.contention
    if report.at_rate is not None:
        rate = {"requests_per_second": report.at_rate.requests_per_second, "machines": report.at_rate.machines}
        latency["at_rate"] = {**rate, **_percentiles(report.at_rate)}
    return CandidateResult(
        name=rung.name,
        rung=rung.number,
        status="measured",
        why=rung_result.why,
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


def _by_id(context: RunContext, ids: Iterable[str]) -> dict[str, Example]:
    id_set = set(ids)
    return {row.id: row for row in context.prepared.dataset.examples if row.id in id_set}


def _join_names(names: object) -> str:
    return ", ".join(str(name) for name in names) if isinstance(names, list) else ""
