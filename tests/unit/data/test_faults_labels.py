"""Bad labels and repeated rows: one test (or a few) for each fault of the catalogue, named after it."""
# ruff: noqa: N802 - the names of the tests carry the IDs of the faults as the catalogue writes them

import numpy as np
import pytest

from ockham.data.clean import clean
from ockham.data.label_issues import find_label_issues, folds
from ockham.data.near_duplicates import near_duplicates
from ockham.data.split import SplitSpec, random_split, split
from ockham.data.task import infer
from ockham.errors import DataError
from ockham.readers.read import ReadResult, ReadSpec, read
from ockham.records import Example, LabelMerge

TOPICS = {
    "refund": ["refund", "money", "charged", "back", "twice", "payment"],
    "shipping": ["parcel", "late", "courier", "delivery", "tracking", "address"],
    "account": ["password", "login", "email", "profile", "locked", "reset"],
}
FILLERS = ["please", "my", "the", "is", "I", "need", "today", "still", "help", "with", "about", "again"]


def messages(n: int, seed: int = 0) -> list[tuple[str, str]]:
    """Invented messages: three words of one topic among eight that say nothing."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        label = list(TOPICS)[i % 3]
        words = [*rng.choice(TOPICS[label], 3), *rng.choice(FILLERS, 8)]
        rows.append((" ".join(rng.permutation(words)), label))
    return rows


def reading(rows: list[tuple[str, str]]) -> ReadResult:
    return read([{"text": text, "label": label} for text, label in rows], ReadSpec())


def refused(rows: list[tuple[str, str]]) -> DataError:
    examples, _ = clean(reading(rows))
    with pytest.raises(DataError) as caught:
        infer(examples, None)
    error = caught.value
    assert not any(target in str(error) for _, target in rows if len(target) > 3)
    return error


def test_D18_exact_duplicates_are_dropped_before_the_split() -> None:
    rows = messages(100)
    examples, intake = clean(reading(rows + rows[:40]))
    assert intake.dropped_counts()["exact_duplicate"] >= 40
    assert len({example.input for example in examples}) == len(examples)


def test_D18_near_duplicates_never_stand_on_two_sides_and_the_leak_is_counted() -> None:
    rows = messages(200)
    copies = [(f"{text}, order {i}", label) for text, label in rows for i in (11, 222)]
    examples, _ = clean(reading(rows + copies))
    clusters = near_duplicates([example.input for example in examples])
    made = split(examples, clusters, SplitSpec())
    sides = [set(clusters[list(side)]) for side in (made.train, made.valid, made.test)]
    assert sides[0].isdisjoint(sides[1] | sides[2])
    assert sides[1].isdisjoint(sides[2])
    plain = random_split(examples, SplitSpec())
    elsewhere = set(clusters[list(plain.train + plain.valid)])
    assert made.leaks_prevented == sum(clusters[i] in elsewhere for i in plain.test)
    assert made.leaks_prevented > 0.7 * len(plain.test)


def test_D19_personal_data_is_counted_by_class_and_never_shown() -> None:
    rows = messages(60)
    rows[0] = ("write to jo.doe@mail.example or to 192.168.7.9", "refund")
    rows[1] = ("my IBAN is DE89370400440532013000", "shipping")
    rows[2] = ("my key AKIAIOSFODNN7EXAMPLE does not work", "account")
    _, intake = clean(reading(rows))
    assert intake.personal == {"email": 1, "iban": 1, "ip": 1, "secret": 1}
    assert "jo.doe" not in repr(intake)


def test_D21_odd_characters_are_preserved_and_do_not_hide_a_duplicate() -> None:
    plain = "please send the refund for my broken lamp"
    odd = "please send the re\u200bfund \u202efor my \x1b[31mbroken lamp"
    examples, _ = clean(reading([(plain, "refund"), (odd, "refund"), *messages(30)]))
    assert examples[1].input == odd
    assert near_duplicates([example.input for example in examples])[1] == 0


def test_L01_spellings_are_proposed_and_never_merged() -> None:
    rows = messages(90)
    rows[0] = (rows[0][0], "Refund")
    rows[3] = (rows[3][0], "refund\n")
    rows[6] = (rows[6][0], " refund ")
    rows[1] = (rows[1][0], "shiping")
    examples, intake = clean(reading(rows))
    targets = {example.target for example in examples}
    assert {"Refund", "refund", "shiping"} <= targets
    assert not {"refund\n", " refund "} & targets  # labels that differ in outer blanks are one
    assert intake.merges == (
        LabelMerge(labels=("refund", "Refund"), counts=(29, 1), proposal="refund"),
        LabelMerge(labels=("shipping", "shiping"), counts=(29, 1), proposal="shipping"),
    )


def test_L02_one_class_only_is_refused() -> None:
    assert refused([(text, "refund") for text, _ in messages(40)]).code == "E_LABEL_ONE"


def test_L02_a_class_with_one_example_stays_in_training_with_a_warning() -> None:
    rows = [*messages(120), ("a single question about gift cards", "gifts")]
    examples, _ = clean(reading(rows))
    assert infer(examples, None)[0] == "classify"
    made = split(examples, np.arange(len(examples)), SplitSpec())
    assert len(examples) - 1 in made.train
    assert made.warnings == (
        "1 label has a single row",
        "1 label has no row in the test set: nothing can be said about it",
    )


def test_L02_no_class_stands_in_the_test_set_alone() -> None:
    rows = [*messages(120), ("gift card lost", "gifts"), ("where do gift cards work", "gifts")]
    examples, _ = clean(reading(rows))
    for seed in range(8):
        made = split(examples, np.arange(len(examples)), SplitSpec(seed=seed))
        assert {examples[i].target for i in made.test} <= {examples[i].target for i in made.train}


def test_L03_numbers_are_no_labels() -> None:
    error = refused([(text, str(i * 7 + 1000)) for i, (text, _) in enumerate(messages(60))])
    assert error.code == "E_LABEL_NUMERIC"
    assert "--target" in error.fix


def test_L03_fifty_thousand_distinct_labels_are_identifiers() -> None:
    examples = [Example(id=str(i), input=f"text {i}", target=f"TCK-{i:06}") for i in range(50_000)]
    with pytest.raises(DataError) as caught:
        infer(examples, None)
    assert caught.value.code == "E_LABEL_DISTINCT"
    assert "TCK" not in str(caught.value)


def test_L03_labels_that_hardly_repeat_are_refused_where_classify_was_asked_for() -> None:
    examples = [Example(id=str(i), input=f"text {i}", target=f"some long answer {i}") for i in range(60)]
    with pytest.raises(DataError) as caught:
        infer(examples, "classify")
    assert caught.value.code == "E_LABEL_DISTINCT"


def test_L03_too_few_rows_are_refused() -> None:
    assert refused(messages(19)).code == "E_TOO_FEW"


def test_L04_contradictory_labels_are_listed_and_left_out() -> None:
    rows = messages(60)
    rows += [(rows[4][0].replace(" ", "  "), "refund" if rows[4][1] != "refund" else "account"), rows[4]]
    examples, intake = clean(reading(rows))
    (conflict,) = intake.conflicts
    assert conflict.ids == ("5", "61", "62")
    assert len(conflict.labels) == 2
    assert not {"5", "61", "62"} & {example.id for example in examples}
    assert intake.dropped_counts()["conflicting_label"] == 3


def test_L06_a_fifth_of_flipped_labels_is_found() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB

    rows = messages(450)
    rng = np.random.default_rng(5)
    flipped = set(rng.choice(450, 90, replace=False).tolist())
    names = sorted(TOPICS)
    noisy = [
        Example(id=str(i), input=text, target=names[(names.index(label) + 1 + i % 2) % 3] if i in flipped else label)
        for i, (text, label) in enumerate(rows)
    ]
    targets = np.array([example.target for example in noisy])
    features = TfidfVectorizer(lowercase=False).fit_transform([example.input for example in noisy])
    fold = folds(np.arange(450), targets.tolist(), 5, 0)
    matrices = {"linear": np.zeros((450, 3)), "bayes": np.zeros((450, 3))}
    for k in range(5):
        for name, model in (("linear", LogisticRegression()), ("bayes", MultinomialNB())):
            model.fit(features[fold != k], targets[fold != k])
            matrices[name][fold == k] = model.predict_proba(features[fold == k])
    found = find_label_issues(noisy, matrices, names)
    hits = {int(doubt.id) for doubt in found}
    assert len(hits & flipped) >= 0.9 * len(flipped)
    assert len(hits & flipped) >= 0.9 * len(hits)
    assert all(doubt.suggested_label == rows[int(doubt.id)][1] for doubt in found if int(doubt.id) in flipped)
    clean_rows = [Example(id=str(i), input=text, target=label) for i, (text, label) in enumerate(rows)]
    assert find_label_issues(clean_rows, matrices, names) == ()
