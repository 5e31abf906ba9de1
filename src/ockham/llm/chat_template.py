"""A chat as token numbers: the template's own words may hold special tokens, the user's words never do.

The model's template is rendered once, with marks where the contents go (a `ChatTemplate`), and only these pieces are
read with special tokens in them. Every content (instructions, examples, the text) is encoded as plain text, so a text
that spells ``<|im_end|>`` cannot end its turn (fault D20). What the template makes of today's date is fixed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ockham.errors import ModelError

Message = Mapping[str, str]
Render = Callable[[Sequence[Message]], str]
"""Chat → the template's text; raises `ModelError` where the template refuses the chat."""

_MARK = "OCKHAM{:03d}CONTENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTemplate:
    """What a template writes around the contents of a chat: one piece more than there are contents.

    ``folded``: the template knows no system turn, so its content begins the first user turn.
    """

    pieces: tuple[str, ...]
    folded: bool

    def contents(self, chat: Sequence[Message]) -> list[str]:
        """Return the contents that stand between the pieces."""
        contents = [message["content"] for message in chat]
        return [f"{contents[0]}\n\n{contents[1]}", *contents[2:]] if self.folded else contents


def compile_template(render: Render, shots: int) -> ChatTemplate:
    """Render a chat of a system turn, ``shots`` answered turns and a question, and cut it at its contents.

    Raises `ModelError` (``E_MODEL_FORMAT``) where the template drops, repeats or changes a content.
    """
    roles = ["system", *["user", "assistant"] * shots, "user"]
    pieces = _cut(render, roles)
    if pieces is not None:
        return ChatTemplate(pieces=pieces, folded=False)
    pieces = _cut(render, roles[1:])
    if pieces is None:
        raise ModelError(
            "E_MODEL_FORMAT",
            "the model's chat template drops or changes what stands in a turn",
            fix="use a model made for chat, or one without a template",
        )
    return ChatTemplate(pieces=pieces, folded=True)


def _cut(render: Render, roles: Sequence[str]) -> tuple[str, ...] | None:
    marks = [_MARK.format(index) for index in range(len(roles))]
    try:
        text = render([{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)])
    except ModelError:
        return None
    pieces = []
    for mark in marks:
        if text.count(mark) != 1:
            return None
        before, _, text = text.partition(mark)
        pieces.append(before)
    return (*pieces, text)
