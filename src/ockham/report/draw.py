"""Charts: Vega-Lite specifications compiled to static SVG while the page is written."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from ockham.report.markup import Html, join, tag

Spec: TypeAlias = dict[str, Any]
Draw: TypeAlias = Callable[[Spec, str], "Html | None"]

WIDE, NARROW = 560, 340
_log = logging.getLogger(__name__)


def drawer() -> Draw | None:
    """Give the function that compiles a specification, or ``None`` where vl-convert is missing."""
    try:
        import vl_convert
    except ImportError:
        return None

    def draw(spec: Spec, name: str) -> Html | None:
        try:
            return _tidy(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]), name)
        except ValueError as error:
            _log.warning("the chart %s could not be drawn (%s)", name, type(error).__name__)
            return None

    return draw


def figure(draw: Draw | None, name: str, title: str, spec: Callable[[int], Spec], caption: str) -> Html | None:
    """Draw a chart twice, for wide and for narrow screens, under one caption.

    ``spec`` makes the specification for a width in pixels; ``title`` says in words what is to be seen.
    """
    if draw is None:
        return None
    sizes = (("wide", WIDE), ("narrow", NARROW))
    drawn = [(size, draw(spec(width), f"{name}-{size}")) for size, width in sizes]
    if not all(svg for _, svg in drawn):
        return None
    pictures = [tag("div", svg, class_=size, role="img", aria_label=title) for size, svg in drawn]
    return tag("figure", join(pictures), tag("figcaption", caption), class_="chart")


def _tidy(svg: str, name: str) -> Html:
    """Make a drawing fit for a page: no addresses, no identifiers that another drawing has too, no roles inside."""
    svg = re.sub(r'\s(?:xmlns(?::xlink)?|version|role|aria-[a-z]+|font-family|pointer-events)="[^"]*"', "", svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r'(?:xlink:)?href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r'<path class="(?:background|foreground)" d="[^"]*"(?: display="none")?/>', "", svg)
    for _ in range(3):
        svg = re.sub(r"<g>\s*</g>", "", svg)
    return Html(svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))
