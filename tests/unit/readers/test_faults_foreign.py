"""What is not ours: office files, ids, code of others, a ledger that cannot be written: D13, L07, N07, N09, G02."""

from __future__ import annotations

import io
import json
import random
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.serving.test_process import bundle
from tests.jail import environment, needs_all

from ockham.cli import error_report
from ockham.data.clean import clean
from ockham.errors import DataError
from ockham.readers.columns import ColumnRequest
from ockham.readers.documents import describe
from ockham.readers.formats import open_documents
from ockham.readers.local_file import open_file
from ockham.readers.read import ReadResult, ReadSpec, read
from ockham.sealed import ledger

CANARY = "canary-77aa"
ENTITY = '<!DOCTYPE x [<!ENTITY e SYSTEM "http://192.0.2.1/x"><!ENTITY f SYSTEM "file:///etc/passwd">]><x>&e;&f;</x>'


def packed(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, ENTITY)
    return out.getvalue()


OFFICE: dict[str, bytes] = {
    "sheet.xlsx": packed("[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"),
    "letter.docx": packed("[Content_Types].xml", "word/document.xml", "word/_rels/document.xml.rels"),
    "sheet.csv": packed("xl/sharedStrings.xml"),
    "paper.pdf": b"%PDF-1.7\n1 0 obj << /OpenAction << /S /URI /URI (http://192.0.2.1/) >> >> endobj\n%%EOF",
    "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
}


@pytest.mark.parametrize("name", OFFICE)
def test_d13_office_files_are_refused_unopened_whatever_their_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    path = tmp_path / name
    path.write_bytes(OFFICE[name])
    with pytest.raises(DataError) as caught:
        read(path, ReadSpec())
    assert caught.value.code == "E_FORMAT"
    assert "save it as CSV" in caught.value.fix
    wanted = ColumnRequest(inputs=(), target=None, group=None, labelled=False, source="")
    with pytest.raises(DataError) as caught:
        list(describe(path, wanted, None).inputs)
    assert caught.value.code == "E_FORMAT"
    assert [item.name for item in tmp_path.iterdir()] == [name]


