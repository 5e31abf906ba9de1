"""Damage files of every format that is read, by a seed, and hold the readers to their promises.

``python -m tests.fuzz_readers SEED COUNT`` damages and reads COUNT files; ``--only NUMBER`` writes one of them into the
current folder and reads it. A file is read as `fit` and as `curate` would, in a process that may be killed:

- nothing but an `OckhamError` is raised, and its words hold no text of a row
- no file takes longer than `SECONDS`, or more memory than `MEGABYTES` (Linux tells it)
- records in = examples + quarantined, and as many as the lines say where lines are records
- the fast readers and the careful ones say the same of every record
"""

from __future__ import annotations

import argparse
import codecs
import copy
import gzip
import io
import json
import random
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 20.0
"""Wall time for one file, on a machine that others use too; hardly any takes a tenth of a second."""
MEGABYTES = 150
CANARY = "wintergreen"
"""Stands in every text and label, and may stand in no message."""
ROOT = Path(__file__).parents[1]
PROGRAM = ("-m", "tests.fuzz_readers")

Content = Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A promise that a file broke: the number of the file, its name, and what happened."""

    number: int
    name: str
    what: str


# The files that are damaged

_TEXTS = (
    f"{CANARY} one, with a comma; and more",
    f'{CANARY} "two" in quotes',
    f"{CANARY}\nthree\r\nin lines",
    f"{CANARY} naïve 日本語 🙂\t4",
    f"=cmd|' {CANARY}'!A0",
    f"{CANARY} " + "six " * 60,
)
_ROWS = tuple({"text": text, "label": f"{CANARY} {'ab'[place % 2]}"} for place, text in enumerate(_TEXTS * 2))


def _jsonl(rows: Sequence[object]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _table(delimiter: str, end: str = "\n") -> bytes:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in f'{delimiter}"\r\n') else text

    # A line feed in a cell would make it the line end of a file whose lines end with returns.
    rows = [row for row in _ROWS if end != "\r" or "\n" not in row["text"]]
    lines = [("text", "label"), *((row["text"], row["label"]) for row in rows)]
    return "".join(delimiter.join(map(cell, line)) + end for line in lines).encode()


def _chat() -> list[object]:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    turns = [
        [{"role": "user", "content": _TEXTS[0]}, {"role": "assistant", "content": f"{CANARY} a"}],
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": _TEXTS[1]}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": _TEXTS[2]},
            {"role": "assistant", "content": f"{CANARY} b", "weight": 1},
        ],
    ]
    return [{"messages": messages, "tools": []} for messages in turns * 4]


def _logged() -> list[object]:
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": f"{CANARY} a"}}
    request = {"model": "m", "messages": [{"role": "user", "content": _TEXTS[0]}]}
    return [{"request": request, "response": {"choices": [choice]}}] * 5


def _annotated() -> list[object]:
    """What annotation tools write: results, spans and answers inside each row."""
    studio = {
        "id": 1,
        "data": {"text": _TEXTS[0]},
        "annotations": [{"result": [{"type": "choices", "value": {"choices": [f"{CANARY} a"]}}]}],
    }
    return [studio, {**studio, "id": 2}, {**studio, "id": 3, "annotations": []}]


def _spans() -> list[object]:
    doccano = {"id": 1, "text": _TEXTS[0], "label": [[0, 5, "word"], [6, 9, "number"]]}
    prodigy = {"text": _TEXTS[1], "label": f"{CANARY} a", "answer": "accept", "spans": [{"start": 0, "end": 3}]}
    return [doccano, {**doccano, "id": 2, "label": []}, prodigy, {**prodigy, "answer": "reject"}]


def _evals() -> list[object]:
    asked = [{"role": "system", "content": "Answer."}, {"role": "user", "content": _TEXTS[0]}]
    return [{"input": asked, "ideal": ideal} for ideal in (f"{CANARY} a", [f"{CANARY} a", "b"]) for _ in range(3)]


def _parquet(**how: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {name: [row[name] for row in _ROWS] for name in ("text", "label")}
    if how.pop("nested", False):
        columns |= {
            "tags": [["a", "b"], None, []] * 4,
            "more": [{"k": "v", "n": [1, None]}] * 12,
            "when": pa.array(range(12), pa.timestamp("us", "UTC")),
            "amount": pa.array([None, 1.5, float("nan")] * 4),
            "raw": [b"\xff\0", None, b"ok"] * 4,
        }
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **how)
    return out.getvalue()


def _arrow() -> bytes:
    import pyarrow as pa

    table = pa.table({name: [row[name] for row in _ROWS] for name in ("text", "label")})
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def _zstd(content: bytes) -> bytes:
    import zstandard

    return bytes(zstandard.compress(content))


SOURCES: dict[str, Content] = {
    "rows.csv": lambda: _table(","),
    "semicolon.csv": lambda: _table(";", "\r\n"),
    "returns.csv": lambda: _table(",", "\r"),
    "rows.tsv": lambda: _table("\t"),
    "wide.csv": lambda: codecs.BOM_UTF16_LE + _table(",").decode().encode("utf-16-le"),
    "marked.csv": lambda: codecs.BOM_UTF8 + _table("|"),
    "rows.jsonl": lambda: _jsonl(_ROWS),
    "wide.jsonl": lambda: codecs.BOM_UTF16_BE + _jsonl(_ROWS).decode().encode("utf-16-be"),
    "array.json": lambda: json.dumps(_ROWS, indent=1).encode(),
    "objects.json": lambda: b"".join(json.dumps(row, indent=1).encode() for row in _ROWS),
    "nested.jsonl": lambda: _jsonl([{"text": {"a": [1, "x", None], "b": -0.5e3}, "label": [True]}] * 6),
    "chat.jsonl": lambda: _jsonl(_chat()),
    "logged.jsonl": lambda: _jsonl(_logged()),
    "annotations.json": lambda: json.dumps(_annotated()).encode(),
    "spans.jsonl": lambda: _jsonl(_spans()),
    "evals.jsonl": lambda: _jsonl(_evals()),
    "plain.txt": lambda: "\n\n".join(_TEXTS).encode(),
    "table.txt": lambda: _table("\t"),
    "rows.parquet": _parquet,
    "plain.parquet": lambda: _parquet(use_dictionary=False, compression="none", row_group_size=5),
    "nested.parquet": lambda: _parquet(nested=True, compression="zstd"),
    "rows.arrow": _arrow,
    "rows.jsonl.gz": lambda: gzip.compress(_jsonl(_ROWS), mtime=0),
    "rows.csv.gz": lambda: gzip.compress(_table(","), mtime=0),
    "chat.jsonl.zst": lambda: _zstd(_jsonl(_chat())),
    "rows.tsv.zst": lambda: _zstd(_table("\t")),
}
_PACK: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    ".gz": ("rows.jsonl", lambda content: gzip.compress(content, mtime=0)),
    ".zst": ("chat.jsonl", _zstd),
}
_PIECES = (
    b'"', b"'", b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"\0", b"{", b"}", b"[", b"]", b":", b"\\", b"\\u0000",
    b"\\ud800", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\x8b", b"1e999", b"NaN", b"-",
    b"9" * 4301, b"[" * 70, b'{"a":' * 70, b'"text"', b'"messages"', b"text,label\n", b"\x1f\x8b", b"PAR1", b" " * 300,
    b'""', b'"\n"', b"x" * 70_000, b"\n" * 300, b'{"text": "a", "text": "b"}', b"\xf0\x9f\x99", b"\x85",
    b"null", b"\xe2\x80\xa8",
)  # fmt: skip
_VALUES: tuple[object, ...] = (
    None, True, 0, -1, 2**63, 10**25, 1.5, 1e308, "", " ", "\0", "\ud800", "x", [], {}, [None], [[]], [{}], {"": ""},
    {"text": None}, {"role": "user"}, ["a", 1], "assistant", "\u2028",
)  # fmt: skip


def file_of(seed: int, number: int) -> tuple[str, bytes]:
    """Make one damaged file: the same for the same numbers, on every machine."""
    draw = random.Random(f"{seed} {number}")
    name = draw.choice(list(SOURCES))
    content = SOURCES[name]()
    ending = Path(name).suffix
    inside = ending in _PACK and draw.random() < 0.5
    if inside:
        # Damage what is packed, and pack it whole.
        source, pack = _PACK[ending]
        content = SOURCES[source]()
        name = f"{source}{ending}"
    if draw.random() < 0.4 and ".json" in name and (inside or ending not in _PACK):
        content = _exchange_values(draw, content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        content = draw.choice(_DAMAGES)(draw, content)
    return name, pack(content) if inside else content


def _exchange_values(draw: random.Random, content: bytes) -> bytes:
    """Put other values where the values of JSON stand, so that the rows stay JSON."""
    try:
        text = content.decode()
        rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return content
    for _ in range(draw.choice((1, 2, 5))):
        node: Any = rows
        while True:
            places = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not places:
                break
            place = draw.choice(places)
            if not isinstance(node[place], (dict, list)) or draw.random() < 0.2:
                _put(draw, node, place)
                break
            node = node[place]
    return json.dumps(rows).encode() if text.startswith("[") else "".join(f"{json.dumps(r)}\n" for r in rows).encode()


def _put(draw: random.Random, node: Any, place: Any) -> None:
    if isinstance(node, dict) and draw.random() < 0.2:
        node[draw.choice(("", "text", "label", "content", "x" * 70))] = node.pop(place)
    else:
        node[place] = copy.deepcopy(draw.choice(_VALUES))


def _span(draw: random.Random, content: bytes) -> tuple[int, int]:
    start = draw.randrange(len(content) + 1)
    return start, min(len(content), start + draw.choice((1, 2, 4, 8, 30, 300)))


def _flip(draw: random.Random, content: bytes) -> bytes:
    if not content:
        return content
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]


def _cut(draw: random.Random, content: bytes) -> bytes:
    start, end = _span(draw, content)
    return content[:start] + content[end:]


def _end(draw: random.Random, content: bytes) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _insert(draw: random.Random, content: bytes) -> bytes:
    at = draw.choice((0, draw.randrange(len(content) + 1), len(content)))
    return content[:at] + draw.choice(_PIECES) * draw.choice((1, 1, 1, 2, 50)) + content[at:]


def _overwrite(draw: random.Random, content: bytes) -> bytes:
    start, end = _span(draw, content)
    wild = draw.choice((b"\0", b"\xff", b"\x7f", b"\x80", bytes([draw.randrange(256)])))
    return content[:start] + wild * (end - start) + content[end:]


def _repeat(draw: random.Random, content: bytes) -> bytes:
    start, end = _span(draw, content)
    return content[:end] + content[start:end] * draw.choice((1, 2, 100, 1000)) + content[end:]


def _exchange(draw: random.Random, content: bytes) -> bytes:
    (a, b), (c, d) = sorted((_span(draw, content), _span(draw, content)))
    return content if b > c else content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _splice(draw: random.Random, content: bytes) -> bytes:
    other = SOURCES[draw.choice(list(SOURCES))]()
    return content[: draw.randrange(len(content) + 1)] + other[draw.randrange(len(other)) :]


_DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip, _flip, _cut, _end, _insert, _insert, _insert, _overwrite, _repeat, _exchange, _splice,
)  # fmt: skip


# The promises


def check(path: Path) -> None:
    """Read a file in every way. Raises `AssertionError` where a promise is broken, and whatever else is raised."""
    from ockham.readers.read import ReadSpec

    for spec in (ReadSpec(), ReadSpec(inputs=("text",), target="label"), ReadSpec(labelled=False)):
        _check_examples(path, spec)
    if path.suffix != ".arrow":
        _check_documents(path)


def _check_examples(path: Path, spec: Any) -> None:
    from ockham.errors import OckhamError
    from ockham.readers.read import read

    try:
        found = read(path, spec)
    except OckhamError as error:
        _check_refusal(error)
        return
    accounted = len(found.examples) + len(found.dropped) + len(found.quarantined)
    assert found.rows == accounted == sum(one.records for one in found.sources)
    assert not [item for item in found.quarantined if CANARY in item.reason], "a reason quotes a row"
    for example in found.examples:
        (example.input + example.target).encode()
    packed = path.suffix in (".gz", ".zst")
    counted = None if packed else _count_lines(path.read_bytes(), found.sources[0].format, found.sources[0].encoding)
    assert counted in (None, found.rows), f"{found.rows} records where {counted} lines are"


def _check_refusal(error: Any) -> None:
    assert error.fix, "nothing is said of what to do"
    # Columns are named where one is missing, and a damaged file's first row may be data.
    if error.code not in ("E_COLUMN", "E_LABEL_MISSING"):
        assert CANARY not in str(error), f"{error.code} quotes a row"


def _count_lines(content: bytes, form: str, encoding: str) -> int | None:
    """Count records by lines, where a record is one; ``None`` elsewhere."""
    if encoding != "utf-8" or (form.startswith(("csv", "tsv")) and b'"' in content):
        return None
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    end = "\r" if "\r" in text and "\n" not in text else "\n"
    if form.startswith("jsonl"):
        return sum(bool(line.strip()) for line in text.split(end))
    if form.startswith(("csv", "tsv")):
        return sum(bool(line.strip("\r\n")) for line in text.split(end)) - 1
    return None


def _check_documents(path: Path) -> None:
    """Compare what the careful reader gives with what goes through the compiled loops of `curate`."""
    from ockham.errors import OckhamError
    from ockham.readers.columns import ColumnRequest
    from ockham.readers.documents import describe, documents_of
    from ockham.readers.plain_text import describe_texts, texts_of

    request = ColumnRequest(inputs=(), target=None, group=None, labelled=False, source="")
    try:
        plain = path.suffix == ".txt"
        file = describe_texts((path,)) if plain else describe(path, request, None)
    except OckhamError as error:
        _check_refusal(error)
        return
    careful = _outcome((texts_of if plain else documents_of)(0, file, None))
    fast = _outcome(_examined(file))
    if isinstance(careful, list) and isinstance(fast, list):
        assert len(careful) == len(fast), f"{len(careful)} records read with care, {len(fast)} fast"
        for number, (one, other) in enumerate(zip(careful, fast, strict=True), 1):
            assert one == other, f"record {number} differs: {type(one).__name__} and {type(other).__name__}"
    else:
        assert careful == fast, f"{_short(careful)} read with care, {_short(fast)} fast"


def _outcome(records: Iterator[Any]) -> list[object] | str:
    """Read records to the end, or say with which code reading was refused."""
    from ockham.errors import OckhamError

    try:
        return [_told(record) for record in records]
    except OckhamError as error:
        _check_refusal(error)
        return error.code


def _short(outcome: list[object] | str) -> str:
    return outcome if isinstance(outcome, str) else f"{len(outcome)} records"


def _examined(file: Any) -> Iterator[Any]:
    from ockham.curation.record_batch import batch_of, bytes_at
    from ockham.readers.blocks import block_work

    for work, _ in block_work(0, file, None, 400):
        batch = batch_of(work)
        for index in range(len(batch)):
            broken = batch.broken.get(index)
            yield broken[0] if broken else (batch.inputs_of(index), bytes_at(batch.targets, index).decode())


def _told(record: Any) -> object:
    from ockham.readers.documents import Document, Unreadable

    if isinstance(record, Document):
        return record.texts, record.target or ""
    return record.code if isinstance(record, Unreadable) else record


# The process that reads, and the one that watches it


def serve(seed: int, numbers: Sequence[int]) -> None:
    """Read files one by one, and say on standard output which one begins and what it broke."""
    _bound_memory()
    with tempfile.TemporaryDirectory() as folder:
        # Whole files come first: libraries are loaded then, and are no file's memory.
        for name, source in SOURCES.items():
            path = Path(folder, name)
            path.write_bytes(source())
            check(path)
        for number in numbers:
            _say(json.dumps({"begin": number}))
            name, content = file_of(seed, number)
            path = Path(folder, name)
            path.write_bytes(content)
            before = _memory(reset=True)
            try:
                check(path)
                what = ""
            except BaseException as error:
                place = error.__traceback__
                while place is not None and place.tb_next is not None:
                    place = place.tb_next
                where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "nowhere"
                what = f"{type(error).__name__} at {where}: {str(error)[:300]}"
            grown = _memory(reset=False) - before
            if not what and grown > MEGABYTES:
                what = f"took {grown:.0f} MB for {len(content):,} bytes"
            _say(json.dumps({"end": number, "name": name, "what": what}))
            path.unlink()


def _bound_memory() -> None:
    """Let a reader that would take the machine's memory fail instead."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))


