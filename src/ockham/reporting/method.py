"""How it was measured, so that someone else can judge it and do it again; and what the words mean."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ockham.records import Parity, RunResult, TunedIn, Verdict
from ockham.records.quantities import metric_words
from ockham.reporting.formatting import count, full, points, rows, settings_text, shorten
from ockham.reporting.html import Child, Html, prose, section, tag
from ockham.reporting.protection import protection

_WORDS = (
    ("Accuracy", "the share of test rows answered right."),
    ("Macro F1", "F1 of each label, averaged; rare labels count as much as frequent ones."),
    (
        "F1",
        "the harmonic mean of precision (of what it called X, how much is X) and recall (of all X, how much it found).",
    ),
    ("95 % interval", "made so that 95 of 100 such intervals hold the true value; more rows make it narrower."),
    ("p50, p95, p99", "half, 95 % and 99 % of the requests were answered at least this fast."),
    ("Candidate", "one model as it would be served: weights, quantization, prompt and engine together."),
    (
        "Meets, misses, cannot tell",
        "the whole interval is on the right side of the requirement, on the wrong one, or on both.",
    ),
    ("Holm's correction", "many comparisons find differences by chance; corrected p-values take that into account."),
    ("Cascade", "confident answers stay here, doubtful ones go to a person or to a larger model."),
)


def _judged_by(verdict: Verdict) -> str:
    sentence = f"{verdict.task}, judged by {metric_words(verdict.metric)}"
    scorer = verdict.scorer
    if scorer is None:
        return sentence
    title = "" if scorer.title is None else f" ({scorer.title})"
    settings = f", with {settings_text(scorer.settings)}" if scorer.settings else ""
    return (
        f"{sentence}: the mean of what the scorer {scorer.name}{title} of {scorer.package} gives each answer{settings}"
    )


def method_section(run_result: RunResult) -> Html:
    """Tell how the numbers were made."""
    dataset = run_result.verdict.dataset
    facts: list[tuple[str, Child]] = [
        ("Date", date(run_result.created_at)),
        *((("Owner", run_result.owner),) if run_result.owner else ()),
        ("Run", tag("code", run_result.verdict.run)),
        ("Task and metric", _judged_by(run_result.verdict)),
        ("Data", (f"{rows(dataset.rows)}, digest ", tag("code", dataset.digest or "unknown", class_="digest"))),
        (
            "Split",
            f"{count(dataset.train)} training, {count(dataset.valid)} validation, {count(dataset.test)} test rows; "
            "near-duplicates and rows of one group never stand on both sides",
        ),
        ("Sealed test", _openings(run_result)),
        (
            "Intervals",
            "95 % everywhere: Wilson for shares and, on the jackknife's effective sample size, for F1; "
            "the same for mean scores of a scorer; order statistics for latency; wider "
            "where rows come in groups",
        ),
        (
            "Comparisons",
            "paired on the same rows: Tango's interval and the exact McNemar test for accuracy, "
            "paired jackknife for F1; Holm's correction",
        ),
        ("Latency", _latency(run_result)),
        ("Memory", "peak resident size of that process"),
        ("Data protection", (tag("b", run_result.verdict.sealed), ". ", prose(protection(run_result)))),
        *((f"Parity of {name}", _parity(steps)) for name, steps in sorted(run_result.parity.items())),
    ]
    if run_result.tuned_in is not None:
        facts.append(("Precision of tuning", _tuned_in(run_result.tuned_in)))
    seeds = sorted({str(r.candidate.settings["seed"]) for r in run_result.reports if "seed" in r.candidate.settings})
    if seeds:
        facts.append(("Seed", ", ".join(seeds)))
    if run_result.machine_per_day is not None:
        facts.append(("Machine price", f"${run_result.machine_per_day:,.2f} a day, from the price table"))
    if run_result.machine:
        m = run_result.machine
        where = f"{m.system}; {m.processor}; {count(m.cores)} cores; {m.memory_gb:.3g} GB; Python {m.python}"
        facts.append(("Machine", where))
        if m.packages:
            facts.append(("Versions", ", ".join(f"{k} {v}" for k, v in sorted(m.packages.items()))))
    settings = [(r.candidate.name, r.candidate.settings) for r in run_result.reports if r.candidate.settings]
    for name, chosen in settings:
        facts.append(
            (
                f"Settings of {name}",
                ", ".join(shorten(f"{k} = {_setting(v)}", 120) for k, v in sorted(chosen.items()) if v is not None),
            )
        )
    listed = [tag("div", tag("dt", term), tag("dd", detail)) for term, detail in facts]
    return section("method", "How it was measured", tag("dl", listed, class_="facts"))


def glossary(_run_result: RunResult) -> Html:
    """Say what the words on the page mean."""
    words = [tag("div", tag("dt", word), tag("dd", meaning)) for word, meaning in _WORDS]
    return section("words", "Words", tag("dl", words, class_="facts words"))


def citation(run_result: RunResult) -> str:
    """Say what to cite: the data, who answers for the run, its date, the version, and the run."""
    owner = f"{run_result.owner}. " if run_result.owner else ""
    return (
        f"{owner}Evaluation of models on {run_result.title}. Ockham {run_result.verdict.ockham}, "
        f"{date(run_result.created_at)}, run {run_result.verdict.run}."
    )


def date(timestamp: str) -> str:
    """Write an ISO 8601 time for a reader; anything else stays as it is."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", timestamp)
    if not match:
        return timestamp
    day, time, zone = match.groups()
    return f"{day}, {time} {'UTC' if zone in ('Z', '+00:00') else zone or ''}".strip()


def _setting(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parity(steps: Sequence[Parity]) -> str:
    return "; ".join(
        f"after {parity.step}, {full('accuracy', parity.agreement)} of the validation rows are answered as before; "
        f"{metric_words(parity.metric)} changed by {points(parity.difference.value)} points "
        f"({points(parity.difference.low)} to {points(parity.difference.high)})"
        for parity in steps
    )


def _tuned_in(tuned: TunedIn) -> str:
    what = f"language models were tuned in {tuned.precision}"
    if tuned.speedup is None:
        return f"{what}, as requested"
    return f"{what}: where the run began ({tuned.processor}), bfloat16 was {tuned.speedup:.2g} times as fast as float32"


def _latency(run_result: RunResult) -> str:
    alone = "end to end, one request at a time, after warm-up, in a process that only serves"
    daily = run_result.verdict.requirements.get("requests_per_day")
    if daily is None:
        return alone
    return f"{alone}; from these times, the wait in a queue where {count(daily)} requests a day come at random is added"


def _openings(run_result: RunResult) -> Child:
    n = run_result.verdict.test_evaluations
    times = "once" if n == 1 else "twice" if n == 2 else f"{count(n)} times"
    phrase = "never opened" if n == 0 else f"opened {times}"
    listed = (
        tag("ul", [tag("li", opening) for opening in run_result.test_evaluations])
        if run_result.test_evaluations
        else None
    )
    return f"{phrase}; no choice was made with its rows", listed
