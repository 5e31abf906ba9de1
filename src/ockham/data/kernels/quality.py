"""Quality and repetition statistics of texts: all that the rules of Gopher need (Rae et al., 2021, appendix A).

A word here is what stands between blanks, case folded, and it counts where it has a letter or digit; a character of a
script without spaces is a word. Lengths are in characters; blanks count nowhere, so every share is one of
the characters that can be seen. Lines are trimmed and blank ones left out; paragraphs are what blank lines part.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ockham.data.kernels.characters import (
    ALONE,
    BETWEEN,
    BLANK,
    DIGIT,
    DOT,
    HASH,
    LETTER,
    LIMIT,
    MANY,
    Alphabet,
    Whole,
    code_at,
    mixed,
)
from ockham.data.kernels.compiler import compiled
from ockham.data.kernels.shingles import Texts, longest_of

COUNTS = (
    "chars", "words", "word_chars", "letters", "digits", "unspaced", "hashes", "ellipses", "with_letter", "stop_words",
    "lines", "bullet_lines", "ellipsis_lines", "same_lines", "same_line_chars", "paragraphs", "same_paragraphs",
    "same_paragraph_chars", "top_2", "top_3", "top_4", "same_5", "same_6", "same_7", "same_8", "same_9", "same_10",
)  # fmt: skip
"""What each column of `statistics` counts; ``top_n`` and ``same_n`` are characters."""
(
    _CHARS, _WORDS, _WORD_CHARS, _LETTERS, _DIGITS, _UNSPACED, _HASHES, _ELLIPSES, _WITH_LETTER, _STOPS,
    _LINES, _BULLETS, _ELLIPSIS_LINES, _SAME_LINES, _SAME_LINE_CHARS, _PARAGRAPHS, _SAME_PARAGRAPHS,
    _SAME_PARAGRAPH_CHARS, _TOP, _, _, _SAME, *_REST,
) = range(len(COUNTS))  # fmt: skip
_START = np.uint64(0xCBF29CE484222325)
_STEP = np.uint64(0x100000001B3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NONE = np.uint64(0)
_LEAST_SLOTS = 16


class Room(NamedTuple):
    """Room for the longest text: the hash and length of each word, of each n-gram, of each line; a hash table."""

    words: NDArray[np.uint64]
    sizes: NDArray[np.int64]
    grams: NDArray[np.uint64]
    lines: NDArray[np.uint64]
    line_sizes: NDArray[np.int64]
    breaks: NDArray[np.int64]
    keys: NDArray[np.uint64]
    counts: NDArray[np.int64]


class StopWords(NamedTuple):
    """Hashes of the stop words (`word_hash`), language after language, and where each language begins."""

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]


def statistics(texts: Texts, letters: Alphabet, stops: StopWords, languages: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count for each text what `COUNTS` names: an array (texts x counts).

    ``languages[i]`` is the place of text i's language in ``stops``, or -1; of a language at most 63 words count.
    """
    longest = longest_of(texts) + 2
    slots = max(_LEAST_SLOTS, 1 << (2 * longest).bit_length())
    room = Room(
        np.empty(longest, dtype=np.uint64),
        np.empty(longest, dtype=np.int64),
        np.empty(longest, dtype=np.uint64),
        np.empty(longest, dtype=np.uint64),
        np.empty(longest, dtype=np.int64),
        np.empty(longest, dtype=np.int64),
        np.empty(slots, dtype=np.uint64),
        np.empty(slots, dtype=np.int64),
    )
    found = np.zeros((len(texts.starts), len(COUNTS)), dtype=np.int64)
    _measure_all(texts, letters, stops, languages, room, found)
    return found


def word_hash(word: str, letters: Alphabet) -> np.uint64:
    """Hash a word as the kernels do when they look for stop words: letters and digits, case folded."""
    state = int(_START)
    for char in word:
        state = ((state ^ int(letters.folds[ord(char)])) * int(_STEP)) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(state)


@compiled
def _measure_all(
    texts: Texts,
    letters: Alphabet,
    stops: StopWords,
    languages: NDArray[np.int64],
    room: Room,
    found: NDArray[np.int64],
) -> None:
    for i in range(len(found)):
        language = languages[i]
        first = stops.starts[language] if language >= 0 else 0
        last = stops.starts[language + 1] if language >= 0 else 0
        text = texts.data[texts.starts[i] : texts.ends[i]]
        count, lines, paragraphs = _read(text, letters, stops.hashes[first:last], room, found[i])
        _repeated_lines(room, lines, paragraphs, found[i])
        _repeated_grams(room, count, found[i])


