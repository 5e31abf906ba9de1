"""The proof of sealed mode for a reviewer: E1 to E11, one line each, with Python, unshare and ip alone.

    scripts/prove-sealed [--quick] [--untimed]

Exit status 0: everything held; 1: something did not; 2: this machine cannot show it. ``--quick`` leaves out tuning and
the sweep over all libraries, ``--untimed`` the limit of five minutes (E11); both say so. Each count of nothing stands
beside one of something: what is searched for is planted first, and must be found.
"""

from __future__ import annotations

import csv
import hashlib
import html
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

from tests.egress import sinkhole, sweep
from tests.leaks import WAYS

COLUMNS = ("--input", "body", "--target", "label")
LABELS = ("billing", "shipping", "returns")
KEYS = (
    *("OPENAI_API_KEY", "HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DATABASE_URL"),
    *("ANTHROPIC_API_KEY", "COMET_API_KEY", "MLFLOW_TRACKING_TOKEN", "LANGSMITH_API_KEY", "SOME_PASSWORD"),
)
PROXY = "http://192.0.2.99:3128"
SABOTAGE = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), PROXY),
    "HF_ENDPOINT": "http://192.0.2.98",
    "MLFLOW_TRACKING_URI": "http://192.0.2.97:5000",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://192.0.2.96:4318",
}
HIDDEN = (".ssh/id_ed25519", ".aws/credentials", ".netrc", ".config/gh/hosts.yml")
DECLARED = ("run", "tuned", "clean", "answers.csv", "page.html", "rows.csv")
"""Where the user's rows may stand: what a command was asked to write, and the input."""
SERVES = find_spec("uvicorn") is not None
"""Whether what ``ockham serve`` needs is installed (the extra serve)."""
EXTERNAL = re.compile(
    r"""(?:src|href|action|data|poster|xlink:href)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//"""
    r"|@import|http-equiv=.?refresh",
    re.I,
)
SEAL = """
import sys
from ockham.sealed import broker, landlock, namespaces, seccomp
from ockham.sealed.policy import Policy
def refuse():
    raise OSError(1, "refused")
{change}
watch, walls, attacks = broker.enter(Policy(verb="proof"))
if watch is not None:
    sys.exit(broker.leave_as(broker.follow(watch)))
print(walls.label)
"""


@dataclass
class World:
    """A home with rows, keys and hidden files, every one marked with words that stand nowhere else."""

    home: Path
    rows: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def canaries(self) -> list[str]:
        return [*self.rows, *self.keys]


def word() -> str:
    return f"cnry{secrets.token_hex(8)}"


