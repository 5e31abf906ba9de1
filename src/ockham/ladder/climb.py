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
from ockham.ladder import measure
from ockham.ladder.measure import RungResult
from ockham.records import Comparison, Json, Progress, Report, Requirements, Score, TaskName, plain
from ockham.rungs.rung import RunContext, Rung, build_rung, find_built
from ockham.verdict import decide as verdict
from ockham.verdict.decide import ClimbFacts, Decision
from ockham.verdict.sentences import join_words

FAULTS = "faults"
"""The run's folder of tracebacks."""
_LONGEST_NAME = 100
TEST_EVALUATIONS = "openings"
"""The run's journal of looks at the test set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimbDecision:
    """What was decided, and how every two candidates compare on the test rows."""

    decision: Decision
    comparisons: tuple[Comparison, ...]


def climb(
    material: RunContext,
    rungs: Sequence[Rung],
    requirements: Requirements,
    prices: catalog.Prices,
    *,
    everything: bool = False,
) -> list[RungResult]:
    """Build and measure rung after rung, and open the test set; climb on while the test does not settle it.

    ``everything`` climbs on after a rung does the job. Returns one standing for each rung. Raises `StoreError` where
    the disk refuses and `PlugError` where a scorer fails; any other fault is that of its rung alone.
    """
    standings: list[RungResult] = []
    left = list(rungs)
    asks = any(name.startswith("min_") for name in requirements.limits())
    while left:
        while left:
            here = _count_rungs(material, len(standings) + 1, len(rungs))
            rung = left.pop(0)
            standing = _stand(here, rung, standings, requirements, prices)
            standings.append(standing)
            if standing.valid and asks and not everything and measure.meets_requirements(standing.valid, requirements):
                break
        closed = [standing for standing in standings if standing.status == "measured" and not standing.test]
        if closed:
            _open_test(material, [standing.rung.name for standing in closed], requirements)
            for standing in closed:
                _test(material, standing, requirements, prices)
        if asks and not everything and decide(material, rungs, standings, requirements).decision.chosen:
            named, left = [rung for rung in left if rung.named], [rung for rung in left if not rung.named]
            standings += _measure_all(material, named, requirements, prices)
            break
    standings += [RungResult(rung, "skipped", "a smaller rung does the job (--all tries the others)") for rung in left]
    return standings


def _measure_all(
    material: RunContext, rungs: Sequence[Rung], requirements: Requirements, prices: catalog.Prices
) -> list[RungResult]:
    """Measure rungs whatever those below them do, on the test rows too."""
    standings = [_stand(material, rung, (), requirements, prices) for rung in rungs]
    measured = [standing for standing in standings if standing.status == "measured"]
    if measured:
        _open_test(material, [standing.rung.name for standing in measured], requirements)
    for standing in measured:
        _test(material, standing, requirements, prices)
    return standings


def _count_rungs(material: RunContext, number: int, total: int) -> RunContext:
    """Let all that is told of a rung's climb say which one of how many it is."""

    def on_progress(progress: Progress) -> None:
        material.on_progress(replace(progress, rung=number, rungs=total) if progress.stage == "climb" else progress)

    return replace(material, on_progress=on_progress)


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
    material: RunContext,
    rung: Rung,
    below: Sequence[RungResult],
    requirements: Requirements,
    prices: catalog.Prices,
) -> RungResult:
    """Build a rung and measure it on the validation rows, ``below`` being the rungs climbed before it."""
    standing = RungResult(rung, "measured", "")
    with _failing(material, standing):
        why = rung.reason_to_skip(material.plan) or _lacking_member(rung, below)
        built_rung = find_built(material, rung) if why is None else None
        if why is None and built_rung is None:  # what was built once is not asked again whether it is worth building
            why = rung.skip_reason(material)
        if why is not None:
            material.on_progress(Progress(stage="climb", message=f"{rung.name} skipped: {why}"))
            return RungResult(rung, "skipped", why)
        standing.made = built_rung or build_rung(material, rung)
        standing.valid = measure.valid_report(material, standing, requirements, prices)
        if standing.valid:
            material.on_progress(Progress(stage="measure", message=measure.progress_line(standing.valid)))
        for warning in standing.made.built.warnings:
            material.on_progress(Progress(stage="climb", message=f"note: {warning}"))
    return standing


