"""100 short rows of two labels, prepared for a climb: what the rungs of language models are tried on."""

from __future__ import annotations

import random
from collections.abc import Callable

from ockham.data.prepare import Prepared, prepare
from ockham.data.split import SplitSpec
from ockham.readers.read import ReadSpec
from ockham.records import Progress


def prepare_two_labels(on_progress: Callable[[Progress], None]) -> Prepared:
    """Return the same rows at every call, split."""
    draw = random.Random(6)
    rows = [
        {"text": f"{''.join(draw.choices('abcdefghijklmnop', k=20))} {n}", "label": "ab"[n % 2]} for n in range(100)
    ]
    reading = ReadSpec(inputs=("text",), target="label")
    return prepare(rows, reading, SplitSpec(), test=None, task_name="classify", on_progress=on_progress)