def test_d13_markup_that_would_fetch_is_text_and_stays_it(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": ENTITY, "label": "x"}) + "\n")
    (example,) = read(tmp_path / "a.jsonl", ReadSpec()).examples
    assert example.input == ENTITY


def messages(make: Callable[[str, int], str]) -> ReadResult:
    """Rows of three labels whose words say little of them; ``make`` gives what stands before the words."""
    draw = random.Random(4)
    words = ["".join(draw.choices("abcdefghijkl", k=4)) for _ in range(60)]
    rows = [
        {"text": f"{make(label, number)} {' '.join(draw.choices(words, k=8))}", "label": label}
        for number in range(60)
        for label in ("billing", "shipping", "account")
    ]
    return read(rows, ReadSpec())


@pytest.mark.parametrize(
    ("make", "leaks"),
    [
        (lambda label, number: f"{label[:3].upper()}-{number:05}", True),
        (lambda label, number: f"[{label}]", True),
        (lambda label, number: f"queue_{label}_{number}" if number else "queue", True),
        (lambda label, number: f"{label}{number}", True),
        (lambda label, number: f"T-{number:05}", False),
        (lambda label, number: "please" if number % 2 else label, False),
    ],
)
def test_l07_a_word_that_tells_the_label_is_warned_of(make: Callable[[str, int], str], leaks: bool) -> None:
    _, intake = clean(messages(make))
    assert any("one word of each text tells its label" in warning for warning in intake.warnings) == leaks


def test_l07_a_column_called_id_is_no_input_unless_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,label\nBIL-1,late,billing\nSHI-1,lost,shipping\n")
    assert [example.input for example in read(tmp_path / "a.csv", ReadSpec()).examples] == ["late", "lost"]


FETCH = """
import errno, os, socket, sys
from pathlib import Path
from ockham.store.ledger_file import LedgerHook
path, port, full = Path(sys.argv[1]), int(sys.argv[2]), [True]
write = os.write
def refuse(descriptor, data):
    if full[0]:
        raise OSError(errno.ENOSPC, "full")
    return write(descriptor, data)
os.write = refuse
sys.addaudithook(LedgerHook(path))
for full[0] in (True, True, False):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        print("sent")
    except Exception as error:
        print(type(error).__name__)
"""


def test_n07_where_the_ledger_cannot_be_written_nothing_is_sent(tmp_path: Path) -> None:
    path, heard = tmp_path / "ledger.jsonl", list[str]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            server.settimeout(20)
            connection, (host, _) = server.accept()
            connection.close()
            heard.append(host)

        thread = threading.Thread(target=listen)
        thread.start()
        done = subprocess.run(
            [sys.executable, "-c", FETCH, path, str(server.getsockname()[1])],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        thread.join()
    assert done.stdout.split() == ["StoreError", "StoreError", "sent"], done.stderr
    assert heard == ["127.0.0.1"]
    rows = [ledger.row(json.loads(line)) for line in path.read_text().splitlines()]
    assert ledger.is_whole(rows), "what was not written is no row"
    assert len(rows) == 2


PLUG = """
import socket, subprocess
from ockham.records import Answer

def attempt(deed):
    try:
        deed()
    except (OSError, subprocess.SubprocessError) as error:
        return str(getattr(error, "errno", None) or type(error).__name__)
    return "out"

class Guest:
    def answer(self, inputs):
        deeds = [lambda: socket.create_connection(("192.0.2.1", 9), 2), lambda: socket.socket(socket.AF_INET),
                 lambda: open("planted", "w")]
        return [Answer(value=" ".join(map(attempt, deeds))) for _ in inputs]

def load(folder):
    return Guest()
"""


@needs_all
def test_n09_code_of_others_runs_behind_the_walls_alone(tmp_path: Path) -> None:
    facts = tmp_path / "site" / "guest-1.0.dist-info"
    facts.mkdir(parents=True)
    (tmp_path / "site" / "guest.py").write_text(PLUG)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[ockham.models]\nguest = guest\n")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "guest.json").write_text("{}")
    bundle(tmp_path / "bundle", "guest")
    (tmp_path / "rows.csv").write_text("text\nlate\n")
    found = environment()
    done = subprocess.run(
        [sys.executable, "-m", "ockham", "predict", "bundle", "rows.csv", "-o", "new/answers.jsonl"],
        cwd=tmp_path,
        env={**found, "PYTHONPATH": f"{found['PYTHONPATH']}:{tmp_path / 'site'}"},
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "new" / "answers.jsonl").read_text().splitlines()
    assert json.loads(line)["answer"] == "13 13 13"
    assert not (tmp_path / "planted").exists()


class PanicException(BaseException):
    """No `Exception`."""


def quoting() -> dict[str, Callable[[], object]]:
    """Calls of libraries whose exceptions quote what they were given."""
    import numpy as np
    import orjson
    import pyarrow as pa
    from pydantic import TypeAdapter
    from tokenizers import Tokenizer

    def panic() -> None:
        raise PanicException(CANARY)

    return {
        "int": lambda: int(CANARY),
        "float": lambda: float(CANARY),
        "key": lambda: dict[str, int]()[CANARY],
        "unicode": f"{CANARY}\ud800".encode,
        "json": lambda: json.loads(f'{{"{CANARY}": '),
        "orjson": lambda: orjson.loads(f'{{"{CANARY}": x}}'),
        "pydantic": lambda: TypeAdapter(int).validate_python(CANARY),
        "arrow": lambda: pa.array([CANARY]).cast(pa.int64()),
        "numpy": lambda: np.array([CANARY]).astype(float),
        "tokenizers": lambda: Tokenizer.from_str(f'{{"{CANARY}": 1}}'),
        "file": lambda: open(f"/nowhere/{CANARY}"),  # noqa: PTH123 - refused
        "panic": panic,
    }


@pytest.mark.parametrize("name", quoting())
def test_g02_no_words_of_a_librarys_exception_are_told(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        quoting()[name]()
        return 0

    status = error_report.guard(work)
    out, err = capfd.readouterr()
    assert (status, out) == (1, "")
    assert err.startswith("E_DEFECT: an unexpected ")
    assert CANARY not in err


@pytest.mark.parametrize(("name", "kind"), [("a.jsonl", "zip"), ("a.xlsx", "a spreadsheet")])
def test_an_archive_and_a_spreadsheet_are_called_what_they_are(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04" + bytes(60))
    with open_file(path) as file, pytest.raises(DataError, match=rf"{name} is {kind}, not"), open_documents(file, None):
        pass
