"""Personal data on the labelled list of the benchmark: what was wrong once, and floors on precision and recall."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("numba", reason="the extra curate is not installed")
pytest.importorskip("re2", reason="the extra curate is not installed")

from benchmarks.personal_data import curation_kinds, fit_kinds, lines, score

from ockham.curation.kernels import shingles
from ockham.curation.steps import redact
from ockham.data.phone_numbers import phone_spans, with_plain_gaps
from ockham.data.pii import count


def test_the_list_is_large_and_varied() -> None:
    every = lines()
    assert len(every) >= 300
    assert len({line.text for line in every}) == len(every)
    assert {line.kind for line in every} == {"", *redact.CLASSES}
    assert len({line.language for line in every}) >= 10
    assert sum(not line.kind for line in every) >= 150


@pytest.mark.parametrize("kind", [None, "phone", "email", "ip", "iban", "card"])
def test_precision_and_recall_on_the_list(kind: str | None) -> None:
    counts, bad = score(lines(), curation_kinds, kind)
    assert counts.right / (counts.right + counts.wrong) >= 0.97, bad
    assert counts.right / (counts.right + counts.missed) >= 0.97, bad


def test_fitting_counts_as_curating_finds() -> None:
    shared = [line for line in lines() if line.kind != "national_id"]
    counts, bad = score(shared, fit_kinds)
    assert counts.right / (counts.right + counts.wrong) >= 0.97, bad
    assert counts.right / (counts.right + counts.missed) >= 0.97, bad


@pytest.mark.parametrize(
    "text",
    [
        "2019 2020 2021", "120 000 000", "1920 1080 1200", "2018-2019-2020", "12/2024 0115 0930",
        "Version 10.4.2.118", "01.02.2024 10:30", "call volume: 120 000 000", "an order of 06 39 98 12 34",
        "+120 000 000 a year", "at 0900 1300 1700", "drawn: 05 12 19 23 31", "220acf36-b66e-564b-9157-2398012fb113",
        "120\u202f000\u202f000", "2019\xa02020\xa02021",
    ],
)  # fmt: skip
def test_years_sizes_and_plain_numbers_are_none(text: str) -> None:
    assert count([text]) == {}
    assert redact.find(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Appelez le 01 99 00 12 34 demain", "01 99 00 12 34"),
        ("Tel. 030/23125017 ist besetzt", "030/23125017"),
        ("My mobile is 5550100142.", "5550100142"),
        ("Tel. (0)30 23125 017", "(0)30 23125 017"),
        ("0044 20 7946 0633 works", "0044 20 7946 0633"),
        ("+49 (0)89 99998 321 bitte", "+49 (0)89 99998 321"),
        ("Звоните: 5550100142", "5550100142"),
        ("Appelez le\xa001\u202f99\u202f00\u202f12\u202f34 demain", "01\u202f99\u202f00\u202f12\u202f34"),
        ("Call +44\xa020\xa07946\xa00018.", "+44\xa020\xa07946\xa00018"),
        ("or 212\u2011555\u20110142 today", "212\u2011555\u20110142"),
    ],
)
def test_national_forms_are_found_as_they_stand(text: str, value: str) -> None:
    plain = with_plain_gaps(text)
    assert [text[start:end] for start, end in phone_spans(plain)] == [value]
    assert count([text]) == {"phone": 1}
    known = redact.suspects(shingles.texts_of([text.encode()]))
    assert redact.redact(text, redact.find(text, known[0])) == text.replace(value, "[PHONE]")
    assert redact.redact(text, redact.find(text)) == text.replace(value, "[PHONE]")


def test_a_domain_in_other_letters_is_redacted_as_a_whole() -> None:
    text = "Schreib an jemand@bücher.example bitte, oder josé@example.org"
    suspects = redact.suspects(shingles.texts_of([text.encode()]))
    assert redact.redact(text, redact.find(text, suspects[0])) == "Schreib an [EMAIL] bitte, oder [EMAIL]"


@pytest.mark.parametrize(
    "text", ["call 1 " * 50_000, "1718000000 " * 50_000, "01 02 03 " * 50_000, "0" * 300_000, "(0)" * 100_000]
)
def test_the_time_grows_with_the_length_alone(text: str) -> None:
    start = time.process_time()
    list(phone_spans(text))
    redact.suspects(shingles.texts_of([text.encode()]))
    assert time.process_time() - start < 5
