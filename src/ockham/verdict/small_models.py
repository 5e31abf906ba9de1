"""Where a run has shown that its task is no job for a small language model: what was measured says so, not its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ockham.records import Estimate
from ockham.records.quantities import QUANTITIES
from ockham.verdict.conclusion import HALF
from ockham.verdict.sentences import WorkedOutResults, percent

LARGE_STEP = (
    "Measure a large model beside these, with `--endpoint URL --endpoint-model NAME`, or larger ones of your own with "
    "`--models` (`ockham plan` lists those for this machine)."
)
"""The next step where no small model does the job."""
_NO_JOB = "As measured here, this is no job for a small language model."


def wrong_results(name: str, results: WorkedOutResults | None) -> list[str]:
    """Say that most of the results a candidate had to work out are wrong, beyond chance; nothing where they are not."""
    if results is None or name not in results.right or results.right[name].high >= HALF:
        return []
    where = (
        f"in {results.rows:,} of {results.tested:,} test rows the answer ends with a number that the text does not hold"
    )
    return [f"{where}, and {percent(results.right[name])} of these are right"]


def no_job_for_small(
    writers: Sequence[str],
    chosen: str,
    metric: str,
    seen: Mapping[str, Estimate],
    results: WorkedOutResults | None,
) -> str:
    """Say that the task is no job for a small language model, of a run whose best candidate ``chosen`` is of no use.

    ``writers`` are the language models that were prompted or tuned, ``seen`` the candidates' values of ``metric``.
    Empty where none was measured, or where the best of them may yet be right in half of the rows: by the results that
    have to be worked out, where there are such, else by a metric that says what is right.
    """
    tells = metric in QUANTITIES and QUANTITIES[metric].right is not None
    values = results.right if results is not None else seen if tells else {}
    measured = [name for name in writers if name in values]
    if not measured:
        return ""
    best = max(measured, key=lambda name: values[name].value)
    if values[best].high >= HALF:
        return ""
    if best == chosen:
        return f" {_NO_JOB}"
    words = "results" if results is not None else QUANTITIES[metric].right
    return f" The best language model run here, {best}, has {percent(values[best])} of the {words} right. {_NO_JOB}"
