"""Values that say the same: which match, and how an answer is credited with them."""

from __future__ import annotations

import json

import pytest

from ockham.errors import ConfigError
from ockham.models.extraction import field_match
from ockham.records import Answer, Example


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("RM 9.00", "9.00", True),
        ("1,200.50", "1200.50", True),
        ("9.0", "9.00", True),
        (9, "9.00", True),
        ("25/12/2018", "2018-12-25", True),
        ("12/25/2018", "2018-12-25", True),
        ("25 Dec 2018", "25.12.18", True),
        ("Ah Lim Sdn. Bhd", "AH LIM SDN BHD", True),
        ("9.00", "9.01", False),
        ("25/12/2018", "26/12/2018", False),
        ("...", "---", False),
        ("12", "1.2", False),
        ("RM 9.00", "RM 90.0", False),
        ("DN1234", "DO1234", False),
        ("DN1234", "DN 1234", True),
        ("A-1", "a1", True),
        ("0.125", "125", False),
        ("0.125", "0,125", True),
        ("1,234.567", "1234567", False),
        ("1,234.5", "1.234,5", True),
        ("$5", "€5", False),
        ("$5", "USD 5", True),
        ("£5", "5", True),
    ],
)
def test_dates_amounts_and_words_match_by_what_they_say(one: object, other: object, same: bool) -> None:
    assert field_match.says_the_same(one, other) is same
    assert field_match.says_the_same(other, one) is same


def credited(answer: object, target: object, *names: str) -> object:
    row = Example(id="1", input="", target=json.dumps(target))
    (out,) = field_match.credit_answers([row], [Answer(value=json.dumps(answer))], names)
    return json.loads(str(out.value))


def test_only_the_fields_that_are_named_are_credited() -> None:
    answer = {"total": "RM9.00", "cash": "RM9.00", "shop": {"town": "IPOH."}, "tags": ["A-1", "b2", "a1"]}
    target = {"total": "9.00", "cash": "9.00", "shop": {"town": "Ipoh"}, "tags": ["a1", "B 2"]}
    assert credited(answer, target, "total", "shop.town", "tags") == {
        "total": "9.00",
        "cash": "RM9.00",
        "shop": {"town": "Ipoh"},
        "tags": ["a1", "B 2", "a1"],
    }
    assert credited(answer, target) == answer
    row = Example(id="1", input="", target="no object")
    assert field_match.credit_answers([row], [Answer(value=None)], ["total"])[0].value is None


def test_entries_name_a_field_and_how_it_matches() -> None:
    assert field_match.read_match(("a=b=normalised", "c=normalised", "c=exact")) == {"a=b"}
    for wrong in ("total", "=exact", "total=near"):
        with pytest.raises(ConfigError, match="FIELD=exact or FIELD=normalised"):
            field_match.read_match((wrong,))