def make_world(home: Path, count: int = 1000) -> World:
    """Make a home with ``count`` canaries: in the labels, keys, hidden files, and the rest in texts."""
    world = World(home)
    world.keys = [word() for _ in range(len(KEYS) + len(HIDDEN))]
    labels = [word() for _ in LABELS]
    texts = [word() for _ in range(count - len(world.keys) - len(labels))]
    world.rows = [*labels, *texts]
    for name, key in zip(HIDDEN, world.keys[len(KEYS) :], strict=True):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"secret = {key}\n")
    topics = ("the invoice was charged twice", "my parcel is late again", "I want to send the shoes back")
    with (home / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("body", "label"))
        per_row = -(-len(texts) // 240)
        for number in range(240):
            kind = number % 3
            marks = " ".join(texts[number * per_row : (number + 1) * per_row])
            writer.writerow((f"{topics[kind]} {marks} {secrets.token_hex(4)}", f"{LABELS[kind]} {labels[kind]}"))
    (home / "tmp").mkdir()
    paths = os.pathsep.join(filter(None, (str(sinkhole.ROOT / "src"), os.environ.get("PYTHONPATH", ""))))
    own = {**SABOTAGE, **dict(zip(KEYS, world.keys, strict=False)), "PYTHONPATH": paths, "TMPDIR": str(home / "tmp")}
    world.environment = sinkhole.bare_environment(home, **own)
    assert not {"CI", "GITHUB_ACTIONS", "TF_BUILD"} & set(world.environment)
    return world


def pipeline(*, jail: bool, tune: str | None, encoder: bool = True) -> str:
    """Return a shell program: curate, fit, tune, predict, eval, report, serve."""
    mode = "" if jail else " --unsealed"
    ockham = f"{sys.executable} -m ockham"
    columns = " ".join(COLUMNS)
    rungs = "--rung constant --rung linear" + (" --rung encoder" if encoder else "")
    steps = [
        f"curate rows.csv {columns} --min-words 1 --step exact --step near -o clean -q{mode}",
        f"fit rows.csv {columns} {rungs} --all --out run -q{mode}",
        f"predict run rows.csv -o answers.csv -q{mode}",
        f"eval run rows.csv {columns} -q{mode}",
        "report run --out page.html",
    ]
    if tune is not None:
        steps.insert(2, f"tune rows.csv --base {tune} {columns} --epochs 1 --out tuned -q{mode}")
    # 3 and 4 are verdicts: none meets the requirements, cannot tell yet.
    done = [f"{ockham} {step}; s=$?; [ $s -le 0 ] || [ $s -eq 3 ] || [ $s -eq 4 ] || exit $s" for step in steps]
    if SERVES:
        mode = "sealed" if jail else "unsealed"
        done.append(f"PYTHONPATH={sinkhole.ROOT}:$PYTHONPATH {sys.executable} -m tests.egress.asking {mode} || exit 1")
    return "\n".join(done)


class Processes:
    """Looks at the command line of every process while something runs."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Processes:  # noqa: PYI034 - Self needs Python 3.11 or a package
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.2):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    self.seen.add(path.read_bytes())


def hits(data: bytes, canaries: list[str]) -> int:
    """Count the canaries that stand in some bytes, as they are, in hexadecimal or in base64 as DNS and URLs carry."""
    found = set(re.findall(rb"cnry[0-9a-f]{16}", data))
    return sum(canary.encode() in found for canary in canaries)


def strays(world: World) -> dict[str, int]:
    """Count canaries in the files of a home: of keys in any, of rows in all that nobody asked for."""
    counts: dict[str, int] = {}
    for path in world.home.rglob("*"):
        name = path.relative_to(world.home).as_posix()
        if not path.is_file() or name in HIDDEN:
            continue
        declared = name.split("/")[0] in DECLARED
        number = hits(path.read_bytes(), world.keys if declared else world.canaries)
        if number:
            counts[name] = number
    return counts


def external(home: Path) -> list[str]:
    """List the pages that load or point to something elsewhere, or have no policy against it."""
    bad = []
    for path in (*home.rglob("*.html"), *home.rglob("*.svg"), *home.rglob("*.md")):
        text = html.unescape(path.read_text("utf-8", "replace"))
        if EXTERNAL.search(text) or (path.suffix == ".html" and "default-src 'none'" not in text):
            bad.append(path.relative_to(home).as_posix())
    return bad


@dataclass
class Passage:
    """A run of the pipeline: what it sent, what it left, and the processes that were seen."""

    world: World
    traffic: sinkhole.Traffic
    processes: set[bytes]
    jail: bool

    def sent(self) -> str:
        capture = hits(self.traffic.capture, self.world.canaries)
        names = hits(" ".join(self.traffic.names).encode(), self.world.canaries)
        packets, asked = self.traffic.packets, len(self.traffic.names)
        return f"{packets} packets, {asked} names, {capture + names} of {len(self.world.canaries):,} canaries"

    @property
    def quiet(self) -> bool:
        return self.traffic.status == 0 and self.traffic.quiet


def go(home: Path, *, jail: bool, tune: str | None = None, encoder: bool = True, canaries: int = 1000) -> Passage:
    """Run the pipeline in the sinkhole."""
    world = make_world(home, canaries)
    with Processes() as seen:
        traffic = sinkhole.run(
            ["sh", "-c", pipeline(jail=jail, tune=tune, encoder=encoder)],
            home=home, cwd=home, environment=world.environment, timeout=500, linger=12 if encoder else 1,
        )  # fmt: skip
    return Passage(world, traffic, seen.seen, jail)


def plant_leaks(mode: str) -> dict[str, dict[str, object]]:
    """Run every planted leak in a network of its own (tests/sinkhole.py); returns how often each was seen."""
    command = [sys.executable, "-m", "tests.sinkhole", mode, *WAYS]
    environment = {**clean(), "PYTHONPATH": f"{sinkhole.ROOT}:{sinkhole.ROOT / 'src'}"}
    done = subprocess.run(
        command, cwd=sinkhole.ROOT, env=environment, check=False, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1:] or "the leaks could not be planted")
    counts: dict[str, dict[str, object]] = json.loads(done.stdout)
    return counts


def clean() -> dict[str, str]:
    """Return this environment without the variables of a CI."""
    return {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS", "TF_BUILD")}


def label_with(change: str) -> str:
    """Return the label of a jail with a wall less, or the first line of why it did not start."""
    environment = {**clean(), "PYTHONPATH": str(sinkhole.ROOT / "src")}
    code = SEAL.format(change=change)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip() or next(
        (line.strip() for line in reversed(done.stderr.splitlines()) if "E_SEALED" in line), "failed"
    )


class Api(ThreadingHTTPServer):
    """An endpoint on the loopback: keeps each body, and whether its row was on the disk when it came."""

    def __init__(self, state: Path, location: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Answerer)
        self.state = state
        self.location = location
        self.bodies: list[str] = []
        self.was_listed: list[bool] = []


class Answerer(BaseHTTPRequestHandler):
    """Answers every question alike, or with a redirect."""

    def do_POST(self) -> None:
        api = self.server
        assert isinstance(api, Api)
        digest = hashlib.sha256(self.rfile.read(int(self.headers["Content-Length"]))).hexdigest()
        api.bodies.append(digest)
        api.was_listed.append(any(digest in path.read_text() for path in api.state.rglob("*.jsonl")))
        reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": "billing"}}]}).encode()
        self.send_response(307 if api.location else 200)
        if api.location:
            self.send_header("Location", api.location)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def serving(state: Path, location: str = "") -> Iterator[Api]:
    """Run an endpoint for the length of a block."""
    api = Api(state, location)
    thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        api.shutdown()
        thread.join()
        api.server_close()


def ask_endpoint(home: Path) -> tuple[bool, str]:
    """E9: what an endpoint got is what the ledger lists, each row before its request; a redirect leads nowhere."""
    world = make_world(home, 200)
    environment = {**world.environment, "XDG_STATE_HOME": str(home / "state"), "CHOSEN": "key-of-the-endpoint"}

    def fit(api: Api, out: str) -> str:
        url = f"http://127.0.0.1:{api.server_port}/v1"
        names = ("--endpoint", url, "--endpoint-model", "m", "--endpoint-key-env", "CHOSEN")
        words = ("fit", "rows.csv", *COLUMNS, "--rung", "constant", "--rung", "endpoint", "--out", out, "-q", "--json")
        command = [sys.executable, "-m", "ockham", *words, *names]
        done = subprocess.run(
            command, cwd=home, env=environment, check=False, capture_output=True, text=True, timeout=200
        )
        return str(json.loads(done.stdout)["sealed"]) if done.stdout else done.stderr[-200:]

    with serving(home / "state") as api:
        label = fit(api, "run")
    entry = json.loads((home / "run/evidence.json").read_text())["entries"][-1]
    listed = [row["sha256"] for row in entry["sent"] if row["event"] == "request"]
    with serving(home / "state") as other, serving(home / "state", f"http://127.0.0.1:{other.server_port}/v1") as api2:
        fit(api2, "run2")
    same = Counter(listed) == Counter(api.bodies)
    held = same and bool(listed) and all(api.was_listed) and bool(api2.bodies) and not other.bodies
    held = held and label.startswith("sealed; ")
    return (
        held,
        f"{len(api.bodies)} requests came, {len(listed)} rows, same digests: {same}; redirects: {len(other.bodies)}",
    )


def trace_sockets(home: Path) -> tuple[bool | None, str]:
    """E4: what strace says of the internet's sockets in a sealed command."""
    if shutil.which("strace") is None:
        return None, "strace is not installed"
    world = make_world(home, 200)
    out = home / "strace.txt"
    words = ("fit", "rows.csv", *COLUMNS, "--rung", "constant", "--rung", "linear", "--out", "run", "-q")
    command = ["strace", "-f", "-e", "trace=socket,connect", "-o", str(out), sys.executable, "-m", "ockham", *words]
    subprocess.run(command, cwd=home, env=world.environment, check=False, capture_output=True, timeout=300)
    lines = [line for line in out.read_text("utf-8", "replace").splitlines() if "socket(AF_INET" in line]
    opened = [line for line in lines if not re.search(r"= -1 E", line)]
    return bool(lines) and not opened, f"{len(lines)} asked for (the self-attack's), {len(opened)} opened"


class Table:
    """Prints a line for each part of the proof, and knows whether all held."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def line(self, name: str, what: str, held: bool | None, detail: str) -> None:
        word = "not run" if held is None else "holds" if held else "FAILS"
        if held is False:
            self.failed.append(name)
        sys.stdout.write(f"{name:<4} {word:<8} {what}: {detail}\n")
        sys.stdout.flush()


def prove(folder: Path, *, quick: bool, timed: bool) -> list[str]:
    """Run every part and print its line; returns the names of those that did not hold."""
    begun, table = time.monotonic(), Table()

    def home(name: str) -> Path:
        (folder / name).mkdir()
        return folder / name

    tune = None if quick else tiny_model(folder / "model")
    homes = [home(name) for name in ("open", "shut")]
    with ThreadPoolExecutor(2) as pool:
        open_, shut = pool.map(lambda place: go(place, jail=place.name == "shut", tune=tune), homes)
        free, held = pool.map(plant_leaks, ("open", "sealed"))
    steps = ", ".join(("curate, fit with an encoder", *(["tune"] if tune else []), "predict, eval, report"))
    steps += ", serve (100 requests)" if SERVES else " (serve is not installed)"
    for name, what, passage in (("E1", "no jail, libraries alone", open_), ("E1", "with the jail", shut)):
        detail = passage.sent() if passage.traffic.status == 0 else passage.traffic.stderr[-300:]
        table.line(name, f"{steps}; {what}", passage.quiet, detail)
    seen = [way for way, one in free.items() if one["seen"]]
    got_out = [way for way, one in held.items() if one["seen"]]
    table.line("E2", "planted leaks without the jail", len(seen) == len(WAYS), f"{len(seen)} of {len(WAYS)} counted")
    rows = sum(bool(one["refused"]) for one in held.values())
    table.line("E3", "the same with it", not got_out, f"{len(got_out)} got out; {rows} named by the witness inside")
    table.line("E4", "sockets of the internet, by strace", *trace_sockets(home("strace")))
    table.line("E5", "import of every library behind ockham", *sweep_imports(home, quick=quick))
    table.line(
        "E6", "proxies, tokens and hosts in the environment", open_.quiet and shut.quiet, "set in both runs of E1"
    )
    table.line("E7", "canaries where nobody asked for them", *search(shut, open_))
    bad = [*external(open_.world.home), *external(shut.world.home)]
    table.line("E8", "pages that point elsewhere", not bad, ", ".join(bad) or "none")
    table.line("E9", "an endpoint through the process that asks", *ask_endpoint(home("endpoint")))
    for change, wanted in CHANGES.items():
        label = label_with(change)
        table.line("E10", "a jail with a wall less says so", wanted in label, label)
    seconds = time.monotonic() - begun
    within = seconds < 300 if timed else None
    table.line("E11", "all of this took less than five minutes", within, f"{seconds:.0f} s")
    return table.failed


CHANGES = {
    "": "sealed",
    "namespaces.leave = refuse": "sealed (seccomp alone)",
    "landlock.abi = lambda: 0": "sealed (without Landlock)",
    "seccomp.install = lambda: None": "E_SEALED",
}


def search(*passages: Passage) -> tuple[bool, str]:
    """E7: search packets, output, processes and files; a word that is planted in each must be found."""
    counts: dict[str, int] = {}
    for passage in passages:
        world, traffic = passage.world, passage.traffic
        places = {
            "packets": traffic.capture,
            "messages": traffic.stderr.encode(),
            "processes": b"\n".join(passage.processes),
        }
        for name, data in places.items():
            assert hits(data + world.keys[0].encode(), world.canaries) >= 1
            counts[name] = counts.get(name, 0) + hits(data, world.canaries)
        # What a command prints as its result may name labels, but no text and no key.
        private = [*world.rows[len(LABELS) :], *world.keys]
        counts["results"] = counts.get("results", 0) + hits(traffic.stdout.encode(), private)
        counts["files"] = counts.get("files", 0) + sum(strays(world).values())
        planted = world.home / "tmp" / "planted"
        planted.write_text(world.rows[-1] + world.keys[0])
        assert strays(world).get("tmp/planted") == 2
        planted.unlink()
    return not any(counts.values()), ", ".join(f"{number} in {name}" for name, number in counts.items())


def sweep_imports(home: Callable[[str], Path], *, quick: bool) -> tuple[bool | None, str]:
    """E5: onnxruntime by itself must speak; behind ockham nothing may."""
    if quick:
        return None, "left out by --quick"
    names = sweep.modules_of_a_fresh_process()
    quiet = sweep.sweep(["ockham", *names], home("sweep"), patience=12)
    alone = sweep.sweep(["onnxruntime"], home("alone"), patience=25) if "onnxruntime" in names else None
    spoke = "not installed" if alone is None else ", ".join(alone.names) or "silent"
    held = quiet.quiet and quiet.status == 0
    return held, f"{quiet.packets} packets of {len(names)} modules; onnxruntime alone: {spoke}"


def tiny_model(folder: Path) -> str | None:
    """Write a model of random weights to tune; ``None`` where the libraries for tuning are not installed."""
    code = "import sys, pathlib; from tests import tiny_encoder; tiny_encoder.write(pathlib.Path(sys.argv[1]), 'bert')"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=sinkhole.ROOT, env=clean(), check=False, capture_output=True
    )
    return str(folder) if done.returncode == 0 else None


def main(arguments: list[str]) -> int:
    """Print the table."""
    if (reason := sinkhole.unavailable()) is not None or shutil.which("ip") is None:
        sys.stderr.write(f"prove-sealed: {reason or 'ip (iproute2) is not installed'}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="prove-") as name:
        failed = prove(Path(name), quick="--quick" in arguments, timed="--untimed" not in arguments)
    sys.stdout.write("everything held\n" if not failed else f"did not hold: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
