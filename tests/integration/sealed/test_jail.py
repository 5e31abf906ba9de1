"""The walls as a process behind them meets them: files, secrets, limits, signals, fallbacks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from tests import tiny_gguf
from tests.jail import ROOT, environment, jailed, linux, needs_all, script

from ockham.sealed import self_attack

pytestmark = linux
LABEL = "print(walls.label)"
NO_NAMESPACES = """
from ockham.sealed import namespaces
def refused():
    raise OSError(1, "refused")
namespaces.leave = refused
"""
NO_LANDLOCK = "from ockham.sealed import landlock\nlandlock.abi = lambda: 0"
NO_MAPPING = """
from ockham.sealed import namespaces
def refused(pid):
    raise OSError(1, "refused")
namespaces.map_users = refused
"""


@needs_all
def test_the_label_says_that_all_walls_stand() -> None:
    done = jailed("import os; print(walls.label, len(attacks), all(a.stopped for a in attacks), os.getuid())")
    assert done.stdout == f"sealed 10 True {os.getuid()}\n", done.stderr


@needs_all
@pytest.mark.parametrize(
    ("before", "label"),
    [
        (NO_NAMESPACES, "sealed (seccomp alone)"),
        (NO_MAPPING, "sealed (seccomp alone)"),
        (NO_LANDLOCK, "sealed (without Landlock)"),
        (f"{NO_NAMESPACES}\n{NO_LANDLOCK}", "sealed (seccomp alone)"),
    ],
)
def test_n08_with_a_wall_less_the_label_says_so(before: str, label: str) -> None:
    done = jailed(f"{LABEL}\nprint(sorted(walls.absent))", before=before)
    assert done.stdout.splitlines()[0] == label, done.stderr
    assert ("namespaces" in done.stdout.splitlines()[1]) == ("seccomp alone" in label)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("from ockham.sealed import seccomp\nseccomp.install = lambda: None", "the self-attack by raw libc got out"),
        (
            "from ockham.sealed import seccomp\ncode = seccomp.program\nseccomp._SEQUENCED = 2",
            "the self-attack by unix datagram got out",
        ),
        ("from ockham.sealed import jail\njail.prctl = lambda *a: 0", "a wall could not be put up"),
    ],
)
def test_n08_a_jail_that_does_not_hold_refuses_to_start(before: str, why: str) -> None:
    done = jailed("print('started')", before=before)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "E_SEALED" in done.stderr
    assert why in done.stderr


def test_a_jail_whose_kernel_facts_disagree_refuses_to_start() -> None:
    before = """
from ockham.sealed import broker
look = broker.look
import dataclasses
broker.look = lambda *a: dataclasses.replace(look(*a), no_new_privs=False, unfiltered=1, reaching=2)
"""
    done = jailed("print('started')", before=before)
    assert (done.returncode, done.stdout) == (1, "")
    for why in ("it may gain privileges", "a process of it is not filtered", "it holds an open connection"):
        assert why in done.stderr


def test_more_than_one_thread_is_refused() -> None:
    before = "import threading, time\nthreading.Thread(target=time.sleep, args=(3,), daemon=True).start()"
    done = jailed("print('started')", before=before)
    assert (done.returncode, done.stdout) == (1, "")
    assert "more than one thread" in done.stderr


def test_an_inherited_connection_is_closed_or_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as way:
        code = "import os\nprint([n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}')], walls.closed)"
        command = script(code)
        done = subprocess.run(
            command, env=environment(), pass_fds=[way.fileno()], check=True, capture_output=True, text=True
        )
        assert str(way.fileno()) not in done.stdout.split("]")[0].strip("[").split(", ")
        assert done.stdout.endswith(" 1\n")
        command = script("print('started')")
        refused = subprocess.run(
            command, env=environment(), stdin=way.fileno(), check=False, capture_output=True, text=True
        )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "standard input leads to another machine or service" in refused.stderr


@needs_all
def test_files_outside_the_run_cannot_be_changed(tmp_path: Path) -> None:
    run, data = tmp_path / "run", tmp_path / "data"
    run.mkdir()
    data.mkdir()
    (data / "rows.csv").write_text("a,b\n")
    code = f"""
import os
from pathlib import Path
run, data = Path({str(run)!r}), Path({str(data)!r})
print((data / "rows.csv").read_text() == "a,b\\n")
(run / "inner").mkdir()
(run / "inner" / "x").write_text("x")
os.rename(run / "inner" / "x", run / "y")  # from folder to folder, as every run does
os.link(run / "y", run / "z")
def refused(call):
    try:
        call()
    except PermissionError:
        return True
    return False
print(refused(lambda: (data / "new").write_text("x")), refused(lambda: (data / "rows.csv").unlink()))
print(refused(lambda: (data / "rows.csv").write_text("")), refused(lambda: os.rename(run / "y", data / "y")))
print(refused(lambda: os.mkdir(data / "d")), refused(lambda: os.symlink("/", data / "l")))
import tempfile
with tempfile.TemporaryFile() as f:
    f.write(b"x")
