"""Text files: which encoding, and which lines, each with its byte offset. Nothing is guessed or replaced."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.local_file import RegularFile
from ockham.readers.table import MAX_RECORD

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16 LE, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_NOT_FOR_FILES = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7", "mbcs", "oem")


class Encoding(NamedTuple):
    """An encoding by its Python name, and the bytes of the mark (BOM) that the file begins with."""

    name: str
    bom: int


class TextLine(NamedTuple):
    """One line with its line end, or ``text`` ``None`` with a code and the reason why it cannot be used."""

    offset: int
    text: str | None
    code: str = ""
    reason: str = ""


def encoding_of(file: RegularFile, explicit: str | None) -> Encoding:
    """Decide the encoding: the one named by the user, else the one of the byte order mark, else strict UTF-8.

    Raises `DataError` (``E_ENCODING``) for an unknown name, a name that the mark contradicts, and what looks like
    UTF-16 without a mark.
    """
    mark = next(((len(bom), name) for bom, name in _BOMS if file.head.startswith(bom)), None)
    if explicit is None:
        if mark is None and _looks_wide(file.head):
            raise DataError(
                "E_ENCODING",
                f"{printable(file.path)} has a zero in every second byte,"
                " so it is probably UTF-16 without a byte order mark",
                fix="name it: --encoding utf-16-le (or utf-16-be)",
            )
        return Encoding(mark[1], mark[0]) if mark else Encoding("utf-8", 0)
    name = _codec(explicit)
    family = name.split("-le")[0].split("-be")[0]
    if mark is None:
        return Encoding({"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name), 0)
    if not mark[1].startswith(family):
        raise DataError(
            "E_ENCODING",
            f"{printable(file.path)} begins with the byte order mark of {mark[1]}, but the encoding named is {name}",
            fix="omit --encoding",
        )
    return Encoding(mark[1], mark[0])


def head_of(file: RegularFile, encoding: Encoding) -> str:
    """Decode the first bytes for judging the format; what does not decode is left out here and reported when read."""
    return file.head[encoding.bom :].decode(encoding.name, "ignore")


def blocks_of(file: RegularFile, encoding: Encoding) -> Iterator[str]:
    """Yield the text of a file in blocks.

    Raises `DataError` (``E_ENCODING``, with the byte offset) where the bytes are not of that encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding.name)("surrogatepass" if encoding.name in _WIDE else "strict")
    skip, at = encoding.bom, 0
    pending = 0  # bytes that the decoder holds back between two blocks
    for block in file.blocks():
        try:
            yield decoder.decode(block[skip:])
        except UnicodeError as error:
            raise undecodable(
                printable(file.path), encoding, at + skip - pending + getattr(error, "start", 0)
            ) from error
        at, skip = at + len(block), 0
        pending = len(decoder.getstate()[0])
    try:
        yield decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise undecodable(printable(file.path), encoding, at - pending) from error


def lines_of(file: RegularFile, encoding: Encoding) -> Iterator[TextLine]:
    """Yield the lines of a file with their byte offsets. Lines end with LF, or with CR in a file without any LF.

    A line over 16 MB, or one with overlong UTF-8 or encoded surrogates, comes as a reason. Memory stays bounded.

    Raises `DataError` (``E_ENCODING``, with the byte offset) where the bytes are not of that encoding.
    """
    if encoding.name in _WIDE:
        yield from _wide_lines(file, encoding)
        return
    end = b"\r" if b"\r" in file.head and b"\n" not in file.head else b"\n"
    name = printable(file.path)
    for offset, raw in _byte_lines(file, encoding.bom, end):
        if raw is None:
            yield TextLine(offset, None, "E_FORMAT", TOO_LONG)
        else:
            yield line_of(offset, raw, name, encoding, end)


def line_of(offset: int, raw: bytes, name: str, encoding: Encoding, end: bytes = b"\n") -> TextLine:
    """Decode one line with its line end, as `lines_of` does; ``name`` is the file's in messages."""
    try:
        return TextLine(offset, raw.decode(encoding.name))
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        reason = _forbidden(raw[start : start + 2]) if encoding.name == "utf-8" else None
        if reason is None and _cut_off(raw, start, encoding, end):
            reason = CUT_OFF
        if reason is None:
            raise undecodable(name, encoding, offset + start) from error
        return TextLine(offset, None, "E_ENCODING", reason)


