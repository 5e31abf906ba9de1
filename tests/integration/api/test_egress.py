"""The process that speaks for a sealed one: whom it asks, what it writes down before, and what it never does."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.jail import environment, linux, needs_all

from ockham.sealed import landlock
from ockham.sealed.ledger import Row, is_whole
from ockham.store.ledger_file import read_ledger

pytestmark = linux
KEY = "sk-CANARY-KEY"
HARNESS = """
import json, os, socket, sys
from pathlib import Path
from ockham.api import egress
from ockham.api.consent import Destination
from ockham.sealed import frames
from ockham.sealed.frames import Kind
url, ledger = sys.argv[1:3]
{before}
pins = egress.pins_of(Destination(url=url, key_env="API_KEY"))
pid, control = egress.start(pins, Path(ledger))
ready = egress.wait_for(control, 30)

def channel():
    here, there = socket.socketpair()
    with there:
        socket.send_fds(control, [b"serve"], [there.fileno()])
    here.settimeout(30)
    return here

def ask(url=pins[0].url, key="API_KEY", body=b"{{}}", seconds=10.0):
    with channel() as way:
        frames.write_values(way, Kind.REQUEST, {{"address": url, "key_env": key, "seconds": seconds}})
        frames.write_frame(way, Kind.BODY, body)
        parts = []
        while (frame := frames.read_frame(way)) is not None:
            parts.append((frame[0].name, frame[1].decode()))
            if frame[0] in (Kind.END, Kind.FAILED):
                break
    return parts

