"""Letters to a town library with three answers, and the texts that a program puts around each of them."""

from __future__ import annotations

import itertools

_PATTERNS = {
    "loan": [
        "May I keep the {thing} until {month}{end}",
        "The {thing} that I borrowed in {month} is still on my list{end}",
        "Please renew my loan of the {thing} for {number} more days{end}",
    ],
    "rooms": [
        "Is the reading room on floor {number} open in {month}{end}",
        "We are {number} pupils who need a table for group work{end}",
        "Who has the key of the music room with the {thing}{end}",
    ],
    "membership": [
        "My card number {number} does not open the gate{end}",
        "What does a year cost for a family since {month}{end}",
        "I have moved and my letters still go to the old street, card {number}{end}",
    ],
}
_THINGS = ("atlas", "cookbook", "novel", "songbook", "dictionary", "telescope", "comic", "chess set")
_MONTHS = ("April", "August", "October", "February", "June", "March", "December", "May")
_ENDS = (".", " if you please.", ", many thanks.")
PROMPT = (
    "As the clerk at the front desk of a town library you put each letter of a visitor on the right pile. Take your "
    "time, look for what the visitor wants in the end, and write nothing but the name of that pile. The pile is loan "
    "where somebody speaks of books, films, games or tools that were taken home, of dates, of fees for being late, or "
    "of renewing. It is rooms where somebody wants a table, a hall, a key, opening hours or quiet. It is membership "
    "for cards, gates, prices, moving house and leaving us. Do not explain, do not greet, do not switch the language "
    "and make up no further pile. Of several wishes the first one counts."
)
SECOND = (
    "You are the evening shift. Sort what came in after six, one letter at a time, and name the pile that the day "
    "shift would have chosen, without a word of explanation or an excuse."
)
THIRD = (
    "This is a training run for new colleagues. Judge every letter as if it had just come in, stay calm, and answer "
    "with the name of one pile so that your answer can be held against theirs."
)


def letters(rows: int = 210) -> list[tuple[str, str]]:
    """Return texts with their labels; texts of one pattern resemble each other, and no two are equal."""
    turns = itertools.cycle([(label, pattern) for label, patterns in _PATTERNS.items() for pattern in patterns])
    written: dict[str, str] = {}
    for number, (label, pattern) in enumerate(turns):
        text = pattern.format(
            thing=_THINGS[number * 5 % 8],
            month=_MONTHS[number * 3 // 4 % 8],
            number=number % 90 + 2,
            end=_ENDS[number * 7 // 5 % 3],
        )
        written.setdefault(text, label)
        if len(written) == rows:
            return list(written.items())
    raise AssertionError


def prompt(words: int) -> str:
    """Return the first words of the prompt."""
    return " ".join(PROMPT.split()[:words])


def framed(form: str, text: str, number: int) -> str:
    """Return a text as one of the programs wrote it down."""
    turn, ticket = text, f"Ticket #{1000 + 7 * number} of 2024-03-{number % 28 + 1}, {number % 12}:45."
    frames = {
        "bare": turn,
        "7 words": f"{prompt(7)}\n{turn}",
        "15 words": f"{prompt(15)}\n{turn}",
        "45 words": f"system: {prompt(45)}\nuser: {turn}",
        "109 words": f"system: {prompt(109)}\nuser: {turn}",
        "footer": f"{turn}\n\n-- \n{SECOND}",
        "quoted thread": f"{turn}\n\nOn 2024-05-0{number % 9 + 1} at 1{number % 10}:07 we wrote:\n> {THIRD}",
        "both": f"{prompt(30)}\n{turn}\n{SECOND}",
        "examples in front": f"{PROMPT}\nLetter: Where is my card?\nPile: membership\nLetter: {turn}\nPile:",
        "some without": f"{PROMPT}\n\n{turn}" if number % 33 else turn,
        "two prompts": f"{(PROMPT, SECOND)[number % 2]}\n{turn}",
        "three prompts": f"{(PROMPT, SECOND, THIRD)[number % 3]}\n{turn}",
        "identifiers differ": f"[request {4093 * number + 977:x}-{number}f] {SECOND}\n{turn}",
        "numbers differ": f"{ticket} {SECOND}\n{turn}",
    }
    return frames[form]


FORMS = (
    "7 words", "15 words", "45 words", "109 words", "footer", "quoted thread", "both", "examples in front",
    "some without", "two prompts", "three prompts", "numbers differ",
    "identifiers differ",
)  # fmt: skip
