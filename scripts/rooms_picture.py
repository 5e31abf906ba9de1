"""Draw the rooms of the code from its imports: one row a layer, an arrow where no way through other rooms says it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from html import escape
from pathlib import Path

WIDTH = 760
ROW, HEIGHT, GAP, CHARACTER, MARGIN = 58, 28, 18, 8.2, 16
Graph = dict[str, set[str]]
Layers = Sequence[Sequence[str]]
Boxes = dict[str, tuple[float, float, float]]
"""Left edge, top edge and width of each room, in pixels."""


def draw(source: Path, layers: Layers) -> str:
    """Return the picture as SVG; ``layers`` stand from the top down, ``source`` is the package's folder."""
    graph = reduce(imports(source, {room for layer in layers for room in layer}))
    boxes = place_boxes(layers)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * MARGIN + len(layers) * ROW}" role="img" '
        'font-family="ui-monospace,Menlo,Consolas,monospace" font-size="13">',
        "<title>The rooms of Ockham</title>",
        "<desc>A room imports those below it that its lines lead to, and what those import.</desc>",
        '<rect width="100%" height="100%" fill="#fdfdfb"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#6c7176"/></marker></defs>',
    ]
    parts += [arrow(boxes[room], boxes[below]) for room in boxes for below in sorted(graph[room])]
    parts += [box(room, boxes[room]) for room in boxes]
    return "\n".join([*parts, "</svg>\n"])


def imports(source: Path, rooms: set[str]) -> Graph:
    """Return which rooms each room imports, imports inside functions included."""
    graph: Graph = {room: set() for room in rooms}
    for path in sorted(source.rglob("*.py")):
        room = path.relative_to(source).parts[0].removesuffix(".py")
        if room in rooms:
            graph[room] |= {name for name in imported(ast.parse(path.read_text(encoding="utf-8"))) if name in rooms}
            graph[room] -= {room}
    return graph


def imported(tree: ast.Module) -> set[str]:
    """Return the first name below ``ockham`` of each import."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            full = [node.module] if "." in node.module else [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        else:
            continue
        names |= {name.split(".")[1] for name in full if name.startswith("ockham.")}
    return names


def reduce(graph: Graph) -> Graph:
    """Leave out each arrow that a longer way stands for (the transitive reduction of a graph without circles)."""
    below: Graph = {}

    def reach(room: str) -> set[str]:
        if room not in below:
            below[room] = set()
            below[room] = graph[room].union(*(reach(child) for child in graph[room]))
        return below[room]

    return {
        room: {child for child in children if not any(child in reach(other) for other in children - {child})}
        for room, children in graph.items()
    }


def place_boxes(layers: Layers) -> Boxes:
    """Return where each room stands: a layer's rooms side by side, in the middle of the picture."""
    boxes: Boxes = {}
    for row, layer in enumerate(layers):
        widths = [len(room) * CHARACTER + 2 * MARGIN for room in layer]
        x = (WIDTH - sum(widths) - GAP * (len(widths) - 1)) / 2
        for room, width in zip(layer, widths, strict=True):
            boxes[room] = (x, MARGIN + row * ROW + (ROW - HEIGHT) / 2, width)
            x += width + GAP
    return boxes


def box(room: str, corner: tuple[float, float, float]) -> str:
    x, y, width = corner
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT}" rx="5" fill="#e3eef0" stroke="#14536b"/>'
        f'<text x="{x + width / 2:.1f}" y="{y + HEIGHT / 2 + 4.5:.1f}" text-anchor="middle" fill="#1d1f21">'
        f"{escape(room)}</text>"
    )


def arrow(upper: tuple[float, float, float], lower: tuple[float, float, float]) -> str:
    x, y = upper[0] + upper[2] / 2, upper[1] + HEIGHT
    end_x, end_y = lower[0] + lower[2] / 2, lower[1] - 2
    bend = max(18.0, (end_y - y) / 2)
    return (
        f'<path d="M{x:.1f} {y:.1f}C{x:.1f} {y + bend:.1f} {end_x:.1f} {end_y - bend:.1f} {end_x:.1f} {end_y:.1f}" '
        'fill="none" stroke="#6c7176" marker-end="url(#tip)"/>'
    )
