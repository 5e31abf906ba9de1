"""The parity gate of a tuned decoder: tuned in torch, converted with its adapter apart, merged, quantized.

After each step the same validation rows are answered again. Where a step costs more than chance explains, each likely
cause is checked: the file, the adapter's base, the template and its marks; what is left is the step itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham.evals import parity
from ockham.models import weights
from ockham.records import Parity, Score

Question = tuple[int, ...]
FIX = "the prompted rung stays; report this, with the model's name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step between training and serving, for the rows of the gate.

    ``learnt`` are the questions' tokens as they stood in training, ``asked`` as the model is asked now; ``files`` are
    what it is served from, with the SHA-256 of each when it was made; ``bases`` the digests of the base that the
    adapter was trained on and of the one it is put on. ``exact``: the step changes numbers in their last bits only.
    """

    name: str
    exact: bool
    learnt: Sequence[Question]
    asked: Sequence[Question]
    files: Sequence[tuple[Path, str]] = ()
    bases: tuple[str, str] | None = None


def passed(step: Step, before: Sequence[Score], after: Sequence[Score], metric: str) -> Parity:
    """Compare the answers before and after a step. Raises `ModelError` (``E_PARITY``) with the likely cause."""
    found = parity.compare(step.name, before, after, metric)
    parity.check(found, lambda: cause(step), FIX, exact=step.exact)
    return found


def cause(step: Step) -> str:
    """Say what most likely went wrong in a step, by checking one cause after the other."""
    for path, sha256 in step.files:
        if weights.sha256(path) != sha256:
            return f"{path.name} is damaged: it is not the file that was made"
    if step.bases is not None and step.bases[0] != step.bases[1]:
        return "the adapter was trained on another base than the one it is put on"
    for learnt, asked in zip(step.learnt, step.asked, strict=True):
        if learnt != asked:
            return _difference(learnt, asked)
    if step.exact:
        return "the questions are the same, so the conversion computes something else"
    return "the questions are the same, so quantizing loses too much"


def _difference(learnt: Question, asked: Question) -> str:
    """Name how the tokens of a question differ."""
    if asked[1:] == learnt and asked[0] == asked[1]:
        return "the start token (BOS) stands twice before what the model learnt"
    if asked[1:] == learnt:
        return "a start token (BOS) stands before what the model learnt"
    if learnt[1:] == asked:
        return "the start token (BOS) that the model learnt is missing"
    if learnt[: len(asked)] == asked or asked[: len(learnt)] == learnt:
        return "the question's end (EOS or the mark before the answer) is not the one that the model learnt"
    return "the chat template is not the one that the model learnt"
