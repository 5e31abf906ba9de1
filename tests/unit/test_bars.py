"""Bars written by hand: as high as their numbers, under names that do nothing but stand there."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from ockham.report.bars import Series, _ticks, bars


@given(st.integers(0, 10**15))
def test_ticks_are_few_round_and_reach_the_largest_number(most: int) -> None:
    ticks = _ticks(most)
    steps = {after - before for before, after in itertools.pairwise(ticks)}
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert 2 <= len(ticks) <= 7
    assert len(steps) == 1
    assert steps.pop() / 10 ** (len(str(ticks[1])) - 1) in (1, 2, 5)
    assert most == 0 or ticks[-2] < most


def test_bars_are_as_high_as_their_numbers() -> None:
    first, second = Series("came <in>", "#aaa", [10, 40]), Series("stay", "#bbb", [5, 0])
    drawn = ET.fromstring(bars(["few", "a&b"], (first, second), ("words", "rows"), 560))
    assert drawn.attrib["width"] == "560"
    heights = [float(one.attrib["height"]) for one in drawn.iter("rect")]
    assert heights == [10, 10, 45, 180, 22.5, 0]  # those of the legend, then 180 for 40
    said = [one.text for one in drawn.iter("text")]
    assert said[:2] == ["came <in>", "stay"]
    assert {"few", "a&b", "words", "rows", "0", "10", "40"} <= set(said)
    bodies = list(drawn.iter("rect"))[2:]
    for one in bodies:
        assert float(one.attrib["y"]) + float(one.attrib["height"]) == 180
        assert 0 <= float(one.attrib["x"]) <= 480 - float(one.attrib["width"])


def test_nothing_to_draw_is_drawn() -> None:
    assert bars([], (Series("none", "#aaa", []),), ("words", "rows"), 340).startswith("<svg ")
