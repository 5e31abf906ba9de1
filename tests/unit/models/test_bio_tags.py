"""Spans as tags and back, the likeliest tags against all of them, fields of objects, and texts read in windows."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tiny_encoder

from ockham.llm import json_schema
from ockham.models import bio_tags, json_fields, sentence_encoder, tagger, token_windows
from ockham.models.bio_tags import Span
from ockham.records import Example
from ockham.tuning import span_alignment

Places = list[tuple[int, int]]


@st.composite
def spans_in_text(draw: st.DrawFn) -> tuple[str, Places, list[Span]]:
    """A text of words, its tokens (a word may be several), and spans that are whole words and do not overlap."""
    words = draw(st.lists(st.text("abé日ü9😀", min_size=1, max_size=6), min_size=1, max_size=12))
    text, places, ends = "", Places(), list[tuple[int, int]]()
    for word in words:
        cuts = sorted({0, len(word), *draw(st.lists(st.integers(1, max(1, len(word) - 1)), max_size=2))})
        cuts = [cut for cut in cuts if cut <= len(word)]
        ends.append((len(text), len(text) + len(word)))
        places += [(len(text) + a, len(text) + b) for a, b in itertools.pairwise(cuts)]
        text += word + draw(st.sampled_from([" ", "  ", ", ", "\n"]))
    edges = sorted(draw(st.sets(st.integers(0, len(words)), max_size=8)))
    pairs = [(a, b) for a, b in itertools.pairwise(edges) if draw(st.booleans())]
    return text, places, [Span(ends[a][0], ends[b - 1][1], draw(st.integers(0, 2))) for a, b in pairs]


@settings(max_examples=50, deadline=None)
@given(spans_in_text())
def test_tags_give_back_the_spans_they_were_made_of(drawn: tuple[str, Places, list[Span]]) -> None:
    text, places, spans = drawn
    marked, said = bio_tags.encode(spans, places, bio_tags.free(text, places))
    assert said == spans
    begun = [i for i, tag in enumerate(marked) if tag % 2]
    assert [(places[i][0], (marked[i] - 1) // 2) for i in begun] == [(span.start, span.field) for span in spans]
    assert all(marked[i - 1] in (tag - 1, tag) for i, tag in enumerate(marked) if tag and tag % 2 == 0)
    inside = {i for i, place in enumerate(places) if any(s.start <= place[0] and place[1] <= s.end for s in spans)}
    assert inside == {i for i, tag in enumerate(marked) if tag}


def test_a_span_that_ends_inside_a_token_or_a_word_is_passed_over() -> None:
    text, places = "paid twice", [(0, 4), (5, 7), (7, 10)]
    free = bio_tags.free(text, places)
    assert free == (True, True, False)
    for span in (Span(0, 3, 0), Span(1, 4, 0), Span(5, 7, 0), Span(7, 10, 0)):
        assert bio_tags.encode([span], places, free) == ([0, 0, 0], [])
    assert bio_tags.encode([Span(5, 10, 1)], places, free) == ([0, 3, 4], [Span(5, 10, 1)])


def test_tokens_of_one_character_are_one_place() -> None:
    """Byte-level tokenizers cut an emoji into several tokens that all stand where it stands."""
    text, places = "a 😀!", [(0, 1), (2, 3), (2, 3), (3, 4)]
    free = bio_tags.free(text, places)
    assert free == (True, True, False, True)
    marked, _ = bio_tags.encode([Span(2, 3, 0)], places, free)
    assert marked == [0, 1, 2, 0]


def means_something(path: tuple[int, ...], free: list[bool]) -> bool:
    for at, tag in enumerate(path):
        before = path[at - 1] if at else 0
        if tag and tag % 2 == 0 and before not in (tag - 1, tag):
            return False
        if at and not free[at] and not (tag == before == 0 or (tag and tag % 2 == 0)):
            return False
    return True


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_shares_of_spans_are_those_of_trying_all_tags(tokens: int, count: int, seed: int) -> None:
    pick = np.random.default_rng(seed)
    margins = pick.normal(size=(tokens, bio_tags.count(count)), scale=1.5)
    free = [True, *(pick.random(tokens - 1) < 0.6).tolist()]
    places = [(token, token + 1) for token in range(tokens)]
    every = [path for path in itertools.product(range(margins.shape[1]), repeat=tokens) if means_something(path, free)]
    weights = {path: math.exp(sum(margins[at, tag] for at, tag in enumerate(path))) for path in every}
    whole = math.fsum(weights.values())
    reading = token_windows.TokenWindows(windows=(), spans=tuple(places), free=tuple(free))
    shares = tagger.token_shares(reading, margins)
    assert shares or max(weights.values()) > 0.9 * whole
    for span in shares:
        first, last = 1 + 2 * span.field, 2 + 2 * span.field
        tagged = (first, *[last] * (span.end - span.start - 1))
        share = math.fsum(
            weight
            for path, weight in weights.items()
            if path[span.start : span.end] == tagged and (span.end == tokens or path[span.end] != last)
        )
        assert span.share == pytest.approx(share / whole, abs=1e-9)
        assert free[span.start]
        assert span.end == tokens or free[span.end], "spans end where words end"


def test_a_text_without_tokens_has_no_share() -> None:
    reading = token_windows.TokenWindows(windows=(), spans=(), free=())
    assert tagger.token_shares(reading, np.zeros((0, 3))) == []


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("5pm", 1, False),
        ("a b", 1, True),
        ("a,b", 1, True),
        ("a_b", 1, False),
        ("cafe\u0301 x", 4, False),
        ("cafe\u0301s", 5, False),
        ("👩\u200d👧", 1, False),
        ("👩\u200d👧", 2, False),
        ("東京に", 2, True),
        ("x東", 1, True),
        ("€5", 1, True),
        ("", 0, True),
        ("ab", 2, True),
    ],
)
def test_where_words_end(text: str, at: int, expected: bool) -> None:
    assert bio_tags.boundary(text, at) is expected


TARGETS: tuple[dict[str, Any], ...] = (
    {"name": "Ada", "count": 5, "tags": ["a", "b"], "address": {"city": "Oslo", "zip": "007"}, "note": "", "ok": True},
    {"name": "Bo", "count": 12, "tags": "c", "address": {"city": "Rome"}, "price": 1.5, "items": [{"x": "y"}]},
)
SCHEMA = json_schema.infer([json.dumps(target) for target in TARGETS])


def test_the_fields_of_a_schema() -> None:
    found = {field.path: (field.text, field.whole, field.repeated) for field in json_fields.of_schema(SCHEMA)}
    assert found == {
        ("name",): (True, True, False),
        ("count",): (False, True, False),
        ("tags",): (True, True, True),
        ("address", "city"): (True, True, False),
        ("address", "zip"): (True, True, False),
        ("note",): (True, True, False),
        ("price",): (False, False, False),
    }


def test_what_an_object_says() -> None:
    assert list(json_fields.values(TARGETS[0])) == [
        (("name",), "Ada"),
        (("count",), 5),
        (("tags",), "a"),
        (("tags",), "b"),
        (("address", "city"), "Oslo"),
        (("address", "zip"), "007"),
        (None, True),
    ]
    assert (None, "y") in list(json_fields.values(TARGETS[1])), "objects in lists are no fields"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 5), ("1,200", 1200), ("-1.50", -1.5), ("+3", 3), ("1,20", None), ("5pm", None), ("", None), ("٣", None),
     (".5", None), ("9" * 301, None), ("9" * 400 + ".0", None), ("1e5", None)],
)  # fmt: skip
def test_numbers_as_people_write_them(text: str, expected: float | None) -> None:
    assert json_fields.number(text) == expected


def test_an_object_keeps_the_schema() -> None:
    found = {
        ("name",): ["Ada"],
        ("count",): ["1,200"],
        ("tags",): ["x", "y"],
        ("address", "zip"): ["007"],
        ("price",): ["2"],
    }
    assert json_fields.object_of(SCHEMA, found) == {
        "name": "Ada",
        "count": 1200,
        "tags": ["x", "y"],
        "address": {"city": "", "zip": "007"},
        "price": 2,
    }
    assert list(json_fields.object_of(SCHEMA, found)) == ["name", "count", "tags", "address", "price"]
    assert json_fields.object_of(SCHEMA, {("tags",): ["x"]})["tags"] == "x", "one value where one may stand alone"
    assert json_fields.object_of(SCHEMA, {("count",): ["a few"]}) == {"name": "", "tags": [], "address": {"city": ""}}
    null = json_schema.infer(['{"a": null, "b": {"c": 1}}', '{"a": "x", "b": {"c": 2.5}}'])
    assert json_fields.object_of(null, {}) == {"a": None, "b": {}}
    assert json_fields.object_of(null, {("b", "c"): ["3"]}) == {"a": None, "b": {"c": 3}}


def aligned(text: str, target: dict[str, Any]) -> tuple[list[str], int]:
    row = Example(id="0", input=text, target=json.dumps(target))
    known = json_fields.of_schema(json_schema.infer([row.target]))
    (found,) = span_alignment.align([row], known)
    return [
        f"{'.'.join(known[span.field].path)}={text[span.start : span.end]}" for span in found.spans
    ], found.value_count


@pytest.mark.parametrize(
    ("text", "target", "spans", "wanted"),
    [
        ("A table for Two at 5pm", {"people": "two", "time": "5PM"}, ["people=Two", "time=5pm"], 2),
        ("at 5pm", {"time": "5"}, [], 1),
        ("2 of 12, then 2", {"a": "2", "b": "2"}, ["a=2", "b=2"], 2),
        ("York, New York Ave", {"city": "York", "street": "New York Ave"}, ["city=York", "street=New York Ave"], 2),
        ("New York Ave, York", {"city": "York", "street": "New York Ave"}, ["street=New York Ave", "city=York"], 2),
        ("New\n York", {"city": "new york"}, ["city=New\n York"], 1),
        ("paid 1,200.50 for 3-5", {"n": 1200.5, "m": 5}, ["n=1,200.50", "m=5"], 2),
        ("it was -5 then", {"n": -5, "ok": True}, ["n=-5"], 2),
        ("15 or 5", {"n": 5}, ["n=5"], 1),
        ("café 👩\u200d👧 x", {"a": "👩", "b": "CAFÉ"}, ["b=café"], 2),
        ("cafe\u0301 and cafe", {"a": "cafe"}, ["a=cafe"], 1),
        ("住所は東京です", {"city": "東京"}, ["city=東京"], 1),
        ("(a+b) c", {"x": "(a+b)"}, ["x=(a+b)"], 1),
        ("now", {"date": "now", "time": "now"}, ["date=now"], 2),
        ("", {"a": "x"}, [], 1),
        ("x", {"a": "", "b": [], "c": None}, [], 0),
        ("p q", {"l": ["q", "p", "r"], "o": {"k": "p q"}, "s": [{"t": "p"}]}, ["o.k=p q"], 5),
    ],
)
def test_where_values_stand(text: str, target: dict[str, Any], spans: list[str], wanted: int) -> None:
    assert aligned(text, target) == (spans, wanted)


def test_the_share_that_can_be_reached() -> None:
    rows = [Example(id="0", input="a b", target='{"x": "a", "y": "z"}'), Example(id="1", input="b", target="no object")]
    known = json_fields.of_schema(json_schema.infer([row.target for row in rows]))
    assert span_alignment.share(span_alignment.align(rows, known)) == 0.5
    assert span_alignment.share(span_alignment.align(rows[1:], known)) is None


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> sentence_encoder.SentenceEncoder:
    return sentence_encoder.find(str(tiny_encoder.write(tmp_path_factory.mktemp("tiny"), "bert")))


@pytest.mark.tune
@pytest.mark.parametrize("words", [0, 1, 37, 38, 39, 60, 200])
def test_windows_hold_every_token_once(words: int, tiny: sentence_encoder.SentenceEncoder) -> None:
    pick = np.random.default_rng(words)
    text = " ".join(pick.choice(tiny_encoder.WORDS, words))
    (found,) = token_windows.reader(tiny).read([text])
    assert all(len(window.tokens) <= tiny.max_tokens for window in found.windows)
    assert (len(found.windows) == 1) == (words <= 38)
    assert [text[start:end] for start, end in found.spans] == text.split()
    known = dict(enumerate((*tiny_encoder.SPECIAL, *tiny_encoder.WORDS)))
    counted = [known[window.tokens[place]] for window in found.windows for place in window.counts]
    assert counted == text.split()
    parts = [np.array([[token] for token in window.tokens], np.float32) for window in found.windows]
    assert [known[int(row[0])] for row in found.join(parts)] == text.split()


@pytest.mark.parametrize(
    "text", ["", " ", "👩\u200d👩\u200d👧 paid €5", "cafe\u0301 İstanbul", "lone \ud800 x", "a\0b \u202e c"]
)
def test_places_are_characters_of_the_text(text: str) -> None:
    (found,) = token_windows.reader(sentence_encoder.find(None)).read([text])
    assert all(0 <= start < end <= len(text) for start, end in found.spans)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found.spans))
    words = {text[start:end] for start, end in found.spans}
    assert not any(word[0].isspace() or word[-1].isspace() for word in words)
    if "cafe" in text:
        assert {"cafe\u0301", "İstanbul"} <= words
    if "€" in text:
        assert {"paid", "€", "5"} <= words


def test_a_long_text_is_read_to_its_end() -> None:
    (found,) = token_windows.reader(sentence_encoder.find(None)).read(["paid twice " * 3000])
    assert len(found.spans) == 6000
    assert found.spans[-1] == (11 * 2999 + 5, 11 * 2999 + 10)


def test_a_span_begins_and_ends_at_open_joints_alone() -> None:
    text = "RM9.00 22-04-16"
    extents = [(0, 2), (2, 3), (3, 4), (4, 6), (7, 9), (9, 10), (10, 12), (12, 13), (13, 15)]
    closed = ("-0", "0-", ".0", "0.")
    assert bio_tags.free(text, extents, closed) == (True, True, False, False, True, False, False, False, False)
    assert bio_tags.free(text, extents, (*closed, "a0"))[1] is False
    assert bio_tags.free(text, extents)[:5] == (True, False, True, True, True)
