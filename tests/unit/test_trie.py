"""The label trie: an answer is always a label, and what is said of it is its probability."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.models.trie import Ask, Trie

END = 0


def asking(seed: int) -> Ask:
    """A model that gives every token some weight, by what was taken before it."""

    def ask(taken: tuple[int, ...], allowed: tuple[int, ...]) -> list[float]:
        weights = [random.Random(f"{seed} {taken} {token}").random() + 0.01 for token in allowed]
        return [weight / sum(weights) for weight in weights]

    return ask


def chance(path: Sequence[int], paths: Sequence[Sequence[int]], ask: Ask) -> float:
    """Independent: multiply along one label, over the tokens that any label allows at that place."""
    product = 1.0
    for place in range(len(path)):
        begun = tuple(path[:place])
        allowed = tuple(sorted({other[place] for other in paths if tuple(other[:place]) == begun}))
        if len(allowed) > 1:
            product *= ask(begun, allowed)[allowed.index(path[place])]
    return product


@settings(max_examples=50, deadline=None)
@given(
    paths=st.lists(st.lists(st.integers(1, 4), max_size=4), min_size=1, max_size=8, unique_by=tuple),
    seed=st.integers(0, 9),
)
def test_it_takes_a_label_with_the_probability_of_its_path_and_all_labels_sum_to_1(
    paths: list[list[int]], seed: int
) -> None:
    labels = [f"label {place}" for place in range(len(paths))]
    ended = [[*path, END] for path in paths]
    label, probability = Trie(labels, paths, END).walk(asking(seed))
    assert label in labels
    assert probability == pytest.approx(chance(ended[labels.index(label)], ended, asking(seed)))
    assert math.fsum(chance(path, ended, asking(seed)) for path in ended) == pytest.approx(1.0)


def test_a_label_that_begins_another_can_be_taken() -> None:
    trie = Trie(["card", "card lost"], [[5], [5, 6]], END)
    forks = []

    def ask(taken: tuple[int, ...], allowed: tuple[int, ...]) -> list[float]:
        forks.append((taken, allowed))
        return [0.8, 0.2]

    assert trie.walk(ask) == ("card", 0.8)
    assert forks == [((5,), (END, 6))], "it is asked once, where there is a choice"
    assert trie.longest == 3


def test_one_label_is_certain_and_nothing_is_asked() -> None:
    assert Trie(["only"], [[3, 4]], END).walk(lambda taken, allowed: []) == ("only", 1.0)


def test_equal_chances_take_the_smaller_token() -> None:
    assert Trie(["b", "a"], [[7], [6]], END).walk(lambda taken, allowed: [0.5] * len(allowed)) == ("a", 0.5)


def test_labels_with_the_same_tokens_are_answered_by_the_first() -> None:
    assert Trie(["ﬁ", "fi"], [[1], [1]], END).walk(lambda taken, allowed: []) == ("ﬁ", 1.0)
