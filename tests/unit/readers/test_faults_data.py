"""One test for each fault of a data file: D01 to D25 as far as reading meets them."""
# ruff: noqa: N802 - the names of the tests carry the IDs of the faults as the catalogue writes them

import codecs
import errno
import json
import os
import socket
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from io import FileIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ockham.data.csv_export import csv_text, escape_cell
from ockham.errors import DataError
from ockham.readers import csv_file, formats, local_file
from ockham.readers.read import ReadResult, ReadSpec, read
from ockham.readers.table import Table
from ockham.readers.text_file import Encoding, TextLine


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def take(folder: Path, name: str, content: str | bytes, **spec: object) -> ReadResult:
    reading = read(write(folder, name, content), ReadSpec(**spec))  # type: ignore[arg-type]  # keywords of one test
    assert reading.rows == len(reading.examples) + len(reading.quarantined)
    return reading


def refuse(path: object, code: str, **spec: object) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, ReadSpec(**spec))  # type: ignore[arg-type]
    assert caught.value.code == code
    assert caught.value.fix
    return caught.value


def pairs(reading: ReadResult) -> list[tuple[str, str]]:
    return [(example.input, example.target) for example in reading.examples]


def reasons(reading: ReadResult) -> list[tuple[int, int | None, str]]:
    return [(item.record, item.offset, item.reason) for item in reading.quarantined]


