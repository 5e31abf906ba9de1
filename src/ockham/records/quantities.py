"""Every metric and every limit once: a field of `Requirements` with its row, which sentences and options are made from.

A field ``min_NAME`` requires at least so much of the quantity NAME, of which more is better; ``max_NAME`` allows at
most so much of it. Another metric is another field here, and how it is worked out in `ockham.evals.task_metrics`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Unit = Literal["share", "ms", "MB", "USD"]
FIELD = "field:"
"""What the name of a metric of one field begins with: ``field:total`` is the F1 of the field total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What is measured of a candidate: its name in a sentence, in a list where room is ``short``, and as a ``title``.

    ``help`` is the sentence of its command-line option. No choice is made by what is no ``aim``. ``right`` names what
    is right in so large a share, where it says so: a similarity of texts, or a scorer of the user's own, does not.
    """

    words: str
    short: str
    title: str
    unit: Unit
    help: str
    aim: bool = True
    right: Literal["answers", "fields"] | None = None


def _share(
    words: str, help_: str, *, title: str = "", aim: bool = True, right: Literal["answers", "fields"] | None = None
) -> dict[str, object]:
    """Return the row of a metric, a share in [0, 1] of which more is better."""
    title = title or f"{words[0].upper()}{words[1:]}"
    return {
        "min": 0,
        "max": 1,
        "quantity": Quantity(words=words, short=words, title=title, unit="share", help=help_, aim=aim, right=right),
    }


def _limit(words: str, unit: Unit, help_: str, *, short: str = "", least: str = "above") -> dict[str, object]:
    """Return the row of what serving takes, of which less is better."""
    short = short or words
    quantity = Quantity(words=words, short=short, title=f"{short[0].upper()}{short[1:]}", unit=unit, help=help_)
    return {least: 0, "quantity": quantity}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What the user needs. A field that is ``None`` is not required.

    ``tolerance`` is in points of the metric (1 is .01). Ranges stand with the fields, for `ockham.config`.
    """

    min_accuracy: float | None = field(
        default=None, metadata=_share("accuracy", "Minimum accuracy, such as 0.9.", right="answers")
    )
    min_f1_macro: float | None = field(
        default=None, metadata=_share("macro F1", "Minimum macro F1: every label counts the same.", right="answers")
    )
    min_f1_weighted: float | None = field(
        default=None, metadata=_share("weighted F1", "Minimum weighted F1: labels count by rows.", right="answers")
    )
    min_f1_micro: float | None = field(
        default=None, metadata=_share("micro F1", "Minimum micro F1 over all extracted fields.", right="fields")
    )
    min_validity: float | None = field(
        # A constant answer is always valid.
        default=None,
        metadata=_share("validity", "Minimum share of answers that are JSON objects.", aim=False),
    )
    min_chrf: float | None = field(
        default=None, metadata=_share("chrF", "Minimum chrF of generated text.", title="chrF")
    )
    min_rouge_l: float | None = field(default=None, metadata=_share("ROUGE-L", "Minimum ROUGE-L of generated text."))
    min_f1_tokens: float | None = field(
        default=None, metadata=_share("F1 of words", "Minimum word-level F1 of generated text.")
    )
    min_score: float | None = field(default=None, metadata=_share("score", "Minimum mean score of --scorer."))
    max_p50_ms: float | None = field(
        default=None, metadata=_limit("median latency", "ms", "Maximum median latency, one request at a time.")
    )
    max_p95_ms: float | None = field(
        default=None,
        metadata=_limit("95th percentile latency", "ms", "Maximum 95th-percentile latency.", short="p95 latency"),
    )
    max_p99_ms: float | None = field(
        default=None,
        metadata=_limit("99th percentile latency", "ms", "Maximum 99th-percentile latency.", short="p99 latency"),
    )
    max_memory_mb: float | None = field(
        default=None, metadata=_limit("memory", "MB", "Maximum resident memory of the serving process.")
    )
    max_artifact_mb: float | None = field(default=None, metadata=_limit("size on disk", "MB", "Maximum size on disk."))
    max_cost_per_day: float | None = field(
        default=None,
        metadata=_limit(
            "cost per day", "USD", "Maximum cost; requires --requests-per-day.", short="cost a day", least="min"
        ),
    )
    min_field: Mapping[str, float] = field(default_factory=dict, metadata={"min": 0, "max": 1})
    """The least F1 of single fields that are extracted, by their names."""
    requests_per_day: float | None = field(default=None, metadata={"above": 0})
    tolerance: float = field(default=1.0, metadata={"min": 0, "max": 100})

    def limits(self) -> dict[str, float]:
        """Name the limits that are set, ``min_…`` and ``max_…`` alone; those of fields are ``min_field:NAME``."""
        every = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "min_field"}
        limits = {k: v for k, v in every.items() if v is not None and k.startswith(("min_", "max_"))}
        return limits | {f"min_{FIELD}{name}": share for name, share in self.min_field.items()}


LIMITS: Mapping[str, Quantity] = {
    row.name: row.metadata["quantity"] for row in dataclasses.fields(Requirements) if "quantity" in row.metadata
}
"""What each requirement speaks of, by its name (``min_accuracy``), in the order of the fields."""
QUANTITIES: Mapping[str, Quantity] = {name[4:]: quantity for name, quantity in LIMITS.items()}
"""The same by the name of what is measured (``accuracy``)."""
LATENCIES = tuple(name for name, quantity in LIMITS.items() if quantity.unit == "ms")
"""The requirements of a latency."""
SPEEDS = (*LATENCIES, "max_cost_per_day")
"""The requirements of what follows from the speed of a machine: the fewer answers a second, the more machines."""


def is_share(name: str) -> bool:
    """Say whether a quantity is a share in [0, 1], as all metrics are."""
    return name.startswith(FIELD) or (name in QUANTITIES and QUANTITIES[name].unit == "share")


def metric_words(name: str) -> str:
    """Name a metric as a sentence does, one of the user's own too: "micro F1", "F1 of field total", "my score"."""
    return find_quantity(name).words if name.startswith(FIELD) or name in QUANTITIES else name.replace("_", " ")


def find_quantity(name: str) -> Quantity:
    """Return the row of what is measured, by its name; that of a field is made for it."""
    if not name.startswith(FIELD):
        return QUANTITIES[name]
    words = f"F1 of field {name.removeprefix(FIELD)}"
    return Quantity(words=words, short=words, title=words, unit="share", help="", aim=False, right="fields")
