"""The nearest example's answer, against cosines worked out one by one."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from ockham import machine
from ockham.errors import ModelError
from ockham.models import lookup, tfidf
from ockham.records import Example

ROWS = tuple(
    Example(id=str(place), input=text, target=target)
    for place, (text, target) in enumerate(
        [
            ("the parcel is late", "delivery"),
            ("I was charged twice", "billing"),
            ("the pump is broken", "defect"),
            ("THE PARCEL IS LATE", "shouting"),
            ("a b a b", "letters"),
            ("日本語の請求書", "invoice"),
        ]
    )
)


def words(text: str) -> Counter[str]:
    """Count words and word pairs."""
    single = re.findall(r"\b\w+\b", text.lower())
    return Counter([*single, *(f"{a} {b}" for a, b in itertools.pairwise(single))])


def characters(text: str) -> Counter[str]:
    """Count two to five characters within words, each with a space on both sides; a short word once."""
    found: Counter[str] = Counter()
    for word in re.sub(r"\s\s+", " ", text.lower()).split():
        padded = f" {word} "
        for size in (2, 3, 4, 5):
            found.update(padded[at : at + size] for at in range(max(1, len(padded) - size + 1)))
            if size >= len(padded):
                break
    return found


def cosine(one: str, other: str) -> float:
    """Give the mean of the cosines of both halves, TF-IDF by hand over the training rows."""
    total = 0.0
    for count in (words, characters):
        rows = [count(row.input) for row in ROWS]
        known = Counter(term for row in rows for term in row)

        def weigh(text: str, terms: Counter[str] = known, counts: object = count) -> dict[str, float]:
            seen = (words if counts is words else characters)(text)
            raw = {
                term: (1 + math.log(n)) * (math.log((1 + len(ROWS)) / (1 + terms[term])) + 1)
                for term, n in seen.items()
                if term in terms
            }
            length = math.sqrt(sum(value**2 for value in raw.values())) or 1.0
            return {term: value / length for term, value in raw.items()}

        first, second = weigh(one), weigh(other)
        total += sum(value * second.get(term, 0.0) for term, value in first.items())
    return total / 2


@pytest.mark.parametrize(
    "text", ["the parcel is very late", "charged", "pump pump broken", "b", "請求書 日本語の請求書"]
)
def test_the_answer_is_the_nearest_rows_and_its_cosine_the_confidence(text: str) -> None:
    similar = [cosine(text, row.input) for row in ROWS]
    best = max(range(len(ROWS)), key=lambda place: (round(similar[place], 5), -place))
    answer = lookup.learn(ROWS).answer([text])[0]
    assert answer.value == ROWS[best].target
    assert answer.confidence == pytest.approx(similar[best], abs=1e-5)


def test_a_row_finds_itself_and_the_earliest_of_equals_answers() -> None:
    model = lookup.learn(ROWS)
    answers = model.answer([row.input for row in ROWS])
    assert [answer.value for answer in answers] == ["delivery", "billing", "defect", "delivery", "letters", "invoice"]
    assert all(answer.confidence == pytest.approx(1.0, abs=1e-5) for answer in answers)


def test_what_resembles_nothing_gets_the_first_answer_without_confidence() -> None:
    answer = lookup.learn(ROWS).answer(["%%%"])[0]
    assert (answer.value, answer.confidence) == ("delivery", 0.0)


@pytest.mark.parametrize("texts", [("!!!", "???"), ("👍👍", "👎"), ("...", "word")])
def test_rows_without_any_word_can_be_learnt_from(texts: tuple[str, ...], tmp_path: Path) -> None:
    rows = [Example(id=text, input=text, target=text) for text in texts]
    lookup.learn(rows).save(tmp_path)
    assert [answer.value for answer in lookup.load(tmp_path).answer(texts)] == list(texts)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    lookup.learn(ROWS).save(tmp_path)
    (tmp_path / tfidf.TERMS).write_text('{"words":["one"],"characters":["o"]}')
    with pytest.raises(ModelError) as caught:
        lookup.load(tmp_path)
    assert caught.value.code == "E_MODEL_FORMAT"


def test_among_many_examples_the_nearest_is_searched_for_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search leaves frequent terms out, and says what comparing with every example says."""
    pick = random.Random(5)
    vocabulary = ["".join(pick.choices("abcdefghij", k=6)) for _ in range(400)]
    texts = [" ".join(["the", "order", *pick.choices(vocabulary, k=8)]) for _ in range(600)]
    examples = [Example(id=str(i), input=text, target=str(i % 7)) for i, text in enumerate([*texts, texts[0]])]
    asked = [" ".join([*text.split()[:-2], pick.choice(vocabulary)]) for text in texts[:300]] + ["the order", "", "😀"]
    whole = lookup.learn(examples).answer(asked)
    monkeypatch.setattr(lookup, "MANY_ROWS", 100)
    monkeypatch.setattr(lookup, "CANDIDATES", 32)
    monkeypatch.setattr(lookup, "_SLICE", 1000)
    searching = lookup.learn(examples)
    assert searching.index.nnz < searching.rows.nnz / 2, "frequent terms are not searched by"
    found = searching.answer(asked)
    assert [answer.value for answer in found] == [answer.value for answer in whole]
    for one, other in zip(found, whole, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-6)
    monkeypatch.setattr(machine, "cores", lambda: 1)
    assert searching.answer(asked) == found, "however many cores there are"
