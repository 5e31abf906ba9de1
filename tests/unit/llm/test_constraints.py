"""Answers held to what is valid: a choice is one of its own question's options, by mark or by text."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tiny_gguf

from ockham.data import multiple_choice as orders
from ockham.data.multiple_choice import parse_options
from ockham.llm.constraints import AnswerConstraints
from ockham.llm.decoding import DecodingLimits
from ockham.llm.llamacpp import Engine
from ockham.llm.prompt_builder import longest, longest_in_tokens, task_shown
from ockham.models import causal_lm
from ockham.records import Answer, Example

COLOURS = ("red", "reddish", "green", "blue", "blue-green", "pink", "white", "black")
SPEC = causal_lm.GgufSpec(threads=1, context=1024, max_output_tokens=16)
LEARNT = dataclasses.replace(SPEC, brief=True)
END = 0


def question(number: int, form: str, count: int) -> Example:
    """Ask for one of so many colours; the target is a mark in the given form, or the option's text."""
    draw = random.Random(f"{number} {form} {count}")
    texts = draw.sample(COLOURS, count)
    right = draw.randrange(count)
    lines = "\n".join(f"{'ABCDEFGH'[place]}) {text}" for place, text in enumerate(texts))
    mark = "ABCDEFGH"[right]
    target = texts[right] if form == "text" else form.replace("X", mark).replace("x", mark.lower())
    return Example(id=str(number), input=f"Item {number}?\n{lines}\nAnswer:", target=target)


def questions(form: str, count: int = 12) -> list[Example]:
    return [question(number, form, 2 + number % 7) for number in range(count)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("weights") / "model.gguf")


@pytest.fixture(scope="module")
def engine(weights: Path) -> Iterator[Engine]:
    made = causal_lm.start(weights, SPEC)
    yield made
    made.close()


def decoder(
    engine: Engine, weights: Path, folder: Path, rows: Sequence[Example], spec: causal_lm.GgufSpec = SPEC
) -> causal_lm.Decoder:
    folder.mkdir(exist_ok=True)
    causal_lm.fit(rows, folder, causal_lm.Base(weights=weights, copy=False, engine=engine), spec, task="choose")
    return causal_lm.load(folder, engine)


def chances(model: causal_lm.Decoder, row: Example, answers: Sequence[str]) -> dict[str, float]:
    """Independent of the trie: multiply along every answer, over the tokens that any answer has at that place."""
    paths = [[*model.engine.tokens(answer, special=False), model.end_token] for answer in answers]
    tokens, found = model.question(row.input).tokens, {}
    for answer, path in zip(answers, paths, strict=True):
        product = 1.0
        for place in range(len(path)):
            allowed = sorted({other[place] for other in paths if other[:place] == path[:place]})
            if len(allowed) > 1:
                shares = model.engine.probabilities((*tokens, *path[:place]), allowed, slot=0)
                product *= shares[allowed.index(path[place])]
        found[answer] = product
    return found


def written(model: causal_lm.Decoder, text: str) -> str:
    """What the model writes where nothing holds it."""
    limits = DecodingLimits(tokens=SPEC.max_output_tokens)
    return model.engine.write(model.question(text).tokens, limits, slot=0).text.strip()


def options_of(row: Example, form: str) -> list[str]:
    """The options of a row as its form of target writes them."""
    found = parse_options(row.input)
    assert found is not None
    marks = [form.replace("X", mark).replace("x", mark.lower()) for mark in found.marks]
    return list(found.texts) if form == "text" else marks


@pytest.mark.parametrize("form", ["(X)", "text"])
def test_a_prompted_model_answers_with_the_option_that_is_the_most_probable_of_all(
    form: str, engine: Engine, weights: Path, tmp_path: Path
) -> None:
    rows = questions(form, 6)
    model = decoder(engine, weights, tmp_path / "b", rows)
    for row, answer in zip(rows, model.answer([row.input for row in rows]), strict=True):
        tokens, sums = model.question(row.input).tokens, {}
        for option in options_of(row, form):
            path = [*model.engine.tokens(option, special=False), model.end_token]
            places = range(len(path))
            sums[option] = math.fsum(engine.top((*tokens, *path[:at]), 259)[path[at]] for at in places)
        assert answer.value == max(sums, key=lambda option: sums[option])
        share = math.exp(sums[answer.value]) / math.fsum(math.exp(one) for one in sums.values())
        assert answer.confidence is not None
        assert 0 < answer.confidence <= share + 1e-3


