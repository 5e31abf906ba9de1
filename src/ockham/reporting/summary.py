"""The first screen: what to use, how good it is, how it compares, what is still unknown, what to do next."""

from __future__ import annotations

import re
from functools import partial

from ockham.records import CandidateResult, RunResult
from ockham.reporting import ladder_chart
from ockham.reporting.candidate_view import TOO_WRONG, CandidateView, candidate_views, focus, measured_views
from ockham.reporting.formatting import (
    amount,
    count,
    dollars,
    finite_estimate,
    interval,
    limit_name,
    limit_value,
    megabytes,
    metric_name,
    milliseconds,
    milliseconds_between,
    percent,
    rows,
)
from ockham.reporting.html import Child, Html, join, prose, tag
from ockham.reporting.svg import figure
from ockham.verdict.sentences import rounded_rows

_LONG = 80
"""Characters of a headline from which on it is set smaller."""
_AXES = (("latency", "latency"), ("memory", "memory"), ("cost", "cost"))


def verdict(run_result: RunResult) -> Html:
    """Write the first screen."""
    picture = _ladder(run_result)
    reasons = run_result.verdict.because
    because = tag("p", prose(reasons), class_="because") if reasons else None
    column = tag(
        "div",
        because,
        _alone(run_result),
        _requirements_line(run_result),
        _figures(run_result),
        _next(run_result),
        class_="told",
    )
    return tag(
        "section",
        tag("h1", _headline(run_result), class_="long" if len(run_result.verdict.headline) > _LONG else None),
        tag("div", column, picture, class_="split" if picture else None),
        _unknown(run_result),
        id="verdict",
        aria_label="Verdict",
    )


def _headline(run_result: RunResult) -> Html:
    """Write the headline, in which the chosen candidate's name stands out."""
    headline, chosen = run_result.verdict.headline, run_result.verdict.chosen
    name = re.search(rf"(?<!\S){re.escape(chosen)}(?=[ .])", headline) if chosen else None
    if name is None:
        return join((headline,))
    return join((headline[: name.start()], tag("strong", name[0]), headline[name.end() :]))


def _alone(run_result: RunResult) -> Html | None:
    """Say which share the candidate answers by itself, at which error, where doubtful answers are passed on."""
    line = focus(run_result)
    selective = run_result.selective.get(line.name) if line else None
    if (
        line is None
        or selective is None
        or not finite_estimate(selective.error)
        or not finite_estimate(selective.share)
        or selective.error.value >= TOO_WRONG
    ):
        return None
    share, error = selective.share, selective.error
    errors = f"{percent(error.value)} errors ({interval('accuracy', error)}, n = {count(error.n)})"
    if error.value >= selective.whole.value:
        told: Child = (
            f": passing on doubtful answers would not help. Of the answers with a confidence of at least "
            f"{percent(selective.threshold, 0)}, {percent(error.value)} are wrong "
            f"({interval('accuracy', error)}, n = {count(error.n)}); of all answers, {percent(selective.whole.value)}. "
        )
    else:
        told = (
            " answers ",
            tag("strong", percent(share.value, 0)),
            f" of the rows by itself at {errors} if answers with a confidence below "
            f"{percent(selective.threshold, 0)} are passed on (",
            tag("code", f"--min-confidence {selective.threshold:.2f}"),
            f"); without that, {percent(selective.whole.value)} are wrong. ",
        )
    chosen_on = "The threshold was chosen on the validation rows and measured on the test rows."
    return tag("p", tag("b", line.name), told, chosen_on, class_="alone")


def _requirements_line(run_result: RunResult) -> Html | None:
    limits = [
        f"{limit_name(k)} {limit_value(k, v)}"
        for k, v in run_result.verdict.requirements.items()
        if k.startswith(("min_", "max_"))
    ]
    per_day = run_result.verdict.requirements.get("requests_per_day")
    if per_day:
        limits.append(f"{count(per_day)} requests per day")
    return tag("p", "Requirements: ", ", ".join(limits), ".", class_="asked") if limits else None


def _figures(run_result: RunResult) -> Html | None:
    line = focus(run_result)
    if line is None:
        return None
    items = candidate_figures(run_result, line)
    if not items:
        return None
    name = line.name if run_result.verdict.chosen else f"{line.name} (closest)"
    cards = [
        tag("div", tag("dt", term), tag("dd", tag("span", value, class_="big"), tag("span", small, class_="small")))
        for term, value, small in items
    ]
    about = tag("p", tag("b", name), f": {line.summary}" if line.summary else None, class_="about")
    return join((about, tag("dl", cards, class_="figures")))


def candidate_figures(run_result: RunResult, line: CandidateView) -> list[tuple[str, str, str]]:
    """Return quality, latency, memory and cost of a candidate, where known: what it is, the value, and its interval."""
    figures = (_quality(run_result, line), _latency(line), _memory(line), _cost(run_result, line))
    return [figure for figure in figures if figure is not None]


def _quality(run_result: RunResult, line: CandidateView) -> tuple[str, str, str] | None:
    metric = run_result.verdict.metric
    e = line.metric(metric)
    if e is None:
        return None
    return metric_name(metric), amount(metric, e.value), f"{interval(metric, e)}, n = {count(e.n)}"


