"""What a large model said of the written answers, beside exact scoring of the same rows."""

from __future__ import annotations

from ockham.records import Account, Judged
from ockham.report.markup import Child, Html, note, section, table
from ockham.report.text import amount, count, dollars, interval


def judged(account: Account) -> Html | None:
    """Show the judge's accuracy of each candidate, and how far the judge agrees with exact scoring."""
    if not account.judged:
        return None
    models = ", ".join(sorted({one.model for one in account.judged.values()}))
    paid = [one.cost for one in account.judged.values() if one.cost is not None]
    costs = f" It cost {dollars(sum(paid))}." if paid else ""
    return section(
        "judge",
        "What a large model says of the answers",
        note(
            f"The judge ({models}) saw question, target and answer, and not whose answer it was. The verdict does not "
            "rest on it. Cohen's kappa is its agreement with exact scoring beyond chance: 0 is chance, 1 is always; "
            "where it is low, one of the two does not measure what is wanted, and the answers below show which."
            f"{costs}"
        ),
        table(
            ("Candidate", "Judged right", "Both right", "Judge alone", "Exact alone", "Both wrong", "No use", "Kappa"),
            [_row(name, one) for name, one in account.judged.items()],
            label="The judge beside exact scoring",
            numbers=range(1, 8),
        ),
    )


def _row(name: str, one: Judged) -> list[Child]:
    right, kappa = one.accuracy, one.kappa
    return [
        name,
        "no usable opinion" if right is None else f"{amount('accuracy', right.value)} ({interval('accuracy', right)})",
        count(one.both_right),
        count(one.judge_alone),
        count(one.exact_alone),
        count(one.both_wrong),
        count(one.unusable),
        "undefined" if kappa is None else f"{kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})",
    ]
