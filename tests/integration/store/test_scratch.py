"""Nothing stays in the temporary folder: not after work, not after a failure, not after a kill."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import tiny_gguf
from tests.integration.serving.test_process import bundle

from ockham.errors import Defect, ModelError
from ockham.llm import llamacpp, private_socket
from ockham.llm.private_socket import PrivateSocket
from ockham.models import causal_lm
from ockham.records import Example
from ockham.serving.process import ServingProcess
from ockham.store import scratch_folder

ROWS = tuple(
    Example(id=str(place), input=text, target=label)
    for place, (text, label) in enumerate([("charged twice", "billing"), ("parcel is late", "delivery")] * 4)
)
HOLDER = "import sys, time; from ockham.store import scratch_folder\nwith scratch_folder(): print('held', flush=True); "


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty temporary folder, for this process and its children."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")
    root = tmp_path_factory.mktemp("served")
    base = causal_lm.Base(weights=tiny_gguf.write(root / "model.gguf"))
    (root / "bundle").mkdir()
    causal_lm.fit(ROWS, root / "bundle", base, causal_lm.GgufSpec(threads=1))
    return bundle(root / "bundle", "gguf", ["billing", "delivery"])


def content(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_language_model_that_served_leaves_nothing(served: Path, temporary: Path) -> None:
    with ServingProcess(served) as serving:
        process = serving._process
        assert len(serving.answer(["charged twice"])) == 1
        assert content(temporary) != [], "the process has a temporary folder of its own"
    assert process.returncode == 0, "it ended by itself"
    assert content(temporary) == []


def test_k16_a_killed_worker_leaves_nothing(served: Path, temporary: Path) -> None:
    with ServingProcess(served) as serving:
        serving._process.send_signal(signal.SIGKILL)
        with pytest.raises(Defect, match="signal 9"):
            serving.answer(["charged twice"])
    assert content(temporary) == []


def test_k16_a_worker_whose_supervisor_was_killed_leaves_nothing(served: Path, temporary: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ockham.serving.process import ServingProcess\n"
        "with ServingProcess(Path(sys.argv[1])) as serving: print(serving._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, served], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        worker = int(supervisor.stdout.readline())
        supervisor.kill()
    ends(worker)
    assert content(temporary) == []


def test_k16_what_both_left_when_they_were_killed_goes_with_the_next_use(temporary: Path) -> None:
    def holder() -> subprocess.Popen[str]:
        child = subprocess.Popen([sys.executable, "-c", HOLDER + "time.sleep(60)"], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        return child

    with holder() as killed:
        (left,) = content(temporary)
        killed.kill()
    (temporary / left / "file").write_text("of a user")
    strange = temporary / "ockham-other"
    strange.mkdir()
    with holder() as living:
        (held,) = set(content(temporary)) - {strange.name}
        with scratch_folder() as mine:
            assert stat.S_IMODE(mine.stat().st_mode) == 0o700
            assert content(temporary) == sorted([held, mine.name, strange.name])
        living.kill()
    assert left not in content(temporary)
    with scratch_folder():
        pass
    assert content(temporary) == [strange.name], "what is not ours stays"


def test_s04_a_link_in_place_of_a_scratch_folder_is_not_followed(temporary: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (temporary / "ockham-scratch-link").symlink_to(precious)
    with scratch_folder():
        pass
    assert (precious / "file").exists()


def test_a_failure_inside_leaves_nothing(temporary: Path) -> None:
    def fail() -> None:
        with scratch_folder() as mine:
            (mine / "deep").mkdir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert content(temporary) == []


def test_an_engine_that_does_not_start_leaves_nothing(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("E_MODEL_FORMAT", "it does not load", fix="take another")

    weights = tiny_gguf.write(tmp_path / "model.gguf")
    monkeypatch.setattr(llamacpp, "_start", refuse)
    with pytest.raises(ModelError) as caught:
        llamacpp.Engine(weights, llamacpp.EngineSpec(context=256, slots=1, threads=1))
    assert caught.value.code == "E_MODEL_FORMAT"
    assert content(temporary) == []


def test_where_files_cannot_be_reached_by_number_the_socket_stays_private(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_socket, "_OPEN", tmp_path / "no proc")
    socket = PrivateSocket()
    assert socket.hide() == socket.path
    assert socket.path.parent.parent == temporary
    assert stat.S_IMODE(socket.path.parent.stat().st_mode) == 0o700
    socket.close()
    assert content(temporary) == []


def test_a_temporary_folder_with_a_long_name_will_do(
    served: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = temporary / ("x" * 200)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with ServingProcess(served) as serving:
        assert len(serving.answer(["charged twice"])) == 1


def ends(process: int, seconds: float = 20.0) -> None:
    """Wait until a process that is no child of ours has ended."""
    patience = time.monotonic() + seconds
    while True:
        try:
            state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        assert time.monotonic() < patience
        time.sleep(0.02)
