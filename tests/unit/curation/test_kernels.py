"""The compiled loops against naive ones: words, n-grams, similarity, marks, Gopher's statistics, containment."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the extra curate is not installed")

from ockham.curation.kernels import (
    char_classes,
    greedy_dedup,
    jit,
    json_lines,
    ngram_index,
    repair_flags,
    shingles,
    text_stats,
)
from ockham.curation.kernels.char_classes import alphabet
from ockham.data import minhash
from ockham.readers.json_file import Fault, parse

WORDS = ["the", "of", "Cancel", "ORDER", "12", "3.5", "naïve", "Straße", "取消", "訂單", "ภาษาไทย", "привет", "don't"]
GAPS = [" ", "  ", "\n", "\n\n", "\n\n\n", "\t", ". ", "... ", "… ", " # ", " - ", "\n- ", "\n• ", "\r\n", " \n"]
pieces = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(GAPS)).map("".join), max_size=40).map("".join)
wild = pieces | st.text(max_size=60)
EVERY = st.lists(wild, min_size=1, max_size=6)


def kind_of(char: str) -> str:
    """Tell letter, digit, alone and between as the documentation says, by other means than the tables."""
    code = ord(char)
    if code >= char_classes.LIMIT:
        return "between"
    if code >= 0x20000:
        return "alone"
    name = unicodedata.name(char, "")
    category = unicodedata.category(char)
    if category[0] in "LM":
        scripts = ("THAI", "LAO", "MYANMAR", "KHMER", "HIRAGANA", "KATAKANA", "CJK", "HALFWIDTH KATAKANA")
        return "alone" if name.startswith(scripts) or 0x3005 <= code <= 0x3007 else "letter"
    return "digit" if category[0] == "N" else "between"


def plain(text: str) -> bool:
    """Leave out characters of blocks that mix scripts, where the naive rule by names is not exact."""
    odd = (
        (0x0E00, 0x0F00),
        (0x1000, 0x10A0),
        (0x1780, 0x1800),
        (0x3000, 0x3400),
        (0xF900, 0x10000),
        (0x10000, 0x120000),
    )
    return not any(low <= ord(char) < high for char in text for low, high in odd) or text in "".join(WORDS)


def fold(char: str) -> str:
    low = char.lower()
    return low if len(low) == 1 else char


def words_of(text: str) -> list[str]:
    found, word = [], ""
    for char in text:
        kind = kind_of(char)
        if kind in ("letter", "digit"):
            word += fold(char)
            continue
        if word:
            found.append(word)
        word = ""
        if kind == "alone":
            found.append(char)
    return [*found, word] if word else found


def grams_of(text: str, width: int = 5) -> list[tuple[str, ...]]:
    words = words_of(text)
    size = min(width, len(words))
    return [tuple(words[at : at + size]) for at in range(len(words) - size + 1)] if words else []


def runs_of(text: str) -> list[str]:
    """Give what stands between blanks; a character of a script without spaces is a run of its own."""
    found = []
    for run in re.split(r"[ \t\n\v\f\r]+", text):
        part = ""
        for char in run:
            if kind_of(char) == "alone":
                found += [part, char] if part else [char]
                part = ""
            else:
                part += char
        found += [part] if part else []
    return found


def folded(run: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """What two words must share to be the same: their letters, case folded, and their signs with their places."""
    letters = "".join(fold(char) for char in run if kind_of(char) != "between")
    return letters, tuple((place, char) for place, char in enumerate(run) if kind_of(char) == "between")


def naive_counts(text: str, stops: set[str]) -> dict[str, int]:
    runs = runs_of(text)
    kinds = [[kind_of(char) for char in run] for run in runs]
    inner = [sum(kind != "between" for kind in each) for each in kinds]
    alphabetic = [sum(kind in ("letter", "alone") for kind in each) for each in kinds]
    lines = [line for line in (line.strip(" \t\r\v\f") for line in text.split("\n")) if line]
    blocks, block = [], list[str]()
    for line in [*text.split("\n"), ""]:
        if line.strip(" \t\r\v\f"):
            block.append(line.strip(" \t\r\v\f"))
        elif block:
            blocks.append(tuple(block))
            block = []
    keys = [folded(run) for run in runs]
    sizes = list(map(len, runs))
    counts = {
        "chars": sum(sizes), "words": sum(n > 0 for n in inner), "word_chars": sum(inner),
        "letters": sum(alphabetic), "digits": sum(inner) - sum(alphabetic),
        "unspaced": sum(kind == "alone" for each in kinds for kind in each), "hashes": text.count("#"),
        "ellipses": text.count("…") + sum(_dots(run) for run in runs),
        "with_letter": sum(n > 0 for n in alphabetic),
        "stop_words": len({letters for letters, _ in keys} & stops), "lines": len(lines),
        "bullet_lines": sum(line[0] in "*-\u00b7\u2013\u2022\u2023\u2043\u25aa\u25cf\u25e6" for line in lines),
        "ellipsis_lines": sum(line.endswith(("...", "…")) for line in lines),
        "paragraphs": len(blocks),
    }  # fmt: skip
    marks_of = [tuple(map(folded, runs_of(line))) for line in lines]
    lengths = [sum(map(len, runs_of(line))) for line in lines]
    again = [i for i, line in enumerate(marks_of) if line in marks_of[:i]]
    counts["same_lines"], counts["same_line_chars"] = len(again), sum(lengths[i] for i in again)
    parts = [tuple(tuple(map(folded, runs_of(line))) for line in each) for each in blocks]
    again = [i for i, each in enumerate(parts) if each in parts[:i]]
    counts["same_paragraphs"] = len(again)
    counts["same_paragraph_chars"] = sum(len(run) for i in again for line in blocks[i] for run in runs_of(line))
    for n in range(2, 11):
        grams = [tuple(keys[at : at + n]) for at in range(len(keys) - n + 1)]
        length = [sum(sizes[at : at + n]) for at in range(len(grams))]
        if n <= 4:
            often = Counter(grams)
            most = max(often.values(), default=1)
            best = [most * length[at] for at, gram in enumerate(grams) if often[gram] == most]
            counts[f"top_{n}"] = max(best) if most > 1 else 0
        else:
            seen, at, chars = set(), 0, 0
            while at < len(grams):
                if grams[at] in seen:
                    chars += length[at]
                    at += n
                else:
                    seen.add(grams[at])
                    at += 1
            counts[f"same_{n}"] = chars
    return counts


def _dots(run: str) -> int:
    """Count the threes of dots that only signs stand between."""
    total = streak = 0
    for char in run:
        if kind_of(char) == "between":
            streak = streak + 1 if char == "." else 0
            total += streak > 0 and streak % 3 == 0
    return total


@given(EVERY.filter(lambda texts: all(map(plain, texts))))
@settings(max_examples=50, deadline=None)
def test_words_are_those_of_the_naive_rule(texts: list[str]) -> None:
    found = shingles.sketch(shingles.texts_of([t.encode() for t in texts]), alphabet(), minhash.orders(), 5, 8)
    naive = [words_of(text) for text in texts]
    assert found.words.tolist() == [len(words) for words in naive]
    same = [[a == b for b in naive] for a in naive]
    hashes = [tuple(row) for row in found.hashes.tolist()]
    assert [[a == b for b in hashes] for a in hashes] == same
    for i, a in enumerate(naive):
        for j, b in enumerate(naive):
            if a and set(grams_of(texts[i])) == set(grams_of(texts[j])):
                assert (found.keys[i] == found.keys[j]).all(), (a, b)


@given(wild.filter(plain), wild.filter(plain), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_similarity_is_that_of_the_sets(first: str, second: str, width: int) -> None:
    a, b = set(grams_of(first, width)), set(grams_of(second, width))
    wanted = len(a & b) / len(a | b) if a and b else 0.0
    one, other = (shingles.shingles(text.encode(), alphabet(), width) for text in (first, second))
    assert shingles.jaccard(one, other) == pytest.approx(wanted)
    assert len(set(one.tolist())) == len(a)


def test_the_share_of_equal_band_keys_follows_the_similarity() -> None:
    """With 16 bands of 8, a pair at J agrees in a band with probability J^8 (Leskovec, Rajaraman and Ullman)."""
    rng = np.random.default_rng(5)
    texts, wanted = [], []
    for _ in range(300):
        base = [f"w{n}" for n in rng.integers(0, 10**6, 400)]
        changed = list(base)
        for at in rng.integers(0, 400, 12):
            changed[at] = f"x{rng.integers(10**6)}"
        texts += [" ".join(base), " ".join(changed)]
        a, b = set(grams_of(texts[-2])), set(grams_of(texts[-1]))
        wanted.append(len(a & b) / len(a | b))
    found = shingles.sketch(shingles.texts_of([t.encode() for t in texts]), alphabet(), minhash.orders(), 5, 8)
    agree = (found.keys[0::2] == found.keys[1::2]).mean()
    expected = np.mean([j**8 for j in wanted])
    assert 0.5 < np.mean(wanted) < 0.9
    assert agree == pytest.approx(expected, abs=4 * math.sqrt(expected / len(wanted) / 4))


def test_rows_of_a_band_follow_the_threshold() -> None:
    assert [minhash.rows_for(threshold) for threshold in (0.3, 0.5, 0.7, 0.8, 0.9)] == [2, 3, 4, 6, 9]
    for threshold in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        rows = minhash.rows_for(threshold)
        assert (1 - threshold**rows) ** (128 // rows) <= 0.005


@given(EVERY)
@settings(max_examples=50, deadline=None)
def test_marks_miss_no_suspect(texts: list[str]) -> None:
    found = repair_flags.repair_flags(shingles.texts_of([text.encode() for text in texts])).tolist()
    for text, mark in zip(texts, found, strict=True):
        controls = any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in text)
        assert bool(mark & repair_flags.CONTROL) == (controls or any(c in "\ufeff\u200b\u2060\ufffd" for c in text))
        assert bool(mark & repair_flags.WIDE) == (not text.isascii())
        assert bool(mark & repair_flags.LOOSE) or unicodedata.is_normalized("NFC", text)
        assert bool(mark & repair_flags.AT) == ("@" in text)
        assert bool(mark & repair_flags.TAG) == bool(re.search(r"<[A-Za-z/!]", text))
        assert bool(mark & repair_flags.ENTITY) == bool(re.search(r"&[A-Za-z#]", text))
        assert bool(mark & repair_flags.DIGITS) == (sum(c in "0123456789" for c in text) >= 4)


def test_no_two_characters_that_combine_go_unmarked() -> None:
    """Of all pairs of a base and another character, those that NFC would change are marked."""
    bases = ["e", "é", "\u1100", "\u1112\u1161", "\u09c7", "\u0b47", "\U00011131", "か", "\u03b1"]
    pairs = [base + chr(code) for base in bases for code in (*range(0x80, 0xD800), *range(0x10000, 0x1F000))]
    changed = [pair for pair in pairs if not unicodedata.is_normalized("NFC", pair)]
    found = repair_flags.repair_flags(shingles.texts_of([pair.encode() for pair in changed]))
    assert len(changed) > 1000
    assert (found & repair_flags.LOOSE).all()


@pytest.mark.parametrize("text", ["schön", "naïve café — “quoted” …", "Ünïcödé", "价格 € 5", "Dvořák\u2019s", "¿Qué?"])
def test_marks_see_text_that_was_decoded_with_the_wrong_encoding(text: str) -> None:
    broken = text.encode().decode("cp1252", "replace")
    assert broken != text
    found = repair_flags.repair_flags(shingles.texts_of([broken.encode(), b"plain text, nothing else"])).tolist()
    assert found[0] & repair_flags.MOJIBAKE
    assert found[1] == 0


@given(EVERY.filter(lambda texts: all(map(plain, texts))))
@settings(max_examples=50, deadline=None)
def test_statistics_are_those_of_the_naive_rule(texts: list[str]) -> None:
    stops = ["the", "of", "naïve", "dont"]
    listed = text_stats.StopWords(
        np.array([text_stats.word_hash(word, alphabet()) for word in stops], dtype=np.uint64), np.array([0, len(stops)])
    )
    languages = np.array([0 if i % 2 == 0 else -1 for i in range(len(texts))], dtype=np.int64)
    packed = shingles.texts_of([text.encode() for text in texts])
    found = text_stats.statistics(packed, alphabet(), listed, languages)
    for i, text in enumerate(texts):
        wanted = naive_counts(text, set(stops) if i % 2 == 0 else set())
        assert dict(zip(text_stats.COUNTS, found[i].tolist(), strict=True)) == wanted


@pytest.mark.parametrize("text", ["", "a", "\x1c", "\n", "#", "取", "a\n", "ⅷ\n\nⅧ"])
def test_statistics_of_tiny_texts(text: str) -> None:
    """A text of a byte or two needs no less room in the tables than a longer one."""
    none = text_stats.StopWords(np.zeros(0, dtype=np.uint64), np.zeros(1, dtype=np.int64))
    for _ in range(50):
        found = text_stats.statistics(shingles.texts_of([text.encode()]), alphabet(), none, np.array([-1]))[0].tolist()
        assert dict(zip(text_stats.COUNTS, found, strict=True)) == naive_counts(text, set())


def test_statistics_of_gopher_by_hand() -> None:
    text = "- one two ...\n\n- one two ...\n\nthe end of it # 7\n"
    packed = shingles.texts_of([text.encode()])
    none = text_stats.StopWords(np.zeros(0, dtype=np.uint64), np.zeros(1, dtype=np.int64))
    found = text_stats.statistics(packed, alphabet(), none, np.array([-1]))[0].tolist()
    counts = dict(zip(text_stats.COUNTS, found, strict=True))
    assert counts["words"] == 9
    assert counts["chars"] == 10 + 10 + 12
    assert (counts["lines"], counts["bullet_lines"], counts["ellipsis_lines"]) == (3, 2, 2)
    assert (counts["same_lines"], counts["same_line_chars"]) == (1, 10)
    assert (counts["same_paragraphs"], counts["same_paragraph_chars"]) == (1, 10)
    assert (counts["hashes"], counts["ellipses"], counts["with_letter"], counts["digits"]) == (1, 2, 8, 1)
    assert (counts["top_2"], counts["top_3"], counts["top_4"]) == (12, 18, 20)  # two times "one two", …


rows = st.lists(pieces, min_size=1, max_size=8)


@given(rows, rows, st.sampled_from([0.3, 0.5, 1.0]))
@settings(max_examples=50, deadline=None)
def test_leaks_are_those_of_all_pairs(tests: list[str], texts: list[str], containment: float) -> None:
    index = ngram_index.index_of([row.encode() for row in tests], alphabet(), 5, containment)
    row, share = ngram_index.leaks(shingles.texts_of([t.encode() for t in texts]), alphabet(), index, 5)
    sets = [set(grams_of(test)) for test in tests]
    for i, text in enumerate(texts):
        grams = set(grams_of(text))
        shares = [len(test & grams) / len(test) if test else 0.0 for test in sets]
        least = [1.0 if len(test) <= ngram_index.FEW else containment for test in sets]
        hits = [(-s, j) for j, s in enumerate(shares) if sets[j] and s >= least[j] - 1e-9]
        assert (int(row[i]), float(share[i])) == ((min(hits)[1], pytest.approx(-min(hits)[0])) if hits else (-1, 0.0))


KEYS = st.sampled_from(["a", "b", "text", "é", "label", "n"])
CHARS = st.text(alphabet=st.sampled_from('ab"\\\n\t\x01\x1f\x7fé取🙂/ '), max_size=6)
NUMBERS = st.sampled_from(
    [0, -1, 10**14, 10**15, 2**63, 0.0, -0.0, 0.5, 1.0, 1e-5, 0.0001, 0.00012, 1e16, 123.456, -2.25, 99999999999.25]
)
VALUES = st.recursive(
    CHARS | NUMBERS | st.sampled_from([True, False, None]),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=6,
)
SPOILT = st.none() | st.tuples(
    st.integers(0, 80), st.sampled_from(b'"\\{}[],: 0123\xff\xc3\xe5nulltrue.eE+-\x80a\x00/u')
)


@given(
    st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=8),
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", ":  ")]),
    SPOILT,
)
@settings(max_examples=50, deadline=None)
def test_lines_are_read_as_the_strict_parser_reads_them(
    rows: list[dict[str, object]], plain: bool, signs: tuple[str, str], spoilt: tuple[int, int] | None
) -> None:
    orjson = pytest.importorskip("orjson")
    lines = [json.dumps(row, ensure_ascii=plain, separators=signs).encode() for row in rows]
    if spoilt is not None and lines[0]:
        broken = bytearray(lines[0])
        broken[spoilt[0] % len(broken)] = spoilt[1]
        lines[0] = bytes(broken)
    data = np.frombuffer(b"\n".join([*lines, b" \t", b""]), dtype=np.uint8)
    read = json_lines.read_lines(data, ("text", "b"), "label")
    assert read.verdicts[-1] == json_lines.BLANK

    def at(texts: shingles.Texts, place: int) -> bytes:
        return bytes(texts.data[texts.starts[place] : texts.ends[place]])

    for place, line in enumerate(lines):
        assert at(read.lines, place) == line
        if read.verdicts[place] != json_lines.SOUND:
            continue
        found = parse(line.decode())
        assert not isinstance(found, Fault), line
        assert isinstance(found, dict)
        cells = [found.get(name) or "" for name in ("text", "b", "label")]
        assert all(isinstance(cell, str) for cell in cells)
        assert at(read.rows, place) == orjson.dumps(found)
        assert at(read.texts, place).decode() == f"{cells[0]}\n{cells[1]}"
        assert at(read.targets, place).decode() == cells[2]


def test_usual_lines_need_no_other_parser() -> None:
    row = {
        "text": 'He said: "no"\n\tand 取 🙂 went',
        "label": "a",
        "n": 7,
        "score": 0.25,
        "meta": {"tags": ["x", None]},
    }
    lines = "".join(json.dumps(row, ensure_ascii=plain) + "\n" for plain in (True, False))
    read = json_lines.read_lines(np.frombuffer(lines.encode(), dtype=np.uint8), ("text",), "label")
    assert read.verdicts.tolist() == [json_lines.SOUND] * 2


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_arrays_and_compiled_loops_mix_alike(values: list[int]) -> None:
    array = np.array(values, dtype=np.uint64)
    assert [int(char_classes.mixed(value)) for value in array] == minhash.mix_bits(array).tolist()


LONG = ["eightlet", "ninechars", "Internationalization1", "x" * 70, "Straßenbahnhaltestelle", "é", "naïvenaïvenaïve"]


@given(st.lists(st.lists(st.sampled_from([*WORDS, *LONG]), max_size=30).map(" ".join) | wild, max_size=6))
@settings(max_examples=50, deadline=None)
def test_words_are_the_same_wherever_their_bytes_stand(texts: list[str]) -> None:
    """They are read 64 bytes at once where so many can be, else character by character: both give the same numbers."""
    letters, known = alphabet(), dict[int, str]()
    for text in filter(plain, texts):
        raw, naive = text.encode(), words_of(text)
        padded = np.frombuffer(b"\xff" * 3 + raw + b"a1 \xc3" * 30, dtype=np.uint8)
        out = np.zeros((2, len(raw) + 1), dtype=np.uint64)
        count = shingles.words_of(np.frombuffer(raw, dtype=np.uint8), 0, len(raw), letters, out[0])
        assert count == shingles.words_of(padded, 3, 3 + len(raw), letters, out[1]) == len(naive)
        assert out[0, :count].tolist() == out[1, :count].tolist()
        for number, word in zip(out[0].tolist(), naive, strict=False):
            assert known.setdefault(number, word) == word
    assert len(set(known.values())) == len(known)


def test_texts_without_words_have_no_shingles() -> None:
    for text in ("", " \n", "*** --- !!!", "🙂🙂🙂"):
        assert len(shingles.shingles(text.encode(), alphabet(), 5)) == 0
        assert shingles.jaccard(shingles.shingles(text.encode(), alphabet(), 5), np.zeros(0, dtype=np.uint64)) == 0.0


def test_s04_machine_code_is_kept_in_a_private_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jit.VARIABLE, str(tmp_path))
    jit.cache_folder.cache_clear()
    try:
        folder = jit.cache_folder()
        assert folder is not None
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.chmod(0o777)
        jit.cache_folder.cache_clear()
        assert jit.cache_folder() is None
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv(jit.VARIABLE, str(tmp_path / "file"))
        jit.cache_folder.cache_clear()
        assert jit.cache_folder() is None
    finally:
        jit.cache_folder.cache_clear()


@given(EVERY)
@settings(max_examples=30, deadline=None)
def test_statistics_do_not_depend_on_where_the_bytes_stand(texts: list[str]) -> None:
    """The last sixteen bytes of a buffer are read one by one, those before in lanes: both give the same counts."""
    letters, stops = alphabet(), text_stats.StopWords(np.zeros(0, np.uint64), np.zeros(1, np.int64))
    raw = [text.encode() for text in texts]
    none = np.full(len(raw), -1, dtype=np.int64)
    packed = shingles.texts_of(raw)
    longer = packed._replace(data=np.concatenate([packed.data, np.zeros(64, np.uint8)]))
    alone = [text_stats.statistics(shingles.texts_of([one]), letters, stops, none[:1])[0] for one in raw]
    together = text_stats.statistics(longer, letters, stops, none)
    assert (np.array(alone) == together).all()


@given(st.sets(st.integers(0, 2**64 - 1), max_size=300), st.sets(st.integers(0, 2**64 - 1), max_size=300), st.data())
@settings(max_examples=60, deadline=None)
def test_bits_never_tell_two_sets_to_be_further_apart_than_they_are(
    one: set[int], other: set[int], data: st.DataObject
) -> None:
    other |= set(data.draw(st.lists(st.sampled_from(sorted(one)), max_size=300))) if one else set()
    sets = [np.array(sorted(values), dtype=np.uint64) for values in (one, other)]
    bits = greedy_dedup.bits_of(np.concatenate(sets), np.cumsum([0, len(one), len(other)]))
    similarity = len(one & other) / max(1, len(one | other))
    assert greedy_dedup.most_alike(bits[0], bits[1], len(one), len(other)) >= similarity
    assert greedy_dedup.most_alike(bits[0], bits[0], len(one), len(one)) == (1.0 if one else 0.0)
