"""Words in a picture: how much room they take, and places for them where they cover nothing."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Anchor: TypeAlias = Literal["start", "middle", "end"]

SIZE = 12
BOLD = 1.14
_NEAR = 9.0
_RINGS = (17.0, 26.0, 37.0, 50.0, 66.0, 86.0, 112.0, 146.0, 190.0, 250.0)
_ANGLES = tuple(math.tau * i / 24 for i in range(24))
# The widest of the fonts that pages fall back to (Verdana, DejaVu Sans), in parts of the size.
_WIDTHS = (
    ("'ijlI|", 0.37),
    (' !"()[],.:;-/\\fJrt`\u00a0', 0.46),
    ("*?_LFacksvxyz", 0.62),
    ("bdeghnopqu0123456789$", 0.65),
    ("ABCDEGHKNOPQRSTUVXYZ&^~+=<>#\N{MINUS SIGN}", 0.85),
    ("%@mwMW\N{HORIZONTAL ELLIPSIS}", 1.02),
)
_WIDTH_OF = {letter: width for letters, width in _WIDTHS for letter in letters}


class Box(NamedTuple):
    """A rectangle in pixels, ``top`` above ``bottom``."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Return the area that two boxes share."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across * down if across > 0 and down > 0 else 0.0

    def holds(self, other: Box) -> bool:
        """Tell whether the other box lies inside."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Words for a point of the picture."""

    words: str
    x: float
    y: float
    bold: bool = False
    color: str = "var(--ink)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A label at its place: the point where its words start, are centered or end, and whether a line leads to it."""

    label: Label
    x: float
    y: float
    anchor: Anchor
    box: Box
    led: bool


class _Spot(NamedTuple):
    dx: float
    dy: float
    anchor: Anchor
    far: float


def text_width(words: str, *, size: float = SIZE, bold: bool = False) -> float:
    """Return an upper bound of the width of words in pixels, whichever common sans-serif font the reader has."""
    total = sum(_letter(letter) for letter in words)
    return total * size * (BOLD if bold else 1.0)


def text_box(words: str, x: float, y: float, anchor: Anchor = "start", *, bold: bool = False) -> Box:
    """Return the box of words of the usual size that are centered on ``y``."""
    width = text_width(words, bold=bold)
    left = x if anchor == "start" else x - width if anchor == "end" else x - width / 2
    return Box(left, y - 0.6 * SIZE, left + width, y + 0.6 * SIZE)


def fit(words: str, width: float, *, size: float = SIZE) -> str:
    """Cut words in their middle until they fit a width in pixels."""
    if text_width(words, size=size) <= width:
        return words
    for cut in range(1, len(words)):
        keep = len(words) - cut
        shorter = f"{words[: (keep + 1) // 2]}…{words[len(words) - keep // 2 :]}"
        if text_width(shorter, size=size) <= width:
            return shorter
    return "…"


def place(
    labels: Sequence[Label], frame: Box, blocked: Sequence[Box], crossed: Sequence[Box], *, reach: float
) -> tuple[Placed | None, ...]:
    """Find a place for each label near its point, inside the frame; ``None`` for one that has none within ``reach``.

    No label covers another one or a ``blocked`` box; ``crossed`` boxes, such as thin lines, are avoided if possible.
    Earlier labels choose first.
    """
    taken, avoided = list(dict.fromkeys(blocked)), list(dict.fromkeys(crossed))
    placed = []
    for label in labels:
        best = _best(label, frame, taken, avoided, reach)
        placed.append(best)
        if best is not None:
            taken.append(best.box)
    return tuple(placed)


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart on a line until neighbours are ``gap`` apart, as little as possible; the order stays.

    They stay between ``low`` and ``high``, if these leave room enough.
    """
    order = sorted(range(len(positions)), key=lambda i: (positions[i], i))
    groups: list[tuple[float, int]] = []  # the middle that its members wish for, and their number
    for i in order:
        middle, count = positions[i], 1
        while True:
            middle = _clamp(middle, (count - 1) * gap / 2, low, high)
            if not groups or middle - groups[-1][0] >= (count + groups[-1][1]) * gap / 2:
                break
            before, many = groups.pop()
            middle, count = (middle * count + before * many) / (count + many), count + many
        groups.append((middle, count))
    spaced = [middle + (i - (count - 1) / 2) * gap for middle, count in groups for i in range(count)]
    spread_out = dict(zip(order, spaced, strict=True))
    return [spread_out[i] for i in range(len(positions))]


def _clamp(middle: float, half: float, low: float, high: float) -> float:
    return max(low + half, min(high - half, middle))


def _letter(letter: str) -> float:
    width = _WIDTH_OF.get(letter)
    if width is not None:
        return width
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0.0
    return 1.4 if unicodedata.east_asian_width(letter) in "WF" else 1.02


def _best(label: Label, frame: Box, taken: Sequence[Box], crossed: Sequence[Box], reach: float) -> Placed | None:
    best: Placed | None = None
    cost = math.inf
    for rank, spot in enumerate(_spots(reach)):
        if spot.far >= cost:
            break
        box = text_box(label.words, label.x + spot.dx, label.y + spot.dy, spot.anchor, bold=label.bold)
        if not frame.holds(box) or _overlapping(box, taken):
            continue
        price = spot.far + 0.01 * rank + 0.5 * sum(box.overlap(other) for other in _overlapping(box, crossed))
        if price < cost:
            x, y = label.x + spot.dx, label.y + spot.dy
            best = Placed(label=label, x=x, y=y, anchor=spot.anchor, box=box, led=spot.far > _RINGS[0])
            cost = price
    return best


def _overlapping(box: Box, others: Sequence[Box]) -> list[Box]:
    left, top, right, bottom = box
    return [other for other in others if other[0] < right and left < other[2] and other[1] < bottom and top < other[3]]


def _spots(reach: float) -> Iterator[_Spot]:
    """Yield offsets from a point, from near to far."""
    for side, up in ((1, -1), (1, 1), (-1, -1), (-1, 1)):
        yield _Spot(_NEAR * side, _NEAR * up, "start" if side > 0 else "end", 0.0)
    yield _Spot(0.0, -15.0, "middle", 1.0)
    yield _Spot(0.0, 15.0, "middle", 1.0)
    yield _Spot(_NEAR, 0.0, "start", 2.0)
    yield _Spot(-_NEAR, 0.0, "end", 2.0)
    for ring in _RINGS:
        if ring > reach:
            return
        for angle in _ANGLES:
            dx, dy = ring * math.cos(angle), -ring * math.sin(angle)
            anchor: Anchor = "start" if dx > 0.4 * ring else "end" if dx < -0.4 * ring else "middle"
            yield _Spot(dx, dy, anchor, ring)
