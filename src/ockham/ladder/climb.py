"""The climb: build each rung from the smallest up, measure it, open the test set, and decide."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ockham import catalog
from ockham.errors import OckhamError, PlugError, StoreError
from ockham.evals import comparison, sample_size
from ockham.evals.cut_texts import describe_cut_texts
from ockham.evals.exact_answers import judge_exact_answers
from ockham.ladder import measure
from ockham.ladder.diagnostics import DataDiagnostics, learning_gain
from ockham.ladder.encoder_advice import advise_encoder
from ockham.ladder.measure import RungResult
from ockham.records import Comparison, Json, Progress, Report, Requirements, Score, TaskName, plain
from ockham.rungs.rung import RunContext, Rung, build_rung, find_built
from ockham.verdict import decide as verdict
from ockham.verdict.decide import Decision
from ockham.verdict.sentences import ClimbFacts, ExactAnswers, join_words

FAULTS = "faults"
"""The run's folder of tracebacks."""
_LONGEST_NAME = 100
TEST_EVALUATIONS = "test_evaluations"
"""The run's journal of looks at the test set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimbDecision:
    """What was decided, and how every two candidates compare on the test rows."""

    decision: Decision
    comparisons: tuple[Comparison, ...]


def climb(
    context: RunContext,
    rungs: Sequence[Rung],
    requirements: Requirements,
    prices: catalog.Prices,
    *,
    everything: bool = False,
) -> list[RungResult]:
    """Build and measure rung after rung, and open the test set; climb on while the test does not settle it.

    ``everything`` climbs on after a rung does the job. Returns one result for each rung. Raises `StoreError` where
    the disk refuses and `PlugError` where a scorer fails; any other fault is that of its rung alone.
    """
    rung_results: list[RungResult] = []
    left = list(rungs)
    asks = any(name.startswith("min_") for name in requirements.limits())
    while left:
        while left:
            here = _count_rungs(context, len(rung_results) + 1, len(rungs))
            rung = left.pop(0)
            rung_result = _stand(here, rung, rung_results, requirements, prices)
            rung_results.append(rung_result)
            if (
                rung_result.valid
                and asks
                and not everything
                and measure.meets_requirements(rung_result.valid, requirements)
            ):
                break
        closed = [
            rung_result for rung_result in rung_results if rung_result.status == "measured" and not rung_result.test
        ]
        if closed:
            _open_test(context, [rung_result.rung.name for rung_result in closed], requirements)
            for rung_result in closed:
                _test(context, rung_result, requirements, prices)
        if asks and not everything and decide(context, rungs, rung_results, requirements).decision.chosen:
            named, left = [rung for rung in left if rung.named], [rung for rung in left if not rung.named]
            rung_results += _measure_all(context, named, requirements, prices)
            break
    rung_results += [
        RungResult(rung, "skipped", "a smaller rung does the job (--all tries the others)") for rung in left
    ]
    return rung_results


def _measure_all(
    context: RunContext, rungs: Sequence[Rung], requirements: Requirements, prices: catalog.Prices
) -> list[RungResult]:
    """Measure rungs whatever those below them do, on the test rows too."""
    rung_results = [_stand(context, rung, (), requirements, prices) for rung in rungs]
    measured = [rung_result for rung_result in rung_results if rung_result.status == "measured"]
    if measured:
        _open_test(context, [rung_result.rung.name for rung_result in measured], requirements)
    for rung_result in measured:
        _test(context, rung_result, requirements, prices)
    return rung_results


def _count_rungs(context: RunContext, number: int, total: int) -> RunContext:
    """Let all that is told of a rung's climb say which one of how many it is."""

    def on_progress(progress: Progress) -> None:
        context.on_progress(replace(progress, rung=number, rungs=total) if progress.stage == "climb" else progress)

    return replace(context, on_progress=on_progress)


