"""From sources to the texts that the model reads: cleaned, without repetitions, a part held out, all accounted for."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham.data.near_duplicates import near_duplicates
from ockham.data.normalize import exact_key, near_key
from pretrain.sources import LONG_ANSWER, Document, Source, documents, test_half

LAST_FREE_YEAR = 1930
HELD_OUT = 100
"""One document in so many is held out."""
ROWS_TOGETHER = 12
"""Labelled rows that follow each other in one document, so that the model sees a task go on."""

_LEAST_LETTERS = 500
_REPEATED_WORDS = 5
_REPEATED_IN = 20
_BOOK_HEADER = re.compile(r"\A# Title:.*?^-------$", re.DOTALL | re.MULTILINE)
_YEAR = re.compile(r"^## Year: *(-?\d+)", re.MULTILINE)
_PEP_HEADER = re.compile(r"\A(?:.*\n)*?Title: *(.+(?:\n .+)*)\n(?:.+\n)*")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
_SPELT_MAIL = re.compile(_MAIL.pattern.replace("@", "(?:@| at )"))
"""As authors of proposals write their addresses; elsewhere "available at www…" looks the same."""
_PLAIN = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " ", "\ufeff": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAccount:
    """What became of one source. Sizes are UTF-8 bytes; ``dropped`` counts documents by reason, ``lines`` lines."""

    name: str
    licence: str
    origin: str
    sha256: str
    documents: int
    size: int
    dropped: dict[str, int]
    lines: int
    kept: int
    kept_size: int
    held: int
    held_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The texts to learn from and those held out, in order, and the account of both."""

    train: tuple[Document, ...]
    held: tuple[Document, ...]
    accounts: tuple[SourceAccount, ...]


def build(sources: Sequence[Source], data: Path, on_progress: Callable[[str], None]) -> Corpus:
    """Read, clean, deduplicate and divide every source. Raises `DataError` where a source cannot be read."""
    train: list[Document] = []
    held: list[Document] = []
    accounts: list[SourceAccount] = []
    for source in sources:
        kept, aside, account = _one(source, data)
        train += kept
        held += aside
        accounts.append(account)
        on_progress(
            f"{source.name}: {account.kept:,} of {account.documents:,} documents, {account.kept_size / 1e6:.1f} MB"
        )
    return Corpus(train=tuple(train), held=tuple(held), accounts=tuple(accounts))


def _one(source: Source, data: Path) -> tuple[list[Document], list[Document], SourceAccount]:
    raw = list(documents(source, data))
    dropped: Counter[str] = Counter()
    cleaned = usable(source, raw, data, dropped)
    cleaned, lines = without_repeated_lines(cleaned) if source.name in {"books", "technical"} else (cleaned, 0)
    unique = deduplicated(cleaned)
    dropped["near_duplicate"] = len(cleaned) - len(unique)
    train = [document for document in unique if not is_held_out(document)]
    held = [document for document in unique if is_held_out(document)]
    account = SourceAccount(
        name=source.name,
        licence=source.licence,
        origin=source.origin,
        sha256=hashlib.sha256((data / source.path).read_bytes()).hexdigest(),
        documents=len(raw),
        size=_size(raw),
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
        lines=lines,
        kept=len(train),
        kept_size=_size(train),
        held=len(held),
        held_size=_size(held),
    )
    if source.form == "rows":
        return together(train), together(held), account
    return train, held, account


def usable(source: Source, raw: Iterable[Document], data: Path, dropped: Counter[str]) -> list[Document]:
    """Clean documents; leave out what is unfit or stands in the test half, counted by reason in ``dropped``."""
    cleaned: list[Document] = []
    forbidden = {near_key(text) for text in test_half(source, data)}
    for document in raw:
        made = clean(document)
        reason = made if isinstance(made, str) else _refused(made, forbidden)
        if reason:
            dropped[reason] += 1
        elif not isinstance(made, str):
            cleaned.append(made)
    return cleaned


