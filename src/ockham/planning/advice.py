"""Should it be a small model at all? Four questions, an honest answer, and what would prove it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from ockham.catalog import ApiPrice, Prices, find_architecture
from ockham.evals import cost as money
from ockham.plain_numbers import percent_limit

Task = Literal[
    "classify",
    "extract",
    "choose",
    "rewrite",
    "chat",
    "long-documents",
    "mathematics",
    "multi-step",
]
Privacy = Literal["inside", "anywhere"]
Choice = Literal["baseline", "small", "small-tuned", "small-cascade", "large"]

TASKS: Final[dict[Task, str]] = {
    "classify": "give each text one of a few labels",
    "extract": "extract fields from a text",
    "choose": "pick one of the options listed in the question",
    "rewrite": "write a short text from a given one (summary, answer from a template, translation)",
    "chat": "open-ended conversation",
    "long-documents": "answer questions about many pages",
    "mathematics": "calculate or prove in several steps",
    "multi-step": "follow instructions that build on each other, or use tools",
}
HARD: Final[dict[Task, str]] = {
    "long-documents": (
        "small models lose track of passages that are far apart in a long text, and each token costs memory and time"
    ),
    "mathematics": "every step must be right, and a small model gets a step wrong far more often than a large one",
    "multi-step": (
        "one forgotten instruction spoils the rest, and tuning on examples teaches what the steps look like, "
        "not how to plan them"
    ),
    "chat": "the questions are not known in advance, so no set of examples can prove that a small model copes",
}
"""Work for a large model, and why."""

FEW_ROWS, TUNE_ROWS = 50, 200
"""Below the first a test set proves nothing; from the second on there is enough to tune on beside it."""

SMALL = "Qwen2.5-0.5B"
"""The small model to try first: under a free licence, and small enough to answer without a graphics processor."""

API_MS = 500.0
"""What a remote API takes at least for a short answer: the way there and back and its queue."""

# From benchmarks/results/fit_speed.md.
_LABELS = (
    "On clinc150 (150 intents, 10,000 rows for training), a linear model over words and characters reached an accuracy "
    "of 91.7 % and a frozen encoder with a linear head 94.9 % (n = 4,500; scripts/bench fit_speed): try these before "
    "anything larger."
)
_TEST_SHARE = 0.2
_Z = 1.959963984540054
_VERY_ACCURATE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The answers to the four questions: task and accuracy, how fast, how private, how much there is of it.

    ``max_ms`` of ``None`` means that the answer can wait.
    """

    task: Task
    accuracy: float = field(metadata={"above": 0, "max": 1})
    max_ms: float | None = field(default=None, metadata={"above": 0})
    privacy: Privacy = "inside"
    requests_per_day: float = field(default=1000.0, metadata={"above": 0})
    rows: int = field(default=0, metadata={"min": 0})
    input_tokens: int = field(default=200, metadata={"min": 1, "max": 1_000_000})
    output_tokens: int = field(default=20, metadata={"min": 1, "max": 1_000_000})


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to try first, why, what is not known yet, and the command that finds it out."""

    choice: Choice
    """The answer: what kind of model, or none, fits the task."""
    sentence: str
    """The answer in one sentence."""
    reasons: tuple[str, ...]
    """Why, in the order of their weight."""
    missing: tuple[str, ...]
    """What has to be known or done before the answer is certain."""
    command: str
    """The command to run next."""
    api_per_day: float | None
    """Cost per day of an API for this traffic, in the price table's currency."""
    machine_per_day: float
    """Cost per day of a machine that runs all the time, in the price table's currency."""
    currency: str
    """The currency of the price table."""
    test_rows_needed: int
    """How many test rows would prove the accuracy that was asked for."""


SENTENCES: Final[dict[Choice, str]] = {
    "baseline": "Start with the baselines: a linear model or a frozen sentence encoder is probably enough.",
    "small": "Start with a small prompted model, and label rows before you trust it.",
    "small-tuned": "Start with a small model and tune it on your rows.",
    "small-cascade": "Start with a small model, and pass its doubtful answers on to a large one or a person.",
    "large": "Use a large model.",
}


def advise(case: Questions, prices: Prices) -> Advice:
    """Recommend what to try first. The rules are written out in docs/plan.md; the prices decide nothing alone."""
    choice, reasons = _choose(case)
    api, machine = _cheapest(case, prices), 24 * prices.machine.per_hour
    per_day = None if api is None else _api_day(case, api)
    needed = test_rows(case.accuracy)
    return Advice(
        choice=choice,
        sentence=SENTENCES[choice],
        reasons=(*reasons, *_side(case, choice, per_day, machine, prices.currency)),
        missing=tuple(_missing(case, choice, needed)),
        command=_command(case, choice),
        api_per_day=per_day,
        machine_per_day=machine,
        currency=prices.currency,
        test_rows_needed=needed,
    )


def test_rows(accuracy: float) -> int:
    """Count the test rows on which a model 3 points better than ``accuracy`` proves that it is better.

    The lower end of Wilson's 95 % interval of b reaches a at n = z^2 a (1 - a) / (b - a)^2 (Wilson 1927, solved for n).
    Where 3 points are not left, the model is taken to be half of the way to 1 better; 0 where nothing can be better.
    """
    better = accuracy + min(0.03, (1 - accuracy) / 2)
    return math.ceil(_Z**2 * accuracy * (1 - accuracy) / (better - accuracy) ** 2) if accuracy < 1 else 0


