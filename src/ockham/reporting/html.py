"""HTML that is safe by construction: a child that is not already `Html` is cleaned and escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from ockham.reporting.formatting import clean


class Html(str):
    """Markup that this room wrote itself; every other string is text."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"
Attribute: TypeAlias = "str | float | bool | None"

_NARROW_TABLE = 3
"""The most columns that fit on the screen of a phone."""
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


def prose(sentences: str) -> Html:
    """Show sentences of ours, in which what a person types stands between backticks, as code."""
    parts = sentences.split("`")
    if len(parts) % 2 == 0:  # a backtick has no other, so none of them marks a command
        return text(sentences)
    return join(tag("code", part) if i % 2 else part for i, part in enumerate(parts))


def embed_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write JSON that may stand inside a script element: no character that could end it."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        written = written.replace(char, f"\\u{ord(char):04x}")
    return written


def section(name: str, title: str, *children: Child) -> Html:
    """Write one section of the page with its heading; ``name`` is its anchor."""
    return tag("section", tag("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def note(*children: Child, class_: str = "") -> Html:
    """Write a remark in smaller type."""
    return tag("p", *children, class_=f"note {class_}".strip())


def table(head: Sequence[Child], body: Iterable[Sequence[Child]], *, label: str, numbers: Iterable[int] = ()) -> Html:
    """Write a table that scrolls inside itself; the first column heads its row, ``numbers`` are set to the right.

    On a narrow screen the rows of a wide table become lists, where each cell names its column.
    """
    right, wide = set(numbers), len(head) > _NARROW_TABLE
    heads = [tag("th", cell, scope="col", class_="n" if i in right else None) for i, cell in enumerate(head)]
    rows = [
        tag(
            "tr",
            [
                tag("th", cell, scope="row", data_head=head[0] if wide and head[0] == "Row" else None)
                if i == 0
                else tag("td", cell, class_="n" if i in right else None, data_head=_name(head[i]) if wide else None)
                for i, cell in enumerate(row)
            ],
        )
        for row in body
    ]
    parts = tag("caption", label, class_="unseen"), tag("thead", tag("tr", heads)), tag("tbody", rows)
    return scroll(tag("table", *parts, class_="stack" if wide else None), label)


def fold_numbers(numbers: Html) -> Html:
    """Put the numbers of a picture behind a fold."""
    return tag("details", tag("summary", "The numbers"), numbers)


def share_bar(part: int, whole: int, *, is_kept: bool = False) -> Html:
    """Draw a share of rows as a bar for the cell of a table; what is there at all is seen."""
    width = f"{max(0.4, 100 * part / whole) if part else 0:.2f}"
    return tag(
        "svg",
        tag("rect", x=0, y=2, width=width, height=6),
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        class_="bar kept" if is_kept else "bar",
        aria_hidden="true",
    )


def _name(head: Child) -> str | None:
    return head if isinstance(head, str) and head else None


def scroll(content: Html, label: str) -> Html:
    """Let wide content scroll inside its own box, reachable by keyboard."""
    return tag("div", content, class_="scroll", role="region", aria_label=label, tabindex=0)
