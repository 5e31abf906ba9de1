"""Tokens and their tags in lists, as data sets of named entities keep them, and GLiNER's spans of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ockham.errors import DataError
from ockham.readers.chat import UnsoundError
from ockham.readers.columns import plain_name
from ockham.readers.forms import spans
from ockham.readers.forms.form import (
    Cells,
    Form,
    FormReader,
    FormSample,
    LeftOut,
    is_all,
    is_texts,
    items_in,
    parse_cell,
)
from ockham.readers.forms.spans import TAG, TextSpan, tagged_spans

_TOKENS, _TAGS = ("tokens", "words", "tokenized_text"), ("ner_tags", "tags", "ner", "labels", "ner_tag", "bio_tags")
_WORD, _MARK = {"word", "token", "words", "tokens"}, {"tag", "ner", "label", "ner_tag", "entity", "tags"}


def _open(sample: FormSample) -> FormReader | None:
    tokens = next((name for name in _TOKENS if is_all(map(parse_cell, sample.values(name)), is_texts)), None)
    tags = next((name for name in _TAGS if is_all(map(parse_cell, sample.values(name)), _is_list)), None)
    if tokens is None or tags is None or not any(map(parse_cell, sample.values(tags))):
        return None
    names = sample.label_names.get(tags, ())
    entries = [entry for value in sample.values(tags) for entry in items_in(parse_cell(value))]
    if not all(_is_tag(entry, names) or _is_token_span(entry) for entry in entries):
        return None

    def convert(cells: Cells) -> Cells | LeftOut:
        words = items_in(parse_cell(cells.get(tokens)))
        if not words or not is_texts(words):
            raise UnsoundError("the tokens are not a list of texts")
        text = " ".join(map(str, words))
        if not sample.request.labelled:
            return {"text": text}
        fields = spans.fields_of(
            text, _spans_of([str(word) for word in words], items_in(parse_cell(cells.get(tags))), names)
        )
        return fields if isinstance(fields, LeftOut) else {"text": text, spans.TARGET: fields}

    columns = ("text", spans.TARGET)
    return FormReader(columns=columns, convert=convert, inputs=("text",), target=spans.TARGET, spans=True)


def _spans_of(words: Sequence[str], entries: Sequence[object], names: Sequence[str]) -> list[TextSpan]:
    if all(map(_is_token_span, entries)):
        starts = [sum(len(word) + 1 for word in words[:index]) for index in range(len(words))]
        taken = [entry for entry in entries if isinstance(entry, (list, tuple))]
        if any(not 0 <= first <= last < len(words) for first, last, _ in taken):
            raise UnsoundError("a span lies outside the tokens")
        return [TextSpan(starts[first], starts[last] + len(words[last]), str(name)) for first, last, name in taken]
    if len(entries) != len(words) or not all(_is_tag(entry, names) for entry in entries):
        raise UnsoundError("the tags do not match the tokens")
    return tagged_spans(words, [names[entry] if isinstance(entry, int) else str(entry) for entry in entries])


def _is_tag(value: object, names: Sequence[str]) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return 0 <= value < len(names)
    return isinstance(value, str) and TAG.fullmatch(value) is not None


def _is_token_span(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return False
    return isinstance(value[0], int) and isinstance(value[1], int) and isinstance(value[2], str)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _open_rows(sample: FormSample) -> FormReader | None:
    """Refuse a table with one token in each row, where a row is no example."""
    plain: Mapping[str, str] = {plain_name(name): name for name in sample.columns}
    word = next((plain[name] for name in plain if name in _WORD), None)
    mark = next((plain[name] for name in plain if name in _MARK), None)
    if word is None or mark is None or not sample.request.labelled:
        return None
    tags = [value for value in sample.values(mark) if value != ""]
    if not is_all(tags, lambda tag: isinstance(tag, str) and TAG.fullmatch(tag) is not None) or set(tags) == {"O"}:
        return None
    raise DataError(
        "E_FORMAT",
        f"{sample.request.source} has one token per row, so a row is not an example",
        fix="convert it to CoNLL, or to one line of JSON per sentence with the lists tokens and ner_tags",
    )


TOKENS = Form(
    name="tokens and tags",
    recognised="lists of texts in `tokens` (`words`, `tokenized_text`), and in `ner_tags`, `tags` or `ner` lists"
    " of tags (`O`, `B-NAME`, …), of their numbers if their names are known, or of `[first, last, name]` (GLiNER)",
    taken="the tokens, joined by spaces, are the input; spans become fields",
    open=_open,
)
TOKEN_ROWS = Form(
    name="a token in each row",
    recognised="a column of words next to a column of tags (`O`, `B-NAME`, …)",
    taken="refused: a row is not an example",
    open=_open_rows,
)
