"""One test for each fault of the catalogue that `curate` meets: D01 to D25, K02, S01, P01, P03, G01."""
# ruff: noqa: N802 - the names of the tests carry the IDs of the faults as the catalogue writes them

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import json
import os
import random
import socket
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="the extra curate is not installed")
pytest.importorskip("zstandard", reason="the extra curate is not installed")

import zstandard

from ockham.curation import map_stage
from ockham.curation.curate import Curated, CurateSpec, curate
from ockham.errors import DataError, OckhamError, RunError
from ockham.readers import compressed_file
from ockham.readers.columns import ColumnRequest
from ockham.readers.documents import Document, Unreadable, describe, documents_of, find_files
from ockham.readers.json_fast import quick
from ockham.readers.json_file import Fault, parse
from ockham.store import open_run

EXACT = CurateSpec(steps=("exact",), inputs=("text",))
CANARY = "canary-7f3a9c"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(*texts: str) -> str:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)


def take(path: Path, spec: CurateSpec = EXACT) -> Curated:
    done = curate(path, spec, out=path.parent / f"out-{path.name}")
    report = done.report
    assert report.rows == report.unchanged + report.changed + report.quarantined == sum(f.records for f in report.files)
    return done


def refuse(path: Path, code: str, spec: CurateSpec = EXACT) -> OckhamError:
    out = Path(os.fsdecode(os.fsencode(path.parent))) / "refused"
    with pytest.raises(OckhamError) as caught:
        curate(path, spec, out=out)
    assert caught.value.code == code
    assert caught.value.fix
    assert CANARY not in str(caught.value)
    return caught.value


def kept(done: Curated) -> list[str]:
    shards = [one.path for one in done.report.shards if one.path.startswith("clean/")]
    return [json.loads(row)["text"] for shard in shards for row in (done.path / shard).read_text("utf-8").splitlines()]


def unread(done: Curated) -> list[tuple[int, int | None, str]]:
    return [(one["record"], one["offset"], one["row"]["reason"]) for one in done.dropped_rows("unreadable")]


@pytest.mark.parametrize(
    "content", [b"", codecs.BOM_UTF8, b"\n\n\r\n", b"text,label\n", b"[]", gzip.compress(b"", mtime=0)]
)
def test_D01_empty(tmp_path: Path, content: bytes) -> None:
    source = write(tmp_path, "a.csv", content)
    refuse(source, "E_EMPTY")
    assert [item.name for item in tmp_path.iterdir()] == ["a.csv"]


def test_D01_an_empty_file_beside_others_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder, "a.jsonl", "")
    write(folder, "b.jsonl", lines("x"))
    write(folder, "c.csv", "text\n")
    done = curate(folder, EXACT, out=tmp_path / "out")
    assert kept(done) == ["x"]
    assert [warning.rsplit("/", 1)[1] for warning in done.report.warnings] == ["a.jsonl is empty", "c.csv has no rows"]


def test_D02_encodings_are_named_never_guessed(tmp_path: Path) -> None:
    text = "naïve 🙂"
    for encoding in ("utf-16-le", "utf-16-be", "utf-8-sig"):
        mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
        assert kept(take(write(tmp_path, f"{encoding}.jsonl", mark + lines(text).encode(encoding)))) == [text]
    bad = lines("ok").encode() + b'{"text": "caf\xe9 ' + CANARY.encode() + b'"}\n'
    error = refuse(write(tmp_path, "a.jsonl", bad), "E_ENCODING")
    assert f"byte {bad.index(0xE9)}" in error.message


def test_D03_half_characters_and_nul_are_set_aside(tmp_path: Path) -> None:
    content = '{"text": "a\\ud800"}\n{"text": "b\\u0000"}\n{"text": "sound"}\n{"text": "c", "other": "\\ud800"}\n'
    done = take(write(tmp_path, "a.jsonl", content))
    assert [(record, offset) for record, offset, _ in unread(done)] == [(1, 0), (2, 20)]
    assert kept(done) == ["sound", "c"]
    raw = b'{"text": "x"}\n{"text": "\xc0\xaf"}\n{"text": "\xed\xa0\x80"}\n{"text": "y"}\n'
    done = take(write(tmp_path, "b.jsonl", raw))
    assert kept(done) == ["x", "y"]
    assert [record for record, _, _ in unread(done)] == [2, 3]


