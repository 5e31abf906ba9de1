"""Pictures: values lie at their pixels, words neither touch nor leave, foreign text stays text, bytes repeat."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sample_account import sample_account

from ockham.records import Estimate
from ockham.records.plan import Forecast, Memory, Speed
from ockham.reporting import ladder_chart, line_chart, plan_charts, scales, svg
from ockham.reporting.labels import Box, Label, fit, place, spread, text_box, text_width
from ockham.reporting.scales import Scale
from ockham.reporting.svg import NARROW, WIDE, Picture

NAMES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff"), max_size=40),
    st.from_regex(r"decoder:[a-z]{2,9}/[a-z]{2,9}-[0-9]b:(4bit|8bit|f16)", fullmatch=True),
    st.sampled_from(["linear", "encoder", "lookup", "encoder-tuned"]),
)
SHARES = st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1), st.floats(0.9, 0.91))
SIZES = st.one_of(st.floats(1e-4, 1e5), st.floats(10, 10.5))
WIDTHS = st.sampled_from([WIDE, NARROW])
EVIL = "<script>window.hit=1</script>"


def tree(picture: Picture) -> ET.Element:
    return ET.fromstring(svg.element(picture, "name", "title", "words"))


def boxes(picture: Picture) -> list[Box]:
    """Compute the boxes of all words that stand upright in a picture."""
    listed: list[Box] = []

    def walk(element: ET.Element, dx: float, dy: float) -> None:
        move = element.attrib.get("transform", "")
        if move.startswith("translate("):
            across, down = move.removeprefix("translate(").removesuffix(")").split()
            dx, dy = dx + float(across), dy + float(down)
        if element.tag == "text" and element.text:
            bold = element.attrib.get("font-weight") == "bold"
            anchor = element.attrib.get("text-anchor", "start")
            x, y = float(element.attrib["x"]) + dx, float(element.attrib["y"]) + dy - 0.36 * 12
            listed.append(text_box(element.text, x, y, anchor, bold=bold))  # type: ignore[arg-type]
        for child in element:
            walk(child, dx, dy)

    walk(tree(picture), 0.0, 0.0)
    return listed


def assert_clear(picture: Picture) -> None:
    """Check that no words of a picture touch each other or leave it."""
    every = boxes(picture)
    frame = Box(-0.2, -0.2, picture.width + 0.2, picture.height + 0.2)
    for box in every:
        assert frame.holds(box), (box, frame)
    for first, second in itertools.combinations(every, 2):
        shared = min(first.right, second.right) - max(first.left, second.left)
        high = min(first.bottom, second.bottom) - max(first.top, second.top)
        assert shared <= 0.2 or high <= 0.2, (first, second)


def estimate(value: float, spread_: float) -> Estimate:
    return Estimate(value=value, low=max(0.0, value - spread_), high=min(1.0, value + spread_), n=100)


@st.composite
def candidates(draw: st.DrawFn) -> tuple[ladder_chart.Spot, ...]:
    rows = draw(st.lists(st.tuples(NAMES, SHARES, SIZES, st.floats(0, 0.3)), min_size=1, max_size=20))
    return tuple(
        ladder_chart.Spot(
            name=name,
            x=Estimate(value=size, low=size * (1 - wide), high=size * (1 + wide), n=9),
            y=estimate(share, wide),
            baseline=False,
        )
        for name, share, size, wide in rows
    )


@settings(max_examples=60, deadline=None)
@given(candidates(), WIDTHS, st.sampled_from(["latency", "memory"]))
def test_no_words_of_a_ladder_touch_or_leave(spots: tuple[ladder_chart.Spot, ...], width: int, key: str) -> None:
    picture = ladder_chart.ladder(sample_account(n=12), spots, key, width)
    assert_clear(picture)
    dots = list(tree(picture).iter("circle"))
    assert len(dots) == len(spots)
    words = [one.text for one in tree(picture).iter("text")]
    if picture.key:
        assert {str(i) for i in range(1, len(spots) + 1)} <= set(words)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.lists(SHARES, min_size=1, max_size=5)), min_size=1, max_size=12),
    WIDTHS,
    st.booleans(),
    st.one_of(st.none(), st.floats(50, 5000)),
)
def test_no_words_of_lines_touch_or_leave(
    lines: list[tuple[str, list[float]]], width: int, log: bool, mark: float | None
) -> None:
    drawn = [
        line_chart.ChartLine(name=name, points=tuple((100.0 * 2**i, y, y / 2, (1 + y) / 2) for i, y in enumerate(ys)))
        for name, ys in lines
    ]
    chart = line_chart.Chart(
        x_title="training rows (logarithmic)",
        y_title="Accuracy",
        write_x=scales.write_plain,
        write_y=scales.write_shares,
        x_log=log,
        mark=mark,
        mark_name="your traffic",
    )
    assert_clear(line_chart.draw(drawn, chart, width))


def forecast(name: str, size: float, fits: bool) -> Forecast:
    memory = Memory(
        weights_mb=size,
        kv_cache_mb=size / 9,
        activations_mb=0,
        overhead_mb=9,
        total_mb=size * 10 / 9 + 9,
        reclaimable_mb=0,
    )
    speed = Speed(first_token_ms=1, tokens_per_s=None, answer_ms=size / 7, answers_per_s=1, spread=1.6)
    return Forecast(
        model=name,
        kind="decoder",
        parameters_m=size / 2,
        licence="x",
        quantization="q4_k_m",
        context=100,
        fits=fits,
        devices=1,
        why="",
        memory=memory,
        speed=speed,
        max_p95_ms=None,
        good_for=(),
        engine="x",
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.floats(1, 1e6), st.booleans()), min_size=1, max_size=14),
    st.floats(0.5, 200),
    WIDTHS,
)
def test_no_words_of_a_plan_touch_or_leave(rows: list[tuple[str, float, bool]], limit_gb: float, width: int) -> None:
    forecasts = [forecast(*row) for row in rows]
    assert_clear(plan_charts.memory_chart(forecasts, limit_gb, width))
    assert_clear(plan_charts.time_chart(forecasts, [("200 ms", 200.0), ("1 s", 1000.0), ("10 s", 10_000.0)], width))


def test_a_value_lies_at_its_pixel() -> None:
    linear = Scale(low=0, high=10, start=100, end=300)
    assert [linear.at(v) for v in (0, 2.5, 10, -1, 11)] == [100, 150, 300, 100, 300]
    log = Scale(low=0.01, high=1000, start=300, end=50, log=True)
    assert [round(log.at(v), 9) for v in (0.01, 0.1, 1, 1000, 0, -5)] == [300, 250, 200, 50, 300, 300]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 9), st.booleans())
def test_linear_ticks_are_few_round_and_inside(low: float, size: float, most: int, whole: bool) -> None:
    ticks = scales.linear_ticks(low, low + size, most, whole=whole)
    slack = 1e-6 * (abs(low) + size)
    assert len(ticks) <= most
    assert all(low - slack <= tick <= low + size + slack for tick in ticks)
    assert not whole or all(float(tick).is_integer() for tick in ticks)
    if not whole and size > 1e-3 * abs(low):
        assert len(ticks) >= (most - 1) // 3
        gaps = [b - a for a, b in itertools.pairwise(ticks)]
        assert all(math.isclose(gap, gaps[0], rel_tol=1e-3) for gap in gaps)


@given(st.floats(1e-9, 1e9), st.floats(1.1, 1e12))
def test_every_choice_of_log_ticks_lies_inside_and_gets_sparser(low: float, factor: float) -> None:
    choices = list(scales.tick_choices(Scale(low=low, high=low * factor, start=0, end=1, log=True)))
    assert choices
    assert max(map(len, choices)) <= 14
    for ticks in choices:
        assert all(low * (1 - 1e-6) <= tick <= low * factor * (1 + 1e-6) for tick in ticks)
        assert list(ticks) == sorted(set(ticks))


def test_ticks_are_written_with_their_unit_and_no_more_digits_than_needed() -> None:
    assert scales.write_shares([0.8, 0.85, 0.9]) == ["80\u00a0%", "85\u00a0%", "90\u00a0%"]
    assert scales.write_shares([0.902, 0.904]) == ["90.2\u00a0%", "90.4\u00a0%"]
    assert scales.write_plain([1e-5, 0.01, 0.3, 1, 1000, 12.5]) == ["0.00001", "0.01", "0.3", "1", "1,000", "12.5"]
    assert scales.write_short([300, 1000, 30_000, 2e6]) == ["300", "1k", "30k", "2M"]
    assert scales.write_dollars([0.1, 1000]) == ["$0.1", "$1,000"]
    assert scales.write_seconds([0.0001, 0.1, 10]) == ["0.1\u00a0ms", "100\u00a0ms", "10\u00a0s"]


@given(st.lists(st.floats(0, 300), min_size=1, max_size=15))
def test_spread_keeps_order_and_distance_and_moves_nothing_that_has_room(wanted: list[float]) -> None:
    placed = spread(wanted, 15, 0, 300)
    ordered = sorted(zip(wanted, placed, strict=True))
    heights = [height for _, height in ordered]
    assert all(after - before >= 15 - 1e-6 for before, after in itertools.pairwise(sorted(heights)))
    assert all(-1e-6 <= height <= 300 + 1e-6 for height in heights)
    if all(b - a >= 15 for a, b in itertools.pairwise(sorted(wanted))):
        assert placed == wanted
    for (first, low), (second, high) in itertools.pairwise(ordered):
        assert low < high or first == second


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300), NAMES), max_size=9), st.floats(0, 400))
def test_placed_labels_cover_nothing(points: list[tuple[float, float, str]], wall: float) -> None:
    frame, blocked = Box(0, 0, 400, 300), [Box(wall, 0, wall + 5, 300)]
    tried = place([Label(words=n, x=x, y=y) for x, y, n in points], frame, blocked, [], reach=250)
    placed = [one for one in tried if one is not None]
    assert [one.label.words for one in placed] == [n for (_, _, n), one in zip(points, tried, strict=True) if one]
    taken = [*blocked, *(one.box for one in placed)]
    assert all(frame.holds(one.box) for one in placed)
    assert all(a.overlap(b) == 0 for a, b in itertools.combinations(taken, 2))


@given(st.text(max_size=60), st.floats(20, 300))
def test_words_are_cut_to_fit(words: str, width: float) -> None:
    cut = fit(words, width)
    assert text_width(cut) <= width
    assert cut == words or "…" in cut
    assert cut != "…" or len(words) < 4 or width < 60


def test_foreign_names_stay_text() -> None:
    spots = tuple(
        ladder_chart.Spot(name=name, x=estimate(0.5, 0.1), y=estimate(value, 0.05), baseline=False)
        for name, value in ((EVIL, 0.5), ('"><svg onload=x>', 0.9), ("a\u202eb", 0.1))
    )
    picture = ladder_chart.ladder(sample_account(n=12), spots, "latency", WIDE)
    source = svg.figure("x", EVIL, EVIL, lambda _: picture, EVIL)
    assert "<script" not in source
    assert "\u202e" not in source
    root = ET.fromstring(svg.element(picture, "name", EVIL, EVIL))
    assert not list(root.iter("script"))
    assert [root[0].text, root[1].text] == [EVIL, EVIL]
    written = {one.text for one in root.iter("text")} | set(picture.key)
    assert {EVIL, "a⟦RLO⟧b"} <= written


def test_equal_pictures_are_equal_bytes_and_lead_nowhere() -> None:
    lines = [line_chart.ChartLine(name="one", points=((1.0, 0.5, 0.4, 0.6), (2.0, 0.7, 0.6, 0.8)))]
    chart = line_chart.Chart(x_title="x", y_title="y", write_x=scales.write_plain, write_y=scales.write_plain)
    first, again = (svg.standalone(line_chart.draw(lines, chart, WIDE), "title", "words") for _ in range(2))
    assert first == again
    root = ET.fromstring(first)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["viewBox"].split()[2] == str(WIDE)
    assert first.count("http") == 1
    assert "url(" not in first
    assert "href" not in first
    page = svg.element(line_chart.draw(lines, chart, WIDE), "name", "title", "words")
    assert "http" not in page


@pytest.mark.parametrize("points", [1, 2, 4])
def test_every_interval_of_a_line_is_drawn(points: int) -> None:
    line = line_chart.ChartLine(name="one", points=tuple((10.0 * 2**i, 0.5, 0.25, 0.75) for i in range(points)))
    chart = line_chart.Chart(
        x_title="x", y_title="y", write_x=scales.write_plain, write_y=scales.write_shares, x_log=True
    )
    root = tree(line_chart.draw([line], chart, WIDE))
    ticks = {one.text: float(one.attrib["y"]) - 0.36 * 12 for one in root.iter("text")}

    def up(share: float) -> float:
        return ticks["30\u00a0%"] + (share - 0.3) / 0.4 * (ticks["70\u00a0%"] - ticks["30\u00a0%"])

    if points == 1:
        whiskers = [one for one in root.iter("line") if one.attrib["x1"] == one.attrib["x2"]]
        ends = [sorted(float(one.attrib[k]) for k in ("y1", "y2")) for one in whiskers]
    else:
        (band,) = [one for one in root.iter("path") if one.attrib["fill"] != "none"]
        heights = [float(step.split()[1]) for step in band.attrib["d"].strip("MZ").split("L")]
        ends = [[min(heights), max(heights)]]
    assert any(abs(low - up(0.75)) < 0.3 and abs(high - up(0.25)) < 0.3 for low, high in ends)


def test_long_names_stand_in_a_key_with_their_numbers() -> None:
    names = ["decoder:org/some-long-name-1b:4bit", "linear"]
    lines = [line_chart.ChartLine(name=name, points=((1.0, 0.5, 0.5, 0.5), (2.0, 0.6, 0.6, 0.6))) for name in names]
    chart = line_chart.Chart(x_title="x", y_title="y", write_x=scales.write_plain, write_y=scales.write_plain)
    for width in (WIDE, NARROW):
        words = [one.text for one in tree(line_chart.draw(lines, chart, width)).iter("text")]
        assert words[:2] == [f"{i} {name}" for i, name in enumerate(names, 1)]
        assert words[-2:] == ["1", "2"]


@pytest.mark.parametrize("log", [False, True])
def test_lines_without_points_leave_the_axes(log: bool) -> None:
    chart = line_chart.Chart(
        x_title="x", y_title="y", write_x=scales.write_plain, write_y=scales.write_plain, x_log=log, y_log=log
    )
    for lines in ([], [line_chart.ChartLine(name="none", points=())]):
        words = [one.text for one in tree(line_chart.draw(lines, chart, WIDE)).iter("text")]
        assert {"x", "y"} <= set(words)
        assert "none" not in words
        assert "none" not in line_chart.description(lines, chart)


def labelled(words: Sequence[str], x: float) -> list[Label]:
    return [Label(words=one, x=x, y=100) for one in words]


def test_a_label_that_has_no_room_is_told() -> None:
    frame = Box(0, 0, 100, 200)
    assert place(labelled(["x" * 200], 50), frame, [], [], reach=250) == (None,)
    assert place(labelled(["x"], 50), frame, [frame], [], reach=250) == (None,)
    short = place(labelled(["x", "x" * 200, "y"], 50), frame, [], [], reach=250)
    assert [one is None for one in short] == [False, True, False]


def test_very_many_candidates_are_drawn_in_time_and_stay_clear() -> None:
    spots = tuple(
        ladder_chart.Spot(name=f"decoder:org/name-{i}", x=estimate(0.5, 0.05), y=estimate(0.9, 0.02), baseline=False)
        for i in range(150)
    )
    for width in (WIDE, NARROW):
        picture = ladder_chart.ladder(sample_account(n=12), spots, "latency", width)
        assert_clear(picture)
        assert len(picture.key) == 150
        words = {one.text for one in tree(picture).iter("text")}
        assert len(words & {str(i) for i in range(1, 151)}) >= 40
