"""A command that names an endpoint or a judge is sealed all the same: another process asks, and lists what it sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.few_mails import write_few_mails
from tests.jail import environment, needs_all
from tests.stub_api import Response, Seen, StubApi, says, serving

from ockham.sealed.evidence import FILE, check_evidence

EXAMPLE = "mails.csv"
COLUMNS = ("--input", "body", "--target", "label")
FIT = ("fit", EXAMPLE, *COLUMNS, "--rung", "constant", "--rung", "endpoint", "--json", "--out", "run", "-q")
KEY = "sk-CANARY-KEY"

pytestmark = needs_all


@pytest.fixture(autouse=True)
def mails_beside(tmp_path: Path) -> None:
    """Write the mails where the commands of a test are called."""
    write_few_mails(tmp_path / EXAMPLE)


def naming(api: StubApi) -> tuple[str, ...]:
    return ("--endpoint", api.url, "--endpoint-model", "m", "--endpoint-key-env", "BIG_ONE")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "ockham", *words]


def variables(folder: Path, **more: str) -> dict[str, str]:
    return environment(**{"XDG_STATE_HOME": str(folder / "state"), "BIG_ONE": KEY, **more})


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = variables(folder, **more)
    return subprocess.run(
        command(*words), cwd=folder, env=env, check=False, capture_output=True, text=True, timeout=200
    )


def bills(_number: int, _seen: Seen) -> Response:
    return says("billing")


def ledgers(folder: Path) -> list[Path]:
    return sorted((folder / "state").rglob("*.jsonl"))


def test_e9_a_climb_with_an_endpoint_is_sealed_and_its_requests_are_counted(tmp_path: Path) -> None:
    with serving(bills) as api:
        done = run(tmp_path, *FIT, *naming(api), https_proxy="http://192.0.2.1")
        host = api.url.split("/")[2]
        assert done.returncode in (0, 3, 4), done.stderr
        label = json.loads(done.stdout)["sealed"]
        assert label == f"sealed; {len(api.seen)} requests went to {host}, listed in the ledger"
        assert {seen.headers["Authorization"] for seen in api.seen} == {f"Bearer {KEY}"}
        asked = len(api.seen)
        evidence = tmp_path / "run" / FILE
        said = f"endpoint: {asked} requests went to {host}; they are listed in {evidence}"
        assert said in done.stderr.splitlines()
        assert [check for check in check_evidence(tmp_path / "run") if not check[1]] == []
        assert KEY not in "".join(path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file())
        assert ledgers(tmp_path) == [], "what the evidence holds need not be kept twice"
        page = (tmp_path / "run/report.html").read_text("utf-8")
        assert f"endpoints that you named ({asked} requests went to {host})" in page
        # The same command once more asks for nothing, and the count of the run stays.
        again = run(tmp_path, *FIT, *naming(api))
        assert json.loads(again.stdout)["sealed"] == label
        assert len(api.seen) == asked
    # A verdict that names fewer requests than the ledgers list does not hold.
    verdict = tmp_path / "run/verdict.json"
    verdict.write_text(verdict.read_text().replace(f"; {asked} requests", "; 1 request"))
    assert [name for name, ok, _ in check_evidence(tmp_path / "run") if not ok] == ["verdict's label"]


def test_an_endpoint_that_is_named_and_never_asked_got_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, *FIT[:8], *FIT[10:], "--endpoint", "http://127.0.0.1:9", "--endpoint-model", "m")
    assert json.loads(done.stdout)["sealed"] == "sealed; no request went to 127.0.0.1:9", done.stderr
    assert [check for check in check_evidence(tmp_path / "run") if not check[1]] == []


def test_a_key_that_is_missing_is_told_when_it_is_needed(tmp_path: Path) -> None:
    with serving(bills) as api:
        done = run(tmp_path, *FIT, *naming(api)[:-1], "NO_SUCH_KEY")
        assert "the environment variable NO_SUCH_KEY is not set" in done.stdout
        spaced = run(tmp_path, *FIT[:-2], "other", *naming(api), BIG_ONE="two words")
        assert (spaced.returncode, api.seen) == (2, [])
        assert spaced.stderr.startswith("E_ENDPOINT: the key is empty or contains spaces")


def test_predict_asks_through_the_other_process_and_keeps_its_ledger(tmp_path: Path) -> None:
    with serving(lambda _number, seen: says("billing")) as api:
        made = run(tmp_path, *FIT, *naming(api))
        bundle = next(path.parent for path in (tmp_path / "run/artifacts").rglob("bundle.json")
                      if '"kind":"endpoint"' in path.read_text().replace(" ", ""))  # fmt: skip
        asked = len(api.seen)
        (tmp_path / "rows.csv").write_text("body\n" + "".join(f"mail {number}\n" for number in range(7)))
        assert made.returncode in (0, 3, 4)
        words = ("predict", str(bundle), "rows.csv", "-q", "-o", "answers.csv", *naming(api)[:2], *naming(api)[4:])
        done = run(tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "answers.csv").read_text().count("billing") == 7
        assert len(api.seen) - asked == 7
    (ledger,) = ledgers(tmp_path)
    assert done.stderr.splitlines()[-1].endswith(
        f"7 requests went to {api.url.split('/')[2]}; they are listed in {ledger}"
    )
    assert ledger.read_text().count('"event":"request"') == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_climb_that_waits_for_an_endpoint_and_its_requests_are_in_the_evidence(
    tmp_path: Path, number: int
) -> None:
    def slow(_number: int, _seen: Seen) -> Response:
        return Response(body=says("billing").body, delay=0.5)

    with serving(slow) as api:
        with subprocess.Popen(
            command(*FIT, *naming(api)),
            cwd=tmp_path,
            env=variables(tmp_path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as child:
            end = time.monotonic() + 60
            while len(api.seen) < 6 and time.monotonic() < end:
                time.sleep(0.05)
            if number == signal.SIGINT:
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)
            _, err = child.communicate(timeout=30)
        asked = len(api.seen)
    assert child.returncode == 128 + number, err
    checks = {name: (ok, detail) for name, ok, detail in check_evidence(tmp_path / "run")}
    ok, detail = checks["invocation 1 of 1: endpoints"]
    assert ok
    # A row is written before its request is made: there may be some whose request was cut off.
    assert asked <= int(detail.split()[0]) <= asked + 4
    assert ledgers(tmp_path) == []


PROGRAM = """
import os, subprocess, sys
from ockham import sealing
from ockham.api.consent import Destination
out, before, url = sys.argv[1:4]
exec(before)
policy = sealing.policy("test", read=[], write=[out])
wanted = sealing.Preparation(folders=(out,), endpoints=(Destination(url=url, key_env="BIG_ONE"),))
status = sealing.fork(policy, wanted)
if status is not None:
    sys.exit(status)