open("/dev/null", "w").close()
from multiprocessing import Lock
Lock()
"""
    done = jailed(code, write=(str(run),))
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"True"}
    assert sorted(path.name for path in run.iterdir()) == ["inner", "y", "z"]
    assert (data / "rows.csv").read_text() == "a,b\n"


@needs_all
def test_keys_in_the_home_folder_cannot_be_read_unless_they_are_named(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id").write_text("key")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("key")
    (tmp_path / "notes").write_text("free")
    code = """
import os
from pathlib import Path
home = Path(os.environ["HOME"])
print((home / "notes").read_text(), (home / ".aws/credentials").read_text())
try:
    print((home / ".ssh/id").read_text())
except PermissionError:
    print("refused")
"""
    done = jailed(code, env={"HOME": str(tmp_path)}, read=(str(tmp_path / ".aws"),))
    assert done.stdout == "free key\nrefused\n", done.stderr


def test_secrets_and_proxies_are_gone_from_the_environment() -> None:
    secrets = {
        "HF_TOKEN": "canary1",
        "OPENAI_API_KEY": "canary2",
        "https_proxy": "canary3",
        "AWS_SECRET_ACCESS_KEY": "canary4",
        "MY_DB_PASSWORD": "canary5",
        "SSH_AUTH_SOCK": "canary6",
    }
    code = """
import os, subprocess
from pathlib import Path
here = Path("/proc/self/environ").read_bytes() + repr(dict(os.environ)).encode()
print(b"canary" in here, b"kept" in here, "canary" in subprocess.run(["env"], capture_output=True, text=True).stdout)
print(*walls.forgotten)
"""
    done = jailed(code, env={**secrets, "TOKENIZERS_PARALLELISM": "kept", "OCKHAM_KERNELS": "/tmp"})
    flags, names = done.stdout.splitlines()
    assert flags == "False True False", done.stderr
    assert set(secrets) <= set(names.split())
    assert not {"TOKENIZERS_PARALLELISM", "OCKHAM_KERNELS"} & set(names.split())


def test_n05_core_dumps_files_and_memory_are_bounded() -> None:
    code = """
import resource, os
print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= 65536)
print(resource.getrlimit(resource.RLIMIT_DATA)[1] == walls.limits["data"] >= os.sysconf("SC_PHYS_PAGES") * 4096)
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "NoNewPrivs", "Seccomp:")):
        print(line.split()[1])
"""
    lines = jailed(code).stdout.splitlines()
    assert lines[:2] == ["(1, 1) True", "True"]
    assert int(lines[2], 16) & ~0b1111 == 0
    assert lines[3:] == ["1", "2"]


def test_a_process_pool_and_pipes_work() -> None:
    code = """
import multiprocessing, concurrent.futures, asyncio
if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        print(sum(pool.map(abs, range(10))))
    asyncio.run(asyncio.sleep(0))
"""
    done = jailed(code)
    assert done.stdout == "45\n", done.stderr


def test_n02_a_connection_is_made_to_sockets_of_the_jail_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(tmp_path / "s.sock"))
        stranger.listen()
        code = f"""
import os, socket, tempfile, threading, subprocess
from pathlib import Path
from ockham.sealed import connector
folder = Path(tempfile.mkdtemp())
server = socket.socket(socket.AF_UNIX)
server.bind(str(folder / "own.sock"))
server.listen()
threading.Thread(target=lambda: server.accept()[0].sendall(b"own"), daemon=True).start()
with connector.connect(folder / "own.sock", 5) as way:
    print(way.recv(9))
(folder / "link.sock").symlink_to({str(tmp_path / "s.sock")!r})
(folder / "plain").touch()
for path in ({str(tmp_path / "s.sock")!r}, folder / "link.sock", folder / "plain", folder / "no", folder,
             folder / ".." / ".." / "x", "/run/x"):
    try:
        connector.connect(Path(path), 5)
        print("connected")
    except ConnectionRefusedError as error:
        print("refused")
code = "import sys, pathlib; from ockham.sealed.connector import connect; connect(pathlib.Path(sys.argv[1]), 5)"
threading.Thread(target=server.accept, daemon=True).start()
done = subprocess.run([sys.executable, "-c", code, str(folder / "own.sock")], pass_fds=connector.control())
print(done.returncode)
"""
        done = jailed(code, write=(str(tmp_path),))
    lines = done.stdout.splitlines()
    assert lines[0] == "b'own'", done.stderr
    assert lines[1:8] == ["refused"] * 7
    assert lines[-1] == "0", done.stderr


@pytest.mark.parametrize("status", [0, 3, 141])
def test_the_exit_status_is_handed_on(status: int) -> None:
    assert jailed(f"sys.exit({status})").returncode == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_the_signal_that_ended_it_is_handed_on(number: int) -> None:
    assert jailed(f"import os, time\nos.kill(os.getpid(), {number})\ntime.sleep(9)").returncode == -number


def started(code: str, **how: object) -> subprocess.Popen[str]:
    command = script(f"print('ready', flush=True)\n{code}", **how)  # type: ignore[arg-type]
    child = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_sealed_process_once(number: int) -> None:
    code = f"""