@pytest.mark.parametrize("content", [b"", codecs.BOM_UTF8, b"\n\n\r\n", b"text,label\n", codecs.BOM_UTF16_LE, b"[]"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_D01_empty(tmp_path: Path, name: str, content: bytes) -> None:
    refuse(write(tmp_path, name, content), "E_EMPTY")
    assert [item.name for item in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_D02_byte_order_marks(tmp_path: Path, bom: bytes, encoding: str) -> None:
    text = "text,label\r\nnaïve 🙂,x\r\nb,y\r\n"
    reading = take(tmp_path, "a.csv", bom + text.encode(encoding))
    assert pairs(reading) == [("naïve 🙂", "x"), ("b", "y")]
    assert reading.sources[0].encoding == encoding
    lines = '{"text": "naïve 🙂", "label": "x"}\n{"text": "b", "label": 1e999}\n'
    reading = take(tmp_path, "a.jsonl", bom + lines.encode(encoding))
    assert pairs(reading) == [("naïve 🙂", "x")]
    second = len(bom) + len(lines.split("\n", 1)[0].encode(encoding) + "\n".encode(encoding))
    assert reasons(reading) == [(2, second, "a number is too large")]


def test_D02_other_encodings_are_named_never_guessed(tmp_path: Path) -> None:
    content = "text,label\nok,y\ncafé,x\n".encode("cp1252")
    error = refuse(write(tmp_path, "a.csv", content), "E_ENCODING")
    assert f"byte {content.index(0xE9)}" in error.message
    assert "--encoding cp1252" in error.fix
    reading = take(tmp_path, "a.csv", content, encoding="cp1252")
    assert pairs(reading) == [("ok", "y"), ("café", "x")]
    assert reading.sources[0].encoding == "cp1252"


def test_D02_mixed_encodings(tmp_path: Path) -> None:
    content = "text,label\nnaïve,y\n".encode() + "café,x\n".encode("cp1252")
    error = refuse(write(tmp_path, "a.csv", content), "E_ENCODING")
    assert f"byte {content.index(0xE9)}" in error.message
    array = b'[{"text": "na\xc3\xafve", "label": "x"}, {"text": "caf\xe9", "label": "x"}]'
    error = refuse(write(tmp_path, "a.json", array), "E_ENCODING")
    assert f"byte {array.index(0xE9)}" in error.message


@pytest.mark.parametrize("encoding", ["no-such-codec", "zip", "rot13", "idna", "unicode_escape", "a\0b"])
def test_D02_names_that_are_no_encodings(tmp_path: Path, encoding: str) -> None:
    refuse(write(tmp_path, "a.csv", "text,label\na,b\n"), "E_ENCODING", encoding=encoding)


def test_D02_contradictions(tmp_path: Path) -> None:
    refuse(write(tmp_path, "a.csv", codecs.BOM_UTF8 + b"text,label\na,b\n"), "E_ENCODING", encoding="cp1252")
    bare = write(tmp_path, "b.csv", "text,label\na,b\n".encode("utf-16-le"))
    assert "--encoding utf-16-le" in refuse(bare, "E_ENCODING").fix
    assert pairs(read(bare, ReadSpec(encoding="utf-16"))) == [("a", "b")]


def test_D03_half_characters_overlong_and_nul(tmp_path: Path) -> None:
    lines = (
        '{"text": "a\\ud800", "label": "x"}\n{"text": "b\\u0000", "label": "x"}\n'
        '{"text": "c", "label": "x\\udfff"}\n{"text": "d \\ud83d\\ude42", "label": "x"}\n'
    )
    reading = take(tmp_path, "a.jsonl", lines)
    assert pairs(reading) == [("d 🙂", "x")]
    half, nul = "the record contains half a character (a lone surrogate)", "the record contains a NUL character"
    assert [(record, why) for record, _, why in reasons(reading)] == [(1, half), (2, nul), (3, half)]
    reading = take(tmp_path, "a.csv", b"text,label\na\xc0\xaf,x\nb,y\nc\xed\xa0\x80,z\nn\0,q\n")
    assert pairs(reading) == [("b", "y")]
    assert reasons(reading) == [
        (1, 11, "the record contains overlong UTF-8"),
        (3, 21, "the record contains half a character (an encoded surrogate)"),
        (4, 28, "the record contains a NUL byte"),
    ]
    wide = "\ufefftext,label\na\ud800,x\nb,y\n".encode("utf-16-le", "surrogatepass")
    reading = take(tmp_path, "b.csv", wide)
    assert pairs(reading) == [("b", "y")]
    assert reasons(reading) == [(1, 24, half)]


@pytest.mark.parametrize("cut", [10, 20, 30, 33])
def test_D04_truncated_last_line(tmp_path: Path, cut: int) -> None:
    last = '{"text": "zweite Zeile é", "label": "y"}'.encode()[:cut]
    reading = take(tmp_path, "a.jsonl", b'{"text": "a", "label": "x"}\n' + last)
    assert pairs(reading) == [("a", "x")]
    assert reasons(reading) == [(2, 28, "the record stops in the middle; the file looks truncated")]
    assert any("looks truncated" in warning for warning in reading.warnings)


def test_D04_cut_inside_a_character(tmp_path: Path) -> None:
    reading = take(tmp_path, "a.jsonl", b'{"text": "a", "label": "x"}\n{"text": "caf\xc3')
    assert reasons(reading) == [(2, 28, "the record stops in the middle; the file looks truncated")]


def test_D04_truncated_array(tmp_path: Path) -> None:
    reading = take(tmp_path, "a.json", '[{"text": "a", "label": "x"}, {"text": "b", "la')
    assert pairs(reading) == [("a", "x")]
    assert reasons(reading) == [(2, 30, "the record stops in the middle; the file looks truncated")]


def test_D05_limits_before_parsing(tmp_path: Path) -> None:
    deep = '{"text": ' + "[" * 100_000
    just = '{"text": ' + "[" * 63 + "]" * 63 + ', "label": "ok"}'
    over = '{"text": ' + "[" * 64 + "]" * 64 + ', "label": "no"}'
    digits = '{"text": 1' + "0" * 2_000_000 + ', "label": "q"}'
    inside = '{"text": "' + "1" * 5_000 + '", "label": "ok"}'
    started = time.monotonic()
    reading = take(tmp_path, "a.jsonl", "\n".join([deep, just, over, digits, inside]) + "\n")
    assert time.monotonic() - started < 5
    assert [example.id for example in reading.examples] == ["2", "5"]
    assert [(record, why) for record, _, why in reasons(reading)] == [
        (1, "objects are nested more than 64 deep"),
        (3, "objects are nested more than 64 deep"),
        (4, "a number has more than 4,300 digits"),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_D05_a_line_of_60_MB_takes_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    head, begin, end = (
        (b'{"text":"a","label":"x"}\n', b'{"text":"', b'","label":"y"}\n{"text":"b","label":"y"}\n')
        if name == "a.jsonl"
        else (b"text,label\na,x\n", b"", b",y\nb,y\n")
    )
    with path.open("wb") as out:
        out.write(head + begin)
        for _ in range(60):
            out.write(b"x" * 1_000_000)
        out.write(end)
    tracemalloc.start()
    reading = read(path, ReadSpec())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs(reading) == [("a", "x"), ("b", "y")]
    assert reasons(reading) == [(2, len(head), "the record is longer than 16 MB")]
    assert peak < 50_000_000


def test_D06_keys_twice_and_numbers_that_are_not_finite(tmp_path: Path) -> None:
    lines = [
        '{"text": "a", "text": "b", "label": "x"}',
        '{"text": "a", "label": NaN}',
        '{"text": "a", "label": -Infinity}',
        '{"text": "a", "label": 1e999}',
        '{"text": "a", "label": {"k": 1, "k": 2}}',
        '{"text": "a", "label": -0}',
        '{"text": "a", "label": -0.0}',
    ]
    reading = take(tmp_path, "a.jsonl", "\n".join(lines))
    assert [(record, why) for record, _, why in reasons(reading)] == [
        (1, "a key occurs twice in one object"),
        (2, "a number is not finite (NaN or Infinity)"),
        (3, "a number is not finite (NaN or Infinity)"),
        (4, "a number is too large"),
        (5, "a key occurs twice in one object"),
    ]
    assert [example.target for example in reading.examples] == ["0", "-0.0"]


def test_D07_shapes_of_json(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": {"z": 1, "é": [True, None]}}]
    expected = [("a", "x"), ("b", '{"z":1,"é":[true,null]}')]
    shapes = {
        "jsonl": "\n".join(json.dumps(row) for row in rows),
        "json array": json.dumps(rows, indent=2),
        "json objects": "".join(json.dumps(row) for row in rows),
    }
    for name, text in shapes.items():
        reading = take(tmp_path, "a.json", text)
        assert (pairs(reading), reading.sources[0].format) == (expected, name)
        assert take(tmp_path, "named.txt", text).sources[0].format == name
    pretty = take(tmp_path, "a.json", "\n".join(json.dumps(row, indent=1) for row in rows))
    assert (pairs(pretty), pretty.sources[0].format) == (expected, "json objects")
    assert take(tmp_path, "a.csv", shapes["jsonl"]).sources[0].format == "jsonl"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[{"text": "a", "label": "x"},]', "there is a comma before the closing bracket (record 1, byte 29)"),
        ('[{"text": "a", "label": "x"} {"text": "b"}]', "there is no comma after the record (record 1, byte 29)"),
        ('[{"text": "a", "label": "x"}] more', "there is text after the closing bracket (record 1, byte 30)"),
        ('[{"text": "a", "label": x}]', "not JSON at character"),
    ],
)
def test_D07_unsound_arrays(tmp_path: Path, text: str, why: str) -> None:
    assert why in refuse(write(tmp_path, "a.json", text), "E_FORMAT").message


def test_D07_a_trailing_comma_spoils_one_line_only(tmp_path: Path) -> None:
    reading = take(tmp_path, "a.jsonl", '{"text": "a", "label": "x",}\n{"text": "b", "label": "y"}\n')
    assert pairs(reading) == [("b", "y")]
    assert refuse(write(tmp_path, "b.jsonl", "[1]\n[2]\n"), "E_FORMAT").message.endswith("not an object")


def test_D08_newlines_in_cells_and_ragged_rows(tmp_path: Path) -> None:
    text = 'text,label\n"a\r\nb ""q"", c",x\nd,e,f\ng\nh,y\n\n"i",z\n'
    reading = take(tmp_path, "a.csv", text)
    assert pairs(reading) == [('a\r\nb "q", c', "x"), ("h", "y"), ("i", "z")]
    assert [example.id for example in reading.examples] == ["1", "4", "5"]
    assert reasons(reading) == [
        (2, text.index("d,e"), "3 cells where the header has 2"),
        (3, text.index("g\n"), "1 cells where the header has 2"),
    ]


@pytest.mark.parametrize(("delimiter", "name"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_D08_dialects(tmp_path: Path, delimiter: str, name: str) -> None:
    others = "".join(d for d in ",;\t|" if d != delimiter)
    reading = take(tmp_path, "a.txt", f'text{delimiter}label\na{others}b{delimiter}x\n"c"{delimiter}y\n')
    assert pairs(reading) == [(f"a{others}b", "x"), ("c", "y")]
    assert reading.sources[0].dialect == name


@pytest.mark.parametrize("rest", ['b,y\n"c",z\n', 'b,y\n"c\nd",z\n', 'b,"y"\nc,z\n'])
def test_D08_an_unbalanced_quote_costs_its_own_row(tmp_path: Path, rest: str) -> None:
    reading = take(tmp_path, "a.csv", 'text,label\n"a,x\n' + rest)
    assert reasons(reading) == [(1, 11, "a quoted cell is not closed")]
    assert pairs(reading)[0] == ("b", "y")
    assert pairs(reading)[1][1] == "z"


def test_D08_an_unbalanced_quote_is_noticed_within_64_KB(tmp_path: Path) -> None:
    taken = 0

    def lines() -> Iterator[TextLine]:
        nonlocal taken
        yield TextLine(0, '"a,x\n')
        while True:
            taken += 1
            yield TextLine(taken, "some words,y\n")

    feed = csv_file.Feed(lines())
    record = csv_file.read_record(feed, csv_file.Dialect(","), 2)
    assert record is not None
    assert record.cells is None
    assert taken * len("some words,y\n") < 70_000
    following = csv_file.read_record(feed, csv_file.Dialect(","), 2)
    assert following is not None
    assert following.cells == ["some words", "y"]


def test_D08_long_documents_in_quotes_are_whole(tmp_path: Path) -> None:
    document = "a clause, of many, that says (see 1,2) nothing\n" * 5_000
    reading = take(tmp_path, "a.csv", f'text,label\n"{document}",x\nb,y\n')
    assert pairs(reading) == [(document, "x"), ("b", "y")]


def test_D08_the_rest_of_a_broken_text_is_not_taken_for_rows(tmp_path: Path) -> None:
    reading = take(tmp_path, "a.csv", 'text,label\n"He said "hi"\nand, then\nleft",x\nd,w\n')
    assert pairs(reading) == [("d", "w")]
    with_it = "the line belongs to the broken record above it"
    assert reasons(reading) == [(1, 11, "text follows a closing quote"), (2, 25, with_it), (3, 35, with_it)]


WORDS = ("the lid", "a blue jug", "this kettle", "one cup", "that pan")


def stray_rows(delimiter: str) -> tuple[str, list[tuple[str, str]]]:
    """Lines as a program writes them that knows no quoting: some cells begin with a quote, some of them close it."""
    rows = []
    for number in range(60):
        words = f"{WORDS[number % 5]} came {number} days late"
        first, _, rest = words.partition(" ")
        words = f'"{words}' if number % 7 == 3 else f'"{first}" {rest}' if number % 5 == 1 else words
        rows.append((f'{words} 9" wide' if number % 4 == 0 else words, "delay" if number % 2 else "size"))
    return "".join(f"{text}{delimiter}{label}\n" for text, label in rows), rows


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
def test_D08_quotes_that_are_text_swallow_no_line(tmp_path: Path, delimiter: str) -> None:
    lines, rows = stray_rows(delimiter)
    reading = take(tmp_path, "a.csv", f"text{delimiter}label\n{lines}")
    assert pairs(reading) == rows
    assert reading.rows == 60
    assert reading.quarantined == ()


def test_D08_a_quote_in_a_tab_separated_line_is_text_beside_cells_that_are_quoted(tmp_path: Path) -> None:
    lines, rows = stray_rows("\t")
    text = f'text\tlabel\n"two\nlines"\tsize\n{lines}"quoted ""whole"""\tdelay\n"""\tsize\n'
    reading = take(tmp_path, "a.tsv", text)
    assert pairs(reading) == [("two\nlines", "size"), *rows, ('quoted "whole"', "delay"), ('"""', "size")]
    assert pairs(take(tmp_path, "b.tsv", 'label\ttext\nx\t"a\nb"\ny\tc\n')) == [("a\nb", "x"), ("c", "y")]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_D08_every_line_is_kept_or_counted_where_cells_are_quoted(tmp_path: Path, delimiter: str) -> None:
    lines, rows = stray_rows(delimiter)
    quoted = "".join(f'"so, {n}; it is"{delimiter}size\n' for n in range(20))
    reading = take(tmp_path, "a.csv", f"text{delimiter}label\n{quoted}{lines}")
    assert len(reading.examples) + len(reading.quarantined) == reading.rows == 80
    assert len(set(pairs(reading)) & set(rows)) >= 45


def test_D08_headers(tmp_path: Path) -> None:
    wide = ",".join(f"c{i}" for i in range(10_001))
    assert "10,000" in refuse(write(tmp_path, "a.csv", f"{wide}\n"), "E_FORMAT").message
    twice = refuse(write(tmp_path, "b.csv", "text,label,text\na,b,c\n"), "E_FORMAT")
    assert "columns 1 and 3 have the same name" in twice.message


@pytest.mark.parametrize("lead", ["", "\u200b", "\ufeff", " ", "\u2060\u200d", "\xa0"])
@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\uff1d1"])
def test_D09_formulas_are_kept_and_escaped_on_export(tmp_path: Path, lead: str, text: str) -> None:
    cell = lead + text
    reading = take(tmp_path, "a.csv", f'text,label\n"{cell}",x\n')
    assert pairs(reading) == [(cell, "x")]
    assert escape_cell(cell) == f"'{cell}"
    assert csv_text([[cell, "x"]], [cell, "b"]).split("\r\n")[1] == f"'{cell},x"
    assert csv_text([], [cell, "b"]).startswith(f"'{cell},b")


def test_D09_tab_and_return_and_plain_text() -> None:
    assert [escape_cell(text) for text in ("\tx", "\rx", "\nx")] == ["'\tx", "'\rx", "'\nx"]
    assert [escape_cell(text) for text in ("", "a=b", "x-1", "é", "1")] == ["", "a=b", "x-1", "é", "1"]
    assert csv_text([['a "b", c', "d\ne"]], ["x", "y"]) == 'x,y\r\n"a ""b"", c","d\ne"\r\n'
    with pytest.raises(ValueError, match="1 cells"):
        csv_text([["a"]], ["x", "y"])


def test_D12_parquet_that_is_none(tmp_path: Path) -> None:
    refuse(write(tmp_path, "a.parquet", b"PAR1" + b"\xff" * 40 + b"PAR1"), "E_FORMAT")
    good = tmp_path / "b.parquet"
    pq.write_table(pa.table({"text": ["a"] * 50, "label": ["x"] * 50}), good)
    whole = good.read_bytes()
    refuse(write(tmp_path, "c.parquet", whole[:-20]), "E_FORMAT")
    spoiled = whole[:4] + b"\x00" * 40 + whole[44:]
    error = refuse(write(tmp_path, "d.parquet", spoiled), "E_FORMAT")
    assert "the rows after number 0 cannot be read" in error.message


def repeated(count: int, size: int = 100_000) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array(["x" * size]))


def traced(path: Path) -> tuple[ReadResult | DataError, int]:
    """Read or refuse, and give the peak of memory too."""
    tracemalloc.start()
    try:
        outcome: ReadResult | DataError = read(path, ReadSpec())
    except DataError as error:
        outcome = error
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return outcome, peak


def test_D12_equal_texts_are_one_string_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": repeated(600), "label": ["x"] * 600}), path, write_statistics=False)
    assert path.stat().st_size < 300_000
    reading, peak = traced(path)
    assert isinstance(reading, ReadResult)
    assert len(reading.examples) == 600
    assert peak < 20_000_000


def bombs(kind: str) -> pa.Table:
    """Make a table whose text is 300 MB, or that has 8 million rows of nothing, in a few kilobytes."""
    labels = ["x"] * 3_000
    ends = pa.array(range(3_001), pa.int32())
    keys = pa.array([str(number) for number in range(3_000)])
    if kind == "list":
        return pa.table({"text": pa.ListArray.from_arrays(ends, repeated(3_000)), "label": labels})
    if kind == "struct":
        return pa.table({"text": pa.StructArray.from_arrays([repeated(3_000)], names=["said"]), "label": labels})
    if kind == "map":
        return pa.table({"text": pa.MapArray.from_arrays(ends, keys, repeated(3_000)), "label": labels})
    if kind == "bytes":
        return pa.table({"text": repeated(3_000).cast(pa.dictionary(pa.int32(), pa.binary())), "label": labels})
    if kind == "nothing":
        return pa.table({"text": pa.nulls(8_000_000, pa.string()), "label": pa.nulls(8_000_000, pa.string())})
    return pa.table({"text": repeated(3_000), "label": labels})


@pytest.mark.parametrize("kind", ["dictionary", "groups", "plain", "list", "struct", "map", "bytes", "nothing"])
def test_D12_what_unfolds_too_far_is_refused_within_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bomb.parquet"
    how: dict[str, object] = {"row_group_size": 1_000} if kind == "groups" else {}
    if kind == "plain":
        how = {"use_dictionary": False, "compression": "zstd"}
    pq.write_table(bombs(kind), path, write_statistics=False, **how)
    assert path.stat().st_size < 400_000
    error, peak = traced(path)
    assert isinstance(error, DataError)
    assert error.code == "E_FORMAT"
    assert "it expands to over 250 times its size" in error.message
    assert peak < 100_000_000


def test_D12_text_that_packs_well_is_read(tmp_path: Path) -> None:
    """A column of one value beside real texts, and values within values, come out as they were."""
    texts = [f"request {number} " + "abc " * 20 for number in range(2_000)]
    table = pa.table(
        {
            "text": texts,
            "label": ["one"] * 2_000,
            "tags": [["a", "b"], None] * 1_000,
            "more": [{"k": "v", "n": [1]}] * 2_000,
            "bytes": [b"raw"] * 2_000,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert pairs(read(tmp_path / "a.parquet", ReadSpec(inputs=("text",), target="label")))[:1] == [(texts[0], "one")]
    reading = read(tmp_path / "a.parquet", ReadSpec(inputs=("more",), target="tags", several_labels="as-is"))
    assert pairs(reading)[:2] == [('{"k":"v","n":[1]}', '["a","b"]'), ('{"k":"v","n":[1]}', "")]


@pytest.mark.parametrize("place", ["everywhere", "inside another"])
def test_D12_names_of_columns_that_are_not_utf_8(tmp_path: Path, place: str) -> None:
    cells = [{"xyzzy": "a"}] if place == "inside another" else ["a"]
    name = "outer" if place == "inside another" else "xyzzy"
    pq.write_table(pa.table({"text": ["b"], name: cells}), tmp_path / "a.parquet", store_schema=False)
    spoiled = (tmp_path / "a.parquet").read_bytes().replace(b"xyzzy", b"xy\xffzy")
    error = refuse(write(tmp_path, "b.parquet", spoiled), "E_FORMAT", inputs=("text",), labelled=False)
    assert "the name of a column is not UTF-8" in error.message


def test_D12_the_names_of_the_schema_count(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["b"], "xyzzy": ["a"]}), tmp_path / "a.parquet", store_schema=False)
    whole = (tmp_path / "a.parquet").read_bytes()
    at = whole.rindex(b"xyzzy")  # in the row groups
    path = write(tmp_path, "b.parquet", whole[:at] + b"xy\xffzy" + whole[at + 5 :])
    assert pairs(read(path, ReadSpec(inputs=("text",), labelled=False))) == [("b", "")]


def test_D14_only_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        paths = [tmp_path / name for name in ("pipe", "dangling", "loop", "socket")]
        paths += [path for path in map(Path, ("/dev/zero", "/dev/null", "/proc/self/status")) if path.exists()]
        for path in paths:
            started = time.monotonic()
            assert refuse(path, "E_NOT_REGULAR").message.startswith(str(path))
            assert time.monotonic() - started < 1
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "E_EMPTY")
    good = write(tmp_path, "good.csv", "text,label\na,b\n")
    (tmp_path / "link.csv").symlink_to(good)
    assert pairs(read(tmp_path / "link.csv", ReadSpec())) == [("a", "b")]


@pytest.mark.parametrize("how", ["grow", "shrink", "replace", "touch"])
def test_D15_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    path = write(tmp_path, "a.csv", "text,label\n" + "a,b\n" * 10)
    other = write(tmp_path, "other", path.read_bytes())
    whole = csv_file.csv_table

    def meanwhile(file: local_file.RegularFile, encoding: Encoding) -> Table:
        if how == "grow":
            with path.open("ab") as out:
                out.write(b"c,d\n")
        elif how == "shrink":
            os.truncate(path, 20)
        elif how == "replace":
            other.replace(path)
        else:
            os.utime(path, ns=(1, 1))
        return whole(file, encoding)

    slow = [replace(row, examples=meanwhile) if row.examples is whole else row for row in formats.TEXT]
    monkeypatch.setattr(formats, "TEXT", slow)
    assert "changed while it was being read" in refuse(path, "E_CHANGED").message


class Failing(FileIO):
    """A file whose disk fails behind the first block."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 0:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(100) or b""


def test_D16_the_disk_fails_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a.csv", "text,label\n" + "a,b\n" * 1_000)
    monkeypatch.setattr(local_file, "open_raw", lambda path: Failing(path, "rb"))
    assert "at byte 100: Input/output error" in refuse(path, "E_IO").message


def test_D16_no_permission_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a.csv", "text,label\na,b\n")
    refuse(tmp_path / "missing.csv", "E_IO")
    refuse("a\0b.csv", "E_IO")

    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("ockham.readers.local_file.os.open", denied)
    error = refuse(path, "E_IO")
    assert "Permission denied" in error.message
    assert "permissions" in error.fix


def test_D17_one_row_and_many(tmp_path: Path) -> None:
    assert pairs(take(tmp_path, "a.csv", "text,label\na,b\n")) == [("a", "b")]
    many = take(tmp_path, "b.csv", "text,label\n" + "a,b\n" * 5_000)
    assert (many.rows, many.examples[-1].id) == (5_000, "5000")


def test_D18_same_id_different_text(tmp_path: Path) -> None:
    reading = take(tmp_path, "a.csv", "id,text,label\n1,a,x\n1,b,y\n2,c,z\n2,c,z\n")
    assert [warning for warning in reading.warnings if warning.startswith("ids shared by rows")] == [
        "ids shared by rows with different inputs: 1; the id column is not used, but the export may be faulty"
    ]


def test_D22_conversations_that_are_none(tmp_path: Path) -> None:
    user, answer = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
    cases: list[tuple[object, str | None]] = [
        ([user, answer], None),
        ([], "the conversation has no turns"),
        ("hi", "the conversation has no turns"),
        ([user], "the conversation has no assistant turn"),
        ([user, {"role": "assistant", "content": " "}], "the last assistant turn is empty"),
        ([{"role": "bot", "content": "hi"}, answer], "a turn has an unknown role"),
        ([answer, user], "roles are out of order: an assistant turn follows no user turn"),
        ([user, answer, answer], "roles are out of order: an assistant turn follows no user turn"),
        (
            [user, {"role": "system", "content": "s"}, answer],
            "roles are out of order: a system turn comes after other turns",
        ),
        ([{"role": "user", "content": ""}, answer], "a user turn is empty"),
        ([user, {"role": "assistant", "tool_calls": [{}]}, answer], "a tool call has no id"),
        ([user, call, {"role": "tool", "content": "r"}, answer], "a tool call has no id"),
        (
            [user, call, {"role": "tool", "content": "r", "tool_call_id": "2"}, answer],
            "roles are out of order: a tool turn answers no call",
        ),
        ([user, call, {"role": "tool", "content": "r", "tool_call_id": "1"}, answer], None),
        ([{"role": "user", "content": [{"type": "image_url"}]}, answer], "a turn has a part that is not text"),
    ]
    reading = take(tmp_path, "a.jsonl", "\n".join(json.dumps({"messages": messages}) for messages, _ in cases))
    assert [(record, why) for record, _, why in reasons(reading)] == [
        (number, why) for number, (_, why) in enumerate(cases, 1) if why
    ]


@pytest.mark.parametrize(
    "name",
    [
        b"with space.csv",
        b"new\nline.csv",
        b"-rf",
        b"\xff\xfe.csv",
        "🙂.csv".encode(),
        b"x" * 250 + b".csv",
        b"\x1b[31m",
    ],
)
def test_D25_odd_names(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"text,label\na,b\nc\n")
    reading = read(path, ReadSpec())
    assert pairs(reading) == [("a", "b")]
    shown = reading.sources[0].file
    assert shown.isprintable()
    assert shown.encode()
    path.write_bytes(b"")
    error = refuse(path, "E_EMPTY")
    assert error.message.isprintable()


def test_D25_composed_and_decomposed_names_are_two_files(tmp_path: Path) -> None:
    for place, name in enumerate(("caf\u00e9.csv", "cafe\u0301.csv")):
        write(tmp_path, name, f"text,label\na{place},b\n")
    reading = read(tmp_path, ReadSpec())
    assert len({example.id for example in reading.examples}) == len(list(tmp_path.iterdir()))


def test_L03_no_label_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text,first,second\na,b,c\n")
    error = refuse(path, "E_LABEL_MISSING")
    assert "'text', 'first', 'second'" in error.message
    assert "--target" in error.fix
    assert "did you mean --target second?" in refuse(path, "E_LABEL_MISSING", target="secnd").fix


def test_D04_a_file_of_which_most_records_cannot_be_read_is_refused(tmp_path: Path) -> None:
    sound, broken = '{"text": "a b", "label": "x"}\n', "{broken\n"
    reading = read(write(tmp_path, "a.jsonl", sound * 20 + broken * 20), ReadSpec())
    assert (reading.rows, len(reading.quarantined)) == (40, 20)
    path = write(tmp_path, "b.jsonl", sound * 20 + broken * 21)
    assert "21 of 41 records cannot be read" in refuse(path, "E_FORMAT").message
    assert len(read(path, ReadSpec(inputs=("text",), labelled=False)).examples) == 20
