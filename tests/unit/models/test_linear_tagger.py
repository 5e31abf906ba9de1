"""The linear tagger and what it is made of: words, places, forms, the chain of tags, the values that follow."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ockham.errors import ModelError
from ockham.models import json_fields, linear_tagger, model_files
from ockham.models.extraction import (
    chain_crf,
    crf_training,
    field_calibration,
    field_facts,
    layout_features,
    span_shares,
    tagger_learning,
    text_words,
    value_forms,
    value_places,
)
from ockham.models.extraction.crf_training import TaggedText
from ockham.models.extraction.field_writer import FieldRule, FieldWriter, WriterSettings
from ockham.models.extraction.span_shares import FieldValue, SpanShare
from ockham.models.extraction.value_places import TextRow
from ockham.plugs.batch_contract import WILD_TEXTS

CLOSED = ("a0", "0a", "0-", "-0")


def parts(text: str, closed: tuple[str, ...] = CLOSED) -> list[str]:
    return [text[start:end] for start, end in text_words.split_words(text, closed)]


def receipts(count: int, first: int = 0) -> list[TextRow]:
    """Receipts whose total stands a second time as cash, after prices."""
    rows = []
    for number in range(first, first + count):
        total = f"{17 * number % 90 + 10}.{number % 10}0"
        day = f"{number % 27 + 1:02d}-{number % 12 + 1:02d}-16"
        text = f"SHOP {number}\nDATE {day}\nTEA {number % 9 + 1}.50\nTOTAL {total}\nCASH {total}\nCHANGE 0.00"
        rows.append(TextRow(text=text, target=json.dumps({"date": day, "total": total})))
    return rows


@pytest.fixture(scope="module")
def model() -> linear_tagger.LinearTagger:
    return tagger_learning.learn(tagger_learning.place_rows(receipts(60)))


def test_words_are_whole_where_their_joints_are_closed() -> None:
    assert parts("on 22-04-16, x2") == ["on", "22-04-16", ",", "x2"]
    assert parts("on 22-04-16, x2", ()) == ["on", "22", "-", "04", "-", "16", ",", "x", "2"]
    assert parts("東京 до́м हिन्दी") == ["東", "京", "до́м", "हिन्दी"]
    assert parts("") == []


@given(st.text())
def test_words_hold_every_character_but_white_space(text: str) -> None:
    words = text_words.split_words(text, CLOSED)
    assert all(start < end for start, end in words)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(words))
    outside = set(range(len(text))) - {at for start, end in words for at in range(start, end)}
    assert all(text[at].isspace() for at in outside)
    assert len(layout_features.describe_words(text, words)) == len(words)


def test_joints_close_where_values_go_on_and_never_end() -> None:
    texts = ["paid 22-04-16 RM9.00 to B, C"] * 5
    values = [[[(5, 13)], [(16, 20)], [(24, 25)]]] * 5
    assert text_words.closed_joints(texts, values) == ("-0", "0-", "0.", ".0", "0a") or "a0" not in (
        text_words.closed_joints(texts, values)
    )
    assert "a," not in text_words.closed_joints(texts, values)


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("date:dmy:%Y-%m-%d", "25/12/2018", "2018-12-25"),
        ("date:mdy:%Y-%m-%d", "12/25/18", "2018-12-25"),
        ("date:dmy:%Y-%m-%d", "2018-12-25", "2018-12-25"),
        ("date:dmy:%d %b %Y", "5 december 2018", "05 Dec 2018"),
        ("date:dmy:%B %d, %Y", "Dec 25, 2018", "December 25, 2018"),
        ("date:dmy:%Y-%m-%d", "25/12/98", "1998-12-25"),
        ("date:dmy:%Y-%m-%d", "31/02/2018", None),
        ("date:dmy:%Y-%m-%d", "tomorrow", None),
        ("amount", "RM 9.00", "9.00"),
        ("amount", "$1,234.50", "1234.50"),
        ("amount", "1.234,50 EUR", "1234.50"),
        ("amount", "1,200", "1200"),
        ("amount", "0.125", "0.125"),
        ("amount", "1,234.567", "1234.567"),
        ("amount", "1.234.567", "1234567"),
        ("amount", "free", None),
        ("digits", "03-4567", "034567"),
        ("upper", "graz", "GRAZ"),
        ("no such form", "x", None),
    ],
)
def test_forms_write_what_follows_from_the_text(form: str, text: str, value: str | None) -> None:
    assert value_forms.write_as(form, text) == value


@given(st.text(), st.sampled_from(tuple(value_forms.forms())))
def test_no_text_breaks_a_form(text: str, form: str) -> None:
    for start, end in [(0, len(text)), *value_forms.parts_for(form, text)]:
        assert isinstance(value_forms.write_as(form, text[start:end]), (str, type(None)))


def test_forms_are_learnt_from_pairs() -> None:
    rows = [
        TextRow(
            text=f"Date {day:02d}/11/2018 total RM {day}.00",
            target=json.dumps({"date": f"2018-11-{day:02d}", "total": f"{day}.00", "word": "Total"}),
        )
        for day in range(1, 29)
    ]
    placed = tagger_learning.place_rows(rows)
    assert placed.forms == ("date:dmy:%Y-%m-%d", "text", "text")
    answer = tagger_learning.learn(placed).answer(["Date 25/12/2018 total RM 9.00"])[0]
    assert json.loads(str(answer.value)) == {"date": "2018-12-25", "total": "9.00", "word": "total"}


def test_every_place_of_a_value_is_learnt_from() -> None:
    row = TextRow(text="TOTAL 9.00\nCASH 9.00 19.00 9.001", target='{"total": "9.00", "no": "x", "n": 9}')
    placed = tagger_learning.place_rows([row])
    assert [entry.path for entry in placed.fields] == [("total",), ("n",)]
    assert [value.extents for value in placed.places[0]] == [((6, 10), (16, 20)), ((6, 10), (16, 20))]
    assert placed.missing == (("no", 1, 1),)
    assert field_facts.notes(field_facts.facts_of(placed, [row]), [row]) == [
        "field total: 1 of 1 training values occurs several times in its text: the models choose the place",
        "field no: 1 of 1 training values does not occur in its text: it cannot be extracted",
        "field n: 1 of 1 training values occurs several times in its text: the models choose the place",
        "fields total, n: the same text in most rows: its places are shared out among them",
    ]


def test_a_value_is_found_whatever_marks_stand_in_it() -> None:
    places = value_places.places_of(
        TextRow(text="NO.5, JALAN A,\n81100 JOHOR. TEL", target='{"a": "NO. 5 JALAN A 81100 JOHOR."}'),
        json_fields.of_schema({"type": "object", "properties": {"a": {"type": "string"}}}),
        ("text",),
    )
    assert [value.extents for value in places] == [((0, 27),)]


def test_the_place_of_a_repeated_value_is_chosen_by_the_model(model: linear_tagger.LinearTagger) -> None:
    for row, answer in zip(receipts(20, 100), model.answer([row.text for row in receipts(20, 100)]), strict=True):
        assert json.loads(str(answer.value)) == json.loads(row.target)
        assert 0 <= (answer.confidence or 0) <= 1


def test_a_text_of_100_000_characters_and_wild_texts_are_answered(model: linear_tagger.LinearTagger) -> None:
    long = "TEA 1.50\n" * 11_000 + receipts(1, 7)[0].text
    answers = model.answer([long, *WILD_TEXTS])
    assert all(isinstance(json.loads(str(answer.value)), dict) for answer in answers)


def test_shares_are_those_of_every_way_to_tag_a_text() -> None:
    draw = np.random.default_rng(3)
    tags, words = 5, 4
    legal = chain_crf.legal_moves(2)
    emissions = draw.random((1, words, tags)) + 0.1
    moves = (draw.random((tags, tags)) + 0.1) * legal
    lattice, log_total = chain_crf.run_lattice(emissions, moves, np.array([words]))
    weights = {}
    for path in itertools.product(range(tags), repeat=words):
        weight = emissions[0, 0, path[0]] * (path[0] in (0, 1, 3))
        for at in range(1, words):
            weight *= moves[path[at - 1], path[at]] * emissions[0, at, path[at]]
        weights[path] = weight
    total = sum(weights.values())
    assert np.exp(log_total[0]) == pytest.approx(total)
    for at, tag in itertools.product(range(words), range(tags)):
        share = sum(weight for path, weight in weights.items() if path[at] == tag) / total
        assert lattice.marginals()[0, at, tag] == pytest.approx(share)
    spans = span_shares.span_shares(
        lattice.marginals()[0], chain_crf.onward_shares(lattice, moves), [(at, at + 1) for at in range(words)]
    )
    for span in spans:
        first, last = 1 + 2 * span.field, 2 + 2 * span.field
        tagged = (first, *[last] * (span.end - span.start - 1))
        share = sum(
            weight
            for path, weight in weights.items()
            if path[span.start : span.end] == tagged and (span.end == words or path[span.end] != last)
        )
        assert span.share == pytest.approx(share / total)
    assert len(spans) == 18, "all but two have a share of over a hundredth"


def test_a_text_alone_has_the_shares_that_it_has_beside_others() -> None:
    draw = np.random.default_rng(8)
    emissions, moves = draw.random((2, 40, 5)) + 0.01, chain_crf.legal_moves(2) * (draw.random((5, 5)) + 0.1)
    together, log_totals = chain_crf.run_lattice(emissions, moves, np.array([40, 40]))
    alone, log_total = chain_crf.run_lattice(emissions[:1], moves, np.array([40]))
    assert log_total == pytest.approx(log_totals[:1])
    for part in ("forward", "backward", "scale"):
        assert getattr(alone, part)[0] == pytest.approx(getattr(together, part)[0])


def test_the_slopes_of_the_loss_are_right() -> None:
    from scipy.sparse import csr_matrix

    draw = np.random.default_rng(5)
    matrix = csr_matrix((draw.random((7, 6)) > 0.4).astype(float))
    allowed = np.ones((4, 3), bool)
    allowed[1] = [False, True, False]
    other = np.zeros((3, 3), bool)
    other[:, 0] = True
    texts = [TaggedText(first=0, allowed=allowed), TaggedText(first=4, allowed=other)]
    weights = crf_training.fit(matrix, texts, 0.1, 200)
    (batch,) = crf_training._batches(texts)

    def loss(features: np.ndarray) -> float:
        gradient, moved = np.zeros((7, 3)), np.zeros((3, 3))
        moves = np.exp(weights.moves) * chain_crf.legal_moves(1)
        value = crf_training._batch_loss(batch, matrix @ features, moves, gradient, moved)
        return value + 0.05 * float((features**2).sum())

    step = 1e-5
    for row, column in itertools.product(range(6), range(3)):
        more, less = weights.features.copy(), weights.features.copy()
        more[row, column] += step
        less[row, column] -= step
        assert loss(more) - loss(less) == pytest.approx(0, abs=1e-5), "the slope is nothing where the loss is least"


def test_a_value_at_two_places_has_the_shares_of_both() -> None:
    spans = [
        SpanShare(field=0, start=0, end=4, share=0.3),
        SpanShare(field=0, start=5, end=9, share=0.4),
        SpanShare(field=0, start=10, end=14, share=0.5),
    ]
    first, second = span_shares.field_values("9.00 9.00 7.00", spans)
    assert (first.text, first.start, second.text) == ("9.00", 5, "7.00")
    assert first.share == pytest.approx(1 - 0.7 * 0.6)


def test_a_value_is_expected_where_nearly_every_text_has_one() -> None:
    likely, other = (
        FieldValue(field=0, text=text, start=0, end=1, share=share) for text, share in (("a", 0.2), ("b", 0.05))
    )
    raised = [value.share for value in span_shares.expect_value([likely, other], 0.98)]
    none = 0.75 * 0.02 / 0.98
    assert raised == pytest.approx([0.2 / (none + 0.25), 0.05 / (none + 0.25)])
    assert sum(raised) < 1
    for presence in (0.0, 0.3, 0.5):
        assert span_shares.expect_value([likely, other], presence) == [likely, other], (
            "the tags know such a field's share"
        )


def test_a_field_that_every_training_text_has_is_answered_though_its_place_is_unlikely() -> None:
    always = [TextRow(text=f"A {word} b", target=json.dumps({"name": word})) for word in ("oak", "elm", "ash") * 20]
    seldom = [*always, *(TextRow(text=f"no {number}", target="{}") for number in range(200))]
    for rows, least in ((always, 0.98), (seldom, 0.2)):
        (rule,) = tagger_learning.place_rows(rows).rules()
        assert rule.presence == pytest.approx(least, abs=0.05)
    writer = FieldWriter.of(
        WriterSettings(
            schema=json.dumps({"type": "object", "properties": {"name": {"type": "string"}}}),
            paths=(("name",),),
            rules=(FieldRule(presence=0.98),),
            closed=(),
        ),
        "the schema",
    )
    spans = [SpanShare(field=0, start=0, end=3, share=0.2)]
    assert json.loads(str(writer.answer("fir", spans).value)) == {"name": "fir"}
    rare = writer.with_rules((FieldRule(presence=0.4),))
    assert json.loads(str(rare.answer("fir", spans).value)) == {}


def test_of_spans_that_overlap_the_likelier_stays() -> None:
    draw = random.Random(4)
    for _ in range(50):
        spans = [
            SpanShare(field=0, start=start, end=start + draw.randint(1, 8), share=draw.choice((0.1, 0.2, 0.5, 0.9)))
            for start in draw.choices(range(60), k=draw.randint(0, 40))
        ]
        kept: list[SpanShare] = []
        for span in sorted(spans, key=lambda span: -span.share):
            if span.share >= 0.15 and all(span.end <= other.start or other.end <= span.start for other in kept):
                kept.append(span)
        assert span_shares.without_overlaps(spans, 0.15) == sorted(kept, key=lambda span: span.start)


def test_validation_rows_choose_when_a_value_is_given(model: linear_tagger.LinearTagger) -> None:
    rules = field_calibration.calibrate(model.writer, model.shares, receipts(40, 200))
    assert all(rule.confidence(0.9) > 0.5 > rule.confidence(0.01) for rule in rules)
    few = field_calibration.calibrate(model.writer, model.shares, receipts(5, 200))
    assert tuple(dataclasses.replace(rule, empty=None) for rule in few) == model.writer.settings.rules


def test_a_tagger_is_read_as_it_was_written(model: linear_tagger.LinearTagger, tmp_path: Path) -> None:
    model.save(tmp_path)
    texts = [row.text for row in receipts(5, 300)]
    assert linear_tagger.load(tmp_path).answer(texts) == model.answer(texts)
    names = model_files.read(linear_tagger.FeatureNames, tmp_path / linear_tagger.FEATURES).names
    model_files.write(linear_tagger.FeatureNames(names=names[1:]), tmp_path / linear_tagger.FEATURES)
    with pytest.raises(ModelError, match="not of the shape"):
        linear_tagger.load(tmp_path)
