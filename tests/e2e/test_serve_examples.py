"""The files in examples/serve do what they say: a settings file, a systemd unit, a container file."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.served import linear_bundle, serve

import ockham.version
from ockham import config

EXAMPLES = Path(__file__).parents[2] / "examples/serve"
KEY = "key-of-ann-0123456789"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    linear_bundle(folder / "mail")
    (folder / "keys").write_text(f"ann {KEY}\nadmin key-of-the-admin-0123\n")
    (folder / "keys").chmod(0o400)
    return folder


def is_answered(address: str, model: str) -> bool:
    body = {"model": model, "messages": [{"role": "user", "content": "a refund"}]}
    headers = {"authorization": f"Bearer {KEY}"}
    reply = httpx.post(f"{address}/v1/chat/completions", json=body, headers=headers, timeout=30)
    return reply.status_code == 200 and reply.json()["choices"][0]["message"]["content"] == "billing"


def test_the_settings_file_is_taken(folder: Path) -> None:
    settings = config.load(EXAMPLES / "ockham.toml")["serve"]
    assert settings["queue_seconds"] == 30
    with serve(folder / "mail", "--config", EXAMPLES / "ockham.toml", OCKHAM_API_KEY=KEY) as server:
        assert is_answered(server.address, "mail")


def test_the_systemd_unit_starts_a_server(folder: Path, tmp_path: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((EXAMPLES / "ockham@.service").read_text())
    start = unit["Service"]["ExecStart"]
    assert start.startswith("/opt/ockham/bin/ockham serve %i=/srv/ockham/%i ")
    words = shlex.split(start.replace("%i=/srv/ockham/%i", f"mail={folder}/mail"))[2:]
    words = [word.replace("${CREDENTIALS_DIRECTORY}", str(folder)) for word in words]
    with serve(*words, OCKHAM_API_KEY="") as server:
        assert is_answered(server.address, "mail")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(40) == 0
    assert 30 < int(unit["Service"]["TimeoutStopSec"]) <= 60
    assert "RestrictNamespaces" not in unit["Service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this machine")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    text = (EXAMPLES / "ockham@.service").read_text().replace("/opt/ockham/bin/ockham", "/bin/true")
    (tmp_path / "ockham@mail.service").write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "ockham@mail.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    own = [line for line in done.stderr.splitlines() if "ockham@mail" in line]
    assert (done.returncode, own) == (0, [])


def container_lines() -> dict[str, str]:
    """Return what stands behind each instruction of the container file, its lines joined."""
    text = re.sub(r"\\\n\s*", " ", (EXAMPLES / "Containerfile").read_text())
    lines = [line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    return dict(lines)


def test_the_container_file_passes_its_linter() -> None:
    command = [str(BIN / "hadolint"), "--no-color", str(EXAMPLES / "Containerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_file_installs_this_version_and_starts_a_server_that_is_healthy(folder: Path) -> None:
    lines = container_lines()
    name, extras, version = re.search(r'"([a-z-]+)\[([a-z,]+)\]==([0-9.]+)"', lines["RUN"]).groups()  # type: ignore[union-attr]
    assert (name, version) == ("ockham-slm", ockham.version.__version__)
    project = (EXAMPLES.parents[1] / "pyproject.toml").read_text()
    assert all(f"\n{extra} = [" in project for extra in extras.split(","))
    assert json.loads(lines["ENTRYPOINT"]) == ["ockham", "serve"]
    words = [word.replace("/srv/ockham/run", f"{folder}/mail") for word in json.loads(lines["CMD"])]
    words = [word.replace("/run/secrets/keys", str(folder / "keys")) for word in words]
    del words[words.index("--port") : words.index("--port") + 2]
    with serve(*words, OCKHAM_API_KEY="") as server:
        address = server.address.replace("0.0.0.0", "127.0.0.1")
        assert is_answered(address, "model")
        health = json.loads(lines["HEALTHCHECK"].split("CMD ")[1])
        command = [word.replace("http://127.0.0.1:8017", address) for word in health]
        subprocess.run([sys.executable, *command[1:]], check=True, env={**os.environ, "no_proxy": "*"})
