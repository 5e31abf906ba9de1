"""Texts that a model did not read whole: how many, how much of them, and a sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.records import Answer, CutTexts


def count_cut_texts(answers: Sequence[Answer]) -> CutTexts | None:
    """Count the texts that were too long for the model that answered; ``None`` where it read all of every one."""
    return cut_texts_of(len(answers), [answer.unread for answer in answers if answer.unread])


def cut_texts_of(texts: int, shares: Sequence[float]) -> CutTexts | None:
    """Return the account of so many texts; ``shares`` are what was not read of each of those that were too long."""
    return CutTexts(texts=texts, cut=len(shares), least=min(shares), most=max(shares)) if shares else None


def describe_cut_texts(texts: CutTexts) -> str:
    """Say how many texts were too long, and how much of them was not read."""
    least, most = (_percent(share) for share in (texts.least, texts.most))
    share = least if least == most else f"{least} to {most}"
    verb, them = ("is", "it") if texts.cut == 1 else ("are", "each")
    return (
        f"{texts.cut:,} of {texts.texts:,} texts {verb} longer than the model reads: {share} % of {them} was not read"
    )


def _percent(share: float) -> str:
    """Write a share that is above 0 and below 1 so that it looks like neither."""
    return "less than 1" if share < 0.01 else f"{min(99.0, 100 * share):.0f}"
