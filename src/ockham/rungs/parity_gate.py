"""The parity gate of a tuned decoder: tuned in torch, converted with its adapter apart, merged, quantized.

After each step the same validation rows are answered again. What can be known is checked first: that the questions are
the tokens that were learnt, that the adapter stands on its own base, and that the file is the one that was made. Where
a step then costs more than chance explains, what is left is the step itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham import store
from ockham.errors import ModelError
from ockham.evals import parity
from ockham.records import Parity, Score

Question = tuple[int, ...]
FIX = "the prompted rung is not affected; report this, with the model's name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step between training and serving, for the rows of the gate.

    ``learnt`` are the questions' tokens as they stood in training, ``served_questions`` as the model is asked now;
    ``files`` are what it is served from, with the SHA-256 of each when it was made; ``bases`` the digests of the base
    that the adapter was trained on and of the one it is put on. ``exact``: the step changes numbers in their last bits
    only.
    """

    name: str
    exact: bool
    learnt: Sequence[Question]
    served_questions: Sequence[Question]
    files: Sequence[tuple[Path, str]] = ()
    bases: tuple[str, str] | None = None


def compare_step(step: Step, before: Sequence[Score], after: Sequence[Score], metric: str) -> Parity:
    """Compare the answers before and after a step.

    Raises `ModelError` (``E_PARITY``) where what is served is not what was tuned, also where the answers happen to be
    the same, and where they are worse than chance explains.
    """
    compared = parity.compare(step.name, before, after, metric)
    fault = cause(step)
    if fault is not None:
        raise ModelError("E_PARITY", f"{step.name}: {fault} ({parity.unchanged_answers(compared.agreement)})", fix=FIX)
    left = "the converted model computes something else" if step.exact else "quantizing loses too much"
    parity.check(compared, f"the questions are the same, so {left}", FIX, exact=step.exact)
    return compared


def cause(step: Step) -> str | None:
    """Say what is wrong with a step as far as it can be known, or nothing."""
    for path, sha256 in step.files:
        if store.file_digest(path) != sha256:
            return f"{path.name} is damaged: it is not the file that was made"
    if step.bases is not None and step.bases[0] != step.bases[1]:
        return "the adapter was trained on another base than the one it is put on"
    for learnt, served in zip(step.learnt, step.served_questions, strict=True):
        if learnt != served:
            return _difference(learnt, served)
    return None


def _difference(learnt: Question, served: Question) -> str:
    """Name how the tokens of a question differ."""
    if served[1:] == learnt and served[0] == served[1]:
        return "the start token (BOS) stands twice before what the model learnt"
    if served[1:] == learnt:
        return "a start token (BOS) stands before what the model learnt"
    if learnt[1:] == served:
        return "the start token (BOS) that the model learnt is missing"
    if learnt[: len(served)] == served or served[: len(learnt)] == learnt:
        return "the question's end (EOS or the mark before the answer) is not the one that the model learnt"
    return "the chat template is not the one that the model learnt"
