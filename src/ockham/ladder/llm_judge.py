"""Ask a large model about the answers that candidates wrote, where one was named; the verdict never rests on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from ockham.api import consent
from ockham.api.client import EndpointSpec
from ockham.api.judge import JudgeCase, LlmJudge, Opinion, judge_chat
from ockham.errors import OckhamError
from ockham.evals import judge_agreement
from ockham.ladder.costs import CHARACTERS_PER_TOKEN
from ockham.ladder.measure import RungResult
from ockham.records import JudgeSummary, Progress, Report, digest
from ockham.rungs.rung import RunContext
from ockham.store.memo import find_or_make_batches

_CHUNK = 32
"""Opinions that are written down together: a run that is stopped asks for no more than these again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeFindings:
    """What came of asking a judge, by candidate, and what to warn of."""

    summaries: Mapping[str, JudgeSummary]
    notes: tuple[str, ...] = ()


def check_judge(spec: EndpointSpec | None) -> None:
    """Check a judge before the climb; nothing is sent.

    Raises `ConfigError` (``E_CONFIG``) and `EndpointError` (``E_ENDPOINT``, also where its key is not set).
    """
    if spec is not None:
        LlmJudge(spec).close()


def ask_judge(context: RunContext, rung_results: Sequence[RungResult]) -> JudgeFindings:
    """Have the test answers of every candidate judged, each once a run.

    Nothing is asked where no judge was named, or where the task is not to write texts. A judge that fails takes nothing
    from the run: it is told, and the next run goes on where it stopped.
    """
    spec = context.config.judge
    reports = [rung_result.test for rung_result in rung_results if rung_result.test]
    if spec is None or not reports:
        return JudgeFindings(summaries={})
    if context.config.task != "generate":
        note = f"the judge was not asked: it is for generated text, and the task is {context.config.task}"
        return JudgeFindings(summaries={}, notes=(note,))
    cases = {report.candidate.name: _cases(context, report) for report in reports}
    context.on_progress(
        Progress(stage="judge", message=_announcement(spec, [case for group in cases.values() for case in group]))
    )
    summaries: dict[str, JudgeSummary] = {}
    try:
        with closing(LlmJudge(spec)) as judge:
            for report in reports:
                name = report.candidate.name
                summaries[name] = _summarize(report, _opinions(context, spec, judge, cases[name], name), spec)
    except OckhamError as error:
        note = f"the judge stopped ({error.code}: {error.message}); run the same command again for the rest"
        return JudgeFindings(summaries=summaries, notes=(note,))
    return JudgeFindings(summaries=summaries)


def _cases(context: RunContext, report: Report) -> list[JudgeCase]:
    """Return every test answer with its question; no answer at all is wrong and is not asked about."""
    return [
        JudgeCase(input=row.input, target=row.target, answer=score.answer)
        for row, score in zip(context.side("test"), report.scores, strict=True)
        if score.answer is not None
    ]


def _announcement(spec: EndpointSpec, cases: Sequence[JudgeCase]) -> str:
    """Say what will be sent, where, and about what it costs, before it is."""
    read = sum(len(part["content"]) for case in cases for part in judge_chat(case)) // CHARACTERS_PER_TOKEN
    price = spec.cost(read, len(cases) * spec.max_output_tokens)
    costs = "no price was named" if price is None else f"about {price:.2f} USD at most"
    rows = len({case.input for case in cases})
    why = f": {len(cases):,} test answers with question and target; {costs}"
    return consent.announcement(spec, rows, why)


def _opinions(
    context: RunContext, spec: EndpointSpec, judge: LlmJudge, cases: Sequence[JudgeCase], name: str
) -> list[Opinion]:
    opinions: list[Opinion] = []
    chunks = [cases[start : start + _CHUNK] for start in range(0, len(cases), _CHUNK)]
    batches = [
        (digest([spec.url, spec.model, spec.seed, [[c.input, c.target, c.answer] for c in chunk]]), chunk)
        for chunk in chunks
    ]
    parts = find_or_make_batches(
        context.run, "opinions", batches, tuple[Opinion, ...], lambda chunk: tuple(judge.judge(chunk))
    )
    for part in parts:
        opinions += part
        message = f"judging the answers of {name}"
        context.on_progress(Progress(stage="measure", message=message, done=len(opinions), total=len(cases)))
    return opinions


def _summarize(report: Report, opinions: Sequence[Opinion], spec: EndpointSpec) -> JudgeSummary:
    paid = [_price(opinion, spec) for opinion in opinions]
    costs = [price for price in paid if price is not None]
    remaining = iter(opinions)
    every = [False if score.answer is None else next(remaining).right for score in report.scores]
    return judge_agreement.summarize_opinions(spec.model, report.scores, every, sum(costs) if costs else None)


def _price(opinion: Opinion, spec: EndpointSpec) -> float | None:
    if opinion.tokens_in is None or opinion.tokens_out is None:
        return None
    return spec.cost(opinion.tokens_in, opinion.tokens_out)
