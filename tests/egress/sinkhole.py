"""Run a program where every packet that would leave the machine is recorded, and nothing can leave.

The program gets a user, network and mount namespace of its own (`unshare`, no root needed). There the loopback device
takes every address of the world, so that each connection attempt is delivered to a recorder; names are asked of a
resolver that writes them down and answers each with 192.0.2.1. All addresses are documentation addresses that are local
to the namespace. Only Python and `unshare` are needed; nothing of ockham is imported.

In a test::

    traffic = sinkhole.run(["ockham", "fit", "rows.csv"], home=tmp_path)
    assert traffic.status == 0, traffic.stderr
    assert traffic.quiet, traffic.summary()

On the command line (exit status 0: quiet, 1: something was sent, 2: the program failed or no namespace can be made)::

    python -m tests.egress.sinkhole [--capture FILE.pcap] -- COMMAND [ARGUMENT...]

What counts: a packet whose destination is none of the machine's own addresses (127.0.0.0/8, ::1, and 192.0.2.254 and
2001:db8::fe, which stand for its network card). A lookup counts as a name and as packets, and any query on port 53
counts as a name, wherever it goes. What does not: traffic between processes of the machine, and UNIX sockets; /run is
empty in there, so that no service of the machine (systemd-resolved, nscd, D-Bus, Docker) carries anything out.
Connections to the ports of `recorder.SERVED` are accepted and their first bytes kept; to all others they are refused,
and count.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
INHERITED = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "OCKHAM_KERNELS")
"""All that the program inherits: neither a CI's variables, by which libraries keep quiet, nor any switch or proxy."""
TIMED_OUT = 124


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A TCP connection that the program tried to open; ``sent`` is the beginning of what it sent, where accepted."""

    address: str
    port: int
    sent: bytes
    server_name: str | None
    """The host that a TLS client asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """A UDP datagram that is no query of the resolver."""

    address: str
    port: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a program did, and what of it would have left the machine.

    ``names`` are the names that were looked up, each once, in order. ``packets`` counts every packet that would have
    left, of any protocol; ``capture`` holds them (their bytes from the IP header on, one after the other), to be
    searched for what must not be there.
    """

    status: int
    """The program's exit status; 124 where it was stopped after ``timeout`` seconds."""
    stdout: str
    stderr: str
    names: tuple[str, ...]
    connections: tuple[Connection, ...]
    datagrams: tuple[Datagram, ...]
    packets: int
    capture: bytes = field(repr=False)

    @property
    def quiet(self) -> bool:
        """Whether nothing would have left the machine and no name was looked up."""
        return not (self.packets or self.names)

    def summary(self) -> dict[str, object]:
        """Return what would have left, for a person or as JSON."""
        return {
            "status": self.status,
            "packets": self.packets,
            "names": list(self.names),
            "connections": [f"{one.server_name or one.address}:{one.port}" for one in self.connections],
            "datagrams": [f"{one.address}:{one.port} ({len(one.payload)} bytes)" for one in self.datagrams],
        }


def unavailable() -> str | None:
    """Return why no such namespace can be made on this machine; ``None`` where one can."""
    if not sys.platform.startswith("linux"):
        return "namespaces are Linux's"
    if shutil.which(UNSHARE[0]) is None:
        return "unshare (util-linux) is not installed"
    try:
        traffic = run([sys.executable, "-S", "-c", "pass"], timeout=20, linger=0)
    except RuntimeError as error:
        return str(error)
    return None if traffic.status == 0 else f"a program could not be run there: {traffic.stderr.strip()[-200:]}"


def bare_environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment in which no library is told to keep quiet, with a home that holds nothing."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, "HOME": str(home), **variables}


def run(
    command: Sequence[str | Path],
    *,
    home: Path | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 300.0,
    linger: float = 1.0,
    until: str | None = None,
) -> Traffic:
    """Run a command in a namespace of its own until it ends, and return what it sent.

    Without ``environment`` it gets `bare_environment`, with ``home`` (or an empty folder) as its home. The recorder
    listens ``linger`` seconds longer than the program runs, then ends what the program left behind. The program is
    killed as soon as a TLS client of its has asked for the host ``until``. Raises RuntimeError where the namespace
    cannot be made or packets were lost.
    """
    with tempfile.TemporaryDirectory(prefix="sinkhole-") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        given = bare_environment(home or folder / "home") if environment is None else dict(environment)
        spec = {
            "command": [str(word) for word in command],
            "environment": given,
            "cwd": str(cwd or Path.cwd()),
            "timeout": timeout,
            "linger": linger,
            "until": until,
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        recorder = [*UNSHARE, sys.executable, "-m", "tests.egress.recorder", str(folder)]
        done = subprocess.run(
            recorder, cwd=ROOT, env={"PATH": os.environ.get("PATH", os.defpath)}, capture_output=True, check=False,
            timeout=timeout + linger + 60,
        )  # fmt: skip
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason was given"]
            raise RuntimeError(f"no sinkhole could be made: {said[-1]}")
        return _read(folder)


def _read(folder: Path) -> Traffic:
    kept = json.loads((folder / "traffic.json").read_text())
    return Traffic(
        status=kept["status"],
        stdout=(folder / "stdout").read_text(errors="replace"),
        stderr=(folder / "stderr").read_text(errors="replace"),
        names=tuple(kept["names"]),
        connections=tuple(Connection(**{**one, "sent": bytes.fromhex(one["sent"])}) for one in kept["connections"]),
        datagrams=tuple(Datagram(**{**one, "payload": bytes.fromhex(one["payload"])}) for one in kept["datagrams"]),
        packets=kept["packets"],
        capture=(folder / "capture").read_bytes(),
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command behind ``--`` and print what it sent as JSON."""
    words = list(arguments)
    out = Path(words.pop(1)) if words[:1] == ["--capture"] and len(words) > 1 and words.pop(0) else None
    if words[:1] != ["--"] or len(words) < 2:
        sys.stderr.write("usage: python -m tests.egress.sinkhole [--capture FILE] -- COMMAND [ARGUMENT...]\n")
        return 2
    try:
        traffic = run(words[1:])
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(traffic.stderr)
    if out is not None:
        out.write_bytes(traffic.capture)
    sys.stdout.write(json.dumps(traffic.summary(), indent=1) + "\n")
    if not traffic.quiet:
        return 1
    return 0 if traffic.status == 0 else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
