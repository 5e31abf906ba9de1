"""The socket for scorers: what a scorer is, the one that comes with ockham, and how they are found and asked.

A plug is a module with ``Spec`` (its settings), ``load(spec) -> Scorer`` and, if it likes, ``TITLE`` (a few words for
reports). A package of the user's own adds one under the entry point group ``ockham.scorers``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Protocol, runtime_checkable

from ockham import plugs
from ockham.plugs import Socket
from ockham.records import PlugRequest, PlugUse

METRIC = "score"
"""The metric that a scorer gives: the mean of its scores."""
SCORERS = Socket(word="scorer", group="ockham.scorers", own={"similarity": "ockham.evals.similarity_scorer"})
_ROUNDING = 1e-9


@runtime_checkable
class Scorer(Protocol):
    """A callable from right answers and a model's answers to one score in [0, 1] for each row; more is better.

    A row's score depends on that row alone. Rows without an answer score 0 and are not asked about.
    """

    def __call__(self, targets: Sequence[str], answers: Sequence[str], /) -> Sequence[float]:
        """Score every answer, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedScorer:
    """A scorer that was found and loaded, and what is written down of it."""

    use: PlugUse
    scorer: Scorer

    def grade(self, targets: Sequence[str], answers: Sequence[str | None]) -> list[float]:
        """Score every answer, in order; no answer scores 0.

        Raises `PlugError` (``E_PLUG``) where the scorer fails, or gives anything but a number in [0, 1] for each row.
        """
        rows = [(target, answer) for target, answer in zip(targets, answers, strict=True) if answer is not None]
        if not rows:
            return [0.0] * len(answers)
        with plugs.guard(SCORERS.word, self.use, "on a batch of answers"):
            scores = list(self.scorer([target for target, _ in rows], [answer for _, answer in rows]))
        checked = iter(_check(self.use, scores, len(rows)))
        return [0.0 if answer is None else next(checked) for answer in answers]


def load_scorer(request: PlugRequest) -> LoadedScorer:
    """Find a scorer by its name, configure and load it.

    Raises `ConfigError` (``E_CONFIG``) for one that nobody provides or whose settings do not fit, `PlugError`
    (``E_PLUG``) for one that is none.
    """
    plug = plugs.find_plug(SCORERS, request)
    return LoadedScorer(use=plug.use, scorer=plug.load())


def check_scorer(request: PlugRequest, rows: Sequence[tuple[str, str]] = ()) -> None:
    """Hold a scorer to the contract that every scorer is held to: what `Scorer` and `check_batches` say.

    It is asked about ``rows`` (target and answer), and about texts that break what was not written for them, as
    answers to themselves and to each other. Raises `PlugError` (``E_PLUG``) with the clause that does not hold, and as
    `load_scorer` does; what the scorer itself raises comes through with its traceback.
    """
    loaded, again = load_scorer(request), load_scorer(request)
    texts = plugs.WILD_TEXTS
    turned = (*texts[1:], texts[0])
    batch = [*rows, *zip(texts, texts, strict=True), *zip(texts, turned, strict=True)]

    def ask(pairs: Sequence[tuple[str, str]]) -> list[float]:
        targets, answers = [target for target, _ in pairs], [answer for _, answer in pairs]
        given = list(targets), list(answers)
        scores = list(loaded.scorer(targets, answers))
        if (targets, answers) != given:
            raise plugs.unusable(SCORERS.word, loaded.use.name, "it changes the lists that it is given")
        return _check(loaded.use, scores, len(pairs))

    plugs.check_batches(ask, batch)
    targets, answers = [target for target, _ in batch], [answer for _, answer in batch]
    if again.grade(targets, answers) != ask(batch):
        raise plugs.unusable(SCORERS.word, loaded.use.name, "loaded again, it scores otherwise")


def _check(use: PlugUse, scores: Sequence[object], rows: int) -> list[float]:
    if len(scores) != rows:
        why = f"it was asked about {rows} answers and gave {len(scores)} scores"
        raise plugs.unusable(SCORERS.word, use.name, why)
    checked = []
    for score in scores:
        if not isinstance(score, Real):
            raise plugs.unusable(SCORERS.word, use.name, "a score is not a number")
        number = float(score)
        if math.isnan(number):
            raise plugs.unusable(SCORERS.word, use.name, "a score is NaN")
        if not -_ROUNDING <= number <= 1 + _ROUNDING:
            raise plugs.unusable(SCORERS.word, use.name, "a score lies outside of 0 to 1")
        checked.append(min(max(number, 0.0), 1.0))
    return checked
