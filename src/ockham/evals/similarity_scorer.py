"""A scorer by likeness: how alike answer and target are as texts, for any task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ockham.evals.scorer_plugs import Scorer
from ockham.evals.text_similarity import TEXT_SIMILARITY

TITLE = "likeness of texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilaritySpec:
    """Which likeness: chrF, ROUGE-L or F1 of words."""

    measure: Literal["chrf", "rouge_l", "f1_tokens"] = "chrf"


Spec = SimilaritySpec


def load(spec: SimilaritySpec) -> Scorer:
    """Return the scorer of a measure."""
    alike = TEXT_SIMILARITY[spec.measure]

    def score(targets: Sequence[str], answers: Sequence[str]) -> list[float]:
        return [alike(answer, target) for target, answer in zip(targets, answers, strict=True)]

    return score