@pytest.mark.parametrize("form", ["(X)", "X", "X.", "x", "text"])
def test_every_answer_is_one_of_its_own_questions_options_with_its_probability(
    form: str, engine: Engine, weights: Path, tmp_path: Path
) -> None:
    rows = questions(form)
    model = decoder(engine, weights, tmp_path / "b", rows, LEARNT)
    taken = set()
    for row, answer in zip(rows, model.answer([row.input for row in rows]), strict=True):
        valid = options_of(row, form)
        assert row.target in valid
        assert answer.value in valid
        taken.add(valid.index(answer.value))
        all_of_them = chances(model, row, valid)
        assert math.fsum(all_of_them.values()) == pytest.approx(1, abs=1e-4)
        assert answer.confidence == pytest.approx(all_of_them[answer.value], abs=1e-4)
        assert answer.confidence == pytest.approx(max(all_of_them.values()), abs=1e-4) or form == "text"
        assert answer.tokens_out == 1 or form == "text", "one fork, where the marks differ"
    assert len(taken) > 1, "a model that takes one place proves nothing"


def test_the_lesson_is_the_path_that_serves_whatever_form_a_target_has(
    engine: Engine, weights: Path, tmp_path: Path
) -> None:
    rows = questions("(X)")
    model = decoder(engine, weights, tmp_path / "b", rows)
    for row in rows:
        bare = row.target.strip("()")
        for said in (row.target, bare, bare.lower(), f"{bare}."):
            _, wanted = model.lesson(row.input, said)
            trie = model.trie(row.input)
            assert trie is not None
            assert trie.label(wanted) == row.target
            assert wanted[-1] == model.end_token
    _, astray = model.lesson(rows[0].input, "none of them")
    trie = model.trie(rows[0].input)
    assert trie is not None
    assert trie.label(astray) is None, "a target that is no option is learnt as it stands"


def test_a_question_without_options_is_answered_freely(engine: Engine, weights: Path, tmp_path: Path) -> None:
    rows = questions("X")
    model = decoder(engine, weights, tmp_path / "b", rows)
    texts = [f"{row.id}: which colour is it, red or green?" for row in rows[:6]]
    *free, held = model.answer([*texts, rows[0].input])
    assert [model.trie(text) for text in texts] == [None] * 6
    assert [answer.value for answer in free] == [written(model, text) for text in texts]
    assert len({answer.value for answer in free}) > 1
    assert all(1 <= (answer.tokens_out or 0) <= SPEC.max_output_tokens for answer in free)
    assert held.value in ("A", "B")


def test_where_lines_are_no_options_of_the_targets_answers_are_free(
    engine: Engine, weights: Path, tmp_path: Path
) -> None:
    rows = [dataclasses.replace(row, target=f"colour {row.id}") for row in questions("X")]
    model = decoder(engine, weights, tmp_path / "b", rows)
    assert model.task.wording is None
    assert model.trie(rows[0].input) is None


def test_a_bundle_from_before_options_were_held_answers_as_it_did(
    engine: Engine, weights: Path, tmp_path: Path
) -> None:
    rows = questions("X")
    decoder(engine, weights, tmp_path / "b", rows)
    path = tmp_path / "b" / causal_lm.FILE
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["task"].pop("wording") == {"form": "mark", "before": "", "after": "", "case": "listed"}
    path.write_text(json.dumps(kept), encoding="utf-8")
    model = causal_lm.load(tmp_path / "b", engine)
    texts = [row.input for row in rows[:4]]
    assert [answer.value for answer in model.answer(texts)] == [written(model, text) for text in texts]


def test_the_same_option_is_found_again_in_another_order(engine: Engine, weights: Path, tmp_path: Path) -> None:
    rows = questions("X.")
    model = decoder(engine, weights, tmp_path / "b", rows)
    second = [orders.reshuffle_options(row, "mark", 0) for row in rows]
    texts = [row.input for row in second if row is not None]
    assert len(texts) == len(rows)
    for row, other, answer, again in zip(
        rows, second, model.answer([row.input for row in rows]), model.answer(texts), strict=True
    ):
        assert other is not None
        named = [row_text(one, said) for one, said in ((row, answer), (other, again))]
        assert orders.is_same_option(row, answer.value, other, again.value, "mark") == (named[0] == named[1])


