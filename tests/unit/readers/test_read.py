"""Reading files: what another program wrote comes back verbatim, and any bytes give rows or a DataError."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import random
import re
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ockham.errors import DataError
from ockham.readers.csv_cells import scan
from ockham.readers.json_file import parse
from ockham.readers.read import ReadSpec, read

DATA = Path(__file__).parents[3].parent / "shared" / "data"
BOMS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
tricky = st.text(st.sampled_from("a,;|\t\"'\r\n é=\ufeff"), max_size=8)
rows = st.lists(st.tuples(texts | tricky, texts | tricky), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@example(rows=[("\t\n", "")], delimiter="\t", encoding="utf-8", end="\n")
@given(
    rows=rows, delimiter=st.sampled_from(",;\t|"), encoding=st.sampled_from(sorted(BOMS)), end=st.sampled_from("\r\n")
)
def test_csv_comes_back_verbatim(rows: list[tuple[str, str]], delimiter: str, encoding: str, end: str) -> None:
    out = io.StringIO(newline="")
    line_end = {"\r": "\r\n", "\n": "\n"}[end]
    # Quoting everything: the standard writer leaves a bare CR or LF unquoted in some versions
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(BOMS[encoding] + out.getvalue().encode(encoding))
        reading = read(path, ReadSpec(inputs=("text",), target="label"))
    assert reading.quarantined == ()
    assert [(example.input, example.target) for example in reading.examples] == [
        (text, label if label.strip() else "") for text, label in rows
    ]
    assert reading.sources[0].encoding == encoding


@settings(max_examples=60, deadline=None)
@given(rows=rows)
def test_jsonl_comes_back_verbatim(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_text(
            "".join(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n" for text, label in rows),
            encoding="utf-8",
            newline="",
        )
        lines = read(path, ReadSpec())
        path.write_text(json.dumps([{"text": text, "label": label} for text, label in rows]), encoding="utf-8")
        array = read(path, ReadSpec())
    assert [(example.input, example.target) for example in lines.examples] == [
        (text, label if label.strip() else "") for text, label in rows
    ]
    assert array.examples == lines.examples


@settings(max_examples=60, deadline=None)
@given(
    begin=st.sampled_from(
        [b"", b"text,label\n", b'{"text":"a","label":"b"}\n', b"[", b'[{"text":"a"},', b"PAR1", b"\xff\xfe"]
    ),
    rest=st.binary(max_size=60)
    | st.lists(st.sampled_from([b'"', b",", b"\n", b"a", b"{", b"}", b"[", b"]", b":"])).map(b"".join),
    name=st.sampled_from(["a.csv", "a.jsonl", "a.json", "a.parquet", "a.txt"]),
    encoding=st.sampled_from([None, "cp1252", "utf-16", "latin-1"]),
)
def test_any_bytes_give_rows_or_a_data_error(begin: bytes, rest: bytes, name: str, encoding: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(begin + rest)
        try:
            reading = read(path, ReadSpec(encoding=encoding))
        except DataError:
            return
        assert reading.rows == len(reading.examples) + len(reading.quarantined)
        offsets = [item.offset for item in reading.quarantined if item.offset is not None]
        assert offsets == sorted(offsets)
        assert all(0 <= offset <= path.stat().st_size for offset in offsets)


@pytest.mark.parametrize("seed", range(40))
def test_one_quote_too_many_or_too_few_costs_its_own_row(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    words = ["a", "bb", "word,", '"hi"', "and\nso,"]
    rows = [(f"{' '.join(draw.choices(words, k=draw.randint(1, 9)))} #{n}", draw.choice("xyz")) for n in range(60)]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([("text", "label"), *rows])
    text = out.getvalue()
    place = draw.randrange(len("text,label\n"), len(text))
    if seed % 2:
        place = draw.choice([at for at, character in enumerate(text) if character == '"'])
    path = tmp_path / "a.csv"
    path.write_text(text[:place] + text[place + 1 :] if seed % 2 else text[:place] + '"' + text[place:])
    found = {(example.input, example.target) for example in read(path, ReadSpec()).examples}
    assert len(set(rows) - found) <= 4
    assert len(found - set(rows)) <= 2


@settings(max_examples=100, deadline=None)
@given(cells=st.lists(tricky, min_size=1, max_size=5), delimiter=st.sampled_from(",;\t|"))
def test_scan_agrees_with_the_standard_reader(cells: list[str], delimiter: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerow(cells)
    found: list[str] = []
    part: list[str] | None = None
    for line in out.getvalue().split("\n")[:-1]:
        part = scan(line + "\n", delimiter, found, part)
    assert part is None
    assert found == next(csv.reader([out.getvalue()], delimiter=delimiter, strict=True)) == cells


@settings(max_examples=100, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )
)
def test_parse_agrees_with_the_standard_parser(value: object) -> None:
    assert parse(json.dumps(value)) == value
    assert parse(f" {json.dumps(value, indent=1)}\r\n") == value


def test_several_files_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("text,label\nb,x\nragged\n")
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "completion": "y"}\n')
    (tmp_path / ".hidden.csv").write_text("nothing")
    (tmp_path / "README.txt").write_text("notes")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    pq.write_table(pa.table({"text": ["c"], "label": ["z"]}), tmp_path / "c.parquet")
    reading = read(tmp_path, ReadSpec())
    assert [(e.id, e.input, e.target) for e in reading.examples] == [
        ("a.jsonl:1", "a", "y"),
        ("b.csv:1", "b", "x"),
        ("c.parquet:1", "c", "z"),
    ]
    assert [(source.file, source.format, source.inputs) for source in reading.sources] == [
        ("a.jsonl", "jsonl, prompt and completion", ("prompt",)),
        ("b.csv", "csv", ("text",)),
        ("c.parquet", "parquet", ("text",)),
    ]
    assert [(item.file, item.record, item.offset) for item in reading.quarantined] == [("b.csv", 2, 15)]
    assert reading.rows == 4
    assert reading.warnings[0].startswith("skipped 2 other entries in the folder")


@pytest.mark.parametrize("place", ["", "nlu", "data", "data/nlu"])
def test_of_a_folder_of_rasa_the_intents_are_read(tmp_path: Path, place: str) -> None:
    pytest.importorskip("yaml", reason="the extra yaml is not installed")
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    intents = [f"- intent: {name}\n  examples: |\n    - {name} one\n    - {name} two\n" for name in ("greet", "leave")]
    (tmp_path / place / "chat.yml").write_text(f'version: "3.1"\nnlu:\n{"".join(intents)}')
    rule = "rules:\n- rule: say hi\n  steps:\n  - intent: greet\n  - action: utter_greet\n"
    (tmp_path / place / "rules.yml").write_text(f'version: "3.1"\n{rule}')
    (tmp_path / "domain.yml").write_text('version: "3.1"\nintents:\n- greet\n')
    reading = read(tmp_path, ReadSpec())
    assert [example.target for example in reading.examples] == ["greet", "greet", "leave", "leave"]


def test_files_of_a_folder_with_different_targets_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nthe pump is loud,noise\n")
    (tmp_path / "b.csv").write_text("text,Label\nthe lift stands,lift\n")
    assert not read(tmp_path, ReadSpec()).warnings
    (tmp_path / "b.csv").write_text("text,sentiment\nthe lift stands,bad\n")
    (warning,) = read(tmp_path, ReadSpec()).warnings
    assert warning == "a.csv and b.csv have different targets, which are read as one: 'label' and 'sentiment'"


def test_the_first_line_of_a_plain_list_of_texts_is_no_header(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the pump is loud\nthe lift stands still\n")
    spec = ReadSpec(labelled=False)
    with pytest.raises(DataError, match="seems to have no header") as caught:
        read(tmp_path / "a.txt", spec)
    assert "printf 'text\\n'; cat a.txt" in caught.value.fix
    (tmp_path / "a.txt").write_text("Text\nthe pump is loud\n")
    assert [row.input for row in read(tmp_path / "a.txt", spec).examples] == ["the pump is loud"]
    (tmp_path / "a.txt").write_text("mail\nthe pump is loud\n")
    named = ReadSpec(labelled=False, inputs=("mail",))
    assert [row.input for row in read(tmp_path / "a.txt", named).examples] == ["the pump is loud"]


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nabc,x\n")
    assert read(path, ReadSpec()).sources[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("magic", [b"\x1f\x8b\x08", b"PK\x03\x04", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"%PDF-1.7"])
def test_packed_files_are_refused_by_their_content(tmp_path: Path, magic: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(magic + b"anything")
    with pytest.raises(DataError) as caught:
        read(path, ReadSpec())
    assert caught.value.code == "E_FORMAT"
    assert re.search("unpack|decompress", caught.value.fix)


def test_lines_that_end_with_cr_alone(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-16-le"):
        path = tmp_path / "a.csv"
        path.write_bytes(BOMS[encoding] + "text,label\rhello,x\ra,b\r".encode(encoding))
        assert [(e.input, e.target) for e in read(path, ReadSpec()).examples] == [("hello", "x"), ("a", "b")]


def test_an_array_longer_than_a_block(tmp_path: Path) -> None:
    rows = [{"text": f"é{place} " * 200, "label": str(place % 3)} for place in range(3_000)]
    rows.insert(5, {"text": "long " * 500_000, "label": "long"})
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    reading = read(path, ReadSpec())
    assert [(e.input, e.target) for e in reading.examples] == [(row["text"], row["label"]) for row in rows]


def test_reading_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,b\n")
    before = path.stat()
    read(path, ReadSpec())
    after = path.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)
    assert [item.name for item in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "rows", "target"),
    [
        ("sms_spam/all.csv", 5_575, None),
        ("cuad_clauses/test.csv", 2_015, None),
        ("restaurant8k/test.jsonl", 3_731, "json"),
        ("gsm8k/train.jsonl", 7_473, None),
    ],
)
def test_real_data_agrees_with_another_reader(name: str, rows: int, target: str | None) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the checkout")
    reading = read(path, ReadSpec())
    if name.endswith(".csv"):
        with path.open(encoding="utf-8", newline="") as lines:
            other = [(row["text"], row["label"]) for row in csv.DictReader(lines)]
    else:
        with path.open(encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines]
        other = [(row["input"], row["target"]) for row in found]
    assert reading.rows == len(other) == rows
    assert reading.quarantined == ()
    assert [example.input for example in reading.examples] == [text for text, _ in other]
    given = [json.loads(e.target) if target else e.target for e in reading.examples]
    assert given == [label for _, label in other]