{code}
control.shutdown(socket.SHUT_WR)
print("summary", json.dumps(egress.wait_for(control, 10)))
os.waitpid(pid, 0)
"""


class Upstream(ThreadingHTTPServer):
    """An API on the loopback that keeps every byte it is sent, and what the ledger held at that moment."""

    def __init__(self, ledger: Path, location: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ledger = ledger
        self.location = location
        self.bodies: list[bytes] = []
        self.heads: list[dict[str, str]] = []
        self.was_written: list[bool] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        upstream = self.server
        assert isinstance(upstream, Upstream)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        upstream.bodies.append(body)
        upstream.heads.append(dict(self.headers.items()))
        text = upstream.ledger.read_text() if upstream.ledger.exists() else ""
        upstream.was_written.append(hashlib.sha256(body).hexdigest() in text)
        self.send_response(307 if upstream.location else 200)
        if upstream.location:
            self.send_header("Location", upstream.location)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_CONNECT = do_POST  # noqa: N815 - the library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    (tmp_path / "state").mkdir()
    server = Upstream(tmp_path / "state" / "ledger.jsonl")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def script(code: str, before: str = "") -> list[str]:
    return [sys.executable, "-c", HARNESS.format(code=code, before=before)]


def run(
    upstream: Upstream, code: str, *, before: str = "", prefix: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    command = [*prefix, *script(code, before), upstream.url, str(upstream.ledger)]
    env = environment(API_KEY=KEY, **more)
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=100)


def requests(upstream: Upstream, *, allowed: bool = True) -> list[Row]:
    rows = read_ledger(upstream.ledger)
    assert is_whole(rows)
    return [row for row in rows if row.event == "request" and row.allowed == allowed]


def test_e9_what_the_api_got_is_what_the_ledger_lists_byte_for_byte(upstream: Upstream) -> None:
    bodies = [b"{}", '{"text": "M\u00fcller \u2603"}'.encode(), b"\0\xff" * 400, b""]
    code = f"for body in {bodies!r}:\n    body *= 100\n    print(ask(body=body)[0][0], ask(body=body)[-1][0])"
    done = run(upstream, code)
    assert done.stdout.splitlines()[:4] == ["HEAD END"] * 4, done.stderr
    twice = [100 * body for body in bodies for _ in range(2)]
    assert upstream.bodies == twice
    assert upstream.was_written == [True] * 8
    rows = requests(upstream)
    assert [(row.method, row.host, row.port, row.path) for row in rows] == [
        ("POST", "127.0.0.1", upstream.server_port, "/v1/chat/completions")
    ] * 8
    assert [(row.bytes, row.sha256) for row in rows] == [(len(b), hashlib.sha256(b).hexdigest()) for b in twice]
    assert {head["Authorization"] for head in upstream.heads} == {f"Bearer {KEY}"}
    text = upstream.ledger.read_text()
    assert KEY not in text
    assert "ller" not in text, "the body itself must not be in the ledger"
    summary = json.loads(done.stdout.splitlines()[-1].removeprefix("summary "))
    assert summary["rows"] == len(read_ledger(upstream.ledger))
    # The connections are listed too, each before it was made.
    calls = [row for row in read_ledger(upstream.ledger) if row.event == "socket.connect"]
    assert {(row.host, row.port, row.allowed) for row in calls} == {("127.0.0.1", upstream.server_port, True)}


def test_n06_a_redirect_is_handed_back_and_not_followed(upstream: Upstream, tmp_path: Path) -> None:
    other = Upstream(tmp_path / "other.jsonl")
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    upstream.location = f"{other.url}/chat/completions"
    try:
        done = run(upstream, "print(json.loads(ask()[0][1])['status'])")
    finally:
        other.shutdown()
        thread.join()
        other.server_close()
    assert done.stdout.splitlines()[0] == "307", done.stderr
    assert (len(upstream.bodies), len(other.bodies)) == (1, 0)
    assert len(requests(upstream)) == 1


@pytest.mark.parametrize(
    ("call", "host"),
    [
        ('ask(url="http://192.0.2.1/v1/chat/completions")', "192.0.2.1"),
        ('ask(url=pins[0].url.replace("/v1/", "/v2/"))', "127.0.0.1"),
        ('ask(url=pins[0].url.replace("127.0.0.1", "localhost"))', "localhost"),
        ('ask(key="OTHER_KEY")', "127.0.0.1"),
        ("ask(key=None)", "127.0.0.1"),
        ('ask(url="file:///etc/passwd")', ""),
    ],
)
def test_n06_another_address_or_key_is_refused_and_written_down(upstream: Upstream, call: str, host: str) -> None:
    done = run(upstream, f"print({call})", OTHER_KEY="sk-OTHER")
    assert done.stdout.splitlines()[0] == "[('FAILED', 'refused')]", done.stderr
    assert upstream.bodies == []
    assert [row.host for row in requests(upstream, allowed=False)] == [host]
    assert requests(upstream) == []


def test_n06_proxies_of_the_environment_are_not_used(upstream: Upstream, tmp_path: Path) -> None:
    proxy = Upstream(tmp_path / "proxy.jsonl")
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{proxy.server_port}"
    try:
        done = run(upstream, "print(ask()[-1][0])", http_proxy=address, HTTP_PROXY=address, ALL_PROXY=address)
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
    assert done.stdout.splitlines()[0] == "END", done.stderr
    assert (len(upstream.bodies), len(proxy.bodies)) == (1, 0)


DEEDS = """
def answer(self, channel, pin, body, seconds):
    import errno
    def attempt(name, call):
        try:
            call()
            return f"{name} got through"
        except OSError as error:
            return f"{name} {errno.errorcode.get(error.errno or 0, 'refused')}"
    words = [attempt(*deed) for deed in (
        ("other port", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])), 2)),
        ("other host", lambda: socket.getaddrinfo("example.com", 80)),
        ("datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))),
        ("program", lambda: __import__("subprocess").run(["true"])),
        ("data", lambda: open(sys.argv[4]).read()),
        ("write", lambda: open(sys.argv[4] + "2", "w")),
        ("environ", lambda: open("/proc/self/environ")),
    )]
    words.append(str(sorted(os.environ)))
    frames.write_frame(channel, Kind.HEAD, "; ".join(words).encode())
    frames.write_frame(channel, Kind.END)
