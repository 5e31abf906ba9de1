"""The same question with its options in another order.

A model that has learnt to prefer a place ("always B") must not gain by it, so every question of a task of options is
asked with its options in an order drawn for that row (Zheng et al. 2024 measured how much places alone decide).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ockham.models.options import Form, form_of, listed, worded
from ockham.records import Example, digest


def shuffled(examples: Sequence[Example], seed: int, form: Form | None = None) -> tuple[list[Example], int]:
    """Ask every question with its options in a random order; the marks stay where they are, the target goes along.

    The order follows from the seed and the question's own words; ``form`` is that of the rows where none is given.
    Gives the rows, and how many of them keep their order: those whose options are not found, speak of one another's
    places, or do not hold the target.
    """
    form = form or form_of(examples)
    found = [_asked(example, form, _order(example, seed, "first")) for example in examples]
    return [new or old for new, old in zip(found, examples, strict=True)], sum(new is None for new in found)


def again(example: Example, form: Form, seed: int) -> Example | None:
    """Ask a question with its options in one more order, never the one they have; ``None`` where it keeps its order."""
    return _asked(example, form, _order(example, seed, "second"))


def same(first: tuple[Example, str | None], second: tuple[Example, str | None], form: Form) -> bool:
    """Tell whether two answers, to two orders of one question, name the same option; no valid answer never does."""
    named = []
    for example, answer in (first, second):
        options = listed(example.input)
        place = None if options is None or answer is None else options.place(answer, form)
        named.append(None if options is None or place is None else options.texts[place])
    return named[0] is not None and named[0] == named[1]


def _asked(example: Example, form: Form, order: Sequence[int] | None) -> Example | None:
    options = listed(example.input)
    if order is None or options is None or options.tied():
        return None
    at = options.place(example.target, form)
    if at is None:
        return None
    text = example.input
    for (start, end), source in sorted(zip(options.spans, order, strict=True), reverse=True):
        text = text[:start] + options.texts[source] + text[end:]
    target = example.target
    if form == "mark" and options.marked:
        target = worded(target, options.marks[at]).write(options, order.index(at))
    return dataclasses.replace(example, input=text, target=target)


def _order(example: Example, seed: int, turn: str) -> list[int] | None:
    """Draw an order by sorting the places by what they hash to; a second one is drawn until it moves an option."""
    options = listed(example.input)
    if options is None:
        return None
    name, places = digest([seed, turn, example.input]), list(range(len(options.marks)))
    order = _sorted(places, name)
    while turn == "second" and order == places:
        name = digest(name)
        order = _sorted(places, name)
    return order


def _sorted(places: Sequence[int], name: str) -> list[int]:
    return sorted(places, key=lambda place: digest([name, place]))
