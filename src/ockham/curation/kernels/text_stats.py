"""Quality and repetition statistics of texts: all that the rules of Gopher need (Rae et al., 2021, appendix A).

A word here is what stands between blanks, case folded, and it counts where it has a letter or digit; a character of a
script without spaces is a word. Lengths are in characters; blanks count nowhere, so every share is one of
the characters that can be seen. Lines are trimmed and blank ones left out; paragraphs are what blank lines part.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.char_classes import (
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
from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.repetition import clear, count_value, repeated_grams, slots_for
from ockham.curation.kernels.shingles import Texts, longest_of
from ockham.curation.kernels.simd import LANES, digit_bits, ones
from ockham.curation.kernels.word_hash import START, number_of, run_of, spell, spell_by

COUNTS = (
    "chars", "words", "word_chars", "letters", "digits", "unspaced", "hashes", "ellipses", "with_letter", "stop_words",
    "lines", "bullet_lines", "ellipsis_lines", "same_lines", "same_line_chars", "paragraphs", "same_paragraphs",
    "same_paragraph_chars", "top_2", "top_3", "top_4", "same_5", "same_6", "same_7", "same_8", "same_9", "same_10",
)  # fmt: skip
"""What each column of `statistics` counts; ``top_n`` and ``same_n`` are characters."""
(
    _CHARS, _WORDS, _WORD_CHARS, _LETTERS, _DIGITS, _UNSPACED, _HASHES, _ELLIPSES, _WITH_LETTER, _STOPS,
    _LINES, _BULLETS, _ELLIPSIS_LINES, _SAME_LINES, _SAME_LINE_CHARS, _PARAGRAPHS, _SAME_PARAGRAPHS,
    _SAME_PARAGRAPH_CHARS, _TOP, *_REST,
) = range(len(COUNTS))  # fmt: skip
_STEP = np.uint64(0x100000001B3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NONE = np.uint64(0)
_LINE = np.uint64(1)
"""What the hash of a line begins with."""


class Room(NamedTuple):
    """Room for the longest text: words and their lengths, n-grams, lines, and a hash table (`repetition.Table`)."""

    words: NDArray[np.uint64]
    sizes: NDArray[np.int64]
    grams: NDArray[np.uint64]
    positions: NDArray[np.int64]
    slots: NDArray[np.uint64]
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
    slots = slots_for(longest)
    room = Room(
        np.empty(longest, dtype=np.uint64),
        np.empty(longest, dtype=np.int64),
        np.empty(longest, dtype=np.uint64),
        np.empty(longest, dtype=np.int64),
        np.empty(longest, dtype=np.uint64),
        np.empty(longest, dtype=np.uint64),
        np.empty(longest, dtype=np.int64),
        np.empty(longest, dtype=np.int64),
        np.empty(slots, dtype=np.uint64),
        np.empty(slots, dtype=np.int64),
    )
    counts = np.zeros((len(texts.starts), len(COUNTS)), dtype=np.int64)
    _measure_all(texts, letters, stops, languages, room, counts)
    return counts


def word_hash(word: str, letters: Alphabet) -> np.uint64:
    """Hash a word as the kernels do when they look for stop words: letters and digits, case folded."""
    return np.uint64(_word_hash(letters.folds[[ord(char) for char in word]]))


@compile_kernel
def _word_hash(codes: NDArray[np.uint32]) -> np.uint64:
    word = START, _NONE, _NONE
    for code in codes:
        word = spell_by(word, code)
    return number_of(word)


@compile_kernel
def _measure_all(
    texts: Texts,
    letters: Alphabet,
    stops: StopWords,
    languages: NDArray[np.int64],
    room: Room,
    counts: NDArray[np.int64],
) -> None:
    for i in range(len(counts)):
        language = languages[i]
        first = stops.starts[language] if language >= 0 else 0
        last = stops.starts[language + 1] if language >= 0 else 0
        span = np.uintp(texts.starts[i]), np.uintp(texts.ends[i])
        count, lines, paragraphs = _read(texts.data, span, letters, stops.hashes[first:last], room, counts[i])
        _repeated_lines(room, lines, paragraphs, counts[i])
        grams = room.grams, room.positions, room.slots, room.keys, room.counts
        repeated_grams(room.words, room.sizes, grams, count, counts[i, _TOP:])


@compile_kernel
def _read(  # noqa: C901, PLR0912, PLR0915 - one flat loop over bytes: a call for each word takes four times as long
    text: NDArray[np.uint8],
    span: tuple[np.uintp, np.uintp],
    letters: Alphabet,
    stops: NDArray[np.uint64],
    room: Room,
    out: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Read a text once: count its characters, write down its words and lines; return how many there are.

    A word ends before a blank, and before and behind a character of a script without spaces. ``room.breaks`` holds
    the number of lines before each paragraph's end.
    """
    traits, words, sizes = letters.traits, room.words, room.sizes
    count = lines = paragraphs = line_words = line_size = size = alphabetic = digits = dots = 0
    chars = all_letters = all_digits = whole = lettered = 0
    core = START, _NONE, _NONE
    rest = seen = _NONE
    line = _LINE
    sieve = _sieve(stops, seen)
    at, end = span  # unsigned, or each access asks first whether the index is negative
    gap = True
    while at <= end:
        run = run_of(text, at, end)
        if run > np.uintp(0):
            core = spell(core, text, at, run)
            numbers = int(ones(digit_bits(text, at) & ((np.uint32(1) << np.uint32(run)) - np.uint32(1))))
            alphabetic += int(run) - numbers
            digits += numbers
            size += int(run)
            at += run
            if run == LANES:
                continue
        byte = text[at] if at < end else np.uint8(10)
        trait = traits[byte]
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
                    core = spell_by(core, letters.folds[code])
                    alphabetic += kind != DIGIT
                    digits += kind == DIGIT
                    out[_UNSPACED] += alone
                if not alone:
                    continue
        if size > 0:
            word = number_of(core)
            words[count] = mixed(word ^ (rest << np.uint64(1)))
            sizes[count] = size
            line = (line ^ words[count]) * _GOLDEN
            line ^= line >> np.uint64(32)
            line_size += size
            count += 1
            if (sieve >> (word >> np.uint64(58))) & np.uint64(1):
                for k in range(len(stops)):
                    seen |= np.uint64(stops[k] == word) << np.uint64(k)
                sieve = _sieve(stops, seen)
            chars += size
            all_letters += alphabetic
            all_digits += digits
            whole += alphabetic + digits > 0
            lettered += alphabetic > 0
            size = alphabetic = digits = dots = 0
            core = START, _NONE, _NONE
            rest = _NONE
        if alone:
            continue
        if byte == 10:
            if count > line_words:
                room.lines[lines], room.line_sizes[lines] = mixed(line), line_size
                line, line_size = _LINE, 0
                _judge_line(text, span[0], at, out)
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
    out[_CHARS], out[_LETTERS], out[_DIGITS], out[_WORD_CHARS] = (
        chars,
        all_letters,
        all_digits,
        all_letters + all_digits,
    )
    out[_WORDS], out[_WITH_LETTER], out[_LINES], out[_PARAGRAPHS] = whole, lettered, lines, paragraphs
    while seen != _NONE:
        seen &= seen - np.uint64(1)
        out[_STOPS] += 1
    return count, lines, paragraphs


