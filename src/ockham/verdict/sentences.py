"""A decision in short plain sentences, with its numbers."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ockham.plain_numbers import digits as _digits
from ockham.plain_numbers import percent, percent_limit, percent_range
from ockham.records import Estimate, Finding
from ockham.records.quantities import find_quantity, is_share

_UNITS = {"ms": " ms", "MB": " MB"}


def estimated_share(estimate: Estimate) -> str:
    """Write a share: "91.2 % (90.1 to 92.2, n = 4,500)"."""
    decimals = 1 if estimate.high - estimate.low >= 0.002 else 2
    spread = percent_range(estimate.low, estimate.high, decimals)
    return f"{percent(estimate.value, decimals)} ({spread}, n = {estimate.n:,})"


def amount(name: str, number: float) -> str:
    """Write a limit or a plain number of a quantity: "90 %", "200 ms", "2,000 MB", "2.40"."""
    if is_share(name):
        return percent_limit(number)
    unit = find_quantity(name).unit
    return f"{number:,.2f}" if unit == "USD" else f"{_digits(number)}{_UNITS[unit]}"


def fact(requirement: str, limit: float, seen: Estimate | float | None) -> str:
    """Write one number beside what was required of it."""
    name = requirement[4:]
    side = "at least" if requirement.startswith("min_") else "at most"
    required = f"where {side} {amount(name, limit)} is required"
    if seen is None:
        return f"{find_quantity(name).words} was not measured, {required}"
    return f"{find_quantity(name).words} {number(name, seen)}, {required}"


def number(name: str, seen: Estimate | float) -> str:
    """Write what was measured of a quantity, with its interval where it has one."""
    if not isinstance(seen, Estimate):
        return amount(name, seen)
    if is_share(name):
        return estimated_share(seen)
    low, high = _digits(seen.low), _digits(seen.high)
    return f"{amount(name, seen.value)} ({low} to {high}, n = {seen.n:,})"


def join_words(words: Sequence[str], joint: str = "and") -> str:
    """Join words as a sentence does: "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def baseline_note(nature: str, language_models: Sequence[str] = (), points: str | None = None) -> str:
    """Say what one of the smallest rungs is and what this run shows by its winning; empty without its ``nature``.

    ``points`` is the tolerance where the choice was made near the best, among which the ``language_models`` were
    measured; without it every requirement is met.
    """
    if not nature:
        return ""
    if points is None:
        return f" {nature}: no language model is needed for these requirements."
    if not language_models:
        return f" {nature}; no language model was measured beside it."
    return f" {nature}; of the language models measured ({join_words(language_models)}), none scores {points} better."


def use_step(run: str) -> str:
    """Say how the chosen candidate answers new rows."""
    return f"Answer new rows with `ockham predict {shlex.quote(run)} NEW.csv -o answers.csv`."


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningGain:
    """What the larger half of the training rows brought a cheap rung on the validation rows, in points."""

    name: str
    rows: int
    more_rows: int
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactAnswers:
    """Test rows whose written answer is right or wrong as a whole: ``what`` says why, as a clause.

    ``rows`` of ``tested`` test rows are such; ``right`` is the share of them that each candidate has right.
    """

    rows: int
    tested: int
    what: str
    right: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimbFacts:
    """What a decision is told of the climb: how many candidates it may measure, the folder that keeps it, and its data.

    A climb that stops early has been given as many chances, and is corrected for all of them. ``doubts`` is the number
    of rows whose label is in doubt; ``gain`` is ``None`` where no learning curve was measured, ``exact`` where
    most answers may be right in part.
    """

    planned: int = 0
    run: str = "RUN"
    doubts: int = 0
    gain: LearningGain | None = None
    exact: ExactAnswers | None = None


def improvement(climb: ClimbFacts) -> str:
    """Say what may make answers better that are of no use yet: no more than the run has shown."""
    report = f"`ockham report {shlex.quote(climb.run)} --open`"
    if climb.doubts:
        labels = "1 label" if climb.doubts == 1 else f"{climb.doubts:,} labels"
        first = f"Check {labels} in doubt, which {report} shows"
    else:
        first = f"See in the wrong answers what they have in common ({report})"
    steps = [first]
    gain = climb.gain
    if gain is None:
        steps.append("label more training rows")
    elif gain.points > 0:
        steps.append(
            f"label more training rows ({gain.name} gained {gain.points:.1f} points on the validation rows from "
            f"{gain.rows:,} rows to {gain.more_rows:,})"
        )
    return f"{', '.join(steps)}, or measure larger models with `--models` (`ockham plan` lists those for this machine)."


def alternatives(lower: Sequence[str], rows: Mapping[str, int | None], lighter: Collection[str] = ()) -> str:
    """Say which candidates lower on the ladder might still do, and what would tell; nothing where there are none.

    ``lighter`` are those among them whose files are known to be smaller.
    """
    if not lower:
        return ""
    counts = [(name, more) for name in lower if (more := rows.get(name)) is not None]
    if not counts:
        return f" {join_words(lower)} {_standing(lower, lighter)} and could not be ruled out."
    name, more = min(counts, key=lambda item: item[1])
    return f" {name} {_standing([name], lighter)} and might do: about {rounded_rows(more)} more test rows would tell."


def _standing(names: Sequence[str], lighter: Collection[str]) -> str:
    one = len(names) == 1
    if set(names) <= set(lighter):
        return "is smaller" if one else "are smaller"
    return "is lower on the ladder" if one else "are lower on the ladder"


def suggestion(
    name: str, findings: Mapping[str, Finding], rows: int | None, climb: ClimbFacts, disturbed: Collection[str] = ()
) -> str:
    """Say what to try when no candidate is chosen and ``name`` comes closest.

    ``disturbed`` are the requirements whose numbers come from a busy machine: the same run measures these again.
    """
    missed = [r for r, finding in findings.items() if finding == "misses"]
    unsure = [r for r, finding in findings.items() if finding == "cannot tell"]
    if any(r.startswith("min_") for r in missed):
        return f"{improvement(climb)} An API can be measured too, with `--endpoint URL --endpoint-model NAME`."
    if missed:
        wide = join_words([find_quantity(r[4:]).words for r in missed])
        return f"Only the {wide} of {name} is over the limit: raise the limit, or serve on another machine."
    if any(r.startswith("min_") for r in unsure):
        if rows is None:
            return f"{name} is too close to the requirement for any test set to tell. {improvement(climb)}"
        return f"Label about {rounded_rows(rows)} more test rows: that would tell whether {name} does."
    return _measure_again(name, unsure, [r for r in unsure if r in disturbed])


def _measure_again(name: str, unsure: Sequence[str], disturbed: Sequence[str]) -> str:
    if disturbed:
        wide = join_words([find_quantity(r[4:]).words for r in disturbed])
        return f"Run the same command again on an idle machine: it measures the {wide} of {name} again."
    if "max_cost_per_day" in unsure:
        return "Add `--requests-per-day N`, so that the cost per day can be computed."
    wide = join_words([find_quantity(r[4:]).words for r in unsure])
    return f"Measure the {wide} of {name} again, in a new run (`--out FOLDER`) on an idle machine."


def rounded_rows(rows: int) -> str:
    """Return a number of rows rounded up to two digits: more would claim to know more."""
    step = 10 ** max(0, len(str(rows)) - 2)
    return f"{-(-rows // step) * step:,}"
