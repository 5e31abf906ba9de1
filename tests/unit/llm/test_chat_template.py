"""Templates cut at their contents: what stands around a content is the template's, whatever kind it is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ockham.errors import ModelError
from ockham.llm import chat_template
from ockham.llm.chat_template import ChatTemplate, Message, compile_template


def chatml(turns: Sequence[Message]) -> str:
    return "".join(f"<|{turn['role']}|>{turn['content']}<|end|>" for turn in turns) + "<|assistant|>"


def without_system(turns: Sequence[Message]) -> str:
    """As Gemma 2's: it refuses a system turn, and takes white space off contents."""
    if turns[0]["role"] == "system":
        raise ModelError("E_MODEL_FORMAT", "refused", fix="none")
    return "".join(f"<{turn['role']}>{turn['content'].strip()}</>" for turn in turns) + "<model>"


def dropping_system(turns: Sequence[Message]) -> str:
    return without_system([turn for turn in turns if turn["role"] != "system"])


TURNS = [
    {"role": "system", "content": " orders "},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "A"},
    {"role": "user", "content": "<|end|> two"},
]


def joined(made: ChatTemplate) -> str:
    contents = made.contents(TURNS)
    return "".join(piece + content for piece, content in zip(made.pieces, [*contents, ""], strict=True))


def test_pieces_and_contents_give_what_the_template_writes() -> None:
    made = compile_template(chatml, 1)
    assert not made.folded
    assert len(made.pieces) == 5
    assert joined(made) == chatml(TURNS)


@pytest.mark.parametrize("render", [without_system, dropping_system])
def test_where_a_template_knows_no_system_turn_its_content_begins_the_first_user_turn(
    render: chat_template.Render,
) -> None:
    made = compile_template(render, 1)
    assert made.folded
    assert joined(made) == "<user> orders \n\none</><assistant>A</><user><|end|> two</><model>"


def test_a_template_without_examples_has_orders_and_question_alone() -> None:
    assert compile_template(chatml, 0).pieces == ("<|system|>", "<|end|><|user|>", "<|end|><|assistant|>")


@pytest.mark.parametrize(
    "render",
    [
        lambda turns: "fixed words",
        lambda turns: chatml(turns) + chatml(turns),
        lambda turns: chatml(turns).lower(),
        lambda turns: chatml(turns[::-1]),
    ],
    ids=["drops", "repeats", "changes", "reorders"],
)
def test_a_template_that_changes_what_stands_in_a_turn_is_refused(render: chat_template.Render) -> None:
    with pytest.raises(ModelError) as caught:
        compile_template(render, 1)
    assert caught.value.code == "E_MODEL_FORMAT"