def _choose(case: Questions) -> tuple[Choice, list[str]]:
    if case.task in HARD:
        return "large", [f"{TASKS[case.task].capitalize()}: {HARD[case.task]}."]
    if case.rows < FEW_ROWS:
        return "small", [
            f"{case.rows:,} labelled rows are too few to train on or to prove anything; {FEW_ROWS} are the minimum.",
            "A prompted model needs no labelled rows, and you can correct its answers to get some.",
        ]
    dear = case.accuracy > _VERY_ACCURATE
    if case.task == "rewrite" and dear:
        return "large", [f"Free text that is right {percent_limit(case.accuracy)} of the time is beyond small models."]
    if dear:
        labels = [_LABELS] if case.task == "classify" else []
        beyond = percent_limit(_VERY_ACCURATE)
        last = f"Beyond {beyond}, each point is expensive: keep the confident answers and pass on the rest."
        return "small-cascade", [*labels, last]
    if case.task == "classify":
        return "baseline", [_LABELS]
    return _tuning_choice(case)


def _tuning_choice(case: Questions) -> tuple[Choice, list[str]]:
    if case.rows < TUNE_ROWS:
        reason = (
            f"{case.rows:,} rows are enough to measure on, but few to tune on (tuning pays off from about {TUNE_ROWS})."
        )
        return "small", [reason]
    return "small-tuned", [
        "Tuned small models are good at narrow tasks whose answers have a fixed form.",
        f"{case.rows:,} rows are enough to tune and to measure on.",
    ]


def _margin(accuracy: float) -> str:
    """Say how much better than the required accuracy a model is taken to be, as `test_rows` does."""
    return f"{100 * min(0.03, (1 - accuracy) / 2):.2g} points"


def _side(case: Questions, choice: Choice, api: float | None, machine: float, currency: str) -> list[str]:
    reasons = [_inside(choice)] if case.privacy == "inside" else []
    if case.max_ms is not None and case.max_ms < API_MS:
        slow = f"{case.max_ms:g} ms is less than a remote API takes (about {API_MS:g} ms): "
        if choice == "large":
            reasons.append(slow + "relax the limit, narrow the task, or run the large model yourself.")
        elif choice == "small-cascade":
            reasons.append(slow + "answers that are passed on will be late.")
        else:
            reasons.append(slow + "use a local model.")
    if api is not None and case.privacy == "anywhere":
        cheaper = "your own machine is cheaper" if machine < api else "cost alone is no reason to leave the API"
        reasons.append(
            f"At {case.requests_per_day:,.0f} requests a day, the cheapest listed API costs {_money(api)} {currency} a "
            f"day and a small machine that runs all day {_money(machine)}: {cheaper}."
        )
    return reasons


def _inside(choice: Choice) -> str:
    if choice == "large":
        return (
            "Nothing may leave the building, so the large model must run there; "
            "`ockham plan Llama-3.1-70B --device NAME` shows what it needs."
        )
    if choice == "small-cascade":
        return "Nothing may leave the building, so doubtful answers go to a person."
    return "Nothing may leave the building: these models run on your own machine."


def _missing(case: Questions, choice: Choice, needed: int) -> list[str]:
    missing = []
    test = int(case.rows * _TEST_SHARE)
    if test < needed:
        missing.append(
            f"Whether a model reaches {percent_limit(case.accuracy)}: if it is {_margin(case.accuracy)} better, about "
            f"{needed:,} test rows prove it; a fifth of your {case.rows:,} rows is {test:,}. "
            f"Label about {max(0, 5 * needed - case.rows):,} more."
        )
    if choice == "large":
        missing.append("Whether a small model fails on your own rows: the command below measures it.")
    else:
        missing.append(
            "What a large model reaches on the same rows: add `--endpoint URL --endpoint-model NAME` to compare."
        )
    return missing


def _command(case: Questions, choice: Choice) -> str:
    parts = ["ockham fit DATA", f"--min-accuracy {case.accuracy:g}"]
    if case.max_ms is not None:
        parts.append(f"--max-p95-ms {case.max_ms:g}")
    parts.append(f"--requests-per-day {case.requests_per_day:g}")
    if choice in ("small", "small-tuned"):
        parts.append(f"--models {find_architecture(SMALL).hub}")
    if choice in ("large", "small-cascade"):
        parts.append("--all")
        if case.privacy == "anywhere":
            parts.append("--endpoint URL --endpoint-model NAME")
    return " ".join(parts)


def _money(amount: float) -> str:
    return f"about {amount:,.2f}" if amount >= 0.01 else "less than 0.01"


def _cheapest(case: Questions, prices: Prices) -> ApiPrice | None:
    return min(prices.apis, key=lambda price: _api_day(case, price), default=None)


def _api_day(case: Questions, price: ApiPrice) -> float:
    return money.api_per_million(case.input_tokens, case.output_tokens, price) * case.requests_per_day / 1e6
