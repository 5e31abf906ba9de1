"""Tickets for reports: each good once, for a minute."""

from __future__ import annotations

from ockham.server.report_tickets import LIFETIME_S, ReportTickets


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_is_good_once() -> None:
    tickets = ReportTickets()
    ticket = tickets.issue("mail")
    assert tickets.redeem(ticket) == "mail"
    assert tickets.redeem(ticket) is None
    assert tickets.redeem("") is None


def test_a_ticket_is_good_for_a_minute() -> None:
    clock = Clock()
    tickets = ReportTickets(clock)
    early, late = tickets.issue("mail"), tickets.issue("spam")
    clock.now = LIFETIME_S - 1
    assert tickets.redeem(early) == "mail"
    clock.now = LIFETIME_S
    assert tickets.redeem(late) is None


def test_there_are_never_more_than_a_hundred() -> None:
    tickets = ReportTickets()
    first, *others = [tickets.issue("mail") for _ in range(101)]
    assert tickets.redeem(first) is None
    assert {tickets.redeem(ticket) for ticket in others} == {"mail"}
