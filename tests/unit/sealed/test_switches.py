"""The table of switches: each name stands in the library that reads it, and every way in sets what it should."""

from __future__ import annotations

import importlib.util
import mmap
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ockham.cli import commands
from ockham.convert import gguf_export
from ockham.curation import executors
from ockham.diagnosis import diagnose
from ockham.errors import ModelError
from ockham.models import onnx_encoder
from ockham.rungs import encoder_rungs
from ockham.sealed import switches
from ockham.sealed.switches import SWITCHES, Reach
from ockham.serving import process

NAMED = {switch.name: switch for switch in SWITCHES}
EVERYWHERE = {switch.name: switch.value for switch in SWITCHES if switch.reach is Reach.EVERYWHERE}
KEYS = {
    **dict.fromkeys(
        ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "WANDB_API_KEY", "GITHUB_TOKEN"), "CANARY"
    ),
    **dict.fromkeys(("AWS_SECRET_ACCESS_KEY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "HF_ENDPOINT"), "CANARY"),
}


def names(package: str, name: str) -> bool:
    """Whether a file of an installed package names a variable, as source or inside a compiled module."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    for path in Path(spec.submodule_search_locations[0]).rglob("*"):
        if path.suffix in {".py", ".so", ".pyd", ".dylib"} and path.stat().st_size:
            with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data.find(name.encode()) >= 0:
                    return True
    return False


@pytest.mark.parametrize("switch", [one for one in SWITCHES if one.package], ids=lambda switch: switch.name)
def test_the_library_that_is_installed_names_its_switch(switch: switches.Switch) -> None:
    assert switch.package is not None
    pytest.importorskip(switch.package, reason=f"{switch.package} is not installed")
    assert names(switch.package, switch.name)
    assert not names(switch.package, f"{switch.name}_BUT_NOT_THIS")


def test_the_table_names_each_variable_once_with_a_value_and_a_source() -> None:
    assert len(NAMED) == len(SWITCHES)
    assert all(switch.value and " " not in switch.name + switch.value and switch.verified for switch in SWITCHES)


def test_to_import_ockham_ends_reports_and_nothing_else() -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        **dict.fromkeys(EVERYWHERE, "no"),
    }
    code = "import os, ockham; print(*(f'{name}={value}' for name, value in os.environ.items()))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    after = dict(word.partition("=")[::2] for word in done.stdout.split())
    assert {name: after[name] for name in EVERYWHERE} == EVERYWHERE
    assert not {switch.name for switch in SWITCHES if switch.reach is not Reach.EVERYWHERE} & set(after)


def test_the_command_line_stays_offline_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(SystemExit):
        commands.main(["--version"])
    assert os.environ["HF_HUB_OFFLINE"] == "0"
    assert (os.environ["TRANSFORMERS_OFFLINE"], os.environ["WANDB_MODE"]) == ("1", "disabled")
    assert not {switch.name for switch in SWITCHES if switch.reach is Reach.WORKER} & set(os.environ)


def test_a_worker_gets_every_switch_and_neither_keys_nor_proxies() -> None:
    environment = switches.worker_environment({**KEYS, "PATH": "/bin", "HF_HUB_OFFLINE": "0", "TOKENIZERS_X": "1"})
    assert {name: environment[name] for name in NAMED} == {name: one.value for name, one in NAMED.items()}
    assert set(environment) == {*NAMED, "PATH", "TOKENIZERS_X"}


def test_a_worker_that_asks_an_endpoint_keeps_its_key() -> None:
    environment = switches.worker_environment(KEYS, asks=True)
    assert {name: environment[name] for name in KEYS} == KEYS
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize(
    ("manifest", "asks"),
    [
        ('{"kind": "linear"}', False),
        ('{"kind": "encoder"}', False),
        ('{"kind": "endpoint"}', True),
        ('{"kind": "of-a-package-of-the-user"}', True),
        ("[1]", False),
        ("no json", False),
        (None, False),
    ],
)
def test_only_what_may_ask_a_network_is_served_with_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str | None, asks: bool
) -> None:
    if manifest is not None:
        (tmp_path / "bundle.json").write_text(manifest)
    monkeypatch.setenv("OPENAI_API_KEY", "CANARY")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    started: list[dict[str, str]] = []

    def start(*_: object, env: dict[str, str], **__: object) -> None:
        started.append(env)
        raise OSError("far enough")

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(OSError, match="far enough"):
        process.ServingProcess(tmp_path)
    assert ("OPENAI_API_KEY" in started[0]) is asks
    assert started[0]["ORT_DISABLE_TELEMETRY"] == started[0]["HF_HUB_OFFLINE"] == "1"


def test_the_converter_gets_every_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "CANARY")
    environment = gguf_export._environment()
    assert {name: environment[name] for name in NAMED} == {name: one.value for name, one in NAMED.items()}
    assert "HF_TOKEN" not in environment


def test_the_processes_of_a_pool_are_told_whatever_they_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMED:
        monkeypatch.delenv(name, raising=False)
    with executors.open_executor(2) as crew:
        assert crew.pool is not None
        inside = crew.pool.submit(os.getenv, "ORT_DISABLE_TELEMETRY"), crew.pool.submit(os.getenv, "WANDB_MODE")
        assert [job.result() for job in inside] == ["1", "disabled"]


def library(version: str) -> dict[str, object]:
    return {"onnxruntime": SimpleNamespace(__version__=version)}


@pytest.mark.parametrize(
    ("modules", "environment", "reports"),
    [
        ({}, {}, False),
        (library("1.29.0"), {}, True),
        (library("1.31.1"), {"ORT_DISABLE_TELEMETRY": "0"}, True),
        (library("2.0"), {"ORT_DISABLE_TELEMETRY": ""}, True),
        (library("1.31.1"), {"CI": "true"}, True),
        (library("unknown"), {}, True),
        (library("1.31.1"), {"ORT_DISABLE_TELEMETRY": "1"}, False),
        (library("1.31.1"), {"ORT_DISABLE_TELEMETRY": "TRUE"}, False),
        (library("1.28.0"), {}, False),
        (library("1.9.0"), {}, False),
    ],
)
def test_a_library_reports_where_it_was_not_told_in_time(
    modules: dict[str, object], environment: dict[str, str], reports: bool
) -> None:
    assert switches.reports(modules, environment) is reports


def test_what_was_loaded_too_early_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert switches.silence({}, loaded_before=True) is not None
    monkeypatch.setattr(switches, "silence", lambda: "onnxruntime was imported before ockham")
    with pytest.raises(ModelError, match="imported before ockham") as error:
        onnx_encoder.open_graph(
            b"",
            Path("none"),
            onnx_encoder.EncoderSettings(hidden=1, max_tokens=1, first_position=0, prefix=""),
            threads=1,
        )
    assert error.value.code == "E_TELEMETRY"
    assert "import ockham before onnxruntime" in error.value.fix


def test_a_switch_that_was_taken_back_is_set_again_before_the_library_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert switches.silence({}) is None
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert switches.silence(library("1.31.1")) is not None


@pytest.mark.parametrize("first", ["onnxruntime", "ockham"])
def test_the_order_of_imports_decides_whether_the_encoder_rungs_can_be_climbed(first: str) -> None:
    pytest.importorskip("onnxruntime", reason="the extra encoder is not installed")
    second = {"onnxruntime": "ockham", "ockham": "onnxruntime"}[first]
    code = f"""import {first}, {second}
from ockham.rungs.encoder_rungs import ENCODER, ENCODER_TUNED
from ockham.rungs.baselines import LINEAR
from ockham.rungs.rung import missing_packages
print(*(missing_packages(rung.packages, rung.extra) for rung in (ENCODER, ENCODER_TUNED, LINEAR)), sep="\\n")"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ORT_RUNNING_UNIT_TESTS": "1"}
    del environment["ORT_DISABLE_TELEMETRY"]  # the library is quiet all the same: it takes itself to be tested
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    why = done.stdout.splitlines()
    if first == "ockham":
        assert why == ["None"] * 3
    else:
        assert all(line.startswith("onnxruntime was imported before ockham") for line in why[:2])
        assert why[2] == "None"


def test_what_the_library_has_written_is_named_with_the_command_that_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "my cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not any("device id" in note for note in diagnose(tmp_path).notes)
    folder = tmp_path / "my cache/Microsoft/DeveloperTools/.onnxruntime"
    folder.mkdir(parents=True)
    (folder / "deviceid").touch()
    note = next(note for note in diagnose(tmp_path).notes if "device id" in note)
    assert note.endswith(f"rm -r '{folder}'`")
    assert (folder / "deviceid").exists()
    subprocess.run(note.rpartition(": ")[2], shell=True, check=True)
    assert switches.leftovers(os.environ) is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    elsewhere = tmp_path / ".cache/Microsoft/DeveloperTools/.onnxruntime"
    elsewhere.mkdir(parents=True)
    assert switches.leftovers(os.environ) == elsewhere
    assert encoder_rungs.ENCODERS[1] == switches.REPORTING
