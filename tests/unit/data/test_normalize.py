import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.data.normalize import exact_key, is_blank, label_key, near_key


def test_canonical_is_nfc_with_white_space_collapsed() -> None:
    assert exact_key(" Caf\u0065\u0301 \t\n au\u00a0lait ") == "Café au lait"
    assert exact_key("Hello, World") == "Hello, World"


def test_blank_is_what_cannot_be_seen() -> None:
    assert all(is_blank(text) for text in ("", " \t\r\n", "\u200b\u200e\ufeff", "\u00a0\x07"))
    assert not any(is_blank(text) for text in ("a", " .", "\U0001f44d", "\u200bx"))


def test_loose_ignores_case_punctuation_numbers_and_invisible_letters() -> None:
    assert near_key("Cancel ORDER #12345, please!!") == "cancel order 0 please"
    assert near_key("order 7 and 1.5") == near_key("Order 99 and 22,75") == "order 0 and 0 0"
    assert near_key("re\u200bfund \u202eplease") == "refund please"
    assert near_key("\ufb01ne \uff26\uff35ll \u00bd") == "fine full 0 0"
    assert near_key("Straße") == "strasse"
    assert near_key("請取消我的訂單。") == "請取消我的訂單"
    assert near_key("\U0001f44d !!") == ""


@given(st.text(max_size=60))
@settings(max_examples=50)
def test_loose_keeps_letters_marks_and_noughts_only(text: str) -> None:
    form = near_key(text)
    assert all(char in " 0" or unicodedata.category(char)[0] in "LM" for char in form)
    assert "  " not in form
    assert form == form.strip()


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
@settings(max_examples=50)
def test_plain_text_takes_a_short_cut_to_the_same_form(text: str) -> None:
    assert near_key(text) == near_key(text + "\u4e00").removesuffix("\u4e00").strip()


def test_label_keys_meet_for_spellings_and_stay_apart_for_labels() -> None:
    assert label_key("Card Arrival\n") == label_key("card_arrival") == label_key(" CARD-ARRIVAL.")
    assert len({label_key(label) for label in ("C", "C++", "C#")}) == 3
    assert label_key("1.0") == label_key("1") != label_key("10")
    assert label_key("1.5") != label_key("15")
    assert label_key("-1") != label_key("1")
    assert label_key("...") == "..."
