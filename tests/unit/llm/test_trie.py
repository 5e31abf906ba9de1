"""The label trie: an answer is always a label, and what is said of it is its probability."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.llm.trie import Ask, Trie

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


def over_vocabulary(seed: int) -> Ask:
    """A model whose log-probabilities are over a vocabulary that has tokens of no label too."""
    share = asking(seed)

    def ask(taken: tuple[int, ...], allowed: tuple[int, ...]) -> list[float]:
        vocabulary = tuple(range(9))
        found = share(taken, vocabulary)
        return [math.log(found[vocabulary.index(token)]) for token in allowed]

    return ask


@settings(max_examples=50, deadline=None)
@given(
    paths=st.lists(st.lists(st.integers(1, 4), max_size=4), min_size=1, max_size=8, unique_by=tuple),
    seed=st.integers(0, 9),
)
def test_a_search_finds_the_label_that_asking_for_every_label_finds(paths: list[list[int]], seed: int) -> None:
    labels = [f"label {place}" for place in range(len(paths))]
    ask, asked = over_vocabulary(seed), []

    def once(taken: tuple[int, ...], allowed: tuple[int, ...]) -> Sequence[float]:
        asked.append(taken)
        return ask(taken, allowed)

    found, share = Trie(labels, paths, END).search(once)
    sums = [
        math.fsum(ask(tuple(path[:place]), (token,))[0] for place, token in enumerate([*path, END])) for path in paths
    ]
    assert found == labels[sums.index(max(sums))]
    assert len(asked) == len(set(asked)), "nothing is asked twice"
    true = math.exp(max(sums)) / math.fsum(math.exp(one) for one in sums)
    assert 0 < share <= true + 1e-9, "the share is never overstated"


def test_a_search_leaves_what_can_no_longer_win() -> None:
    asked = []

    def ask(taken: tuple[int, ...], allowed: tuple[int, ...]) -> list[float]:
        asked.append(taken)
        return [math.log({1: 0.7, 2: 0.2, 3: 0.9, END: 0.9}[token]) for token in allowed]

    label, share = Trie(["a", "b"], [[1, 3], [2, 3]], END).search(ask)
    assert label == "a"
    assert asked == [(), (1,), (1, 3)]
    assert share == pytest.approx(0.7 * 0.9 * 0.9 / (0.7 * 0.9 * 0.9 + 0.2))


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
    trie = Trie(["b", "a"], [[7], [6]], END)
    assert trie.walk(lambda taken, allowed: [0.5] * len(allowed)) == ("a", 0.5)
    assert trie.search(lambda taken, allowed: [math.log(0.5)] * len(allowed))[0] == "a"


def test_labels_with_the_same_tokens_are_answered_by_the_first() -> None:
    assert Trie(["ﬁ", "fi"], [[1], [1]], END).walk(lambda taken, allowed: []) == ("ﬁ", 1.0)
