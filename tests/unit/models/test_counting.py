"""Terms counted together are those of scikit-learn's vectorizers, which count them text by text."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from ockham import machine
from ockham.models import counting, linear, lookup, tfidf
from ockham.records import Example

ODD = [
    "😀 !!",
    "Straße İstanbul  a",
    "",
    "x",
    "ab\u00a0cd\u3000ef",
    "ǅ 1",
    "a" * 30,
    "It's it\u2019s",
    "日本語 の",
    "a a a b",
]
COUNTS: list[tuple[Callable[..., counting.Counts], dict[str, Any]]] = [
    (counting.words, {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": counting.WORD}),
    (counting.characters, {"analyzer": "char_wb", "ngram_range": counting.WIDTHS}),
]


@pytest.mark.parametrize(("count", "options"), COUNTS)
@given(texts=st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=30)), min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_scikit_learn(
    count: Callable[..., counting.Counts], options: dict[str, Any], texts: list[str]
) -> None:
    vectorizer = CountVectorizer(**options)
    found = count([*texts, "one word"])
    expected = vectorizer.fit_transform([*texts, "one word"])
    assert list(found.terms) == vectorizer.get_feature_names_out().tolist()
    assert np.array_equal(found.part(0).toarray(), expected.toarray())
    assert np.array_equal(found.frequencies(), (expected > 0).sum(axis=0).A1)


@pytest.mark.parametrize(("count", "options"), COUNTS)
def test_where_terms_are_too_many_the_rarest_are_left_out(
    count: Callable[..., counting.Counts], options: dict[str, Any]
) -> None:
    texts = [f"{a} {b} common {a}{b}" for a in ("red", "green", "blue") for b in ("one", "two", "three", "four")]
    texts += ["red one"] * 3
    found = count(texts, most=9)
    counts = CountVectorizer(**options, min_df=2).fit(texts)
    totals = np.asarray(counts.transform(texts).sum(axis=0)).ravel()
    assert len(found.terms) == 9
    assert set(found.terms) <= set(counts.get_feature_names_out())
    kept = [total for term, total in zip(counts.get_feature_names_out(), totals, strict=True) if term in found.terms]
    left = [
        total for term, total in zip(counts.get_feature_names_out(), totals, strict=True) if term not in found.terms
    ]
    assert min(kept) >= max(left)


def test_many_texts_have_the_features_of_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "PART", 16)
    texts = ODD * 20
    features, matrix = tfidf.fit(texts)
    alone = [features.transform([text]) for text in texts]
    together = features.transform(texts)
    for place, row in enumerate(alone):
        assert not (together[place] - row).nnz, "to the last digit: what is measured is what is served"
        assert not (matrix[place] - row).nnz
    theirs = [TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options).fit(texts) for _, options in COUNTS]
    for half, other in zip(features.halves, theirs, strict=True):
        assert np.array_equal(half.idf, other.idf_)
    assert not (hstack([other.transform(texts) for other in theirs]) - together).nnz, "nor are they others than theirs"


def test_a_model_that_only_answers_loads_no_library_for_training(tmp_path: Path) -> None:
    """scikit-learn takes seconds to load, and much memory in each process that serves."""
    rows = [Example(id=str(place), input=text, target="ab"[place % 2]) for place, text in enumerate(ODD)]
    for name, model in (("linear", linear.learn(rows, 1.0, seed=0)), ("lookup", lookup.learn(rows))):
        (tmp_path / name).mkdir()
        model.save(tmp_path / name)
    code = (
        "import sys\nfrom pathlib import Path\nfrom ockham.serving import worker\nfrom ockham.models import backend\n"
        "for name in ('linear', 'lookup'):\n"
        "    model = backend.load_model(name, Path(sys.argv[1]) / name)\n"
        "    model.answer(['a b'])\n    model.answer(['a b'] * 100)\n"
        "print({'sklearn', 'pandas', 'scipy.stats', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, check=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("count", [counting.words, counting.characters])
@given(
    first=st.lists(st.sampled_from([*ODD, "the last"]), max_size=9),
    second=st.lists(st.sampled_from(ODD), min_size=1, max_size=9),
)
@settings(max_examples=60, deadline=None)
def test_what_is_remembered_changes_no_count(
    count: Callable[..., counting.Counts], first: list[str], second: list[str]
) -> None:
    plain = count(second)
    with pytest.MonkeyPatch.context() as patch, counting.remember_pieces():
        patch.setattr(counting, "_MANY_TEXTS", 1)
        count(first)
        again = count(second)
    assert again.terms == plain.terms
    assert np.array_equal(again.part(0).toarray(), plain.part(0).toarray())


def test_texts_are_taken_apart_once_in_a_climb(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"text {number}" for number in range(20)]
    taken: list[str] = []

    def pieces(text: str) -> list[str]:
        taken.append(text)
        return text.split()

    monkeypatch.setattr(counting, "_MANY_TEXTS", 10)
    with counting.remember_pieces():
        machine.run_parallel([lambda: counting._number_terms(texts, pieces)])
        counting._number_terms(texts[5:], pieces)
    assert taken == texts
    counting._number_terms(texts, pieces)
    assert taken == texts * 2, "nothing is kept once the climb is over"
