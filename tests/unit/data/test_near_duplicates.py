import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.data.minhash import PERMUTATIONS, rows_for
from ockham.data.near_duplicates import join, near_duplicates
from ockham.data.normalize import near_key

WORDS = ["please", "cancel", "my", "order", "12", "refund", "the", "account", "now", "取消", "訂單", "привет", "!", ""]


def shingles(text: str, width: int = 3) -> set[str]:
    form = near_key(text)
    padded = f" {form} ".ljust(width)
    return {padded[i : i + width] for i in range(len(padded) - width + 1)} if form else set()


def jaccard(first: set[str], second: set[str]) -> float:
    return len(first & second) / len(first | second) if first and second else 0.0


def naive(texts: list[str], threshold: float) -> list[int]:
    """All pairs, single linkage, by repeated relabelling."""
    sets = [shingles(text) for text in texts]
    heads = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            if jaccard(sets[i], sets[j]) >= threshold:
                low, high = sorted((heads[i], heads[j]))
                heads = [low if head == high else head for head in heads]
    return heads


sentences = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)


@given(st.lists(sentences | st.text(max_size=30), max_size=30), st.sampled_from([0.5, 0.7, 0.8, 0.95, 1.0]))
@settings(max_examples=60, deadline=None)
def test_clusters_are_those_of_all_pairs(texts: list[str], threshold: float) -> None:
    assert near_duplicates(texts, threshold=threshold).tolist() == naive(texts, threshold)


def test_clusters_are_those_of_all_pairs_in_many_templates() -> None:
    rng = np.random.default_rng(7)
    templates = [" ".join(rng.choice(WORDS[:9], 8)) for _ in range(12)]
    texts = []
    for _ in range(300):
        words = templates[rng.integers(12)].split()
        words[rng.integers(len(words))] = str(rng.choice(["soon", "again", str(rng.integers(1000))]))
        texts.append(" ".join(words))
    assert near_duplicates(texts).tolist() == naive(texts, 0.8)


def test_long_texts_are_compared_as_a_whole() -> None:
    rng = np.random.default_rng(1)
    vocabulary = ["".join(rng.choice(list("abcdefghijklmnop"), 6)) for _ in range(3000)]
    words = rng.choice(vocabulary, 500).tolist()
    changed = list(words)
    changed[::25] = ["other"] * 20
    unlike = rng.choice(vocabulary, 500).tolist()
    assert near_duplicates([" ".join(t) for t in (unlike, words, changed)]).tolist() == [0, 1, 1]


def test_very_long_texts_of_one_language_do_not_fall_together() -> None:
    rng = np.random.default_rng(2)
    syllables = ["".join(pair) for pair in rng.choice(list("abcdefgh"), (40, 2))]
    texts = [" ".join("".join(w) for w in rng.choice(syllables, (4000, 3))) for _ in range(3)]
    copy = texts[0] + " and one more"
    assert jaccard(shingles(texts[0]), shingles(texts[1])) > 0.8
    assert near_duplicates([*texts, copy]).tolist() == [0, 1, 2, 0]


def test_texts_without_letters_never_fall_together() -> None:
    assert near_duplicates(["", "", "!!", "!!", "\U0001f44d", "a", "A."]).tolist() == [0, 1, 2, 3, 4, 5, 5]


def test_no_texts_and_one_text() -> None:
    assert near_duplicates([]).tolist() == []
    assert near_duplicates(["alone"]).tolist() == [0]


def test_a_threshold_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        near_duplicates(["a"], threshold=0)


def test_ten_thousand_copies_of_one_template_are_one_cluster() -> None:
    texts = [f"cancel order number {i} for customer {'abcdefghij'[i % 10]} please, thank you" for i in range(10_000)]
    assert set(near_duplicates(texts).tolist()) == {0}


def test_fitting_does_not_wait_for_the_compiler() -> None:
    script = (
        "import sys; from ockham.data import prepare; from ockham.data.near_duplicates import near_duplicates\n"
        "assert near_duplicates(['cancel my order 1', 'x', 'Cancel my order 22']).tolist() == [0, 1, 0]\n"
        "assert prepare and 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("missed", [1e-6, 0.005])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.9, 0.99])
def test_bands_are_the_longest_that_miss_no_more_than_allowed(threshold: float, missed: float) -> None:
    def misses(rows: int) -> float:
        return float((1 - threshold**rows) ** (PERMUTATIONS // rows))

    rows = rows_for(threshold, missed)
    assert rows == 1 or misses(rows) <= missed
    assert rows == PERMUTATIONS // 4 or misses(rows + 1) > missed


def test_groups_join_clusters_across_each_other() -> None:
    clusters = np.array([0, 1, 1, 3, 4, 5])
    assert join(clusters, ["x", None, "x", "y", "y", None]).tolist() == [0, 0, 0, 3, 3, 5]
    assert join(clusters, [None] * 6).tolist() == clusters.tolist()
    assert join(np.zeros(0, dtype=np.int64), []).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 6), st.none() | st.sampled_from("abcd")), max_size=25))
@settings(max_examples=50)
def test_joined_clusters_never_cut_a_cluster_or_a_group(rows: list[tuple[int, str | None]]) -> None:
    clusters = np.array([cluster for cluster, _ in rows], dtype=np.int64)
    groups = [group for _, group in rows]
    joined = join(clusters, groups).tolist()
    linked = {(i, j) for i in range(len(rows)) for j in range(len(rows)) if rows[i][0] == rows[j][0]}
    linked |= {(i, j) for i in range(len(rows)) for j in range(len(rows)) if groups[i] and groups[i] == groups[j]}
    for i, head in enumerate(joined):
        reached = {i}
        while more := {b for a, b in linked if a in reached} - reached:
            reached |= more
        assert head == min(reached)
