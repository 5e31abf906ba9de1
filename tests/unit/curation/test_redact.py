"""Personal data is found in short pieces of a buffer as it is in the whole of each text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the extra curate is not installed")
pytest.importorskip("re2", reason="the extra curate is not installed")

from ockham.curation.kernels import pii_regions, shingles
from ockham.curation.steps import redact
from ockham.data import phone_numbers, pii

WORDS = ["the", "Cancel", "ORDER", "12", "3.5", "naïve", "取消", "привет", "don't"]
PERSONAL = [
    "a@b.example.com", "é@b.example.com", "@b", "+49 170 1234567", "(030) 123 4567", "4111 1111 1111 1111",
    "192.168.0.17", "10.0.0.1.", "fe80::1", "::", ":", "12:30", "a:b", "DE89 3704 0044 0532 0130 00", "12345678Z",
    "٣", "0.4111111111111111", ".", "1850578006084", "std::cout", "::c", "1:2:3", "2019-06-04 12:30:07", "555-1234",
    "555 123 4567",
    "X1234567-L", "AB 12 34 56 C", "AB123456C", "RSSMRA85T10A562S", "078-05-1120", "1 85 05 78 006 084 91",
    "01 99 00 12 34", "030/23125017", "5550100142", "Tel.", "mobile is", "тел", "0049 30 23125017", "(11) 91234-5678",
    "2019-06-04", "01.02.2024", "0639981234", "020 7946 0018", "a@bücher.example", "(0)30 23125 017", "(030)23125017",
    "2019-06-04", "1,000,000", "KEY", "key", "api_key", "secret", "password", "TOKEN", '"', "'", "=",
    ": hunter2hunter2", "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "AKIA" + "ABCD" * 4,
    "ghp_" + "a1B2" * 9, "github_pat_" + "a1B2" * 6, "hf_" + "a1B2" * 8, "sk-" + "a1B2" * 6, "xoxb-1234567890",
    "AIza" + "a1B2_" * 7, "sk_live_" + "a1B2" * 5, "eyJ" + "a1B2" * 4, ".eyJ" + "a1B2" * 4 + ".abcdefghijkl",
    "__init__", "I", "-", ".", "01\xa099\xa000\xa012\xa034", "212\u202f555\u202f0142", "(030)\xa0123\xa04567",
    "\xa0", "\u2011",
    "4111\u20091111\u20091111\u20091111", "DE89\xa03704\xa00044\xa00532\xa00130\xa000", "078\u201105\u20111120",
]  # fmt: skip
SIGNS = st.text("001122334567890123456789  ..--++()/:AADXZ,٣é\n\xa0\xa0\u202f\u2011", max_size=80)
JOINED = SIGNS | st.lists(
    st.tuples(st.sampled_from([*PERSONAL, *WORDS]), st.sampled_from([" ", " ", "", "\n", "  ", "\t", ",", "\x00"])),
    max_size=30,
).map(lambda parts: "".join(word + behind for word, behind in parts))


@given(JOINED, JOINED)
@settings(max_examples=400, deadline=None)
def test_stretches_found_in_a_buffer_are_those_of_each_text(first: str, second: str) -> None:
    """Patterns read pieces with traces of something alone, and find there what they find in the whole text."""
    texts = [first, "", second, "no data"]
    known = redact.suspects(shingles.texts_of([text.encode() for text in texts]))
    for place, text in enumerate(texts):
        assert redact.find(text, known.get(place, [])) == redact.find(text)


def test_the_words_that_announce_a_number_are_all_looked_for() -> None:
    stems = {cue[:3].encode() for cue in phone_numbers.CUES if cue[:3].isascii()}
    assert set(pii_regions.STEMS) == stems
    assert pii_regions._REACH == phone_numbers.CUE_REACH


@given(JOINED, st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_secrets_of_a_stretch_are_those_a_search_finds_there(text: str, start: int, size: int) -> None:
    start = min(start, len(text))
    end = min(start + size, len(text))
    wanted = [span[1:] for span in pii.spans(text, start, min(len(text), end + 4000), ("secret",)) if span[1] < end]
    assert list(pii.secrets(text, start, end, 4000)) == wanted
