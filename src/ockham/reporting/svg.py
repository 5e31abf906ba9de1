"""Pictures as SVG: marks, axes, keys and figures, drawn in the page's colours and scaled to any screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ockham.reporting.html import Attribute, Html, join, tag
from ockham.reporting.labels import SIZE, Anchor, Box, Placed, fit, text_box, text_width
from ockham.reporting.scales import Scale, Write, tick_choices

WIDE, NARROW = 560, 340
COLORS = ("var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)")
TOP, BOTTOM, TITLE_UP = 26, 44, 17
ROW = 18
_INSET = 8
_STANDALONE = (
    "svg{--paper:#fdfdfb;--ink:#1d1f21;--soft:#55595d;--faint:#9a9ea1;--mid:#6c7176;--line:#e4e4df;--accent:#14536b;"
    "--tint:#e3eef0;--c1:#14536b;--c2:#a3501f;--c3:#4b6b1f;--c4:#6b3f86;--c5:#55595d;background:#fdfdfb}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing of a size in pixels; ``key`` names what numbers in it stand for, from 1."""

    width: float
    height: float
    parts: tuple[Html, ...]
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale with its ticks, as they are written, and its title with the unit."""

    scale: Scale
    ticks: tuple[float, ...]
    words: tuple[str, ...]
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The frame that values are drawn in, its scales, and its vertical axis."""

    frame: Box
    x: Scale
    y: Scale
    up: Axis


def figure(name: str, title: str, about: str, draw: Callable[[int], Picture], caption: str) -> Html:
    """Draw a picture twice, for wide and for narrow screens, under one caption.

    ``draw`` makes the picture for a width in pixels; ``title`` names it and ``about`` says in words what it shows.
    """
    sizes = []
    for size, width in (("wide", WIDE), ("narrow", NARROW)):
        picture = draw(width)
        key = tag("ol", [tag("li", words) for words in picture.key], class_="key") if picture.key else None
        sizes.append(tag("div", element(picture, f"{name}-{size}", title, about), key, class_=size))
    return tag("figure", join(sizes), tag("figcaption", caption), class_="chart")


def element(picture: Picture, name: str, title: str, about: str) -> Html:
    """Write a picture as an element of a page; ``name`` makes its identifiers unique there."""
    return _element(picture, name, (title, about))


def standalone(picture: Picture, title: str, about: str) -> str:
    """Write a picture as a file of its own, in the page's light colours."""
    style = tag("style", Html(_STANDALONE))
    return _element(picture, "picture", (title, about), style, xmlns="http://www.w3.org/2000/svg") + "\n"


def number(value: float) -> str:
    """Write a coordinate to a tenth of a pixel."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def line(start: tuple[float, float], end: tuple[float, float], **attributes: Attribute) -> Html:
    """Draw a straight line."""
    (x1, y1), (x2, y2) = start, end
    return tag("line", x1=number(x1), y1=number(y1), x2=number(x2), y2=number(y2), **attributes)


def rect(box: Box, **attributes: Attribute) -> Html:
    """Draw a filled rectangle."""
    size = {"width": number(max(0.0, box.right - box.left)), "height": number(max(0.0, box.bottom - box.top))}
    return tag("rect", x=number(box.left), y=number(box.top), **size, **attributes)


def dot(x: float, y: float, radius: float, **attributes: Attribute) -> Html:
    """Draw a disc."""
    return tag("circle", cx=number(x), cy=number(y), r=number(radius), **attributes)


def path(points: Sequence[tuple[float, float]], *, closed: bool = False, **attributes: Attribute) -> Html:
    """Draw a line through points, or the area that they enclose."""
    steps = "L".join(f"{number(x)} {number(y)}" for x, y in _bends(points))
    return tag("path", d=f"M{steps}{'Z' if closed else ''}", **attributes)


def words_at(words: str, x: float, y: float, anchor: Anchor = "start", **attributes: Attribute) -> Html:
    """Write words in the usual size, centered on ``y``."""
    where = {"x": number(x), "y": number(y + 0.36 * SIZE)}
    return tag("text", words, **where, text_anchor=None if anchor == "start" else anchor, **attributes)


def labels(placed: Sequence[Placed]) -> Html:
    """Write placed labels over all else, with thin lines to the points of those that stand apart."""
    leaders = [
        line((placement.label.x, placement.label.y), _nearest(placement), stroke="var(--soft)", stroke_width=0.8)
        for placement in placed
        if placement.led
    ]
    words = [
        words_at(
            placement.label.words,
            placement.x,
            placement.y,
            placement.anchor,
            fill=placement.label.color,
            font_weight="bold" if placement.label.bold else None,
        )
        for placement in placed
    ]
    return tag("g", leaders, tag("g", words, **HALO))


HALO: dict[str, Attribute] = {
    "paint_order": "stroke",
    "stroke": "var(--paper)",
    "stroke_width": 3,
    "stroke_linejoin": "round",
}


def axis_across(scale: Scale, write: Write, title: str, width: float, *, whole: bool = False) -> Axis:
    """Choose as many ticks for a horizontal axis as can be written without touching in a picture of a width."""
    ticks: list[float] = []
    for ticks in tick_choices(scale, whole=whole):
        words = write(ticks)
        if ticks and _apart(scale, ticks, words, width):
            return Axis(scale=scale, ticks=tuple(ticks), words=tuple(words), title=title)
    return Axis(scale=scale, ticks=tuple(ticks[:1]), words=tuple(write(ticks)[:1]), title=title)


def axis_at(scale: Scale, values: Sequence[float], write: Write, title: str, width: float) -> Axis | None:
    """Return a horizontal axis with ticks at just these values; ``None`` where their words would touch."""
    words = write(values)
    if not _apart(scale, values, words, width):
        return None
    return Axis(scale=scale, ticks=tuple(values), words=tuple(words), title=title)


def axis_up(scale: Scale, write: Write, title: str) -> Axis:
    """Choose ticks for a vertical axis."""
    ticks = next(ticks for ticks in tick_choices(scale) if len(ticks) <= 8)
    return Axis(scale=scale, ticks=tuple(ticks), words=tuple(write(ticks)), title=title)


def margin(words: Sequence[str]) -> float:
    """Return the room that the words of a vertical axis need to its left."""
    return max((text_width(word) for word in words), default=0.0) + 8


def draw_across(axis: Axis, frame: Box, width: float) -> Html:
    """Draw a horizontal axis under the frame."""
    parts = [line((frame.left, frame.bottom), (frame.right, frame.bottom), stroke="var(--faint)")]
    for tick, words in zip(axis.ticks, axis.words, strict=True):
        x = axis.scale.at(tick)
        parts.append(line((x, frame.bottom), (x, frame.bottom + 5), stroke="var(--faint)"))
        parts.append(words_at(words, _inside(words, x, width), frame.bottom + 15, "middle"))
    title = fit(axis.title, width)
    middle = _inside(title, (frame.left + frame.right) / 2, width)
    return tag("g", parts, words_at(title, middle, frame.bottom + 34, "middle"), fill="var(--soft)")


def draw_up(axis: Axis, frame: Box) -> Html:
    """Draw a vertical axis: lines across the frame, their numbers to its left, its title above."""
    parts = []
    for tick, words in zip(axis.ticks, axis.words, strict=True):
        y = axis.scale.at(tick)
        parts.append(line((frame.left, y), (frame.right, y), stroke="var(--line)"))
        parts.append(words_at(words, frame.left - 8, y, "end"))
    return tag("g", parts, words_at(axis.title, 1, frame.top - TITLE_UP) if axis.title else None, fill="var(--soft)")


def inset(frame: Box) -> tuple[float, float]:
    """Return the pixels from bottom to top that values may take, so that marks at the ends are drawn whole."""
    return frame.bottom - _INSET, frame.top + _INSET


def draw_mark(words: str, x: float, frame: Box, width: float, title: str) -> list[Html]:
    """Draw a dashed line across an axis, named above the frame, to the right of the other axis's title."""
    rule = line((x, frame.top), (x, frame.bottom), stroke="var(--soft)", stroke_dasharray="4 4")
    if not words:
        return [rule]
    least = text_width(title) + 14 if title else 0.0
    half = text_width(words) / 2
    middle = max(least + half, min(width - half, x))
    return [rule, words_at(words, middle, frame.top - TITLE_UP, "middle", fill="var(--soft)")]