@compiled
def _read(  # noqa: C901, PLR0912, PLR0915 - one flat loop over bytes: a call for each word takes four times as long
    text: NDArray[np.uint8], letters: Alphabet, stops: NDArray[np.uint64], room: Room, out: NDArray[np.int64]
) -> tuple[int, int, int]:
    """Read a text once: count its characters, write down its words and lines; give how many there are.

    A word ends before a blank, and before and behind a character of a script without spaces. ``room.breaks`` holds
    the number of lines before each paragraph's end.
    """
    traits, plain, words, sizes = letters.traits, letters.plain, room.words, room.sizes
    count = lines = paragraphs = line_words = size = alphabetic = digits = dots = 0
    core = _START
    rest = seen = _NONE
    at = np.uintp(0)  # unsigned, or each access asks first whether the index is negative
    end = np.uintp(len(text))
    gap = True
    while at <= end:
        byte = text[at] if at < end else np.uint8(10)
        trait = traits[byte]
        if trait == LETTER or trait == DIGIT:  # noqa: SIM109 - a tuple to search takes longer here
            core = (core ^ np.uint64(plain[byte])) * _STEP
            alphabetic += trait == LETTER
            digits += trait == DIGIT
            size += 1
            at += np.uintp(1)
            continue
        alone = False
        if trait != BLANK:
            code, width, kind = _look(text, at, trait, letters)
            alone = kind == ALONE
            if not (alone and size > 0):
                at += np.uintp(width)
                if size == 0 and count == line_words:
                    out[_BULLETS] += _is_bullet(code)
                size += 1
                if kind == BETWEEN:
                    rest = (rest ^ np.uint64(code) ^ (np.uint64(size) << np.uint64(32))) * _STEP
                    dots = dots + 1 if trait == DOT else 0
                    out[_HASHES] += trait == HASH
                    out[_ELLIPSES] += code == 0x2026 or (dots > 0 and dots % 3 == 0)
                else:
                    core = (core ^ np.uint64(letters.folds[code])) * _STEP
                    alphabetic += kind != DIGIT
                    digits += kind == DIGIT
                    out[_UNSPACED] += alone
                if not alone:
                    continue
        if size > 0:
            words[count] = mixed(core ^ (rest << np.uint64(1)))
            sizes[count] = size
            count += 1
            for k in range(len(stops)):
                seen |= np.uint64(stops[k] == core) << np.uint64(k)
            _note(out, size, alphabetic, digits)
            size = alphabetic = digits = dots = 0
            core = _START
            rest = _NONE
        if alone:
            continue
        if byte == 10:
            if count > line_words:
                _close_line(room, line_words, count, lines)
                _judge_line(text, at, out)
                lines += 1
                gap = False
            elif not gap:
                room.breaks[paragraphs] = lines
                paragraphs += 1
                gap = True
            line_words = count
        at += np.uintp(1)
    if not gap:
        room.breaks[paragraphs] = lines
        paragraphs += 1
    _sum_up(out, seen, lines, paragraphs)
    return count, lines, paragraphs


@compiled
def _note(out: NDArray[np.int64], size: int, alphabetic: int, digits: int) -> None:
    out[_CHARS] += size
    out[_LETTERS] += alphabetic
    out[_DIGITS] += digits
    out[_WORDS] += alphabetic + digits > 0
    out[_WITH_LETTER] += alphabetic > 0


@compiled
def _sum_up(out: NDArray[np.int64], seen: np.uint64, lines: int, paragraphs: int) -> None:
    while seen != _NONE:
        seen &= seen - np.uint64(1)
        out[_STOPS] += 1
    out[_WORD_CHARS] = out[_LETTERS] + out[_DIGITS]
    out[_LINES] = lines
    out[_PARAGRAPHS] = paragraphs


@compiled
def _look(text: NDArray[np.uint8], at: Whole, trait: Whole, letters: Alphabet) -> tuple[Whole, int, Whole]:
    """Look at a character that is no plain letter, digit or blank: its code point, size in bytes, and kind."""
    if trait != MANY:
        return np.int64(text[at]), 1, BETWEEN
    code, width = code_at(text, at)
    return code, width, np.int64(letters.kinds[code]) if code < LIMIT else BETWEEN


@compiled
def _close_line(room: Room, first: int, last: int, line: int) -> None:
    value = np.uint64(1)
    size = 0
    for word in range(first, last):
        value = (value ^ room.words[word]) * _GOLDEN
        value ^= value >> np.uint64(32)
        size += room.sizes[word]
    room.lines[line] = mixed(value)
    room.line_sizes[line] = size


