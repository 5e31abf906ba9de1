"""Where values stand in texts: whole words and numbers, wherever a part of them stands before."""

from __future__ import annotations

import time

import pytest

from ockham.models.bio_tags import boundary
from ockham.models.extraction.value_places import find_number, find_words


@pytest.mark.parametrize(
    ("text", "value", "places"),
    [
        ("xab ab ab", "ab ab", ["ab ab"]),
        ("ab ab ab", "ab ab", ["ab ab"]),
        ("ab  AB", "ab ab", ["ab  AB"]),
        ("cab", "ab", []),
        ("3ab", "ab", ["ab"]),
    ],
)
def test_a_value_is_found_behind_a_part_of_it_in_a_longer_word(text: str, value: str, places: list[str]) -> None:
    assert [text[start:end] for start, end in find_words(text, value)] == places


def test_the_end_of_a_value_may_be_asked_to_be_the_end_of_a_word() -> None:
    assert list(find_words("3ab ab ab", "ab ab", boundary)) == [(4, 9)]
    assert list(find_words("3ab ab ab", "ab ab")) == [(1, 6)]


@pytest.mark.parametrize(
    ("text", "value", "places"),
    [
        ("-5", -5, ["-5"]),
        ("3-5", -5, []),
        ("3-5", 5, ["5"]),
        ("(-5)", -5, ["-5"]),
        ("+1,200.50", 1200.5, ["+1,200.50"]),
    ],
)
def test_a_sign_belongs_to_a_number_where_no_other_stands_before_it(text: str, value: float, places: list[str]) -> None:
    assert [text[start:end] for start, end in find_number(text, value)] == places


def test_many_numbers_with_signs_take_no_more_than_their_length_in_time() -> None:
    begin = time.process_time()
    assert len(list(find_number("9-" * 100_000, 9))) == 100_000
    assert time.process_time() - begin < 3
