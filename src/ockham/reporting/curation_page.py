"""The page of a curation: what was left out and why, with examples, and what other limits would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ockham.records.curation import CurationReport, RuleCount, Sample
from ockham.reporting.bar_chart import Series, bars
from ockham.reporting.formatting import count, figures, percent, reason_name, settings_text
from ockham.reporting.formatting import rows as rows_of
from ockham.reporting.html import Child, Html, join, note, prose, section, share_bar, table, tag, user
from ockham.reporting.page import document
from ockham.reporting.svg import COLORS, figure

_CONTENTS = (
    ("summary", "Summary"),
    ("rules", "Rules"),
    ("samples", "Examples"),
    ("duplicates", "Duplicates"),
    ("doubts", "Doubtful labels"),
    ("lengths", "Lengths"),
    ("files", "Files"),
)
_STEPS = {
    "read": "reading", "encoding": "broken encoding", "html": "HTML remnants", "characters": "characters",
    "personal": "personal data", "language": "language", "length": "length", "quality": "quality",
    "repetition": "repetition", "leak": "test rows", "filter": "filters", "labels": "labels",
    "exact": "equal documents", "near": "near-duplicates",
}  # fmt: skip


def render(report: CurationReport) -> str:
    """Write the report of a curation as one HTML file that needs nothing outside itself.

    Text from the data is cut, masked, cleaned and escaped. Equal reports give equal pages.
    """
    parts = (
        _summary(report),
        _rules(report),
        _samples(report.samples),
        _duplicates(report),
        _doubts(report),
        _lengths(report),
        _files(report),
    )
    main = join(part for part in parts if part)
    return document("Ockham: curation", ("Skip to the summary", "#summary"), _banner(main), main, _foot(report))


def summary_sentence(report: CurationReport) -> str:
    """Say in one sentence what was done."""
    if report.sample_of_rows is not None:
        return f"A dry run over {rows_of(report.rows)}: {count(report.quarantined)} would be dropped."
    return (
        f"Of {rows_of(report.rows)}, {count(report.unchanged)} were kept as they are, {count(report.changed)} were "
        f"changed and kept, and {count(report.quarantined)} were dropped into the quarantine."
    )


def _banner(main: Html) -> Html:
    links = [tag("a", title, href=f"#{name}") for name, title in _CONTENTS if f'<section id="{name}"' in main]
    return tag(
        "header",
        tag("p", tag("span", "Ockham", class_="wordmark"), tag("span", "curation", class_="of")),
        tag("nav", links, aria_label="Sections"),
        class_="banner",
    )


def _foot(report: CurationReport) -> Html:
    notice = (
        "This file contains parts of dropped documents, with what looks like personal data masked. It loads "
        "nothing from outside and sends nothing."
    )
    return tag("footer", tag("p", f"Ockham {report.ockham}"), tag("p", notice))


def _summary(report: CurationReport) -> Html:
    whole = max(1, report.rows)
    parts = {"kept as they are": report.unchanged, "changed and kept": report.changed}
    body: list[Sequence[Child]] = [
        (name, share_bar(n, whole, is_kept=True), count(n), percent(n / whole)) for name, n in parts.items()
    ]
    body += [
        (reason_name(name), share_bar(n, whole), count(n), percent(n / whole)) for name, n in report.left_out.items()
    ]
    body.append((tag("b", "all rows"), "", tag("b", count(report.rows)), percent(1.0)))
    children: list[Child] = [tag("p", summary_sentence(report))]
    kind = "labelled rows" if report.labelled else "raw text"
    steps = ", ".join(_STEPS[step] for step in report.steps)
    children.append(
        note(
            f"Treated as {kind}. Steps: {steps}. "
            f"{count(report.raw_duplicates)} rows repeat an earlier text byte for byte."
        )
    )
    children.append(table(("Rows", "", "Number", "Share"), body, label="What happened to the rows", numbers=(2, 3)))
    children.append(
        tag(
            "div",
            _count_table("Changes", report.changes),
            _count_table("Personal data", report.personal),
            _count_table("Languages", report.languages),
            class_="blocks",
        )
    )
    if report.warnings:
        children.append(tag("ul", [tag("li", prose(warning)) for warning in report.warnings], class_="note"))
    return section("summary", "What happened to the rows", *children)


def _count_table(title: str, counts: Mapping[str, int]) -> Html | None:
    if not counts:
        return None
    body = [(_STEPS.get(name, reason_name(name)), count(n)) for name, n in list(counts.items())[:20]]
    return tag("div", tag("h3", title), table((title, "Rows"), body, label=title, numbers=(1,)))


def _rules(report: CurationReport) -> Html:
    body = [_rule(rule) for rule in report.rules]
    near = (
        f"A similarity limit 0.05 lower would leave out at least {count(report.near_looser)} more near-duplicates; one "
        f"0.05 higher would keep {count(report.near_stricter)}."
        if "near" in report.steps
        else None
    )
    heads = ("Rule", "Step", "Left out", "Limit", "Beyond it", "One step looser", "One step stricter")
    return section(
        "rules",
        "Rules and their limits",
        note(
            "Left out: rows for which this is the first rule that they break. Beyond it: all rows beyond the limit, "
            "whatever other rules they break. Looser and stricter: rows beyond the limit in parentheses."
        ),
        table(heads, body, label="Rules", numbers=(2, 3, 4, 5, 6)),
        _filters(report),
        note(near) if near else None,
    )


def _filters(report: CurationReport) -> Html | None:
    if not report.filters:
        return None
    body = [
        (
            plug.name,
            user(plug.package),
            user(settings_text(plug.settings)),
            tag("code", plug.sha256[:12]),
        )
        for plug in report.filters
    ]
    return table(("Filter", "Package", "Settings", "Digest begins"), body, label="Filters")


def _rule(rule: RuleCount) -> Sequence[Child]:
    return (
        reason_name(rule.reason),
        _STEPS[rule.step],
        count(rule.left_out),
        "" if rule.limit is None else figures(rule.limit),
        "" if rule.broken is None else count(rule.broken),
        _other(rule.looser, rule.looser_limit),
        _other(rule.stricter, rule.stricter_limit),
    )


def _other(number: int | None, limit: float | None) -> str:
    return "" if number is None or limit is None else f"{count(number)} ({figures(limit)})"


def _samples(samples: Sequence[Sample]) -> Html | None:
    if not samples:
        return None
    body: list[Sequence[Child]] = []
    for sample in samples:
        score = "" if sample.score is None else figures(sample.score)
        instead = user(sample.instead) if sample.instead else ""
        body.append(
            (user(sample.location), reason_name(sample.reason), score, user(sample.text, class_="said"), instead)
        )
    return section(
        "samples",
        "Examples of dropped rows",
        note("The first of each rule, cut short; what looks like personal data is masked. All are in quarantine/."),
        table(("Row", "Rule", "Score", "Text", "Kept row, or test row"), body, label="Examples", numbers=(2,)),
    )


def _duplicates(report: CurationReport) -> Html | None:
    if not report.clusters:
        return None
    body = [(user(cluster.survivor), count(cluster.left_out)) for cluster in report.clusters]
    return section(
        "duplicates",
        "Duplicates",
        note(
            prose(
                "The rows with the most duplicates. In `quarantine/`, `instead` names the row that was kept for each."
            )
        ),
        table(("Kept row", "Duplicates left out"), body, label="Duplicates", numbers=(1,)),
    )


def _doubts(report: CurationReport) -> Html | None:
    if not report.label_issues:
        return None
    body = [
        (
            user(row.location),
            user(row.text, class_="said"),
            user(row.given_label),
            user(row.suggested_label),
            percent(row.doubt, 0),
        )
        for row in report.label_issues
    ]
    trained = "models that were trained without them"
    text = f"{rows_of(report.doubted)} may have a wrong label, say {trained}; the worst are shown."
    heads = ("Row", "Text", "Given label", "Suggested", "Doubt")
    return section("doubts", "Doubtful labels", note(text), table(heads, body, label="Doubtful labels", numbers=(4,)))


def _lengths(report: CurationReport) -> Html | None:
    before, after = report.lengths["before"], report.lengths["after"]
    used = [bucket for bucket, n in enumerate(before) if n]
    if not used:
        return None
    span = range(used[0], used[-1] + 1)
    body = [(_words(bucket), count(before[bucket]), count(after[bucket])) for bucket in span]
    names = [_words(bucket) for bucket in span]
    series = (
        Series("before", "var(--faint)", [before[bucket] for bucket in span]),
        Series("after", COLORS[0], [after[bucket] for bucket in span]),
    )
    listed = "; ".join(
        f"{name}: {count(before[bucket])}, {count(after[bucket])}" for name, bucket in zip(names, span, strict=True)
    )
    picture = figure(
        "lengths",
        "Documents by their number of words, before and after",
        f"Documents by their number of words, before and after. {listed}.",
        lambda width: bars(names, series, ("words", "rows"), width),
        "Documents by their number of words, before and after the curation.",
    )
    heads = ("Words", "Before", "After")
    return section("lengths", "Lengths", picture, table(heads, body, label="Lengths", numbers=(1, 2)))


def _words(bucket: int) -> str:
    if bucket == 0:
        return "none"
    low, high = 1 << (bucket - 1), (1 << bucket) - 1
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _files(report: CurationReport) -> Html:
    body = [
        (
            user(file.file),
            file.format,
            user(", ".join(file.inputs)),
            user(file.target) if file.target else tag("span", "none", class_="none"),
            count(file.records),
            f"{file.megabytes:,.1f}",
            tag("code", file.sha256[:12]),
        )
        for file in report.files
    ]
    written = [
        (file.path, count(file.rows), f"{file.bytes / 1e6:,.1f}", tag("code", file.sha256[:12]))
        for file in report.shards
    ]
    heads = ("File", "Read as", "Input columns", "Target", "Records", "MB", "SHA-256 begins")
    return section(
        "files",
        "Files",
        table(heads, body, label="Files that were read", numbers=(4, 5)),
        table(("Written", "Rows", "MB", "SHA-256 begins"), written, label="Files that were written", numbers=(1, 2))
        if written
        else None,
    )