def row_text(row: Example, answer: Answer) -> str:
    """The text behind the mark that an answer names, read off the question's own lines."""
    assert answer.value is not None
    return next(line[3:] for line in row.input.splitlines() if line[:1] == answer.value[:1] and line[1:3] == ") ")


def test_the_longest_option_of_a_question_has_room_and_no_more_is_cut(
    engine: Engine, weights: Path, tmp_path: Path
) -> None:
    rows = questions("text")
    model = decoder(engine, weights, tmp_path / "b", rows)
    long = "white " * 400 + "\nA) red\nB) a dark blue"
    found = model.question(long)
    assert 0 < found.unread < 1
    assert len(found.tokens) == SPEC.context - len("a dark blue") - 2, "a token is a byte here, and one ends the answer"
    assert model.answer([long])[0].value in ("red", "a dark blue")
    shared = "blue " * 300
    (wild,) = model.answer([f"Which?\nA) {shared}one\nB) {shared}two"])
    assert wild.value == f"{shared}one", "what is alike for longer than an answer may be is not told apart"
    assert wild.tokens_out == 0


def test_an_answer_may_be_as_long_as_any_option_that_was_listed() -> None:
    row = Example(id="1", input="Which?\nA) red\nB) a very dark green", target="red")
    task = task_shown("choose", [row], "")
    assert longest(task, [row]) == len("a very dark green") + 8
    marked = dataclasses.replace(row, target="A")
    assert longest(task_shown("choose", [marked], ""), [marked]) == 1 + 8


def count_words(text: str) -> int:
    return len(text.split())


def test_a_text_that_is_written_freely_may_have_half_as_many_tokens_again_as_the_longest_target() -> None:
    rows = [Example(id=str(n), input="say it", target="a word " * n) for n in range(1, 21)]
    task = task_shown("generate", rows, "")
    assert longest_in_tokens(task, rows, count_words, longest(task, rows)) == 1.5 * 40 + 16
    bound = longest(task, rows)
    assert longest_in_tokens(task, rows, lambda text: len(text.encode()), bound) == bound, "never beyond its bytes"


def test_the_fields_that_a_target_leaves_out_count_where_an_object_is_written_with_every_field() -> None:
    rows = [Example(id="1", input="x", target='{"a": "one"}'), Example(id="2", input="y", target='{"b": "two words"}')]
    task = task_shown("extract", rows, "")
    counted: list[dict[str, str | None]] = []

    def count_and_keep(text: str) -> int:
        counted.append(json.loads(text))
        return len(text)

    longest_in_tokens(task, rows, count_and_keep, longest(task, rows))
    assert sorted(counted, key=str) == [{"a": "one", "b": None}, {"a": None, "b": "two words"}]
    choice = [Example(id="1", input="Which?\nA) red\nB) a very dark green", target="red")]
    shown = task_shown("choose", choice, "")
    assert longest_in_tokens(shown, choice, count_words, longest(shown, choice)) == longest(shown, choice)


def encode(text: str, special: bool, begin: bool) -> list[int]:
    return [byte + 1 for byte in text.encode()]


@settings(max_examples=50, deadline=None)
@given(
    texts=st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=9),
    before=st.text(max_size=30),
    form=st.sampled_from(["(X)", "text"]),
    seed=st.integers(0, 9),
)
def test_wild_options_are_walked_to_one_of_them_and_leave_room(
    texts: list[str], before: str, form: str, seed: int
) -> None:
    task = task_shown("choose", questions(form), "")
    valid = AnswerConstraints(task, encode, END, 100, 10)
    text = before + "".join(f"\n{mark}) {one}" for mark, one in zip("ABCDEFGHI", texts, strict=False))
    trie, answers = valid.trie(text), task.answers(text)
    assert (trie is None) == (answers is None)
    assert valid.room(trie) >= valid.room(None) == 100 - 10 - 2
    if trie is None or answers is None:
        return

    def ask(taken: tuple[int, ...], allowed: tuple[int, ...]) -> list[float]:
        assert len(taken) <= 10
        return [random.Random(f"{seed} {taken} {token}").random() for token in allowed]

    answer, probability = trie.walk(ask)
    assert answer in answers
    assert 0 <= probability <= 1
    assert trie.longest <= 11
    if form == "(X)":
        assert answer[0] + answer[-1] == "()"
