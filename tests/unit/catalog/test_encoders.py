"""The list of encoders is ordered by how well they classify, and knows the built-in one."""

from __future__ import annotations

from ockham import catalog, diagnosis
from ockham.models.sentence_encoder import PACKAGED


def test_the_best_at_classifying_comes_first_and_those_without_a_score_last() -> None:
    scores = [entry.score for entry in catalog.encoders()]
    known = [score for score in scores if score is not None]
    assert known == sorted(known, reverse=True)
    assert scores == [*known, *[None] * (len(scores) - len(known))]
    assert PACKAGED in [entry.name for entry in catalog.encoders()]
    assert sum(entry.is_multilingual for entry in catalog.encoders()) >= 2
    assert len({entry.name for entry in catalog.encoders()}) == len(scores)


def test_doctor_names_every_better_one_with_its_size_licence_and_the_command() -> None:
    better, others = diagnosis._better_encoders()
    for entry in catalog.encoders():
        listed = better if not entry.is_multilingual else others
        assert (entry.name in listed) == (entry.name != PACKAGED)
        assert entry.name == PACKAGED or f"{entry.megabytes:,.0f} MB, {entry.licence}" in listed
    assert better.endswith(f"ockham fit DATA --encoder {catalog.encoders()[0].name}`")
