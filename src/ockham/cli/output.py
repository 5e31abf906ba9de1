"""Records in a terminal: a few lines a person can read, or the whole record as JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from ockham.cli.terminal import dull, fill, json_text, table, width
from ockham.evals.cut_texts import describe_cut_texts
from ockham.plain_numbers import digits, megabytes, milliseconds, percent, percent_range, rate
from ockham.records import (
    CandidateResult,
    DatasetSummary,
    Estimate,
    Example,
    Profile,
    Report,
    SeenShare,
    Source,
    Verdict,
    plain,
)
from ockham.records.quantities import metric_words

if TYPE_CHECKING:
    from ockham.bundles.verify import Verification
    from ockham.data.dry_run import DryRun

_LATENCY = "p95"
ABSENT = "-"
"""A number that was not measured, in a table."""
_LABELS = 50
"""Labels that are listed."""
_ROW = 300
"""Characters of a row that are shown."""


def record(value: object) -> None:
    """Print a record, or records, as JSON on one line."""
    click.echo(json_text(plain(value), sys.stdout))


def lines(*texts: str) -> None:
    """Print lines, printable and as plain as stdout needs them."""
    for text in texts:
        click.echo(dull(text, sys.stdout))


def verdict(verdict: Verdict) -> None:
    """Print headline and reasons, the ladder, what is next, and where the rest is."""
    columns = width()
    lines(*fill(verdict.summary, columns), "", *fill(_summary(verdict.dataset), columns), "")
    measured = [candidate for candidate in verdict.candidates if candidate.status == "measured"]
    if measured:
        lines(*_ladder(verdict, measured, columns), "")
    for candidate in verdict.candidates:
        if candidate.status != "measured" or candidate.why:
            lines(*fill(f"{candidate.name} {candidate.status}: {candidate.why}", columns, "  "))
    if len(measured) < len(verdict.candidates) or any(candidate.why for candidate in measured):
        lines("")
    lines(*fill(f"Next: {verdict.next}", columns), f"Report: {verdict.run}/report.html")
    if verdict.chosen is not None:
        lines(f"Bundle: {verdict.run}/bundle")
    if verdict.bundle is not None:
        lines(f"Digest: {verdict.bundle}")


def report(report: Report) -> None:
    """Print a measured candidate: metrics with their intervals, labels, what serving costs."""
    columns = width()
    lines(f"{report.candidate.name} on {_rows(report)}", "")
    body = [
        [metric_words(name), _share(value), _interval(value), f"{value.n:,}"] for name, value in report.metrics.items()
    ]
    lines(*table(("metric", "value", "95 % interval", "n"), body, columns), "")
    notes = [*report.remarks, *([] if report.cut is None else [describe_cut_texts(report.cut)])]
    for remark in (*_seen_text(report.seen), *(f"Note: {note}." for note in notes)):
        lines(*fill(remark, columns), "")
    if report.per_label:
        labels = [
            [
                _short(score.label),
                _estimate_text(score.f1),
                _estimate_text(score.precision),
                _estimate_text(score.recall),
                f"{score.n:,}",
            ]
            for score in report.per_label
        ]
        lines(*table(*_without_empty(("label", "F1", "precision", "recall", "n"), labels), columns), "")
    if report.profile is not None:
        lines(*fill(_profile(report.profile), columns))


def preview(found: DryRun, rows: Sequence[Example]) -> None:
    """Print what a fit would read: form, columns, task, labels with counts, what is dropped, and the rows given."""
    columns = width()
    for source in found.sources:
        lines(*fill(f"{source.file}: {source.format}, {source.encoding}; {_columns_text(source)}", columns))
    lines(*fill(f"Task: {found.task or 'none'} ({found.task_reason}).", columns))
    lines(
        *fill(f"{found.rows:,} rows: {found.kept_rows:,} kept; dropped: {_reasons(found.left_out) or 'none'}.", columns)
    )
    if found.sides:
        sides = ", ".join(f"{number:,} {side}" for side, number in found.sides.items())
        lines(*fill(f"Split given in the data: {sides}.", columns))
    if found.labels:
        labels = [[_short(label), f"{number:,}"] for label, number in list(found.labels.items())[:_LABELS]]
        more = len(found.labels) - len(labels)
        lines("", *table(("label", "rows"), labels, columns), *([f"and {more:,} more labels"] if more else []))
    for warning in found.warnings:
        lines(*fill(f"Note: {warning}", columns))
    for row in rows:
        lines("", *fill(f"{row.id}: {_start(row.input)}", columns), *fill(f"-> {_start(row.target)}", columns, "  "))


def _columns_text(source: Source) -> str:
    return f"{' + '.join(source.inputs)} \u2192 {source.target}"


def _start(text: str) -> str:
    return text if len(text) <= _ROW else f"{text[: _ROW - 1]}\u2026"


def verification(verification: Verification) -> None:
    """Print every check, whether it holds, and the digest to compare."""
    columns = width()
    for check in verification.checks:
        lines(*fill(f"{'holds' if check.ok else 'FAILS'}  {check.name}: {check.detail}", columns))
    if verification.digest is not None:
        lines(f"Digest: {verification.digest}")


def _summary(tally: DatasetSummary) -> str:
    """Account for every row: what it was used for, or why it was dropped."""
    text = (
        f"{tally.rows:,} rows: {tally.train:,} for training, {tally.valid:,} for validation, {tally.test:,} for testing"
    )
    out = sum(tally.dropped.values())
    return f"{text}; {out:,} dropped ({_reasons(tally.dropped)})." if out else f"{text}."


def _reasons(counts: Mapping[str, int]) -> str:
    """Write reasons with how many rows each took: ``exact duplicate 7, conflicting label 2``."""
    return ", ".join(f"{reason.replace('_', ' ')} {number:,}" for reason, number in counts.items())


def _ladder(verdict: Verdict, measured: list[CandidateResult], columns: int) -> list[str]:
    limits = verdict.requirements
    metric = metric_words(verdict.metric)
    head = ["", metric, "95 % interval", "p95 ms", "memory MB", "size MB", "cost/day"]
    if any(name in limits for candidate in measured for name in candidate.meets):
        head.insert(1, "requirements")
    body = []
    for candidate in measured:
        quality = candidate.metrics.get(verdict.metric)
        mark = "> " if candidate.name == verdict.chosen else "  "
        row = [
            mark + candidate.name,
            _share(quality),
            _interval(quality),
            _plain(_latency(candidate.latency_ms)) + ("*" if _is_disturbed(candidate) else ""),
            _plain(candidate.memory_mb),
            _plain(candidate.artifact_mb),
            ABSENT if candidate.cost_per_day is None else f"{candidate.cost_per_day:,.2f}",
        ]
        if head[1] == "requirements":
            row.insert(1, _finding(candidate.meets))
        body.append(row)
    rows = table(*_without_empty(head, body), columns, left=2 if head[1] == "requirements" else 1)
    if any(map(_is_disturbed, measured)):
        rows += fill("* measured while other programs used the processor", columns)
    return rows


def _without_empty(head: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Take out the columns that say nothing of any row."""
    columns = [index for index in range(len(head)) if any(row[index] != ABSENT for row in body)]
    return [head[index] for index in columns], [[row[index] for index in columns] for row in body]