def _memory(*, reset: bool) -> float:
    """Return the resident memory in MB (now, where the peak is set back to it; else the peak since); Linux knows it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    wanted = "VmRSS:" if reset else "VmHWM:"
    (line,) = [line for line in status.read_text().splitlines() if line.startswith(wanted)]
    return int(line.split()[1]) / 1000


def fuzz(
    seed: int, numbers: Sequence[int], *, program: Sequence[str] = PROGRAM, seconds: float = SECONDS
) -> Iterator[Fault | None]:
    """Read damaged files in a process of their own; for each comes what it broke, or ``None``."""
    waiting = list(numbers)
    while waiting:
        command = [sys.executable, *program, str(seed), "--serve", *map(str, waiting)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, bufsize=1) as child:
            try:
                for fault in _follow(child, seed, waiting, seconds):
                    waiting.pop(0)
                    yield fault
            finally:
                child.kill()


def _follow(child: subprocess.Popen[str], seed: int, waiting: Sequence[int], seconds: float) -> Iterator[Fault | None]:
    """Hear of one file after the other, until the process ends, dies or takes too long."""
    assert child.stdout is not None
    deadline = time.monotonic() + 60 + seconds
    for number in list(waiting):
        begun = False
        while True:
            ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
            line = child.stdout.readline() if ready else ""
            if not line:
                assert begun, "the process that reads did not start"
                how = f"ended the process ({child.wait()})" if ready else f"took longer than {seconds:.0f} s"
                yield Fault(number=number, name=file_of(seed, number)[0], what=how)
                return
            said = json.loads(line)
            deadline = time.monotonic() + seconds
            if "begin" in said:
                begun = True
            else:
                fault = Fault(number=number, name=said["name"], what=said["what"])
                yield fault if said["what"] else None
                break


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main() -> int:
    """Damage and read; print what was broken, and how to see it again."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Damage files and read them.")
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="write this file here, and read it in this process")
    parser.add_argument("--serve", type=int, nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.seed, given.serve)
        return 0
    if given.only is not None:
        name, content = file_of(given.seed, given.only)
        Path(name).write_bytes(content)
        check(Path(name))
        return 0
    began, faults = time.monotonic(), 0
    for start in range(0, given.count, 1000):
        numbers = range(start, min(given.count, start + 1000))
        for fault in filter(None, fuzz(given.seed, numbers)):
            faults += 1
            again = f"scripts/fuzz {given.seed} --only {fault.number}"
            _say(f"{fault.name}: {fault.what}\n  again: {again}")
    _say(f"{given.count:,} files read in {time.monotonic() - began:.0f} s, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