@compiled
def _judge_line(text: NDArray[np.uint8], end: Whole, out: NDArray[np.int64]) -> None:
    """Count a line that ends, blanks aside, in an ellipsis."""
    last = end - 1
    while last > 0 and (text[last] == 32 or (9 <= text[last] <= 13)):
        last -= 1
    if last < 2:
        return
    one, two, three = text[last - 2], text[last - 1], text[last]
    if (one == 46 and two == 46 and three == 46) or (one == 0xE2 and two == 0x80 and three == 0xA6):
        out[_ELLIPSIS_LINES] += 1


@compiled
def _is_bullet(code: Whole) -> bool:
    return code in (0x2A, 0x2D, 0xB7, 0x2013, 0x2022, 0x2023, 0x2043, 0x25AA, 0x25CF, 0x25E6)


@compiled
def _repeated_lines(room: Room, lines: int, paragraphs: int, out: NDArray[np.int64]) -> None:
    """Count lines and paragraphs that stood before, and their characters."""
    mask = _clear(room, lines)
    for line in range(lines):
        if _count(room, mask, room.lines[line]) > 1:
            out[_SAME_LINES] += 1
            out[_SAME_LINE_CHARS] += room.line_sizes[line]
    mask = _clear(room, paragraphs)
    first = 0
    for paragraph in range(paragraphs):
        value = np.uint64(1)
        size = 0
        for line in range(first, room.breaks[paragraph]):
            value = mixed(value ^ room.lines[line])
            size += room.line_sizes[line]
        first = room.breaks[paragraph]
        if _count(room, mask, value) > 1:
            out[_SAME_PARAGRAPHS] += 1
            out[_SAME_PARAGRAPH_CHARS] += size


@compiled
def _repeated_grams(room: Room, words: int, out: NDArray[np.int64]) -> None:
    """Count the characters of the most frequent 2-, 3- and 4-gram, and of the 5- to 10-grams that stood before."""
    for word in range(words):
        room.grams[word] = room.words[word]
    for width in range(2, 11):
        count = words - width + 1
        if count < 2:
            return
        for at in range(count):
            value = room.grams[at] * _GOLDEN + room.words[at + width - 1]
            room.grams[at] = value ^ (value >> np.uint64(32))
        chars = _top(room, count, width) if width <= 4 else _same(room, count, width)
        if chars == 0:  # no n-gram comes twice, so no longer one does
            return
        out[(_TOP + width - 2) if width <= 4 else (_SAME + width - 5)] = chars


@compiled
def _top(room: Room, count: int, width: int) -> int:
    """Give the characters that the most frequent n-gram takes, over all of its places; 0 where none comes twice."""
    mask = _clear(room, count)
    most = 1
    chars = 0
    for at in range(count):
        times = _count(room, mask, room.grams[at])
        if times > 1 and times >= most:
            taken = times * _length(room, at, width)
            chars = taken if times > most else max(chars, taken)
            most = times
    return chars


@compiled
def _same(room: Room, count: int, width: int) -> int:
    """Give the characters of the n-grams that stood before, none counted twice."""
    mask = _clear(room, count)
    at = chars = 0
    while at < count:
        if not _add(room, mask, room.grams[at]):
            chars += _length(room, at, width)
            at += width
        else:
            at += 1
    return chars


@compiled
def _length(room: Room, at: int, width: int) -> int:
    size = 0
    for offset in range(width):
        size += room.sizes[at + offset]
    return size


@compiled
def _clear(room: Room, entries: int) -> np.uint64:
    """Empty as much of the table as so many entries need, and give its mask."""
    slots = _LEAST_SLOTS
    while slots < 2 * entries:
        slots *= 2
    room.keys[:slots] = _NONE
    return np.uint64(slots - 1)


@compiled
def _count(room: Room, mask: np.uint64, value: np.uint64) -> int:
    """Count a value in the table and give how often it has come."""
    value |= np.uint64(1)
    slot = (value >> np.uint64(1)) & mask
    while room.keys[slot] != value:
        if room.keys[slot] == _NONE:
            room.keys[slot] = value
            room.counts[slot] = 0
            break
        slot = (slot + np.uint64(1)) & mask
    room.counts[slot] += 1
    return int(room.counts[slot])


@compiled
def _add(room: Room, mask: np.uint64, value: np.uint64) -> bool:
    """Put a value into the table; tell whether it is new."""
    value |= np.uint64(1)
    slot = (value >> np.uint64(1)) & mask
    while room.keys[slot] != value:
        if room.keys[slot] == _NONE:
            room.keys[slot] = value
            return True
        slot = (slot + np.uint64(1)) & mask
    return False