def _is_disturbed(candidate: CandidateResult) -> bool:
    return "lost_to_other_programs" in (candidate.latency_ms or {})


def _finding(meets: Mapping[str, str]) -> str:
    """Say the worst of what was found: a requirement missed, else one that is open."""
    return next((word for word in ("misses", "cannot tell") if word in meets.values()), "meets")


def _latency(value: Mapping[str, object] | None) -> float | None:
    latency = None if value is None else value.get(_LATENCY)
    if isinstance(latency, Estimate):
        return latency.value
    if isinstance(latency, Mapping):
        latency = latency.get("value")
    return float(latency) if isinstance(latency, (int, float)) else None


def _rows(report: Report) -> str:
    number = max((value.n for value in report.metrics.values()), default=len(report.scores))
    return f"{number:,} labelled row" + ("" if number == 1 else "s")


def _seen_text(share: SeenShare | None) -> list[str]:
    """Say how many of the rows the bundle was made from, and what it scores on the others."""
    if share is None:
        return ["Whether the model was trained on some of these rows is not known: it has no record of its rows."]
    used = share.trained + share.chosen_by
    if not used:
        return []
    text = (
        f"{used:,} of the {share.rows:,} rows were used to create the bundle ({share.trained:,} for training, "
        f"{share.chosen_by:,} for validation; compared without case, digits and punctuation), so the figures above may "
        "be too optimistic."
    )
    if not share.without:
        return [f"{text} None of the rows is new to the model, so they say nothing about new rows."]
    numbers = "; ".join(
        f"{metric_words(name)} {_share(value)} ({_interval(value)}, n = {value.n:,})"
        for name, value in share.without.items()
    )
    return [f"{text} Without them: {numbers}."]


def _share(value: Estimate | None) -> str:
    return ABSENT if value is None else percent(value.value)


def _interval(value: Estimate | None) -> str:
    return ABSENT if value is None else percent_range(value.low, value.high)


def _estimate_text(value: Estimate | None) -> str:
    return ABSENT if value is None else f"{percent(value.value, 0)} ({percent_range(value.low, value.high, 0)})"


def _plain(value: float | None) -> str:
    return ABSENT if value is None else digits(value)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}\u2026"


def _profile(profile: Profile) -> str:
    text = (
        f"Latency {milliseconds(profile.p50_ms.value)} (median), {milliseconds(profile.p95_ms.value)} (p95), "
        f"{milliseconds(profile.p99_ms.value)} (p99); {rate(profile.throughput_per_s.value)} answers per second; "
        f"memory {megabytes(profile.memory_mb)}; loaded in {profile.load_seconds:.1f} s."
    )
    if not profile.contention:
        return text
    return (
        f"{text} The machine was busy: other programs took {percent(profile.contention, 0)} of the time, so these "
        "times are too long."
    )
