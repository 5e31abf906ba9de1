"""Bars written by hand: as high as their numbers, under names that do nothing but stand there."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from ockham.reporting.bar_chart import Series, _ticks, bars
from ockham.reporting.svg import element


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
    first, second = Series("came <in>", "var(--c1)", [10, 40]), Series("stay", "var(--c2)", [5, 0])
    picture = bars(["few", "a&b"], (first, second), ("words", "rows"), 560)
    drawn = ET.fromstring(f"<g>{''.join(picture.parts)}</g>")
    assert picture.width == 560
    bodies = [
        one for one in drawn.iter("rect") if float(one.attrib["height"]) != 10
    ]  # ten pixels are the signs of the legend
    assert [float(one.attrib["height"]) for one in bodies] == [50, 200, 25, 0]
    said = [one.text for one in drawn.iter("text")]
    assert said[:2] == ["came <in>", "stay"]
    assert {"few", "a&b", "words", "rows", "0", "10", "40"} <= set(said)
    (floor,) = {float(one.attrib["y"]) + float(one.attrib["height"]) for one in bodies}
    assert floor < picture.height
    for one in bodies:
        assert 0 <= float(one.attrib["x"]) <= 560 - float(one.attrib["width"])


def test_names_that_would_touch_are_turned_and_thinned() -> None:
    names = [f"{2**i:,} to {2 ** (i + 1):,}" for i in range(40)]
    series = (Series("all", "var(--c1)", [1] * 40),)
    drawn = ET.fromstring(f"<g>{''.join(bars(names, series, ('words', 'rows'), 340).parts)}</g>")
    turned = [one for one in drawn.iter("text") if "rotate(-90)" in one.attrib.get("transform", "")]
    places = [float(one.attrib["transform"].removeprefix("translate(").split()[0]) for one in turned]
    assert len(turned) == 20
    assert all(after - before >= 14 for before, after in itertools.pairwise(places))


def test_nothing_to_draw_is_drawn() -> None:
    picture = bars([], (Series("none", "var(--c1)", []),), ("words", "rows"), 340)
    assert "none" in element(picture, "a", "b", "c")
