"""The 5-gram yardstick agrees with a naive Kneser-Ney model, and its probabilities sum to one."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pretrain import ngram


class Naive:
    """Interpolated modified Kneser-Ney (Chen and Goodman, 1998), written as the formulas stand, with dictionaries."""

    def __init__(self, text: list[int], vocabulary: int, order: int) -> None:
        self.vocabulary, self.order = vocabulary, order
        grams = {n: [tuple(text[i : i + n]) for i in range(len(text) - n + 1)] for n in range(1, order + 2)}
        self.counts: dict[int, Counter[tuple[int, ...]]] = {}
        for n in range(1, order + 1):
            if n == order:
                self.counts[n] = Counter(grams[n])
            else:
                before = defaultdict(set)
                for gram in set(grams[n + 1]):
                    before[gram[1:]].add(gram[0])
                self.counts[n] = Counter({gram: len(before[gram]) for gram in set(grams[n]) if before[gram]})
        self.discounts = {n: self.estimate(list(self.counts[n].values())) for n in self.counts}

    @staticmethod
    def estimate(counts: list[int]) -> list[float]:
        n1, n2, n3, n4 = (counts.count(i) for i in (1, 2, 3, 4))
        if not (n1 and n2 and n3):
            return [0.0, 0.5, 0.5, 0.5]
        y = n1 / (n1 + 2 * n2)
        return [
            0.0,
            min(max(1 - 2 * y * n2 / n1, 0.05), 1),
            min(max(2 - 3 * y * n3 / n2, 0.05), 2),
            min(max(3 - 4 * y * n4 / n3, 0.05), 3),
        ]

    def probability(self, word: int, context: tuple[int, ...]) -> float:
        if len(context) == 0:
            return self.mixed(word, (), 1.0 / self.vocabulary)
        return self.mixed(word, context, self.probability(word, context[1:]))

    def mixed(self, word: int, context: tuple[int, ...], lower: float) -> float:
        n = len(context) + 1
        following = {gram: c for gram, c in self.counts[n].items() if gram[:-1] == context}
        total = sum(following.values())
        if not total:
            return lower
        discounts = self.discounts[n]
        passed = sum(discounts[min(c, 3)] for c in following.values())
        own = following.get((*context, word), 0)
        return max(own - discounts[min(own, 3)], 0) / total + passed / total * lower


def stream(values: list[int]) -> NDArray[np.uint16]:
    return np.array(values, dtype=np.uint16)


def zipf(length: int, vocabulary: int, seed: int) -> list[int]:
    """A text with habits: each token depends on the one before, so that all orders have something to know."""
    rng = np.random.default_rng(seed)
    text = [0]
    for _ in range(length - 1):
        jump = int(min(rng.zipf(1.6), vocabulary)) - 1
        text.append((text[-1] * 7 + jump) % vocabulary)
    return text


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_every_token_is_as_likely_as_the_naive_model_says(order: int) -> None:
    train, held = zipf(400, 9, 1), zipf(60, 10, 2)
    naive = Naive(train, 10, order)
    found = ngram.nats(ngram.fit(stream(train), 10, order), stream(held))
    for i in range(1, len(held)):
        context = tuple(held[max(0, i - order + 1) : i])
        assert found[i - 1] == pytest.approx(-math.log(naive.probability(held[i], context))), i


def test_a_text_whose_counts_ask_for_no_discount_leaves_nothing_impossible() -> None:
    train = [0] * 4 + [1] * 3 + [2, 2, 3, 3, 4, 5]  # counts of counts: n1 = 2, n2 = 2, n3 = 1, n4 = 1
    model = ngram.fit(stream(train), 7, 1)
    assert (model.orders[0].discounts[1:] > 0).all()
    for draw in range(200):
        few = random.Random(draw).choices(range(6), k=12)
        assert np.isfinite(ngram.nats(ngram.fit(stream(few), 7, 4), stream([6, 0, 6, 1, 6]))).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=6, max_size=60), st.lists(st.integers(0, 6), min_size=5, max_size=12))
def test_wild_texts_too(train: list[int], held: list[int]) -> None:
    naive = Naive(train, 7, 4)
    found = ngram.nats(ngram.fit(stream(train), 7, 4), stream(held))
    wanted = [-math.log(naive.probability(held[i], tuple(held[max(0, i - 3) : i]))) for i in range(1, len(held))]
    assert found == pytest.approx(wanted)


def test_the_probabilities_of_all_tokens_sum_to_one_after_seen_and_unseen_contexts() -> None:
    train = zipf(500, 9, 3)
    model = ngram.fit(stream(train), 12)
    for context in (train[100:104], [11, 11, 11, 11], [*train[50:52], 11, train[60]]):
        each = [math.exp(-ngram.nats(model, stream([*context, word]))[-1]) for word in range(12)]
        assert sum(each) == pytest.approx(1.0)
        assert min(each) > 0


def test_contexts_help_where_the_text_has_habits() -> None:
    train, held = zipf(5_000, 20, 4), zipf(500, 20, 5)
    five = ngram.nats(ngram.fit(stream(train), 20), stream(held)).mean()
    one = ngram.unigram_nats(stream(train), stream(held), 20).mean()
    assert five < 0.8 * one
    assert one == pytest.approx(math.log(20), abs=0.05)  # taken alone, all tokens are about as frequent


def test_unigrams_are_shares() -> None:
    found = ngram.unigram_nats(stream([0, 0, 1]), stream([2, 0, 1, 2]), 3)
    assert found == pytest.approx([-math.log(3 / 6), -math.log(2 / 6), -math.log(1 / 6)])
