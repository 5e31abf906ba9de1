"""Rows in other languages than English are told; English and what is no language are left alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ockham.data.languages import foreign_language

EXAMPLES = Path(__file__).parents[3] / "examples"
# Written for this project: questions to a shop.
GERMAN = [
    "Wo bleibt mein Paket? Ich warte seit zwei Wochen auf die Lieferung.",
    "Die Rechnung ist falsch, ich habe nur einen Artikel bestellt.",
    "Wie kann ich mein Passwort ändern? Der Link in der Mail geht nicht.",
    "Bitte stornieren Sie die Bestellung, ich brauche das Gerät nicht mehr.",
    "Das Display ist kaputt angekommen, ich möchte es zurückgeben.",
    "Habe ich auf die Kopfhörer noch Garantie? Der linke ist stumm.",
    "Ich wurde doppelt belastet, bitte erstatten Sie mir den Betrag.",
    "Kann ich die Adresse für die Lieferung noch ändern?",
    "Die App stürzt ab, wenn ich den Warenkorb öffne.",
    "Wann ist der Laden in der Stadt am Samstag geöffnet?",
    "Im Paket fehlt das Netzteil, das auf der Rechnung steht.",
    "Ist die Kamera mit dem alten Objektiv nutzbar?",
]
JAPANESE = [
    "荷物がまだ届きません。いつ届きますか。",
    "請求書の金額が間違っています。",
    "パスワードを変更したいのですが、できません。",
    "注文をキャンセルしてください。",
    "画面が割れた状態で届きました。返品したいです。",
]
CHINESE = [
    "我的包裹在哪里?已经等了两个星期。",
    "发票金额不对,我只买了一件。",
    "怎么修改密码?链接打不开。",
    "请取消订单,我不需要了。",
    "屏幕坏了,我要退货。",
]


def test_german_japanese_and_chinese_rows_are_told() -> None:
    assert foreign_language(GERMAN) == "German"
    assert foreign_language(JAPANESE) == "Japanese"
    assert foreign_language(CHINESE) == "Chinese"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("French", "je ne trouve pas ma commande et le colis est en retard, que dois je faire pour avoir mon argent"),
        ("Spanish", "no puedo entrar en mi cuenta y quiero saber por qué el paquete no está en la tienda"),
        ("Italian", "non riesco ad aprire il mio conto e vorrei sapere come mai il pacco è in ritardo"),
        ("Portuguese", "não consigo entrar na minha conta e quero saber por que o pacote está em atraso"),
        ("Dutch", "ik kan niet in mijn account en ik wil graag weten waar het pakket van de winkel is"),
        ("Polish", "nie mogę wejść na moje konto i proszę o informację, gdzie jest paczka z mojego zamówienia"),
        ("Korean", "제 택배가 아직 도착하지 않았어요 언제 도착하나요 주문을 취소하고 싶어요"),
        ("a language in Cyrillic letters", "Где моя посылка? Я жду уже две недели, верните деньги, пожалуйста"),
    ],
)
def test_other_languages_are_told(language: str, text: str) -> None:
    assert foreign_language([text] * 8) == language


def test_english_rows_are_left_alone() -> None:
    with (EXAMPLES / "support_mail.csv").open(encoding="utf-8", newline="") as stream:
        assert foreign_language([row["body"] for row in csv.DictReader(stream)]) is None
    reminders = (EXAMPLES / "reminders.jsonl").read_text(encoding="utf-8").splitlines()
    assert foreign_language([next(iter(json.loads(line).values())) for line in reminders]) is None
    mixed = ["where is my parcel, please tell me", "the delivery to München is late and I am not happy with it"] * 20
    assert foreign_language(mixed) is None


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["12345", "!!!", "😀"] * 100,
        ["USB-C Kabel 2m", "HDMI Adapter", "Samsung Galaxy S21 case", "Nike Air Max 42"] * 40,
        ["def f(x): return x + 1", "SELECT a, b FROM t WHERE c = 1"] * 30,
        ["der"] * 5,
        ["STARBUCKS STORE 1023 BERLIN", "AMZN MKTP DE", "PAYPAL TRANSFER"] * 40,
    ],
)
def test_what_is_no_language_is_left_alone(texts: list[str]) -> None:
    assert foreign_language(texts) is None


@pytest.mark.real
@pytest.mark.parametrize("name", ["hwu64", "clinc150", "cuad_clauses", "bitext_support"])
def test_real_english_sets_are_left_alone(name: str) -> None:
    path = Path(__file__).parents[4] / "shared" / "data" / name / "test.csv"
    if not path.exists():
        pytest.skip("the real data sets are not beside the checkout")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert foreign_language([next(iter(row.values())) for row in rows]) is None
