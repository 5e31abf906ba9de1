"""Numbers as a person reads them: never a power of ten, never more digits than anybody uses."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from ockham.plain_numbers import digits, megabytes, milliseconds, percent, percent_limit, percent_range, rate


def test_numbers_that_were_hard_to_read() -> None:
    assert milliseconds(1630.2) == "1.63 s"
    assert milliseconds(0.00162) == "<0.01 ms"
    assert megabytes(0.000703) == "0.703 kB"
    assert megabytes(131.2) == "131 MB"
    assert megabytes(2105.0) == "2.1 GB"
    assert rate(1_612_551) == "1.6 million"
    assert rate(41_234) == "41,000"
    assert rate(2096.0) == "2,100"
    assert rate(0.3) == "0.3"
    assert digits(1630.2) == "1,630"
    assert digits(0.0) == "0"


def test_shares_are_in_percent_with_a_space_and_with_no_more_digits_than_are_known() -> None:
    assert percent(0.8909) == "89.1 %"
    assert percent(0.8909, 0) == "89 %"
    assert percent_range(0.876, 0.90441) == "87.6 to 90.4"
    assert percent_limit(0.9) == "90 %"
    assert percent_limit(0.29) == "29 %"
    assert percent_limit(0.995) == "99.5 %"


@given(st.floats(0, 1e9))
@example(99.5)
def test_no_number_has_an_exponent_or_nine_digits(value: float) -> None:
    for text in (digits(value), milliseconds(value), megabytes(value), rate(value)):
        assert "e" not in text.replace("million", "")
        assert sum(character.isdigit() for character in text) <= 10
