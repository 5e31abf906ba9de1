"""The leak guard on real data: templated support mail, and contracts whose clauses must stay together."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ockham.data.clean import clean, drop_seen
from ockham.data.near_duplicates import join, near_duplicates
from ockham.data.split import SplitSpec, split
from ockham.readers.read import ReadSpec, read
from ockham.records import Example

DATA = Path(__file__).parents[3].parent / "shared" / "data"

pytestmark = pytest.mark.real


def load(name: str, group: str | None = None) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"the real data set {name} is not beside the checkout")
    spec = ReadSpec(inputs=("text",), target="label", group=group)
    return read(folder / "train.csv", spec).examples, read(folder / "test.csv", spec).examples


def test_the_support_mails_own_split_leaks_and_ours_does_not() -> None:
    train, test = load("bitext_support")
    examples = [*train, *test]
    clusters = near_duplicates([example.input for example in examples])
    leaked = int(np.isin(clusters[len(train) :], clusters[: len(train)]).sum())
    assert leaked == 206  # of 810: a quarter of its own test rows have a near-duplicate in its own train
    made = split(examples, clusters, SplitSpec())
    assert set(clusters[list(made.test)]).isdisjoint(clusters[list(made.train + made.valid)])
    assert made.leaks_prevented > 300
    kept, dropped = drop_seen(train, test)
    assert len(kept) + len(dropped) == len(train)
    again = near_duplicates([example.input for example in (*kept, *test)])
    assert not np.isin(again[: len(kept)], again[len(kept) :]).any()


def test_no_contract_stands_on_two_sides_and_the_labels_keep_their_shares() -> None:
    folder = DATA / "cuad_clauses"
    if not folder.is_dir():
        pytest.skip("the real data set cuad_clauses is not beside the checkout")
    source = read(folder / "train.csv", ReadSpec(inputs=("text",), target="label", group="contract"))
    examples, intake = clean(source)
    assert intake.rows == intake.kept_rows + len(intake.dropped) + len(intake.quarantined)
    clusters = join(near_duplicates([e.input for e in examples]), [e.group for e in examples])
    made = split(examples, clusters, SplitSpec())
    groups = [{examples[i].group for i in side} for side in (made.train, made.valid, made.test)]
    assert groups[0].isdisjoint(groups[1] | groups[2])
    assert groups[1].isdisjoint(groups[2])
    n = len(examples)
    assert abs(len(made.test) / n - 0.2) < 0.02
    assert abs(len(made.valid) / n - 0.1) < 0.02
    every, tested = Counter(e.target for e in examples), Counter(examples[i].target for i in made.test)
    assert {examples[i].target for i in made.train} == set(every)
    # Closer to the shares than rows drawn one by one would be, which miss them by 0.8 a label.
    assert sum((tested[label] - 0.2 * number) ** 2 / (0.2 * number) for label, number in every.items()) < 0.8 * 41
