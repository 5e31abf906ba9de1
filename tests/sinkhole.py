"""A network namespace where the documentation's addresses are local, and everything that is sent is recorded.

    python sinkhole.py MODE WAY...

MODE is ``open`` (the leak as it is), ``sealed`` (behind all walls) or ``seccomp`` (behind the filter, but in the same
network, so that nothing else stands in the way). Writes one JSON object: for each way, how often its word was seen.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.leaks import HOST, HOST6, LOG, PORT, PROXY, SERVICE

ROOT = Path(__file__).parents[1]
SEAL = """
import runpy, sys
from ockham.sealed import broker, namespaces
from ockham.sealed.policy import Policy
if sys.argv[1] == "seccomp":
    def refused():
        raise OSError(1, "refused")
    namespaces.leave = refused
watch, walls, attacks = broker.enter(Policy(verb="test"))
if watch is not None:
    status = broker.follow(watch)
    print("REFUSED|" + "|".join(f"{row.event} {row.host}" for row in watch.refused), file=sys.stderr)
    sys.exit(broker.leave_as(status))
assert walls.namespaces == (sys.argv[1] == "sealed")
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Recorder:
    """Keeps every packet of the loopback device, and what the sockets of services are told."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def listen(self, folder: Path) -> None:
        """Begin to record."""
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sniffer.bind(("lo", 0))
        self._start(sniffer)
        for port in (PORT, PROXY):
            server = socket.create_server((HOST, port))
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()
        service = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        service.bind(str(folder / SERVICE))
        service.listen()
        threading.Thread(target=self._accept, args=(service,), daemon=True).start()
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        log.bind(str(folder / LOG))
        self._start(log)

    def count(self, word: bytes) -> int:
        """Count what holds a word."""
        return sum(word in data for data in list(self.seen))

    def _start(self, way: socket.socket) -> None:
        threading.Thread(target=self._record, args=(way,), daemon=True).start()

    def _record(self, way: socket.socket) -> None:
        with suppress(OSError):
            while data := way.recv(65_536):
                self.seen.append(data)

    def _accept(self, server: socket.socket) -> None:
        while True:
            self._start(server.accept()[0])


def become_root() -> None:
    """Move into namespaces with ``unshare(1)``, as root there, so that the network can be set up."""
    command = ["unshare", "--user", "--map-root-user", "--net", "--mount", sys.executable, "-m", "tests.sinkhole"]
    os.execvp(command[0], [*command, "--inside", *sys.argv[1:]])


def prepare(folder: Path) -> None:
    """Make the documentation's addresses local, and the name server one of them."""
    for words in ("link set lo up", f"addr add {HOST}/32 dev lo", f"-6 addr add {HOST6}/128 dev lo nodad"):
        subprocess.run(["ip", *words.split()], check=True)
    for name, text in (
        ("resolv.conf", f"nameserver {HOST}\noptions timeout:1 attempts:1\n"),
        ("nsswitch.conf", "hosts: dns\n"),
    ):
        (folder / name).write_text(text)
        target = os.path.realpath(f"/etc/{name}")
        if Path(target).exists():
            subprocess.run(["mount", "--bind", folder / name, target], check=True)


def main(mode: str, ways: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        recorder = Recorder()
        recorder.listen(folder)
        counts = {}
        for number, way in enumerate(ways):
            word = f"canary{os.getpid()}n{number}"
            command = [str(ROOT / "tests/leaks.py"), way, word]
            if mode != "open":
                command = ["-c", SEAL, mode, *command]
            proxy = {"http_proxy": f"http://{HOST}:{PROXY}", "SINKHOLE": str(folder)}
            environment = {**os.environ, **proxy, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
            environment.pop("no_proxy", None)
            done = subprocess.run(
                [sys.executable, *command], env=environment, check=False, capture_output=True, timeout=60
            )
            time.sleep(0.2)
            lines = done.stderr.decode().strip().splitlines()
            counts[way] = {
                "seen": recorder.count(word.encode()),
                "error": [line for line in lines if not line.startswith("REFUSED|")][-1:],
                "refused": [word for line in lines if line.startswith("REFUSED|") for word in line.split("|")[1:]],
            }
        sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    if sys.argv[1] != "--inside":
        become_root()
    main(sys.argv[2], sys.argv[3:])
