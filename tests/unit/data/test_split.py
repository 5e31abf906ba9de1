from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.data.split import SplitSpec, leaks, random_split, split, split_with_test
from ockham.errors import ConfigError, DataError
from ockham.records import Example, Split


def rows(labels: list[str]) -> list[Example]:
    return [Example(id=str(i), input=f"text number {i}", target=label) for i, label in enumerate(labels)]


def alone(n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(n, dtype=np.int64)


cluster_lists = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from("aaabbc"), st.booleans()), min_size=25, max_size=120
)


@given(cluster_lists, st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_a_split_is_a_partition_that_cuts_no_cluster_and_trains_every_label(
    drawn: list[tuple[int, str, bool]], seed: int
) -> None:
    labels: list[str] = []
    clusters: list[int] = []
    for size, label, mixed in drawn:
        clusters += [len(labels)] * size
        labels += [label] * (size - 1) + ["d" if mixed else label]
    made = split(rows(labels), np.array(clusters), SplitSpec(seed=seed))
    n = len(labels)
    assert sorted(made.train + made.valid + made.test) == list(range(n))
    sides: dict[int, str] = {}
    for name, side in (("train", made.train), ("valid", made.valid), ("test", made.test)):
        for i in side:
            assert sides.setdefault(clusters[i], name) == name
    trained = {labels[i] for i in made.train}
    assert trained == set(labels)
    assert made.clusters == tuple(clusters)
    assert len(made.test) <= round(0.2 * n) * 1.25 + 1
    assert made == split(rows(labels), np.array(clusters), SplitSpec(seed=seed))


def test_sizes_and_proportions_are_as_asked_where_rows_stand_alone() -> None:
    labels = ["x"] * 600 + ["y"] * 300 + ["z"] * 100
    made = split(rows(labels), alone(1000), SplitSpec())
    counts = [Counter(labels[i] for i in side) for side in (made.train, made.valid, made.test)]
    assert counts == [
        {"x": 420, "y": 210, "z": 70},
        {"x": 60, "y": 30, "z": 10},
        {"x": 120, "y": 60, "z": 20},
    ]
    assert made.leaks_prevented == 0
    assert made.warnings == ()


def test_the_least_and_the_most_rows_of_a_side() -> None:
    assert SplitSpec().test_rows(500) == 100
    assert SplitSpec(test_share=0.05).test_rows(600) == 100
    assert SplitSpec().test_rows(100) == 20
    assert SplitSpec(valid_share=0.01).valid_rows(600) == 50
    assert SplitSpec().valid_rows(50_000) == 2000
    assert SplitSpec(valid_share=0).valid_rows(100) == 0


def test_five_hundred_rows_give_at_least_a_hundred_test_rows() -> None:
    labels = [f"l{i % 37}" for i in range(500)]
    clusters = np.arange(500) // 3 * 3
    assert len(split(rows(labels), clusters, SplitSpec()).test) >= 100


def test_many_small_labels_do_not_swell_the_test_set() -> None:
    labels = [f"l{i % 150:03}" for i in range(450)]
    made = split(rows(labels), alone(450), SplitSpec())
    assert len(made.test) == 90
    assert max(Counter(labels[i] for i in made.test).values()) == 1
    assert made.warnings == ("60 labels have no row in the test set: nothing can be said about them",)


def test_the_order_of_the_rows_means_nothing() -> None:
    labels = [f"l{i % 7}" for i in range(300)]
    clusters = np.arange(300) // 2 * 2
    examples = rows(labels)
    made = split(examples, clusters, SplitSpec())
    order = np.random.default_rng(3).permutation(300)
    shuffled = split([examples[i] for i in order], clusters[order], SplitSpec())
    for side in ("train", "valid", "test"):
        assert {examples[order[i]].id for i in getattr(shuffled, side)} == {examples[i].id for i in getattr(made, side)}


def test_another_seed_gives_another_split() -> None:
    examples = rows(["a", "b"] * 100)
    assert split(examples, alone(200), SplitSpec(seed=1)).test != split(examples, alone(200), SplitSpec(seed=2)).test


def test_a_giant_cluster_goes_to_training_with_a_warning() -> None:
    labels = ["a", "b"] * 100
    clusters = np.concatenate((np.zeros(80, dtype=np.int64), np.arange(80, 200)))
    made = split(rows(labels), clusters, SplitSpec())
    assert set(range(80)) <= set(made.train)
    assert len(made.test) == 40
    assert made.warnings[0].startswith("80 of 200 rows (40 %) are one cluster")


def test_rows_that_are_all_alike_cannot_be_split() -> None:
    with pytest.raises(DataError) as caught:
        split(rows(["a", "b"] * 50), np.zeros(100, dtype=np.int64), SplitSpec())
    assert caught.value.code == "E_TOO_FEW"
    assert "--test" in caught.value.fix


def test_free_text_is_not_stratified() -> None:
    examples = rows([f"answer {i}" for i in range(200)])
    made = split(examples, alone(200), SplitSpec())
    assert (len(made.train), len(made.valid), len(made.test)) == (140, 20, 40)
    assert made.warnings == ()


def test_shares_that_leave_nothing_are_refused() -> None:
    for spec in (SplitSpec(test_share=0), SplitSpec(test_share=0.6, valid_share=0.4), SplitSpec(valid_share=-0.1)):
        with pytest.raises(ConfigError) as caught:
            split(rows(["a", "b"] * 50), alone(100), spec)
        assert caught.value.code == "E_CONFIG"


def test_a_naive_split_has_the_sizes_and_ignores_clusters() -> None:
    examples = rows(["a", "b"] * 500)
    plain = random_split(examples, SplitSpec())
    assert (len(plain.train), len(plain.valid), len(plain.test)) == (700, 100, 200)
    assert sorted(plain.train + plain.valid + plain.test) == list(range(1000))
    pairs = np.arange(1000) // 2 * 2
    # The twin of a test row is on the other side with probability 800/999.
    assert 140 <= leaks(pairs, plain) <= 180
    assert split(examples, pairs, SplitSpec()).leaks_prevented == leaks(pairs, plain)


def test_leaks_counts_test_rows_whose_cluster_is_elsewhere() -> None:
    made = Split(train=(0, 1), valid=(2,), test=(3, 4, 5), clusters=(0, 1, 2, 3, 4, 5), leaks_prevented=0)
    assert leaks(np.array([0, 1, 2, 0, 2, 5]), made) == 2


def test_a_test_set_of_the_users_own_stays_whole() -> None:
    train, test = rows(["a", "b"] * 100), rows(["a", "b", "c"] * 10)
    made = split_with_test(train, test, alone(230), SplitSpec())
    assert made.test == tuple(range(200, 230))
    assert (len(made.train), len(made.valid)) == (180, 20)
    assert made.warnings == ("1 label has rows in the test set only: no model can learn it",)


def test_training_rows_that_resemble_the_users_test_set_are_said() -> None:
    clusters = alone(230)
    clusters[200] = 5
    made = split_with_test(rows(["a", "b"] * 100), rows(["a", "b"] * 15), clusters, SplitSpec())
    assert made.warnings == ("1 training rows resemble rows of the test set",)
    assert made.clusters[5] != made.clusters[200]