CUT_OFF = "the file ends in the middle of a character; it looks truncated"
TOO_LONG = f"the record is longer than {MAX_RECORD // 1_000_000} MB"


def _byte_lines(file: RegularFile, skip: int, end: bytes) -> Iterator[tuple[int, bytes | None]]:
    at, rest, dropped = skip, b"", 0
    for block in file.blocks():
        parts = (rest + block[skip:]).split(end)
        skip = 0
        rest = parts.pop()
        for part in parts:
            length = dropped + len(part) + 1
            yield at, None if length > MAX_RECORD else part + end
            at, dropped = at + length, 0
        if dropped or len(rest) > MAX_RECORD:
            dropped, rest = dropped + len(rest), b""
    if rest or dropped:
        yield at, None if dropped else rest


def _wide_lines(file: RegularFile, encoding: Encoding) -> Iterator[TextLine]:
    at, rest, dropped = encoding.bom, "", 0
    end = "\n"
    for index, block in enumerate(blocks_of(file, encoding)):
        if index == 0 and "\r" in block and "\n" not in block:
            end = "\r"
        parts = (rest + block).split(end)
        rest = parts.pop()
        for part in parts:
            line = part + end
            length = dropped + _bytes(line, encoding)
            long = dropped or len(line) > MAX_RECORD
            yield TextLine(at, None, "E_FORMAT", TOO_LONG) if long else TextLine(at, line)
            at, dropped = at + length, 0
        if dropped or len(rest) > MAX_RECORD:
            dropped, rest = dropped + _bytes(rest, encoding), ""
    if rest or dropped:
        yield TextLine(at, None, "E_FORMAT", TOO_LONG) if dropped else TextLine(at, rest)


def _bytes(text: str, encoding: Encoding) -> int:
    return len(text.encode(encoding.name, "surrogatepass"))


def _codec(name: str) -> str:
    try:
        codec = codecs.lookup(name).name
        if codec in _NOT_FOR_FILES:
            raise LookupError(name)
        b"text".decode(codec, "ignore")  # refuses codecs that are not of text, such as zip
    except (LookupError, ValueError) as error:
        raise DataError(
            "E_ENCODING",
            "the encoding that was named is unknown",
            fix="name one that Python knows, such as utf-8, utf-16 or cp1252",
        ) from error
    return {"utf-8-sig": "utf-8", "ascii": "utf-8"}.get(codec, codec)


def _looks_wide(head: bytes) -> bool:
    even, odd = head[0:2000:2], head[1:2000:2]
    if len(odd) < 2:
        return False
    low, high = even.count(0) / len(even), odd.count(0) / len(odd)
    return (low > 0.6 and high < 0.1) or (high > 0.6 and low < 0.1)


def _forbidden(pair: bytes) -> str | None:
    """Tell sequences that no encoding but a faulty UTF-8 writer makes from bytes of another encoding (RFC 3629)."""
    if len(pair) < 2 or not 0x80 <= pair[1] <= 0xBF:
        return None
    first, second = pair
    if first in (0xC0, 0xC1) or (first == 0xE0 and second < 0xA0) or (first == 0xF0 and second < 0x90):
        return "the record contains overlong UTF-8"
    if first == 0xED and second >= 0xA0:
        return "the record contains half a character (an encoded surrogate)"
    return None


def _cut_off(raw: bytes, start: int, encoding: Encoding, end: bytes) -> bool:
    if encoding.name != "utf-8" or raw.endswith(end) or len(raw) - start > 3:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw[start:])
    except UnicodeDecodeError:
        return False
    return True


_OTHERS = "--encoding cp1252 (Western Europe), cp1251 (Cyrillic), shift_jis (Japanese) or gb18030 (Chinese)"


def undecodable(name: str, encoding: Encoding, offset: int) -> DataError:
    """Say that the byte of a file at an offset is not of the encoding (``E_ENCODING``)."""
    others = _OTHERS if encoding.name == "utf-8" else "--encoding utf-8"
    return DataError(
        "E_ENCODING",
        f"{name} is not valid {encoding.name} (at byte {offset})",
        fix=f"name its encoding, for example {others}, or save it as UTF-8",
    )