egress._Mouth._send = answer
"""


@pytest.mark.skipif(sys.platform == "linux" and landlock.abi() < 4, reason="this kernel cannot hold TCP to a port")
@pytest.mark.parametrize("hook", [True, False])
def test_n06_the_process_itself_can_ask_nobody_else_and_open_no_data(
    upstream: Upstream, tmp_path: Path, hook: bool
) -> None:
    (tmp_path / "data.csv").write_text("text,label\n")
    other = Upstream(tmp_path / "other.jsonl")
    before = DEEDS + ("" if hook else "egress._Mouth.hear = lambda *a: None\n")
    command = [*script("print(ask()[0][1])", before), upstream.url, str(upstream.ledger)]
    command += [str(other.server_port), str(tmp_path / "data.csv")]
    env = environment(API_KEY=KEY)
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=60)
    other.server_close()
    assert done.stdout, done.stderr
    said = done.stdout.splitlines()[0].split("; ")
    assert "other port EACCES" in said or (hook and "other port refused" in said), done.stdout + done.stderr
    assert {"data EACCES", "write EACCES", "environ EACCES", "[]"} <= set(said)
    if hook:
        assert {"other host refused", "datagram refused", "program refused"} <= set(said)
        names = [row.event for row in read_ledger(upstream.ledger) if not row.allowed]
        assert names == ["socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen"]


def test_e9_a_kill_between_the_row_and_the_request_leaves_the_row(upstream: Upstream) -> None:
    before = "egress._Mouth._send = lambda *a: os.kill(os.getpid(), 9)"
    done = run(upstream, "print(ask(body=b'never sent'))", before=before)
    assert done.stdout.splitlines() == ["[]", "summary {}"], done.stderr
    assert upstream.bodies == []
    assert [row.sha256 for row in requests(upstream)] == [hashlib.sha256(b"never sent").hexdigest()]


@needs_all
def test_n07_where_the_ledger_cannot_be_written_nothing_is_sent(upstream: Upstream) -> None:
    folder = upstream.ledger.parent
    fill = f'mount -t tmpfs -o size=16k none {folder} && head -c 1000000 /dev/zero > {folder}/fill; exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", fill, "sh")
    code = """
print(ask(), ask())
os.truncate(Path(ledger).parent / "fill", 0)
print(ask()[-1][0], Path(ledger).read_text().count('"event":"request"'))
"""
    done = run(upstream, code, prefix=prefix)
    assert done.stdout.splitlines()[:2] == [
        "[('FAILED', 'ledger')] [('FAILED', 'ledger')]",
        "END 1",
    ], done.stdout + done.stderr
    assert len(upstream.bodies) == 1


def test_n07_a_connection_whose_row_cannot_be_written_is_not_made(upstream: Upstream) -> None:
    before = """
add = egress.LedgerFile.add
def refuse(self, event, *a, **more):
    if event.startswith("socket."):
        raise egress.StoreError("E_DISK", "full", fix="-")
    add(self, event, *a, **more)
egress.LedgerFile.add = refuse
"""
    done = run(upstream, "print(ask())", before=before)
    assert done.stdout.splitlines()[0] == "[('FAILED', 'ledger')]", done.stderr
    assert upstream.bodies == []


def test_what_is_no_frame_ends_the_channel_and_nothing_else(upstream: Upstream) -> None:
    code = """
import struct
def noise(data):
    with channel() as way:
        way.sendall(data)
        way.shutdown(socket.SHUT_WR)
        try:
            return way.recv(1)
        except ConnectionResetError:  # it went away with bytes unread
            return b""
for data in (b"GET / HTTP/1.1\\r\\n\\r\\n", b"\\x01", struct.pack("=BI", 1, 2**32 - 1), struct.pack("=BI", 99, 0),
             struct.pack("=BI", 1, 2) + b"{}", struct.pack("=BI", 2, 2) + b"{}", struct.pack("=BI", 1, 1) + b"{"):
    assert noise(data) == b"", data
read, write = os.pipe()
socket.send_fds(control, [b"serve"], [read])
with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
    socket.send_fds(control, [b"serve"], [other.fileno()])
print(ask()[-1][0])
"""
    done = run(upstream, code)
    assert done.stdout.splitlines()[0] == "END", done.stderr
    assert len(upstream.bodies) == 1


def test_it_ends_with_the_process_that_started_it(upstream: Upstream) -> None:
    code = "ask()\nprint(pid)\nsys.stdout.flush()\nos.kill(os.getpid(), 9)"
    done = run(upstream, code)
    assert done.returncode == -9
    pid = int(done.stdout)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
            return
        threading.Event().wait(0.05)
    pytest.fail("it lives on")


def test_a_ledger_row_is_read_as_it_was_written(upstream: Upstream) -> None:
    run(upstream, "ask()")
    lines: list[dict[str, Any]] = [json.loads(line) for line in upstream.ledger.read_text().splitlines()]
    assert lines[0]["process"] == "endpoint"
    assert oct(upstream.ledger.stat().st_mode & 0o777) == "0o600"