import signal, time
heard = []
signal.signal({number}, lambda *a: heard.append(1))
print('set', flush=True)
end = time.monotonic() + 1
while time.monotonic() < end:
    time.sleep(0.05)
print(len(heard))
"""
    with started(code) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(number)
        out, _ = child.communicate(timeout=30)
    assert (child.returncode, out) == (0, "1\n")


def test_a_killed_broker_takes_the_sealed_process_along(tmp_path: Path) -> None:
    with started("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)") as child:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        child.kill()
        child.wait()
        end = time.monotonic() + 20
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()


def test_a_stopped_command_stops_and_goes_on() -> None:
    code = "import time, os\nprint(os.getpid(), flush=True)\ntime.sleep(1)\nprint('over')"
    with started(code) as child:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        child.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        deadline = time.monotonic() + 5
        while "T (stopped)" not in Path(f"/proc/{pid}/status").read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "T (stopped)" in Path(f"/proc/{pid}/status").read_text()
        child.send_signal(signal.SIGCONT)
        out, _ = child.communicate(timeout=30)
    assert (child.returncode, out) == (0, "over\n")


def test_nothing_is_left_of_the_folder_for_temporary_files(tmp_path: Path) -> None:
    code = "import tempfile, os\nprint(os.path.exists(tempfile.mkdtemp()), tempfile.gettempdir())"
    done = jailed(code, env={"TMPDIR": str(tmp_path)})
    there, folder = done.stdout.split()
    assert there == "True"
    assert Path(folder).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@needs_all
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; the other tests are run by nobody")
def test_a_user_without_privileges_is_sealed_as_well() -> None:
    python = "/usr/bin/python3"
    version = subprocess.run([python, "-V"], check=False, capture_output=True, text=True).stdout
    if not version or tuple(map(int, version.split()[1].split(".")[:2])) < (3, 10):
        pytest.skip("there is no Python that everybody may run")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        # What lies below root's folders nobody may read; the walls need no package but the standard library's.
        shutil.copytree(ROOT / "src/ockham", f"{folder}/ockham", ignore=shutil.ignore_patterns("shipped", "*.pyc"))
        code = "import os\nprint(walls.label, os.getuid(), all(a.stopped for a in attacks))"
        done = subprocess.run(
            [python, *script(code, write=(folder,))[1:]],
            env=environment(TMPDIR=folder, HOME=folder, PYTHONPATH=folder),
            user=65534,
            group=65534,
            extra_groups=[],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.stdout == "sealed 65534 True\n", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a right to other users' folders")
def test_root_still_writes_into_a_folder_of_somebody_else(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    done = jailed(f"open({str(tmp_path / 'x')!r}, 'w').close()\nprint('written')", write=(str(tmp_path),))
    assert done.stdout == "written\n", done.stderr


def test_the_broker_samples_the_kernel_from_outside() -> None:
    before = "from ockham.sealed import broker\nbroker.EVERY_SECONDS = 0.2"
    after = "import json; from ockham.records import plain; print(json.dumps([plain(one) for one in watch.facts]))"
    code = "import subprocess, time\nsubprocess.run(['sleep', '0.6'])"
    samples = json.loads(jailed(code, before=before, after=after).stdout)
    assert len(samples) >= 3
    assert {one["seccomp"] for one in samples} == {2}
    assert {one["unfiltered"] for one in samples} == {0}
    assert {one["reaching"] for one in samples} == {0}
    assert max(one["processes"] for one in samples) == 2


def test_the_engine_for_language_models_answers_behind_the_walls(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")
    path = tiny_gguf.write(tmp_path / "model.gguf")
    code = f"""
from pathlib import Path
from ockham.llm.llamacpp import Engine, EngineSpec
engine = Engine(Path({str(path)!r}), EngineSpec(context=64, slots=1, threads=1))
tokens = engine.tokens("hello world", special=False)
print(len(tokens) > 0, abs(sum(engine.probabilities(tokens, [5, 6], slot=0)) - 1) < 1e-6)
import time
time.sleep(6)  # longer than the engine keeps a connection that is idle
print(engine.tokens("hello world", special=False) == tokens)
engine.close()
"""
    done = jailed(code)
    assert done.stdout.split() == ["True"] * 3, done.stderr


def test_an_attack_that_may_only_have_been_too_slow_is_not_said_to_have_got_out() -> None:
    assert self_attack.describe_missing("raw libc") == "the self-attack by raw libc got out"
    assert self_attack.describe_missing("subprocess").endswith("got out or did not finish within 15 s")