def _count_applicable(rungs: Sequence[Rung], task: TaskName) -> int:
    """Count the rungs that may be measured: one that is not for the task has no chance to be right by luck."""
    return sum(task in rung.tasks for rung in rungs)


def _lacking_member(rung: Rung, below: Sequence[RungResult]) -> str | None:
    """Say which of the rungs that a blend consists of was skipped or failed in this climb, or nothing."""
    names = {member.name for member in rung.members}
    lacking = next((one for one in below if one.rung.name in names and one.status != "measured"), None)
    if lacking is None:
        return None
    why = "failed" if lacking.status == "failed" else "was skipped"
    return f"it blends {join_words([member.name for member in rung.members])}, and {lacking.rung.name} {why}"


def _stand(
    context: RunContext,
    rung: Rung,
    below: Sequence[RungResult],
    requirements: Requirements,
    prices: catalog.Prices,
) -> RungResult:
    """Build a rung and measure it on the validation rows, ``below`` being the rungs climbed before it."""
    rung_result = RungResult(rung, "measured", "")
    with _failing(context, rung_result):
        why = rung.reason_to_skip(context.config) or _lacking_member(rung, below)
        built_rung = find_built(context, rung) if why is None else None
        if why is None and built_rung is None:  # what was built once is not asked again whether it is worth building
            why = rung.skip_reason(context)
        if why is not None:
            context.on_progress(Progress(stage="climb", message=f"{rung.name} skipped: {why}"))
            return RungResult(rung, "skipped", why)
        rung_result.built_rung = built_rung or build_rung(context, rung)
        rung_result.valid = measure.valid_report(context, rung_result, requirements, prices)
        if rung_result.valid:
            context.on_progress(Progress(stage="measure", message=measure.progress_line(rung_result.valid)))
        for warning in rung_result.built_rung.built.warnings:
            context.on_progress(Progress(stage="climb", message=f"note: {warning}"))
    return rung_result


def _test(context: RunContext, rung_result: RungResult, requirements: Requirements, prices: catalog.Prices) -> None:
    with _failing(context, rung_result):
        rung_result.test = measure.test_report(context, rung_result, requirements, prices)
        if rung_result.test:
            context.on_progress(Progress(stage="measure", message=measure.progress_line(rung_result.test)))
            if rung_result.test.cut:
                message = f"note: {rung_result.rung.name}: {describe_cut_texts(rung_result.test.cut)}"
                context.on_progress(Progress(stage="measure", message=message))
            rung_result.why = _sameness_note(rung_result.test)
            if rung_result.why:
                context.on_progress(
                    Progress(stage="measure", message=f"note: {rung_result.rung.name}: {rung_result.why}")
                )


def _sameness_note(report: Report) -> str:
    """Say that a candidate answers the same to every row, where rows want different answers; else nothing.

    The majority baseline (rung 0) is made to do so.
    """
    answers = {score.answer for score in report.scores}
    if report.candidate.rung == 0 or len(answers) != 1 or len({score.target for score in report.scores}) < 2:
        return ""
    answer = "no valid answer" if answers == {None} else "the same answer"
    return f"it gives {answer} to all {len(report.scores):,} test rows"


@contextmanager
def _failing(context: RunContext, rung_result: RungResult) -> Iterator[None]:
    """Let a rung fail alone: what the others found stays. Only a full disk ends the climb, or a scorer that fails."""
    try:
        yield
    except (StoreError, PlugError):
        raise
    except OckhamError as error:
        _fail(context, rung_result, f"{error.code}: {error.message}")
    except MemoryError:
        _fail(context, rung_result, "not enough memory")
    except Exception as error:  # a fault of ours or of a library in one rung; its words may hold the user's data
        _fail(context, rung_result, _keep_traceback(context, rung_result.rung.name, error))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a library in Rust, which cannot be named otherwise
            raise
        _fail(context, rung_result, _keep_traceback(context, rung_result.rung.name, error))


