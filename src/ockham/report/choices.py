"""Questions with options: whether an answer follows the option or the place where it stands."""

from __future__ import annotations

from ockham.records import Account
from ockham.report.markup import Html, note, section, table
from ockham.report.text import amount, count, interval


def reordered(account: Account) -> Html | None:
    """Show how often each candidate names the same option when the options stand in another order."""
    found = [(report.candidate.name, report.reordered) for report in account.reports if report.reordered is not None]
    if not found:
        return None
    return section(
        "order",
        "The same question, its options in another order",
        note(
            "Every question was asked with its options in a random order, in training and in the test. Some test "
            "questions were then asked once more in a second order: the share of them for which the same option was "
            "named. Who answers by place alone names the same option about once in as many times as there are options."
        ),
        table(
            ("Candidate", "Same option named", "95 % interval", "Questions"),
            [
                (name, amount("accuracy", e.value), interval("accuracy", e), count(e.n))
                for name, e in ((name, e) for name, e in found if e)
            ],
            label="Answers under two orders of the options",
            numbers=(1, 3),
        ),
    )
