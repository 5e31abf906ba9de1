"""Text files whose lines carry their labels: fastText's lines, and CoNLL's tokens with tags."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from ockham.readers.forms.spans import TAG, tagged_spans
from ockham.readers.local_file import RegularFile
from ockham.readers.table import BrokenRow, Table, TableRow
from ockham.readers.text_file import Encoding, TextLine, lines_of

PREFIX = "__label__"
_FASTTEXT_LABEL = re.compile(rf"(?:^|\s){PREFIX}(\S+)")
_LEAST = 0.9
_CONLL_COLUMNS = ("text", "entities")
_PAIR = re.compile(r"#\s*[\w.]+\s*=")
"""How a comment begins that says something of a sentence: ``# text = …``."""
_HEADS = {"tag", "tags", "ner", "ner_tag", "ner_tags", "label", "labels"}
"""How a line of names, which some programs put first, ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineForm:
    """A form of text lines; `matches` tells it by the first lines, `open` reads the file."""

    name: str
    recognised: str
    taken: str
    matches: Callable[[list[str]], bool]
    open: Callable[[RegularFile, Encoding], Table]


def find_line_form(head: str) -> LineForm | None:
    """Find the form of a text file by its beginning, whose last line may be cut."""
    lines = head.replace("\r\n", "\n").split("\n")[:500]
    lines = lines[:-1] if len(lines) > 1 else lines
    return next((form for form in LINE_FORMS if form.matches(lines)), None)


def _is_fasttext(lines: list[str]) -> bool:
    filled = [line for line in lines if line.strip()]
    return bool(filled) and sum(PREFIX in line for line in filled) >= _LEAST * len(filled)


def _is_conll(lines: list[str]) -> bool:
    """Tell tokens with tags: at least two cells a line, the last a tag, some of them of a span, and blank lines."""
    rows = [_cells(line) for line in lines if line.strip() and not _is_comment(line)]
    tagged = [row for row in rows if len(row) > 1 and TAG.fullmatch(row[-1])]
    spans = any(row[-1] != "O" for row in tagged)
    return bool(rows) and spans and len(tagged) >= _LEAST * len(rows) and any(not line.strip() for line in lines)


def _fasttext_table(file: RegularFile, encoding: Encoding) -> Table:
    return Table(
        name=file.name,
        format="text, fastText lines",
        encoding=encoding.name,
        dialect=None,
        columns=("text", "label"),
        rows=_fasttext_rows(file, encoding),
    )


def _fasttext_rows(file: RegularFile, encoding: Encoding) -> Iterator[TableRow | BrokenRow]:
    record = 0
    for line in lines_of(file, encoding):
        if line.text is not None and not line.text.strip():
            continue
        record += 1
        if line.text is None:
            yield BrokenRow(record, line.offset, line.code, line.reason)
            continue
        labels = _FASTTEXT_LABEL.findall(line.text)
        yield TableRow(record, line.offset, {"text": _FASTTEXT_LABEL.sub("", line.text).strip(), "label": labels})


def _conll_table(file: RegularFile, encoding: Encoding) -> Table:
    return Table(
        name=file.name,
        format="text, CoNLL",
        encoding=encoding.name,
        dialect=None,
        columns=_CONLL_COLUMNS,
        rows=_conll_rows(file, encoding),
    )


def _conll_rows(file: RegularFile, encoding: Encoding) -> Iterator[TableRow | BrokenRow]:
    """Yield each sentence as its text, tokens with a blank between them, and spans of start, end and name."""
    record, sentence = 0, list[TextLine]()
    for number, line in enumerate(chain(lines_of(file, encoding), [TextLine(0, "")])):
        text = line.text
        if not number and text and text.split()[-1:] and text.split()[-1].casefold() in _HEADS:
            continue
        if text is None or (text.strip() and not _is_comment(text)):
            sentence.append(line)
        elif not text.strip() and sentence:
            record += 1
            yield _sentence(record, sentence)
            sentence = []


def _cells(line: str) -> list[str]:
    """Return the cells of a line; between tabs a token may hold blanks, and a blank that does not break is a part."""
    cells = (cell.strip(" \t\r\n") for cell in line.split("\t" if "\t" in line else " "))
    return [cell for cell in cells if cell]


def _is_comment(line: str) -> bool:
    """Tell a comment, or the head of a document, from a token: ``#`` and ``#word`` are tokens where they have a tag."""
    if not line.startswith("#"):
        return line.startswith("-DOCSTART-")
    cells = _cells(line)
    return len(cells) < 2 or TAG.fullmatch(cells[-1]) is None or _PAIR.match(line) is not None


def _sentence(record: int, lines: list[TextLine]) -> TableRow | BrokenRow:
    words, tags = list[str](), list[str]()
    for line in lines:
        if line.text is None:
            return BrokenRow(record, line.offset, line.code, line.reason)
        cells = _cells(line.text)
        if len(cells) < 2 or not TAG.fullmatch(cells[-1]):
            return BrokenRow(record, line.offset, "E_FORMAT", "a token of the sentence has no tag")
        words.append(cells[0])
        tags.append(cells[-1])
    spans = [[span.start, span.end, span.name] for span in tagged_spans(words, tags)]
    return TableRow(record, lines[0].offset, dict(zip(_CONLL_COLUMNS, (" ".join(words), spans), strict=True)))


LINE_FORMS: tuple[LineForm, ...] = (
    LineForm(
        name="fastText lines",
        recognised=f"lines with `{PREFIX}NAME` and a text",
        taken="the name is the target, the rest of the line the input; several names are several labels",
        matches=_is_fasttext,
        open=_fasttext_table,
    ),
    LineForm(
        name="CoNLL",
        recognised="a token and its tag (`O`, `B-NAME`, `I-NAME`, …) on each line, and a blank line after each"
        " sentence",
        taken="each sentence is a row; its spans become fields",
        matches=_is_conll,
        open=_conll_table,
    ),
)
"""The forms of text lines, in the order in which they are tried."""