def _test(material: RunContext, standing: RungResult, requirements: Requirements, prices: catalog.Prices) -> None:
    with _failing(material, standing):
        standing.test = measure.test_report(material, standing, requirements, prices)
        if standing.test:
            material.on_progress(Progress(stage="measure", message=measure.progress_line(standing.test)))
            if standing.test.cut:
                message = f"note: {standing.rung.name}: {describe_cut_texts(standing.test.cut)}"
                material.on_progress(Progress(stage="measure", message=message))
            standing.why = _sameness_note(standing.test)
            if standing.why:
                material.on_progress(Progress(stage="measure", message=f"note: {standing.rung.name}: {standing.why}"))


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
def _failing(material: RunContext, standing: RungResult) -> Iterator[None]:
    """Let a rung fail alone: what the others found stays. Only a full disk ends the climb, or a scorer that fails."""
    try:
        yield
    except (StoreError, PlugError):
        raise
    except OckhamError as error:
        _fail(material, standing, f"{error.code}: {error.message}")
    except MemoryError:
        _fail(material, standing, "not enough memory")
    except Exception as error:  # a fault of ours or of a library in one rung; its words may hold the user's data
        _fail(material, standing, _keep_traceback(material, standing.rung.name, error))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a library in Rust, which cannot be named otherwise
            raise
        _fail(material, standing, _keep_traceback(material, standing.rung.name, error))


def _keep_traceback(material: RunContext, name: str, error: BaseException) -> str:
    """Keep the traceback of a fault in the run, where the data are too, and return what may be said of it anywhere.

    With OCKHAM_DEBUG=1 it is shown as well.
    """
    trace = "".join(traceback.format_exception(error))
    file = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_LONGEST_NAME] + ".txt"
    material.run.publish_in(FAULTS, file, trace.encode("utf-8", "backslashreplace"))
    if os.environ.get("OCKHAM_DEBUG"):
        for line in trace.splitlines():
            material.on_progress(Progress(stage="climb", message=line))
    return f"E_DEFECT: an unexpected {type(error).__name__} ({FAULTS}/{file} has the traceback)"


def _fail(material: RunContext, standing: RungResult, why: str) -> None:
    standing.status, standing.why = "failed", why
    material.on_progress(Progress(stage="climb", message=f"{standing.rung.name} failed: {why}"))


def _open_test(material: RunContext, names: Sequence[str], requirements: Requirements) -> None:
    """Write an opening of the test set down before any of its rows is answered.

    The same question about the same candidates is the same opening, however often a run is stopped and goes on; other
    requirements, or another scorer, are another look at the test set.
    """
    row: dict[str, Json] = {"candidates": list(names), "requirements": plain(requirements)}
    if material.plan.scorer is not None:
        row["scorer"] = plain(material.plan.scorer.use)
    if row not in material.run.rows(TEST_EVALUATIONS):
        material.run.append(TEST_EVALUATIONS, row)


def decide(
    material: RunContext, rungs: Sequence[Rung], standings: Sequence[RungResult], requirements: Requirements
) -> ClimbDecision:
    """Compare every pair of measured candidates on the test rows, and decide."""
    metric = material.plan.metric
    tested = [standing for standing in standings if standing.test]
    pairs = [(a, b) for index, a in enumerate(tested) for b in tested[index + 1 :]]
    comparisons = comparison.correct(
        [
            comparison.compare(_scores(b.test), _scores(a.test), metric, names=(b.rung.name, a.rung.name))
            for a, b in pairs
        ]
    )
    measured = [measure.to_verdict_input(standing.test) for standing in tested if standing.test]
    decision = verdict.decide(
        measured,
        requirements,
        comparisons,
        metric=metric,
        rows_needed=sample_size.rows_needed,
        climb=ClimbFacts(planned=_count_applicable(rungs, material.plan.task), run=str(material.run.path)),
    )
    return ClimbDecision(decision=decision, comparisons=comparisons)


def _scores(report: Report | None) -> tuple[Score, ...]:
    return () if report is None else report.scores
