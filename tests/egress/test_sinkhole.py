"""The sinkhole counts what leaves, exactly; a count of nothing means something only because of these."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.egress import messages, sinkhole

LEAKS = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"CANARY-UDP", ("192.0.2.77", 9999))
socket.getaddrinfo("one.example.test", 443)
socket.gethostbyname("two.example.test")
with socket.create_connection(("192.0.2.1", 443), 5) as connection:
    connection.sendall(b"CANARY-TCP")
try:
    socket.create_connection(("192.0.2.9", 12345), 5)
except ConnectionRefusedError:
    print("refused")
"""
QUIET = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    client = socket.create_connection(server.getsockname(), 5)
    client.sendall(b"to ourselves")
    print(server.accept()[0].recv(12).decode())
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"to our card", ("192.0.2.254", 9999))
print(socket.gethostbyname(socket.gethostname()))
"""


def python(code: str, *, timeout: float = 60, linger: float = 0.5) -> sinkhole.Traffic:
    return sinkhole.run([sys.executable, "-c", code], timeout=timeout, linger=linger)


def test_every_planted_leak_is_counted_exactly(sealed_world: None) -> None:
    traffic = python(LEAKS)
    assert (traffic.status, traffic.stdout) == (0, "refused\n"), traffic.stderr
    assert traffic.names == ("one.example.test", "two.example.test")
    assert [(one.address, one.port, one.sent) for one in traffic.connections] == [
        ("192.0.2.1", 443, b"CANARY-TCP"),
        ("192.0.2.9", 12345, b""),
    ]
    assert [(one.address, one.port, one.payload) for one in traffic.datagrams] == [("192.0.2.77", 9999, b"CANARY-UDP")]
    assert all(traffic.capture.count(canary) == 1 for canary in (b"CANARY-UDP", b"CANARY-TCP"))
    assert not traffic.quiet


def test_what_stays_on_the_machine_counts_as_nothing(sealed_world: None) -> None:
    traffic = python(QUIET)
    assert (traffic.status, traffic.stdout) == (0, "to ourselves\n127.0.0.1\n"), traffic.stderr
    assert traffic.quiet, traffic.summary()
    assert (traffic.packets, traffic.names, traffic.capture) == (0, (), b"")


@pytest.mark.parametrize(
    ("address", "family"), [("2001:db8::9", "AF_INET6"), ("255.255.255.255", "AF_INET"), ("224.0.0.251", "AF_INET")]
)
def test_other_kinds_of_addresses_count_too(sealed_world: None, address: str, family: str) -> None:
    code = f"""import socket
sender = socket.socket(socket.{family}, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
sender.sendto(b"CANARY", ("{address}", 5353))"""
    traffic = python(code)
    assert traffic.status == 0, traffic.stderr
    assert [(one.address, one.port, one.payload) for one in traffic.datagrams] == [(address, 5353, b"CANARY")]


def test_a_raw_query_past_the_resolver_counts_as_a_name(sealed_world: None) -> None:
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0\5leaky\4test\0\0\1\0\1"
    code = f"""import socket
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(5)
asker.connect(("192.0.2.8", 53))
asker.send({query!r})
print(asker.recv(512).endswith(bytes([192, 0, 2, 1])))"""
    traffic = python(code)
    assert (traffic.names, traffic.stdout) == (("leaky.test",), "True\n"), traffic.stderr


def test_the_host_that_a_tls_client_asks_for_is_read(sealed_world: None) -> None:
    code = """import socket, ssl
try:
    with socket.create_connection(("192.0.2.1", 443), 5) as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="collector.example.test")
except OSError:
    pass"""
    traffic = python(code)
    assert [one.server_name for one in traffic.connections] == ["collector.example.test"], traffic.stderr


def test_what_a_program_leaves_behind_is_heard_and_then_ended(sealed_world: None, tmp_path: Path) -> None:
    mark = tmp_path / "survivor"
    later = f"""import pathlib, socket, time
time.sleep(0.3)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"LATE", ("192.0.2.77", 9))
time.sleep(5)
pathlib.Path({str(mark)!r}).touch()"""
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {later!r}], start_new_session=True)"
    traffic = python(code, linger=1.5)
    assert [one.payload for one in traffic.datagrams] == [b"LATE"]
    assert not mark.exists()


def test_a_program_that_does_not_end_is_stopped(sealed_world: None) -> None:
    assert python("import time; time.sleep(60)", timeout=1, linger=0).status == sinkhole.TIMED_OUT


def test_a_program_is_ended_once_it_has_asked_for_a_host(sealed_world: None) -> None:
    code = """import socket, ssl, time
for name in ("other.example.test", "collector.example.test"):
    try:
        with socket.create_connection(("192.0.2.1", 443), 5) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname=name)
    except OSError:
        print(name, flush=True)
time.sleep(60)"""
    traffic = sinkhole.run([sys.executable, "-c", code], timeout=50, linger=0, until="collector.example.test")
    assert traffic.status == -signal.SIGKILL, traffic.stderr
    assert [one.server_name for one in traffic.connections] == ["other.example.test", "collector.example.test"]


def test_no_variable_of_a_ci_reaches_the_program(sealed_world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    quieting = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "HTTPS_PROXY", "HF_HUB_OFFLINE"}
    for name in quieting:
        monkeypatch.setenv(name, "1")
    traffic = python("import os; print(*sorted(os.environ))")
    arrived = set(traffic.stdout.split())
    assert not arrived & quieting
    assert arrived <= {*sinkhole.INHERITED, "HOME", "LC_CTYPE", "PWD"}


def test_it_is_a_command_too(sealed_world: None) -> None:
    command = [sys.executable, "-m", "tests.egress.sinkhole", "--", sys.executable, "-c"]
    done = [
        subprocess.run([*command, code], cwd=sinkhole.ROOT, capture_output=True, check=False, text=True)
        for code in (QUIET, LEAKS, "raise SystemExit(3)")
    ]
    assert [one.returncode for one in done] == [0, 1, 2]
    assert '"one.example.test"' in done[1].stdout


def test_what_is_no_message_is_read_as_none() -> None:
    for noise in (b"", b"\0" * 12, b"\x16\x03\x01", b"\xff" * 60):
        assert messages.asked_name(noise) is None
        assert messages.answer(noise, "192.0.2.1") is None
        assert messages.server_name(noise) is None
    assert messages.packet(b"\x10" * 60) is None
