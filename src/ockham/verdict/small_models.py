"""Where a run has shown that its task is no job for a small language model: what was measured says so, not its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ockham.records import Estimate
from ockham.records.quantities import QUANTITIES
from ockham.verdict.conclusion import HALF
from ockham.verdict.sentences import ExactAnswers, estimated_share

LARGE_STEP = (
    "Measure a large model beside these, with `--endpoint URL --endpoint-model NAME`, or larger ones of your own with "
    "`--models` (`ockham plan` lists those for this machine)."
)
"""The next step where no small model does the job."""
_NO_JOB = "As measured here, this is no job for a small language model."


def mostly_wrong(name: str, exact: ExactAnswers | None) -> list[str]:
    """Say that most of a candidate's exact answers are wrong, beyond chance; nothing where they are not."""
    if exact is None or name not in exact.right or exact.right[name].high >= HALF:
        return []
    where = f"in {exact.rows:,} of {exact.tested:,} test rows {exact.what}"
    return [f"{where}, and {estimated_share(exact.right[name])} of these are right"]


def no_job_for_small(
    writers: Sequence[str],
    chosen: str,
    metric: str,
    seen: Mapping[str, Estimate],
    exact: ExactAnswers | None,
) -> str:
    """Say that the task is no job for a small language model, of a run whose best candidate ``chosen`` is of no use.

    ``writers`` are the language models that were prompted or tuned, ``seen`` the candidates' values of ``metric``.
    Empty where none was measured, or where the best of them may yet be right in half of the rows: by the exact
    answers, where there are such, else by a metric that says what is right. Fields that are extracted badly say
    nothing of the kind: they stand in the text, and more rows teach a small model to find them.
    """
    tells = metric in QUANTITIES and QUANTITIES[metric].right == "answers"
    values = exact.right if exact is not None else seen if tells else {}
    measured = [name for name in writers if name in values]
    if not measured:
        return ""
    best = max(measured, key=lambda name: values[name].value)
    if values[best].high >= HALF:
        return ""
    if best == chosen:
        return f" {_NO_JOB}"
    of_what = "these" if exact is not None else f"the {QUANTITIES[metric].right}"
    return (
        f" The best language model run here, {best}, has {estimated_share(values[best])} of {of_what} right. {_NO_JOB}"
    )
