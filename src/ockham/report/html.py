"""HTML that is safe by construction: a child that is not already `Html` is cleaned and escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from ockham.report.formatting import clean


class Html(str):
    """Markup that this room wrote itself; every other string is text."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"
Attribute: TypeAlias = "str | float | bool | None"

_VOID = frozenset({"br", "col", "hr", "input", "meta"})


def text(value: str) -> Html:
    """Turn any string into markup that shows it and does nothing else."""
    return Html(html.escape(clean(value), quote=True))


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Write one element.

    Attribute names drop a trailing underscore and take hyphens for inner ones (``class_``, ``data_n``); ``None`` and
    ``False`` leave the attribute out, ``True`` writes it bare. Children that are ``None`` are left out.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        parts.append(f" {word}" if value is True else f' {word}="{text(str(value))}"')
    parts.append(">")
    if name not in _VOID:
        parts += [join(children), f"</{name}>"]
    return Html("".join(parts))


def join(children: Iterable[Child]) -> Html:
    """Put children one after the other, text escaped."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(text(child))
        else:
            parts.append(join(child))
    return Html("".join(parts))


def user(value: str, **attributes: Attribute) -> Html:
    """Show text from the user's data: isolated, so that its reading direction ends where it ends."""
    return tag("bdi", value, dir="auto", **attributes)


def section(name: str, title: str, *children: Child) -> Html:
    """Write one section of the page with its heading; ``name`` is its anchor."""
    return tag("section", tag("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def note(*children: Child) -> Html:
    """Write a remark in smaller type."""
    return tag("p", *children, class_="note")


def table(head: Sequence[Child], body: Iterable[Sequence[Child]], *, label: str, numbers: Iterable[int] = ()) -> Html:
    """Write a table that scrolls inside itself; the first column heads its row, ``numbers`` are set to the right."""
    right = set(numbers)
    heads = [tag("th", cell, scope="col", class_="n" if i in right else None) for i, cell in enumerate(head)]
    rows = [
        tag(
            "tr",
            [
                tag("th", cell, scope="row") if i == 0 else tag("td", cell, class_="n" if i in right else None)
                for i, cell in enumerate(row)
            ],
        )
        for row in body
    ]
    return scroll(
        tag("table", tag("caption", label, class_="unseen"), tag("thead", tag("tr", heads)), tag("tbody", rows)), label
    )


def scroll(content: Html, label: str) -> Html:
    """Let wide content scroll inside its own box, reachable by keyboard."""
    return tag("div", content, class_="scroll", role="region", aria_label=label, tabindex=0)
