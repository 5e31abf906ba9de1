"""A small language model with random weights as a bundle that writes freely, for tests of what is served."""

from __future__ import annotations

from pathlib import Path

from tests import tiny_gguf
from tests.served import seal

from ockham.models import causal_lm
from ockham.records import Example, TaskName

_STRINGS = {
    "type": "array",
    "minItems": 4,
    "maxItems": 4,
    "items": {"type": "string", "minLength": 200, "maxLength": 200},
}
LONG = {
    "type": "json_schema",
    "json_schema": {"name": "long", "schema": _STRINGS},
}
"""A form in which an answer takes a thousand tokens, whatever the model would say."""
_MARKS = slice(256, 259)
"""The tokens that end a text."""
ROWS = tuple(Example(id=str(number), input=f"text {number}", target=f"answer {number}") for number in range(4))


def writing_bundle(
    folder: Path,
    *,
    tokens: int = 64,
    context: int = 1024,
    task: TaskName = "generate",
    rows: tuple[Example, ...] = ROWS,
    is_endless: bool = False,
) -> Path:
    """Write a bundle whose model says something for so many tokens at most, or always for as many where it is endless.

    Its text is noise, its protocol is not.
    """
    folder.mkdir(parents=True)
    named = tiny_gguf.matrices(0)
    if is_endless:
        named["token_embd.weight"][_MARKS] = 0  # none of them is ever the most probable
    weights = tiny_gguf.lay(folder.with_name(f"{folder.name}.gguf"), named, tiny_gguf.metadata())
    spec = causal_lm.GgufSpec(threads=1, context=context, max_output_tokens=tokens)
    causal_lm.fit(rows, folder, causal_lm.Base(weights=weights), spec, task=task)
    return seal(folder, "gguf", sorted({row.target for row in rows}) if task == "classify" else (), task=task)
