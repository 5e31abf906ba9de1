"""Options in another order: the answer goes along, and who always takes one place gets chance."""

from __future__ import annotations

import dataclasses
import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.data import multiple_choice
from ockham.data.multiple_choice import Form, infer_answer_form, infer_format, parse_options
from ockham.records import Example

COLOURS = ("red", "green", "blue", "grey", "pink", "white", "black", "brown")


def question(number: int, texts: list[str], right: int, *, form: str = "(X)") -> Example:
    """Ask for a colour; the target is a mark in the given form, or the option's text."""
    marks = "ABCDEFGH"
    lines = "\n".join(f"{mark}) {text}" for mark, text in zip(marks, texts, strict=False))
    target = texts[right] if form == "text" else form.replace("X", marks[right]).replace("x", marks[right].lower())
    return Example(id=str(number), input=f"Item {number}: which colour is it?\n{lines}\nAnswer:", target=target)


def questions(count: int, *, form: str = "(X)", right: int | None = None) -> list[Example]:
    draw = random.Random(5)
    picked = [draw.sample(COLOURS, 4) for _ in range(count)]
    return [
        question(number, texts, draw.randrange(4) if right is None else right, form=form)
        for number, texts in enumerate(picked)
    ]


def text_of(row: Example, form: Form) -> str:
    found = parse_options(row.input)
    assert found is not None
    place = found.index_of(row.target, form)
    assert place is not None
    return found.texts[place]


@pytest.mark.parametrize("form", ["(X)", "X", "X.", "x", "text"])
def test_the_right_option_stays_the_right_one(form: str) -> None:
    rows = questions(60, form=form)
    named: Form = "text" if form == "text" else "mark"
    assert infer_answer_form(rows) == named
    found, kept = multiple_choice.shuffle_options(rows, 1)
    assert kept == 0
    assert [text_of(row, named) for row in found] == [text_of(row, named) for row in rows]
    for old, new in zip(rows, found, strict=True):
        was, now = parse_options(old.input), parse_options(new.input)
        assert was is not None
        assert now is not None
        assert (now.marks, sorted(now.texts)) == (was.marks, sorted(was.texts))
        assert len(new.input) == len(old.input)
        assert new.input.endswith("\nAnswer:")
        assert new.target.strip("()[].: ").islower() == (form in ("x", "text"))
    assert sum(old.input != new.input for old, new in zip(rows, found, strict=True)) > 45


def test_who_always_takes_the_first_option_gets_chance_where_it_had_been_right_every_time() -> None:
    rows = questions(400, form="X", right=0)
    assert Counter(row.target for row in rows) == {"A": 400}
    found, _ = multiple_choice.shuffle_options(rows, 0)
    right = sum(row.target == "A" for row in found)
    # 400 draws with p = 1/4: five standard deviations on either side.
    assert 57 < right < 143


def test_the_order_follows_from_the_seed_and_the_question_alone() -> None:
    rows = questions(40)
    assert multiple_choice.shuffle_options(rows, 3) == multiple_choice.shuffle_options(rows, 3)
    assert multiple_choice.shuffle_options(rows[20:], 3)[0] == multiple_choice.shuffle_options(rows, 3)[0][20:], (
        "neighbours do not matter"
    )
    assert multiple_choice.shuffle_options(rows, 3)[0] != multiple_choice.shuffle_options(rows, 4)[0]


def test_a_second_order_is_another_one_and_names_the_same_option() -> None:
    for row in multiple_choice.shuffle_options(questions(60, form="X"), 0)[0]:
        second = multiple_choice.reshuffle_options(row, "mark", 0)
        assert second is not None
        assert second.input != row.input
        assert text_of(second, "mark") == text_of(row, "mark")
        assert multiple_choice.is_same_option(row, row.target, second, second.target, "mark")
        assert multiple_choice.is_same_option(row, None, second, None, "mark") is False, "no answer is no steady answer"
        assert multiple_choice.is_same_option(row, "Z", second, "Z", "mark") is False


@pytest.mark.parametrize("tied", ["None of the above", "both A and C", "(A) or (B)", "the former", "A, B"])
def test_options_that_speak_of_places_keep_their_order(tied: str) -> None:
    row = question(1, ["red", "green", "blue", tied], 2)
    assert multiple_choice.shuffle_options([row], 0) == ([row], 1)
    assert multiple_choice.reshuffle_options(row, "mark", 0) is None


@pytest.mark.parametrize("free", ["None of these", "Vitamin A and iron", "black and white"])
def test_options_that_do_not_are_moved(free: str) -> None:
    rows = [question(n, ["red", "green", free], 2, form="text") for n in range(20)]
    found, kept = multiple_choice.shuffle_options(rows, 0)
    assert kept == 0
    assert {row.target for row in found} == {free}


@pytest.mark.parametrize("form", ["(X)", "X", "X.", "x", "text"])
def test_the_form_of_targets_is_found_in_them(form: str) -> None:
    found = infer_format([*questions(9, form=form), *questions(4, form="text" if form != "text" else "X")])
    assert found is not None
    other = parse_options("Which?\nA) one\nB) two")
    assert other is not None
    wanted = {"(X)": "(B)", "X": "B", "X.": "B.", "x": "b", "text": "two"}[form]
    assert found.write(other, 1) == wanted
    assert found.write_all(other)[1] == wanted
    assert other.index_of(wanted, found.form) == 1


