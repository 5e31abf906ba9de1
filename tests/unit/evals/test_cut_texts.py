"""Texts that a model did not read whole are counted, with how much of them was left out."""

from __future__ import annotations

from ockham.evals.cut_texts import count_cut_texts, describe_cut_texts
from ockham.records import Answer, CutTexts


def test_cut_texts_are_counted_among_all() -> None:
    answers = [Answer(value="a", unread=share) for share in (0.0, 0.25, None, 0.75)]
    counted = count_cut_texts(answers)
    assert counted == CutTexts(texts=4, cut=2, least=0.25, most=0.75)
    assert (
        describe_cut_texts(counted) == "2 of 4 texts are longer than the model reads: 25 to 75 % of each was not read"
    )


def test_nothing_is_said_where_all_was_read() -> None:
    assert count_cut_texts([]) is None
    assert count_cut_texts([Answer(value="a", unread=0.0), Answer(value=None)]) is None


def test_a_share_is_never_written_as_none_or_all() -> None:
    one = CutTexts(texts=1, cut=1, least=0.0004, most=0.0004)
    assert describe_cut_texts(one) == "1 of 1 texts is longer than the model reads: less than 1 % of it was not read"
    assert "99 %" in describe_cut_texts(CutTexts(texts=9, cut=2, least=0.9999, most=0.9999))