def _keep_traceback(context: RunContext, name: str, error: BaseException) -> str:
    """Keep the traceback of a fault in the run, where the data are too, and return what may be said of it anywhere.

    With OCKHAM_DEBUG=1 it is shown as well.
    """
    trace = "".join(traceback.format_exception(error))
    file = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_LONGEST_NAME] + ".txt"
    context.run.publish_in(FAULTS, file, trace.encode("utf-8", "backslashreplace"))
    if os.environ.get("OCKHAM_DEBUG"):
        for line in trace.splitlines():
            context.on_progress(Progress(stage="climb", message=line))
    return f"E_DEFECT: an unexpected {type(error).__name__} ({FAULTS}/{file} has the traceback)"


def _fail(context: RunContext, rung_result: RungResult, why: str) -> None:
    rung_result.status, rung_result.why = "failed", why
    context.on_progress(Progress(stage="climb", message=f"{rung_result.rung.name} failed: {why}"))


def _open_test(context: RunContext, names: Sequence[str], requirements: Requirements) -> None:
    """Write an opening of the test set down before any of its rows is answered.

    The same question about the same candidates is the same opening, however often a run is stopped and goes on; other
    requirements, or another scorer, are another look at the test set.
    """
    row: dict[str, Json] = {"candidates": list(names), "requirements": plain(requirements)}
    if context.config.scorer is not None:
        row["scorer"] = plain(context.config.scorer.use)
    if row not in context.run.rows(TEST_EVALUATIONS):
        context.run.append(TEST_EVALUATIONS, row)


def decide(
    context: RunContext,
    rungs: Sequence[Rung],
    rung_results: Sequence[RungResult],
    requirements: Requirements,
    diagnosed: DataDiagnostics | None = None,
) -> ClimbDecision:
    """Compare every pair of measured candidates on the test rows, and decide; ``diagnosed`` is for the next step."""
    metric = context.config.metric
    tested = [rung_result for rung_result in rung_results if rung_result.test]
    pairs = [(a, b) for index, a in enumerate(tested) for b in tested[index + 1 :]]
    comparisons = comparison.correct(
        [
            comparison.compare(_scores(b.test), _scores(a.test), metric, names=(b.rung.name, a.rung.name))
            for a, b in pairs
        ]
    )
    measured = [
        measure.to_verdict_input(rung_result.test, rung_result.rung.nature)
        for rung_result in tested
        if rung_result.test
    ]
    decision = verdict.decide(
        measured,
        requirements,
        comparisons,
        metric=metric,
        rows_needed=sample_size.rows_needed,
        climb=ClimbFacts(
            planned=_count_applicable(rungs, context.config.task),
            run=str(context.run.path),
            doubts=len(diagnosed.label_issues) if diagnosed else 0,
            gain=learning_gain(diagnosed.curve) if diagnosed else None,
            exact=_exact_answers(context, tested),
        ),
    )
    seen = {result.rung.name: estimate for result in tested if (estimate := _estimate(result.test, metric)) is not None}
    reading = {result.rung.name for result in tested if result.rung.needs_encoder} & seen.keys()
    step = decision.next + advise_encoder(context, decision, seen, reading)
    return ClimbDecision(decision=replace(decision, next=step), comparisons=comparisons)


def _estimate(report: Report | None, metric: str) -> float | None:
    estimate = None if report is None else report.metrics.get(metric)
    return None if estimate is None else estimate.value


def _exact_answers(context: RunContext, tested: Sequence[RungResult]) -> ExactAnswers | None:
    """Judge written answers that are right or wrong as a whole; ``None`` for other tasks and scorers."""
    if context.config.task != "generate" or context.config.scorer is not None:
        return None
    texts = {row.id: row.input for row in context.side("test")}
    return judge_exact_answers(texts, {rung_result.rung.name: _scores(rung_result.test) for rung_result in tested})


def _scores(report: Report | None) -> tuple[Score, ...]:
    return () if report is None else report.scores
