"""The mails of the example for four of its twelve labels: as true as all of them, and learnt in a third of the time."""

from __future__ import annotations

import csv
from pathlib import Path

MAILS = Path(__file__).parents[1] / "examples" / "support_mail.csv"
LABELS = ("app_account", "billing", "damaged_or_wrong_item", "feedback")


def write_few_mails(path: Path) -> Path:
    """Write them as the example is written, over it where ``path`` is a copy of it."""
    with MAILS.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] in LABELS]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