@compile_kernel
def _sieve(stops: NDArray[np.uint64], seen: np.uint64) -> np.uint64:
    """Return a bit for the upper six bits of each stop word not yet seen, so that one look tells most words."""
    sieve = _NONE
    for k in range(len(stops)):
        missing = ~(seen >> np.uint64(k)) & np.uint64(1)
        sieve |= missing << (stops[k] >> np.uint64(58))
    return sieve


@compile_kernel
def _look(text: NDArray[np.uint8], at: Whole, trait: Whole, letters: Alphabet) -> tuple[Whole, int, Whole]:
    """Look at a character that is no blank: its code point, size in bytes, and kind."""
    if trait != MANY:
        return np.int64(text[at]), 1, np.int64(trait & (LETTER | DIGIT))
    code, width = code_at(text, at)
    return code, width, np.int64(letters.kinds[code]) if code < LIMIT else BETWEEN


@compile_kernel
def _judge_line(text: NDArray[np.uint8], begin: Whole, end: Whole, out: NDArray[np.int64]) -> None:
    """Count a line that ends, blanks aside, in an ellipsis."""
    last = np.int64(end) - 1
    while last > np.int64(begin) and (text[last] == 32 or (9 <= text[last] <= 13)):
        last -= 1
    if last < np.int64(begin) + 2:
        return
    third_last, second_last, final = text[last - 2], text[last - 1], text[last]
    if (third_last == 46 and second_last == 46 and final == 46) or (
        third_last == 0xE2 and second_last == 0x80 and final == 0xA6
    ):
        out[_ELLIPSIS_LINES] += 1


@compile_kernel
def _is_bullet(code: Whole) -> bool:
    return code in (0x2A, 0x2D, 0xB7, 0x2013, 0x2022, 0x2023, 0x2043, 0x25AA, 0x25CF, 0x25E6)


@compile_kernel
def _repeated_lines(room: Room, lines: int, paragraphs: int, out: NDArray[np.int64]) -> None:
    """Count lines and paragraphs that stood before, and their characters."""
    mask = clear(room.keys, lines)
    for line in range(lines):
        if room.counts[count_value(room.keys, room.counts, mask, room.lines[line])] > 1:
            out[_SAME_LINES] += 1
            out[_SAME_LINE_CHARS] += room.line_sizes[line]
    mask = clear(room.keys, paragraphs)
    first = 0
    for paragraph in range(paragraphs):
        value = np.uint64(1)
        size = 0
        for line in range(first, room.breaks[paragraph]):
            value = mixed(value ^ room.lines[line])
            size += room.line_sizes[line]
        first = room.breaks[paragraph]
        if room.counts[count_value(room.keys, room.counts, mask, value)] > 1:
            out[_SAME_PARAGRAPHS] += 1
            out[_SAME_PARAGRAPH_CHARS] += size