# One more than each byte of the key, so that the key itself stands in no memory because of this search.
plus, needle = bytes((byte + 1) % 256 for byte in range(256)), b"tl.DBOBSZ.LFZ"
def is_key(data):
    return needle in data.translate(plus)
print("BIG_ONE" in os.environ, is_key(open("/proc/self/environ", "rb").read()))
child = subprocess.run([sys.executable, "-c", "print(open('/proc/self/environ', 'rb').read())"], capture_output=True)
print(is_key(child.stdout))
held = []
with open("/proc/self/mem", "rb", 0) as memory:
    for line in open("/proc/self/maps").read().splitlines():
        area, rights = line.split()[:2]
        begin, end = (int(part, 16) for part in area.split("-"))
        if rights.startswith("rw") and not line.endswith(("[vvar]", "[vsyscall]")):
            memory.seek(begin)
            if is_key(memory.read(end - begin)):
                held.append(f"{line.split()[5] if line.count('/') or '[' in line else 'anonymous'}:{end - begin}")
print(",".join(held) or "0")
for number in (os.getppid(), int(open(f"/proc/{os.getppid()}/task/{os.getppid()}/children").read().split()[0])):
    try:
        print(is_key(open(f"/proc/{number}/environ", "rb").read()))
    except PermissionError:
        print("refused")
"""


@pytest.mark.parametrize("before", ["", "from ockham.sealed import landlock\nlandlock.abi = lambda: 0"])
def test_e9_the_key_is_nowhere_in_the_sealed_process(tmp_path: Path, before: str) -> None:
    found = []
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        program = [sys.executable, "-c", PROGRAM, str(folder / "run"), before, "http://127.0.0.1:9/v1"]
        done = subprocess.run(program, env=variables(folder), check=False, capture_output=True, text=True, timeout=100)
        words = done.stdout.split()
        assert words[:3] + words[4:] == ["False", "False", "False", "refused", "refused"], done.stdout + done.stderr
        found.append(words[3])
        if words[3] == "0":
            return
    # Memory that was freed is not wiped, so that a copy may be seen now and then; one that is held is seen each time.
    pytest.fail(f"the key stands in memory each time: {found}")


def test_n07_a_climb_whose_ledger_cannot_be_written_sends_nothing_and_says_why(tmp_path: Path) -> None:
    state = tmp_path / "state/ockham/ledgers"
    state.mkdir(parents=True)
    fill = f'mount -t tmpfs -o size=16k none {state} && head -c 1000000 /dev/zero > {state}/fill; exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", fill, "sh"]
    with serving(bills) as api:
        words = [*prefix, *command(*FIT, *naming(api))]
        env = variables(tmp_path)
        done = subprocess.run(words, cwd=tmp_path, env=env, check=False, capture_output=True, text=True, timeout=200)
        assert api.seen == []
    assert "E_ENDPOINT: the ledger of requests cannot be written, so nothing is sent" in done.stdout, done.stderr
    assert json.loads(done.stdout)["sealed"].endswith("no request went to " + api.url.split("/")[2])