def key(entries: Sequence[tuple[str, Html]], width: float, sign: float) -> tuple[list[Html], float]:
    """Write a key at the top, in as many rows as it takes: signs of a width with their names; also return its height.

    Signs are drawn from their left end, at height 0.
    """
    parts: list[Html] = []
    x, y = 0.0, ROW / 2
    for words, drawn in entries:
        short = fit(words, width - sign - 6)
        taken = sign + 6 + text_width(short)
        if x and x + taken > width:
            x, y = 0.0, y + ROW
        parts.append(tag("g", drawn, transform=f"translate({number(x)} {number(y)})"))
        parts.append(words_at(short, x + sign + 6, y, fill="var(--ink)"))
        x += taken + 12
    return parts, y + ROW / 2 + 8 if entries else 0.0


def _element(picture: Picture, name: str, words: tuple[str, str], *before: Html, **attributes: str) -> Html:
    shape = {"width": number(picture.width), "height": number(picture.height)}
    return tag(
        "svg",
        tag("title", words[0], id=f"{name}-title"),
        tag("desc", words[1], id=f"{name}-desc"),
        *before,
        picture.parts,
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
        focusable="false",
        viewBox=f"0 0 {shape['width']} {shape['height']}",
        font_family="sans-serif",
        font_size=SIZE,
        **shape,
        **attributes,
    )


def _apart(scale: Scale, ticks: Sequence[float], words: Sequence[str], width: float) -> bool:
    middles = [_inside(word, scale.at(tick), width) for tick, word in zip(ticks, words, strict=True)]
    boxes = [text_box(word, x, 0, "middle") for x, word in zip(middles, words, strict=True)]
    return all(before.right + 5 <= after.left for before, after in pairwise(boxes))


def _inside(words: str, x: float, width: float) -> float:
    half = text_width(words) / 2
    return max(half, min(width - half, x))


def _nearest(placement: Placed) -> tuple[float, float]:
    box = placement.box
    return max(box.left, min(box.right, placement.label.x)), max(box.top + 2, min(box.bottom - 2, placement.label.y))


def _bends(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out the points that lie on the straight line between their neighbours."""
    bends = list(points[:1])
    for here, after in zip(points[1:], [*points[2:], None], strict=True):
        if after is not None:
            (x0, y0), (x1, y1), (x2, y2) = bends[-1], here, after
            off = abs((x2 - x0) * (y1 - y0) - (x1 - x0) * (y2 - y0))
            if off < 0.02 * (abs(x2 - x0) + abs(y2 - y0)) and (x1 - x0) * (x2 - x1) >= 0 <= (y1 - y0) * (y2 - y1):
                continue
        bends.append(here)
    return bends