def test_letters_are_written_large_or_small_as_in_targets() -> None:
    rows = [
        dataclasses.replace(row, input=re.sub(r"^([A-H])\)", lambda mark: f"{mark[1].lower()})", row.input, flags=re.M))
        for row in questions(9, form="X")
    ]
    found = infer_format(rows)
    assert found is not None
    assert found.case == "upper"
    asked, kept = multiple_choice.shuffle_options(rows, 0)
    assert kept == 0
    assert all(row.target.isupper() for row in asked)


def test_lines_that_targets_do_not_name_are_no_options() -> None:
    rows = questions(10, form="X")
    other = [dataclasses.replace(row, target="purple") for row in questions(10, form="X")]
    assert infer_format([*rows, *other]) is None
    assert infer_format([*rows, *other[1:]]) is not None
    assert infer_format([]) is None


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["A", "b", "C", "1", "2", ")", ".", "(", " ", "\n", "\r", "\u0130", "Options:\n", "- ", "\u017f", "٣"]
        )
    )
)
def test_options_stand_where_they_were_found(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = parse_options(text)
    if found is not None:
        assert tuple(text[start:end] for start, end in found.spans) == found.texts
        assert len(found.marks) == len(found.texts) > 1
        assert found.has_marks or not any(found.marks)
        assert all(one == one.strip() and one for one in found.texts)


def test_text_made_to_take_long_is_read_at_once() -> None:
    # Each of these took time by the square of its length: hours, for so many.
    spaces = " " * 300_000
    wild = ["\n" * 300_000, f"A) a{spaces}x{spaces}", "A)" + "\n" * 300_000]
    wild += [f"{spaces}options", f"Options:{spaces}", f"Options:\n- {spaces}\n- {spaces}", "options:\n- x\n" * 60_000]
    for text in wild:
        assert parse_options(text) is None


def bulleted(number: int, texts: list[str], right: int, bullet: str = "-") -> Example:
    lines = "\n".join(f"{bullet} {text}" for text in texts)
    return Example(id=str(number), input=f"Item {number}: which colour?\nOptions:\n{lines}", target=texts[right])


@pytest.mark.parametrize("bullet", ["-", "*", "•", " -"])
def test_options_behind_bullets_are_named_by_their_texts_whatever_the_form(bullet: str) -> None:
    draw = random.Random(3)
    rows = [bulleted(number, draw.sample(COLOURS, 3), draw.randrange(3), bullet) for number in range(40)]
    for named in ("mark", "text"):
        found, kept = multiple_choice.shuffle_options(rows, 1, named)
        assert kept == 0
        assert [text_of(row, named) for row in found] == [row.target for row in rows]
        assert sum(old.input != new.input for old, new in zip(rows, found, strict=True)) > 20
        again = multiple_choice.reshuffle_options(rows[0], named, 1)
        assert again is not None
        assert again.input != rows[0].input
    wording = infer_format(rows)
    assert wording is not None
    first = parse_options(rows[0].input)
    assert first is not None
    assert wording.write_all(first) == first.texts


def test_bullets_beside_questions_with_marks_keep_their_texts() -> None:
    rows = [*questions(9, form="(X)"), *(bulleted(number, ["yes", "no"], number % 2) for number in range(4))]
    wording = infer_format(rows)
    assert wording is not None
    assert (wording.form, wording.before, wording.after) == ("mark", "(", ")")
    last = parse_options(rows[-1].input)
    assert last is not None
    assert wording.write_all(last) == ("yes", "no")


@pytest.mark.parametrize(
    "text",
    [
        "Which?\n- yes\n- no",  # any list of bullets
        "Options:\n- yes",  # one is no choice
        "Options:\n\n- yes\n- no",
        "The options: pick one.\n- yes\n- no",
    ],
)
def test_bullets_that_nobody_calls_options_are_none(text: str) -> None:
    assert parse_options(text) is None


def test_marks_win_over_bullets() -> None:
    found = parse_options("Options:\n- in\n- out\nWhich?\nA) red\nB) blue")
    assert found is not None
    assert found.texts == ("red", "blue")


def test_what_cannot_be_told_apart_keeps_its_order() -> None:
    over_lines = Example(id="1", input="Which?\nA) red\n  or so\nB) green\nC) blue", target="A")
    none = Example(id="2", input="Which colour is it, red or green?", target="red")
    strange = Example(id="3", input=question(3, ["red", "green"], 0).input, target="purple")
    rows = [none, strange]
    assert multiple_choice.shuffle_options(rows, 0) == (rows, 2)
    found = parse_options(over_lines.input)
    assert found is not None
    assert found.texts == ("green", "blue"), "a run begins behind the line that is no option"
    assert multiple_choice.shuffle_options([over_lines], 0)[1] == 1, "whose target is then not among them"


def test_a_numbered_passage_before_the_options_stays() -> None:
    text = "1. Mix.\n2. Bake.\nWhat comes last?\n1) mix\n2) bake\n3) eat"
    found = parse_options(text)
    assert found is not None
    assert found.texts == ("mix", "bake", "eat")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.text(max_size=5), st.integers(0, 9))
def test_wild_questions_are_only_ever_rearranged(text: str, target: str, seed: int) -> None:
    row = Example(id="1", input=text + "\nA) x\nB) y", target=target)
    (found,), kept = multiple_choice.shuffle_options([row], seed)
    assert sorted(found.input) == sorted(row.input)
    assert kept == 0 or found == row
    second = multiple_choice.reshuffle_options(found, "mark", seed)
    assert second is None or sorted(second.input) == sorted(row.input)