@pytest.mark.parametrize("cut", [5, 12, 20])
def test_D04_a_file_that_stops_in_the_middle(tmp_path: Path, cut: int) -> None:
    first = lines("one", "two").encode()
    done = take(write(tmp_path, "a.jsonl", first + lines("dreißig und mehr").encode()[:cut]))
    assert kept(done) == ["one", "two"]
    assert unread(done) == [(3, len(first), "the record stops in the middle; the file looks truncated")]


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_D04_a_packed_file_that_stops_in_the_middle(tmp_path: Path, kind: str) -> None:
    rng = random.Random(1)
    texts = ["".join(rng.choices("abcdefgh ", k=500)) for _ in range(400)]
    data = lines(*texts).encode()
    packed = gzip.compress(data) if kind == "gz" else zstandard.compress(data)
    done = take(write(tmp_path, f"a.jsonl.{kind}", packed[: len(packed) * 2 // 3]))
    whole = kept(done)
    assert texts[: len(whole)] == whole
    assert done.report.left_out["unreadable"] in (1, 2)
    assert "truncated" in unread(done)[-1][2]
    if kind == "gz":
        assert len(whole) > 200


def test_D05_one_huge_line_deep_nesting_and_long_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(lines("before").encode())
        file.write(b'{"text": "' + b"x" * 70_000_000 + b'"}\n')
        file.write(b'{"text": "deep", "d": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")
        file.write(b'{"text": "long", "n": ' + b"9" * 100_000 + b"}\n")
        file.write(lines("after").encode())
    wanted = ColumnRequest(inputs=("text",), target=None, group=None, labelled=False, source="")
    file_ = describe(path, wanted, None)
    tracemalloc.start()
    found = list(documents_of(0, file_, None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(one) for one in found] == [Document, Unreadable, Unreadable, Unreadable, Document]
    assert [one.record for one in found] == [1, 2, 3, 4, 5]
    assert peak < 100_000_000


@pytest.mark.parametrize(
    "row",
    [
        '{"text": "a", "text": "b"}', '{"text": "a", "n": NaN}', '{"text": "a", "n": -Infinity}',
        '{"text": "a", "n": 1e999}',
        '{"text": "a", "x": {"k": 1, "k": 2}}', '{"text": "a", "x": [{"k": "\\"", "k": "\\""}]}', '{"text": "a"} {}',
        '{"text": "a\\\\", "n": 1, "n": 2}', '{"text": "a",}', '["text"]', '"text"', "{text: 1}",
    ],
)  # fmt: skip
def test_D06_D07_keys_that_stand_twice_and_numbers_that_are_none(tmp_path: Path, row: str) -> None:
    done = take(write(tmp_path, "a.jsonl", lines("before") + row + "\n" + lines("after")))
    assert kept(done) == ["before", "after"]
    assert [record for record, _, _ in unread(done)] == [2]


def test_D06_large_numbers_keep_every_digit(tmp_path: Path) -> None:
    rows = '{"text":"a","id":123456789012345678901234567890}\n{"text":"b","id":18446744073709551615}\n'
    done = take(write(tmp_path, "a.jsonl", rows))
    assert (done.path / "clean/00000.jsonl").read_text("utf-8") == rows


cells = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
joints = st.sampled_from(
    ['"', "\\", "\\\\", "{", "}", "[", "]", ":", ",", '"a":1', '"a":"b"', "1e999", "NaN", "\\u0022", " "]
)


@given(st.dictionaries(st.text(max_size=4), cells, max_size=4), st.booleans(), st.lists(joints, max_size=12))
@settings(max_examples=50, deadline=None)
def test_D06_the_quick_parser_says_what_the_strict_one_says(
    row: dict[str, object], plain: bool, noise: list[str]
) -> None:
    for text in (json.dumps(row, ensure_ascii=plain), "{" + "".join(noise) + "}"):
        found, strict = quick(text), parse(text)
        if found is not None:
            assert not isinstance(strict, Fault), text
            assert json.dumps(found) == json.dumps(strict), text


def test_D08_ragged_rows_and_open_quotes(tmp_path: Path) -> None:
    done = take(write(tmp_path, "a.csv", 'text,n\n"one\nline",1\ntwo,2,3\nthree,"open\nfour,4\nfive,5\nsix,6\n'))
    assert kept(done) == ["one\nline", "four", "five", "six"]
    assert [record for record, _, _ in unread(done)] == [2, 3]


def test_D09_formulas_are_kept_and_escaped_for_spreadsheets(tmp_path: Path) -> None:
    texts = ["=cmd|' /C calc'!A0", "+2", "@x", "\u200b=1"]
    source = write(tmp_path, "a.jsonl", lines(*texts))
    assert kept(take(source)) == texts
    done = curate(source, CurateSpec(steps=("exact",), format="csv"), out=tmp_path / "csv")
    assert (done.path / "clean/00000.csv").read_text("utf-8").splitlines()[1:] == [f"'{text}" for text in texts]


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_D10_bombs(tmp_path: Path, kind: str) -> None:
    """A gigabyte of zeros in a megabyte is given up early, within memory, and nothing is left behind."""
    start = lines("first").encode()
    if kind == "gz":
        packer = zlib.compressobj(9, wbits=31)
        packed = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
        # Behind a full flush the same text is packed to the same bytes; nobody comes to the check sum in the end.
        packed += (packer.compress(b" " * 10_000_000) + packer.flush(zlib.Z_FULL_FLUSH)) * 100 + packer.flush()
    else:
        packed = zstandard.compress(start + b" " * 1_000_000_000)
    source = write(tmp_path, f"a.jsonl.{kind}", packed)
    assert len(packed) < 2_000_000
    tracemalloc.start()
    began = time.monotonic()
    error = refuse(source, "E_FORMAT")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "250 times" in error.message
    assert peak < 200_000_000
    assert time.monotonic() - began < 30
    assert not list((tmp_path / "refused").glob("*/*"))


def test_D10_nested_and_foreign_archives(tmp_path: Path) -> None:
    data = gzip.compress(lines("a").encode())
    refuse(write(tmp_path, "a.jsonl.gz", gzip.compress(data)), "E_FORMAT")
    refuse(write(tmp_path, "b.jsonl.gz", data[:2] + b"\x08" + b"\0" * 40), "E_FORMAT")
    refuse(write(tmp_path, "c.jsonl.zst", compressed_file.ZSTD + b"\xff" * 40), "E_FORMAT")
    lying = bytearray(zstandard.compress(lines("a").encode()))
    lying[4:6] = b"\xe0\xff"  # a frame that says it is larger than any memory
    refuse(write(tmp_path, "d.jsonl.zst", bytes(lying)), "E_FORMAT")
    damaged = bytearray(gzip.compress(lines(*["abc"] * 50).encode()))
    damaged[-8:-4] = struct.pack("<I", 1)
    refuse(write(tmp_path, "e.jsonl.gz", bytes(damaged)), "E_FORMAT")


def test_D11_D14_only_regular_files_are_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside, "secret.jsonl", lines(CANARY))
    inside = tmp_path / "in"
    inside.mkdir()
    write(inside, "a.jsonl", lines("a"))
    (inside / "folder").symlink_to(outside, target_is_directory=True)
    assert [path.name for path in find_files(inside)] == ["a.jsonl"], "links to folders are not followed"
    began = time.monotonic()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nothing")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jsonl"))
        for name in ("pipe.jsonl", "loop.jsonl", "gone.jsonl", "s.jsonl"):
            refuse(tmp_path / name, "E_NOT_REGULAR")
    with pytest.raises(DataError, match="a device"):
        curate("/dev/zero", EXACT, out=tmp_path / "refused")
    assert time.monotonic() - began < 5


def test_D12_parquet_that_lies(tmp_path: Path) -> None:
    refuse(write(tmp_path, "a.parquet", b"PAR1" + b"\0" * 30 + struct.pack("<I", 2**31) + b"PAR1"), "E_FORMAT")
    refuse(write(tmp_path, "b.parquet", b"PAR1" + b"\0" * 30), "E_FORMAT")


def test_D15_P03_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    source = write(tmp_path, "a.jsonl", lines("one", "two"))
    wanted = ColumnRequest(inputs=("text",), target=None, group=None, labelled=False, source="")
    file = describe(source, wanted, None)
    write(tmp_path, "a.jsonl", lines("one", "other"))
    with pytest.raises(DataError) as caught:
        list(documents_of(0, file, None))
    assert caught.value.code == "E_CHANGED"
    file = describe(source, wanted, None)
    found = documents_of(0, file, None)
    next(found)
    with source.open("a") as stream:
        stream.write(lines("more"))
    with pytest.raises(DataError) as caught:
        list(found)
    assert caught.value.code == "E_CHANGED"


def test_D16_a_file_that_is_not_there(tmp_path: Path) -> None:
    refuse(tmp_path / "nothing.jsonl", "E_IO")
    refuse(tmp_path / ("x" * 300), "E_IO")


def test_D17_one_row_two_rows_many_tiny_rows(tmp_path: Path) -> None:
    assert kept(take(write(tmp_path, "one.jsonl", lines("a")))) == ["a"]
    assert kept(take(write(tmp_path, "two.jsonl", lines("a", "a")))) == ["a"]
    many = [str(n % 900) for n in range(3000)]
    assert kept(take(write(tmp_path, "many.jsonl", lines(*many)))) == many[:900]


def test_D18_D19_G01_no_value_leaves_but_in_the_rows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = f"Write to {CANARY}@example.org or pay DE89 3704 0044 0532 0130 00. " * 2
    source = write(tmp_path, "a.jsonl", lines(text, text, "short"))
    done = take(source, CurateSpec(steps=("personal", "exact", "length"), personal="report"))
    assert done.report.personal == {"email": 2, "iban": 2}
    told = (done.path / "report.json").read_bytes() + (done.path / "report.html").read_bytes()
    assert CANARY.encode() not in told
    assert b"DE89" not in told
    assert CANARY not in "".join(capfd.readouterr())
    for path in [done.path, *done.path.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_D20_D21_special_tokens_and_escapes_stay_in_the_data_alone(tmp_path: Path) -> None:
    texts = ["<|im_end|> [INST] </s>", "\u202eevil\u202c", "\u05d0\u200fb", "<script>alert(1)</script"]
    done = take(write(tmp_path, "a.jsonl", lines(*texts, *texts)))
    assert kept(done) == texts
    html = (done.path / "report.html").read_text("utf-8")
    assert "\u202e" not in html
    assert "<script>alert" not in html


def test_D25_names_of_files(tmp_path: Path) -> None:
    names = ["a b.jsonl", "-rf.jsonl", "new\nline.jsonl", "🙂.jsonl", "é.jsonl", "x" * 240 + ".jsonl"]
    folder = tmp_path / "in"
    folder.mkdir()
    for name in names:
        write(folder, name, lines(name))
    write(folder, os.fsdecode(b"\xff\xfe.jsonl"), lines("bytes"))
    done = curate(folder, EXACT, out=tmp_path / "out")
    assert sorted(kept(done)) == sorted([*names, "bytes"])
    assert all(file.file.isprintable() for file in done.report.files)
    assert all(
        shard.sha256 == hashlib.sha256((done.path / shard.path).read_bytes()).hexdigest()
        for shard in done.report.shards
    )


def test_P01_one_run_in_a_folder_at_a_time(tmp_path: Path) -> None:
    source = write(tmp_path, "a.jsonl", lines("a"))
    with open_run(tmp_path / "out", {"verb": "curate"}), pytest.raises(RunError) as caught:
        curate(source, EXACT, out=tmp_path / "out")
    assert caught.value.code == "E_RUN_LOCKED"
    mine = tmp_path / "mine"
    mine.mkdir()
    write(mine, "notes.txt", "keep me")
    with pytest.raises(RunError) as caught:
        curate(source, EXACT, out=mine)
    assert caught.value.code == "E_RUN_MISSING"
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]


def test_S01_a_full_disk_says_so_and_the_work_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, "a.jsonl", lines("a", "b", "a"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(map_stage, "write_chunk", full)
        error = refuse(source, "E_DISK")
    assert "free some space" in error.fix
    assert kept(curate(source, EXACT, out=tmp_path / "refused")) == ["a", "b"]


wild = st.binary(max_size=300) | st.lists(
    st.sampled_from(
        [b'{"text": "a"}', b"\n", b",", b'"', b"text", b"\xff", b"\0", b"[", b"]", b"{", b"\r", b"\xef\xbb\xbf", b" "]
    ),
    max_size=40,
).map(b"".join)


@given(wild, st.sampled_from(["a.jsonl", "a.csv", "a.json", "a.tsv", "a.jsonl.gz", "a.csv.zst", "a.parquet"]))
@example(b"\n,text\n\x00", "a.jsonl")
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wild_bytes_are_read_or_refused_with_a_code(tmp_path: Path, data: bytes, name: str) -> None:
    if name.endswith("gz"):
        data = gzip.compress(data) if len(data) % 2 else compressed_file.GZIP + data
    if name.endswith("zst"):
        data = zstandard.compress(data) if len(data) % 2 else compressed_file.ZSTD + data
    path = write(tmp_path, name, data)
    wanted = ColumnRequest(inputs=(), target=None, group=None, labelled=False, source="")
    try:
        file = describe(path, wanted, None)
        found = list(documents_of(0, file, None))
    except DataError:  # nothing else is raised, whatever the bytes are
        return
    above = found[0].record - 1 if found else 0  # lines above the names of a table count, as a spreadsheet counts them
    assert [one.record for one in found] == list(range(above + 1, above + len(found) + 1))
    assert above == 0 or not file.format.startswith(("json", "parquet"))
