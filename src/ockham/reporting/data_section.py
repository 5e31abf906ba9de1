"""The data: what was kept, what was left out and why, what leakage was prevented."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.records import IngestReport, RunResult
from ockham.reporting.formatting import count, finite_estimate, full, percent, points, reason_name
from ockham.reporting.formatting import rows as rows_of
from ockham.reporting.html import Child, Html, join, note, prose, section, share_bar, table, tag, user
from ockham.reporting.row_numbers import row_note, row_number

_SHOWN = 100

_KINDS = {"iban": "IBAN", "card": "card number", "ip": "IP address", "phone": "phone number", "email": "email address"}
"""What kinds of personal data are called."""


def rows(run_result: RunResult) -> Html:
    """Account for every row: kept, dropped by rule, or set aside unread."""
    intake, summary = run_result.ingest, run_result.verdict.dataset
    split = f"{count(summary.train)} to train, {count(summary.valid)} to validate, {count(summary.test)} to test"
    parts: list[Child] = [
        tag(
            "p",
            f"The data has {rows_of(intake.rows)}; {count(intake.kept_rows)} were kept ({split})",
            f"; {count(len(intake.dropped))} were dropped by a rule" if intake.dropped else None,
            f"; {count(len(intake.quarantined))} could not be read safely" if intake.quarantined else None,
            ".",
        ),
        _bars(intake) if intake.kept_rows < intake.rows else None,
        _gap(intake),
        _sources(intake),
        tag(
            "div", _quarantine_section(intake), _conflicts(intake), _merges(intake), _personal(intake), class_="blocks"
        ),
    ]
    if intake.conflicts or intake.quarantined:
        parts.append(note(row_note(intake)))
    if intake.warnings:
        parts.append(tag("ul", [tag("li", prose(w)) for w in intake.warnings], class_="note"))
    return section("data", "Rows kept and dropped", *parts)


def guard(run_result: RunResult) -> Html | None:
    """Show how much a split that ignores near-duplicates and groups would have flattered: on the same rows, paired."""
    leaks = run_result.verdict.dataset.leaks_prevented
    pairs = [f for f in run_result.split_optimism if finite_estimate(f.naive) and finite_estimate(f.guarded)]
    if not leaks and not pairs:
        return None
    metric = run_result.verdict.metric
    body = [
        (
            f.candidate,
            f"{count(f.leaks)} of {count(f.naive.n)}",
            full(metric, f.naive),
            full(metric, f.guarded),
            f"{points(f.difference.value)} points ({points(f.difference.low)} to {points(f.difference.high)})",
        )
        for f in pairs
    ]
    if not leaks and not any(pair.leaks for pair in pairs):
        return section(
            "guard", "Leakage", tag("p", "No near-duplicates or groups would have leaked from a random split.")
        )
    sentence = (
        f"A random split would have put near-duplicates of {count(leaks)} test {'row' if leaks == 1 else 'rows'}, or "
        "rows of the same group, into training. Here, they are kept on one side."
    )
    return section(
        "guard",
        "Leakage",
        tag("p", sentence),
        table(
            ("Candidate", "Leaked rows", "With leakage", "Without", "Difference"),
            body,
            label="What a random split would have overstated",
            numbers=(1, 2, 3, 4),
        )
        if body
        else None,
        note(
            "The same rows of a random split, answered with and without their near-duplicates in training. Measured "
            "within the training and validation rows; the test rows stayed sealed." + _learnt_rows(run_result)
        )
        if body
        else None,
    )


def _learnt_rows(run_result: RunResult) -> str:
    """Say how many rows were learnt from on the random split, where that is known and not nearly all."""
    learnt = [f.learnt_rows for f in run_result.split_optimism if f.learnt_rows]
    dataset = run_result.verdict.dataset
    if not learnt or max(learnt) > (dataset.train + dataset.valid) / 2:
        return ""
    return f" {count(max(learnt))} of these rows were used for training, drawn at random in whole clusters."


def _bars(intake: IngestReport) -> Html:
    parts = [("kept", intake.kept_rows), *intake.dropped_counts().items()]
    whole = max(1, intake.rows)
    body: list[Sequence[Child]] = [
        (
            reason_name(reason),
            share_bar(n, whole, is_kept=reason == "kept"),
            count(n),
            percent(n / whole),
        )
        for reason, n in parts
    ]
    total = sum(n for _, n in parts)
    body.append((tag("b", "all rows"), "", tag("b", count(total)), percent(total / whole)))
    return table(("Rows", "", "Number", "Share"), body, label="Kept and dropped rows", numbers=(2, 3))


def _gap(intake: IngestReport) -> Html | None:
    missing = intake.rows - intake.kept_rows - len(intake.dropped) - len(intake.quarantined)
    if not missing:
        return None
    return tag(
        "p", tag("b", "The counts do not add up"), f": {rows_of(abs(missing))} are not accounted for.", class_="no"
    )


def _sources(intake: IngestReport) -> Html | None:
    if not intake.sources:
        return None
    grouped = any(s.group for s in intake.sources)
    body = [
        (
            user(s.file),
            f"{s.format}, {s.encoding}" + (f", {s.dialect}" if s.dialect else ""),
            user(", ".join(s.inputs)),
            user(s.target),
            *((user(s.group) if s.group else tag("span", "none", class_="none"),) if grouped else ()),
            count(s.records),
            tag("code", s.sha256[:12]),
        )
        for s in intake.sources
    ]
    heads = (
        "File",
        "Read as",
        "Input columns",
        "Target",
        *(("Group",) if grouped else ()),
        "Records",
        "SHA-256 begins",
    )
    reason = note(f"How the task was chosen: {intake.task_reason}.") if intake.task_reason else None
    return tag(
        "div",
        (tag("h3", "How the files were read"), table(heads, body, label="Files", numbers=(len(heads) - 2,)), reason),
    )


def _quarantine_section(intake: IngestReport) -> Html | None:
    if not intake.quarantined:
        return None
    shown = intake.quarantined[:_SHOWN]
    placed = any(q.offset is not None for q in shown)
    body: list[Sequence[Child]] = [
        (
            user(q.file),
            row_number(intake, f"{q.file}:{q.record}").rpartition(":")[2],
            *((count(q.offset) if q.offset is not None else tag("span", "unknown", class_="none"),) if placed else ()),
            tag("code", q.code),
            q.reason,
        )
        for q in shown
    ]
    heads = ("File", "Row", *(("Byte",) if placed else ()), "Code", "Reason")
    more = len(intake.quarantined) - len(shown)
    return tag(
        "div",
        (
            tag("h3", "Records that could not be read"),
            table(heads, body, label="Rows set aside", numbers=range(1, len(heads) - 2)),
            note(f"{count(more)} more are in the run's folder.") if more else None,
        ),
    )


def _conflicts(intake: IngestReport) -> Html | None:
    if not intake.conflicts:
        return None
    shown = intake.conflicts[:_SHOWN]
    body = [
        (user(", ".join(row_number(intake, row_id) for row_id in c.ids)), user(" / ".join(c.labels))) for c in shown
    ]
    more = len(intake.conflicts) - len(shown)
    return tag(
        "div",
        (
            tag("h3", "Same input, different labels"),
            note("All of these rows were dropped, since nothing tells which label is right."),
            table(("Rows", "Labels"), body, label="Conflicts"),
            note(f"{count(more)} more are in the run's folder.") if more else None,
        ),
    )


def _merges(intake: IngestReport) -> Html | None:
    if not intake.merges:
        return None
    body: list[Sequence[Child]] = []
    for merge in intake.merges:
        spelled = [(tag("q", label), f" {rows_of(n)} ") for label, n in zip(merge.labels, merge.counts, strict=False)]
        body.append((join(spelled), user(merge.proposal)))
    return tag(
        "div",
        (
            tag("h3", "Labels that look like one"),
            note("These are proposals: merge the spellings in your data if they mean the same."),
            table(("Spellings", "Proposed"), body, label="Proposed merges"),
        ),
    )


def _personal(intake: IngestReport) -> Html | None:
    if not intake.personal:
        return None
    ordered = sorted(intake.personal.items(), key=lambda item: (-item[1], item[0]))
    body = [(_KINDS.get(kind, reason_name(kind)), count(n)) for kind, n in ordered]
    return tag(
        "div",
        (
            tag("h3", "Personal data"),
            note("Patterns found in the rows, by kind. The values are not shown here and nothing was removed."),
            table(("Kind", "Found"), body, label="Personal data by kind", numbers=(1,)),
        ),
    )
