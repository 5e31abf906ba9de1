"""Wrong keys are compared so many times a minute from one address; a right one that was there before stays right."""

from __future__ import annotations

import pytest

from ockham.server import key_guesses
from ockham.server.access import Access, key_digest
from ockham.server.api_error import ApiError
from ockham.server.key_guesses import MOST, SECONDS, KeyGuesses

ANN, BEN, ADMIN = "key-of-ann-0123456789", "key-of-ben-0123456789", "key-of-the-admin-0123"
ACCESS = Access(keys={"ann": key_digest(ANN), "ben": key_digest(BEN)}, hosts=(), admin=key_digest(ADMIN))


class Server:
    """A server that asks for keys, and a clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.guesses = KeyGuesses(clock=lambda: self.now)

    def status(self, key: str, address: str = "192.0.2.1", *, admin: bool = False) -> int:
        try:
            with self.guesses.count(address, key):
                (ACCESS.check_admin if admin else ACCESS.key_name)({"x-api-key": key})
        except ApiError as error:
            return error.status
        return 200

    def guess(self, times: int, address: str = "192.0.2.1") -> list[int]:
        return [self.status(f"guess number {number}", address) for number in range(times)]


def test_h09_keys_that_are_guessed_one_after_the_other_are_soon_not_compared() -> None:
    server = Server()
    assert server.guess(MOST + 3) == [401] * MOST + [429] * 3
    assert server.status(ANN) == 429, "or a right guess would show itself"
    assert server.status(ADMIN, admin=True) == 429
    assert server.status("") == 401, "who brings no key guesses none"
    assert server.status(ANN, "192.0.2.2") == 200, "another address is another client"
    server.now += SECONDS - 1
    assert server.status(ANN) == 429, "what was refused did not count"
    server.now += 1
    assert server.guess(2) == [401, 401], "it may try again"
    assert server.status(ANN) == 200


def test_h09_who_shares_the_address_with_one_who_guesses_is_not_locked_out() -> None:
    server = Server()
    assert [server.status(ANN), server.status(ADMIN, admin=True)] == [200, 200]
    assert set(server.guess(1000)) == {401, 429}
    assert [server.status(ANN), server.status(ADMIN, admin=True)] == [200, 200]
    assert server.status(BEN) == 429, "a key that is new at this address waits"


def test_h09_wrong_keys_of_the_admin_routes_count_too_and_a_key_of_another_kind_does_not() -> None:
    server = Server()
    assert [server.status(ANN, admin=True) for _ in range(2 * MOST)] == [403] * (2 * MOST)
    assert [server.status(f"guess {n}", admin=True) for n in range(MOST + 1)] == [401] * MOST + [429]


def test_h09_addresses_of_one_client_count_together() -> None:
    server = Server()
    many = [server.status(f"guess {n}", f"2001:db8:1:2::{n:x}") for n in range(MOST + 1)]
    assert many == [401] * MOST + [429]
    assert server.status(ANN, "2001:db8:1:3::1") == 200
    assert server.guess(1, "::ffff:192.0.2.7") == [401]
    assert server.status(ANN, "::ffff:192.0.2.8") == 200
    assert server.guess(1, "") == [401], "a client without an address is one too"


def test_h09_addresses_without_end_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_guesses, "ADDRESSES", 100)
    server = Server()
    server.guess(MOST, "192.0.2.1")
    for number in range(1000):
        server.guess(1, f"198.51.100.{number % 250}")
        server.guess(1, "192.0.2.1")
    assert len(server.guesses._clients) == 100


def test_h09_it_is_told_when_to_come_again() -> None:
    server = Server()
    server.guess(MOST)
    server.now += 20.0
    with pytest.raises(ApiError) as caught, server.guesses.count("192.0.2.1", ANN):
        pytest.fail("the key was compared")
    assert caught.value.headers["retry-after"] == "40"
    assert ANN not in caught.value.message