def _latency(line: CandidateView) -> tuple[str, str, str] | None:
    e = line.latency("p95")
    if e is None:
        return None
    spread = f"{milliseconds_between(e.low, e.high)}, n = {count(e.n)}" if e.n else "no interval known"
    if line.report and line.report.profile and line.report.profile.contention:
        spread += ", measured on a busy machine"
    return "p95 latency", milliseconds(e.value), spread


def _memory(line: CandidateView) -> tuple[str, str, str] | None:
    if line.memory_mb is None:
        return None
    disk = line.result.artifact_mb
    return "Memory", megabytes(line.memory_mb), f"peak, serving; {megabytes(disk)} on disk" if disk else "peak, serving"


def _cost(run_result: RunResult, line: CandidateView) -> tuple[str, str, str] | None:
    if line.cost_per_day is None:
        return None
    per_day = run_result.verdict.requirements.get("requests_per_day")
    return (
        "Cost per day",
        dollars(line.cost_per_day),
        f"{count(per_day)} requests" if per_day else "one machine, always on",
    )


def _ladder(run_result: RunResult) -> Html | None:
    metric = run_result.verdict.metric
    pictures: list[tuple[str, Html]] = []
    for key, word in _AXES:
        spots = ladder_chart.spots(measured_views(run_result), metric, key)
        if not spots or (len({spot.x for spot in spots}) < 2 and pictures):
            continue
        picture = figure(
            f"ladder-{key}",
            f"{metric_name(metric)} against {word}",
            ladder_chart.description(spots, metric, word),
            partial(ladder_chart.ladder, run_result, spots, key),
            ladder_chart.caption(run_result, spots, key),
        )
        pictures.append((key, picture))
    if not pictures:
        return None
    switches = [
        (
            tag("input", type="radio", name="axis", id=f"axis-{key}", checked=i == 0),
            tag("label", dict(_AXES)[key], for_=f"axis-{key}"),
        )
        for i, (key, _) in enumerate(pictures)
    ]
    return tag(
        "fieldset",
        tag("legend", f"{metric_name(metric)} against "),
        switches,
        [tag("div", picture, class_=f"picture {key}") for key, picture in pictures],
        class_="ladder",
    )


def _next(run_result: RunResult) -> Html:
    return tag(
        "div",
        tag("h2", "Next step"),
        tag("p", prose(run_result.verdict.next or "Nothing is left to do.")),
        class_="next",
    )


def _unknown(run_result: RunResult) -> Html | None:
    lines = [*_undecided_lines(run_result), *_unmeasured_lines(run_result), *_unresolved_lines(run_result)]
    lines += [prose(warning) for warning in run_result.warnings]
    if not lines:
        return None
    return tag("div", tag("h2", "Still unknown"), tag("ul", [tag("li", line) for line in lines]), class_="unknown")


def _undecided_lines(run_result: RunResult) -> list[Html]:
    """Name the candidates that might do too, as far as that would change the verdict."""
    chosen = next((line.result for line in measured_views(run_result) if line.name == run_result.verdict.chosen), None)
    requirements = run_result.verdict.requirements
    lines = []
    for line in measured_views(run_result):
        limits = [k for k, v in line.result.meets.items() if v == "cannot tell"]
        if not limits or "misses" in line.result.meets.values() or _is_as_high(line, chosen):
            continue
        words = " and ".join(
            f"{limit_name(k)} {limit_value(k, requirements[k])}" if k in requirements else limit_name(k) for k in limits
        )
        need = line.result.rows_needed
        more = (
            f"about {rounded_rows(need)} more test rows would tell"
            if need
            else "it was not measured, or not precisely enough"
        )
        might = " might do"
        if chosen is not None:
            might = f", which {_standing(line.result, chosen)}, might do too"
        lines.append(join((tag("b", line.name), f"{might} ({words}): {more}.")))
    return lines


def _is_as_high(line: CandidateView, chosen: CandidateResult | None) -> bool:
    return chosen is not None and line.result.rung >= chosen.rung


def _standing(lower: CandidateResult, chosen: CandidateResult) -> str:
    """Say how a candidate of a lower rung compares with the chosen one."""
    size, other = lower.artifact_mb, chosen.artifact_mb
    return "is smaller" if size is not None and other is not None and size < other else "is lower on the ladder"


def _unmeasured_lines(run_result: RunResult) -> list[Html]:
    others = [line for line in candidate_views(run_result) if line.result.status != "measured"]
    if not others:
        return []
    named = [
        join(
            (
                "; " if i else None,
                tag("b", line.name),
                prose(f", because {line.result.why}") if line.result.why else None,
            )
        )
        for i, line in enumerate(others)
    ]
    return [join(("Not measured: ", named, "."))]


def _unresolved_lines(run_result: RunResult) -> list[Html]:
    lines = []
    n = len(run_result.ingest.conflicts)
    if n:
        phrase = "1 input has" if n == 1 else f"{count(n)} inputs have"
        link = tag("a", "decide which is right", href="#data")
        lines.append(join((f"{phrase} different labels in different rows, which were dropped: ", link, ".")))
    if run_result.label_issues:
        phrase = f"{rows(len(run_result.label_issues))} may have a wrong label: "
        lines.append(join((phrase, tag("a", "check them", href="#doubts"), ".")))
    return lines