def clean(document: Document) -> Document | str:
    """Give the document with its text cleaned, or the reason why it is left out.

    Books lose their header and are refused without a year or after 1930; a proposal's header is replaced by its title;
    quotation marks become straight, blanks at line ends and repeated empty lines go, mail addresses are masked.
    """
    text = document.text
    if document.source == "books":
        header = _BOOK_HEADER.match(text)
        year = _YEAR.search(header.group()) if header else None
        if header is None or year is None:
            return "no_year"
        if int(year.group(1)) > LAST_FREE_YEAR:
            return "perhaps_in_copyright"
        text = text[header.end() :]
    elif document.source == "technical":
        header = _PEP_HEADER.match(text)
        if header is None:
            return "not_a_proposal"
        text = exact_key(header.group(1)) + "\n" + text[header.end() :]
    text = tidy(text, indented=document.source == "technical")
    if document.source in {"books", "technical"} and sum(map(str.isalpha, text)) < _LEAST_LETTERS:
        return "too_short"
    if not text:
        return "empty"
    return Document(source=document.source, text=text, key=document.key, ask=document.ask, answer=document.answer)


def tidy(text: str, *, indented: bool) -> str:
    """Clean the lines of a text: NFC, straight quotation marks, single blanks, no mail addresses.

    ``indented`` texts keep the blanks that begin a line, and lose addresses that are spelt with "at" too.
    """
    mail = _SPELT_MAIL if indented else _MAIL
    lines: list[str] = []
    for raw in unicodedata.normalize("NFC", text).translate(_PLAIN).split("\n"):
        line = exact_key(raw)
        if indented and line:
            line = raw[: len(raw) - len(raw.lstrip(" "))] + line
        if line or (lines and lines[-1]):
            lines.append(mail.sub("name@example.org", line))
    return "\n".join(lines).strip("\n")


def without_repeated_lines(documents: Sequence[Document]) -> tuple[list[Document], int]:
    """Take out lines of five words or more that stand in twenty documents or more: notices, not text."""
    found = Counter(line for document in documents for line in {*map(exact_key, document.text.split("\n"))})
    notices = {line for line, n in found.items() if n >= _REPEATED_IN and len(line.split()) >= _REPEATED_WORDS}
    kept: list[Document] = []
    gone = 0
    for document in documents:
        lines = document.text.split("\n")
        left = [line for line in lines if exact_key(line) not in notices]
        gone += len(lines) - len(left)
        kept.append(Document(source=document.source, text="\n".join(left), key=document.key))
    return kept, gone


def deduplicated(documents: Sequence[Document]) -> list[Document]:
    """Keep the first of each cluster of near-duplicates (`ockham.data.near_duplicates`)."""
    clusters = near_duplicates([document.text for document in documents])
    return [document for i, document in enumerate(documents) if clusters[i] == i]


def is_held_out(document: Document) -> bool:
    """Decide by the digest of the document's key, so that neither its place nor its neighbours matter."""
    return int(hashlib.sha256(document.key.encode()).hexdigest()[:8], 16) % HELD_OUT == 0


def together(rows: Sequence[Document]) -> list[Document]:
    """Join labelled rows, in the order of their digests (a fixed shuffle), into documents of twelve."""
    ordered = sorted(rows, key=lambda row: row.digest)
    parts = [ordered[i : i + ROWS_TOGETHER] for i in range(0, len(ordered), ROWS_TOGETHER)]
    texts = ["\n\n".join(row.text for row in part) for part in parts]
    return [Document(source=rows[0].source, text=text, key=text) for text in texts]


def _refused(document: Document, forbidden: set[str]) -> str:
    shown = [document.ask] + [document.answer] * (len(document.answer) >= LONG_ANSWER)
    return "in_test_half" if any(text and near_key(text) in forbidden for text in shown) else ""


def _size(documents: Iterable[Document]) -> int:
    return sum(len(document.text.encode()) for document in documents)
