"""Sentences and the fields that rules find in them: numbers, names, days, times, places, amounts, what is quoted.

Whoever extracts has to find a piece of a text and to copy it. Rules find simple pieces in any text, so that the model
can practise both before it has seen a task.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pretrain.sources import Document

_WORDS = "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred"
_NUMBER = rf"(?:{_WORDS.replace(' ', '|')}|\d[\d,.]*\d|\d)"
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = r"(?:january|february|march|april|june|july|august|september|october|november|december)"
_NAME = r"[A-Z][\w'-]+(?: [A-Z][\w'-]+)*"
RULES: dict[tuple[str, ...], re.Pattern[str]] = {
    ("number", "count"): re.compile(rf"\b({_NUMBER})\b", re.IGNORECASE),
    ("amount", "quantity"): re.compile(rf"\b({_NUMBER} (?!o'clock|of\b)[a-z]+s)\b", re.IGNORECASE),
    ("name", "person"): re.compile(rf"(?:[a-z,] )((?:Mr|Mrs|Miss|Dr|Sir|Lady|Captain)\.? {_NAME}|{_NAME})"),
    ("day", "date"): re.compile(
        rf"\b((?:next |this |last |every )?{_WEEKDAY}s?|today|tomorrow|tonight|yesterday|(?:the )?\d+(?:st|nd|rd|th)"
        rf"(?: of {_MONTH})?|{_MONTH} \d+(?:st|nd|rd|th)?)\b",
        re.IGNORECASE,
    ),
    ("time", "when"): re.compile(
        rf"\b({_NUMBER} ?(?:am|pm|a\.m\.|p\.m\.|o'clock)|\d\d?:\d\d|"
        r"(?:at|before|after|till) (?:noon|midnight|night|dinner|breakfast|lunch)|"
        r"in the (?:morning|afternoon|evening))(?!\w)",
        re.IGNORECASE,
    ),
    ("place", "where"): re.compile(rf"\b(?:in|at|near) ((?:the )?{_NAME})"),
    ("from", "start"): re.compile(rf"\bfrom ((?:the |a |my |his |her )?(?:[a-z]+|{_NAME}))\b"),
    ("to", "goal"): re.compile(rf"\bto ((?:the |a |my |his |her )(?:[a-z]+|{_NAME})|{_NAME})\b"),
    ("item", "thing"): re.compile(
        r"\b(?:bring|brought|take|took|find|found|buy|play|wants?|wanted|need|get|got|hold) "
        r"((?:an?|the|my|some) [a-z]+)\b"
    ),
    ("said", "quote"): re.compile(r'"([^"]{4,60})"'),
}
"""The names a field goes by, and the rule whose first match is its value."""

_BREAK = re.compile(r"(?<=[.!?;]) +(?=[A-Z\"])|\n+")
_SPEAKER = re.compile(r"^(?:User|Assistant): ")
_LENGTH = range(24, 220)
_FIELDS = (2, 5)
_TAKEN = (0.005, 0.15, 1.0)
"""How likely a sentence is taken that has none, one, or more of the fields."""
_TRIED = 60
_MISSED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A sentence and what stands in it, by field, as a JSON object."""

    text: str
    target: str


def sentences(groups: Sequence[Sequence[Document]], rng: np.random.Generator) -> Iterator[str]:
    """Give sentences without end: a group by chance, one of its documents, one of its sentences.

    They end where a thousand documents in a row had none of a fitting length.
    """
    groups = [group for group in groups if group]
    missed = 0
    while groups and missed < _MISSED:
        missed += 1
        group = groups[int(rng.integers(len(groups)))]
        document = group[int(rng.integers(len(group)))]
        text = document.ask or document.text
        start = int(rng.integers(max(1, len(text) - 2_000)))
        parts = [_SPEAKER.sub("", part) for part in _BREAK.split(text[start : start + 2_000])[start > 0 :]]
        found = [part for part in parts if len(part) in _LENGTH]
        if found:
            missed = 0
            yield " ".join(found[int(rng.integers(len(found)))].split())


def filled(text: str, rules: Mapping[str, re.Pattern[str]]) -> dict[str, str]:
    """Find the fields of a sentence; one that it does not have is left out."""
    matches = {name: rule.search(text) for name, rule in rules.items()}
    return {name: match.group(1) for name, match in matches.items() if match is not None}


def tasks(groups: Sequence[Sequence[Document]], rng: np.random.Generator) -> Iterator[list[Filled]]:
    """Give small tasks without end: a few fields, and one to five sentences, most of which have several of them."""
    source = sentences(groups, rng)
    every = list(RULES.items())
    for first in source:
        chosen = [every[i] for i in rng.choice(len(every), int(rng.integers(*_FIELDS)), replace=False)]
        rules = {names[int(rng.integers(len(names)))]: rule for names, rule in chosen}
        wanted = int(rng.integers(1, 6))
        found: list[Filled] = []
        for text in (first, *itertools.islice(source, _TRIED * wanted)):
            values = filled(text, rules)
            if rng.random() < _TAKEN[min(len(values), 2)]:
                found.append(Filled(text=text, target=json.dumps(values, ensure_ascii=False)))
            if len(found) == wanted:
                yield found
                break
