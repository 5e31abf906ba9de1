import time

import pytest

from ockham.data.pii import count


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("write to jo.doe+x@mail.example.org today", "email"),
        ("call +44 20 7946 0958", "phone"),
        ("call (030) 1234 5678", "phone"),
        ("call 555-123-4567.", "phone"),
        ("IBAN GB82 WEST 1234 5698 7654 32", "iban"),
        ("to DE89370400440532013000", "iban"),
        ("card 4111 1111 1111 1111", "card"),
        ("card 378282246310005", "card"),
        ("from 192.168.0.17:8080", "ip"),
        ("from 10.0.0.1", "ip"),
        ("host 2001:db8::8a2e:370:7334", "ip"),
        ("AKIAIOSFODNN7EXAMPLE", "secret"),
        ('api_key = "0123456789abcdef"', "secret"),
        ("-----BEGIN RSA PRIVATE KEY-----", "secret"),
        ("token: ghp_" + "a" * 36, "secret"),
    ],
)
def test_each_class_is_found(text: str, name: str) -> None:
    assert count([text]) == {name: 1}


@pytest.mark.parametrize(
    "text",
    [
        "GB82 WEST 1234 5698 7654 33",  # wrong check digits
        "card 4111 1111 1111 1112",  # wrong check digit
        "0000 0000 0000 0000",
        "at 12:30:45 on 2024-01-31",
        "version 300.1.2.3",
        "see section 12.3.1.2",
        "order 113542617735902?",
        "a @ b, 20 @ 5",
        "the token is in the post",
        "my password does not work",
    ],
)
def test_what_only_looks_like_it_is_not_counted(text: str) -> None:
    assert count([text]) == {}


def test_rows_are_counted_not_matches() -> None:
    assert count(["a@b.example c@d.example", "e@f.example", "none"]) == {"email": 2}


@pytest.mark.parametrize("text", ["1 " * 100_000, "a@" * 100_000, "a." * 100_000, "+1(" * 70_000, "0:" * 100_000])
def test_the_time_grows_with_the_length_alone(text: str) -> None:
    start = time.process_time()
    count([text])
    assert time.process_time() - start < 3
