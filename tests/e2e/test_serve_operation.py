"""What whoever runs a server does with it: several keys, models loaded and unloaded, settings in a file, TLS."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.served import Served, fake_bundle, linear_bundle, serve

ANN, BEN, ADMIN = "key-of-ann-0123456789", "key-of-ben-0123456789", "key-of-the-admin-0123"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    linear_bundle(folder / "mail")
    fake_bundle(folder / "tale", {"tell me": "once"})
    (folder / "keys").write_text(f"ann {ANN}\nben {BEN}\n")
    (folder / "keys").chmod(0o600)
    settings = f"[serve]\nkeys_file = {json.dumps(str(folder / 'keys'))}\nmax_waiting = 32\nidle_seconds = 3600\n"
    (folder / "settings.toml").write_text(settings)
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    words = (folder / "mail", folder / "tale", "--config", folder / "settings.toml")
    with serve(*words, OCKHAM_API_KEY="", OCKHAM_ADMIN_API_KEY=ADMIN) as server:
        yield server


def states(served: Served) -> dict[str, dict[str, object]]:
    reply = httpx.get(f"{served.address}/admin/models", headers=bearer(ADMIN))
    assert reply.status_code == 200
    return {state["id"]: state for state in reply.json()["data"]}


def test_models_are_listed_loaded_and_unloaded(served: Served) -> None:
    assert [state["is_loaded"] for state in states(served).values()] == [True, False]
    for _ in range(2):  # nothing happens to one that is loaded
        reply = httpx.post(f"{served.address}/admin/models/tale/load", headers=bearer(ADMIN), timeout=30)
        assert reply.json()["is_loaded"] is True
        assert reply.json()["peak_memory_mb"] > 10
    reply = httpx.post(f"{served.address}/admin/models/tale/unload", headers=bearer(ADMIN), timeout=30)
    assert (reply.status_code, reply.json()["is_loaded"]) == (200, False)
    assert states(served)["tale"]["is_loaded"] is False
    body = {"model": "tale", "messages": [{"role": "user", "content": "tell me"}]}
    reply = httpx.post(f"{served.address}/v1/chat/completions", headers=bearer(ANN), json=body, timeout=30)
    assert reply.status_code == 200  # loaded again when it is asked
    assert httpx.post(f"{served.address}/admin/models/none/load", headers=bearer(ADMIN)).status_code == 404


def test_a_bundle_is_reloaded_and_a_broken_one_is_not(served: Served, folder: Path) -> None:
    url = f"{served.address}/admin/models/mail/reload"
    reply = httpx.post(url, headers=bearer(ADMIN), timeout=30)
    assert (reply.status_code, reply.json()["is_loaded"]) == (200, True)
    manifest = folder / "mail" / "bundle.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole.replace(b'"files":{', b'"files":{"gone.bin":"0",'))
    try:
        reply = httpx.post(url, headers=bearer(ADMIN), timeout=30)
    finally:
        manifest.write_bytes(whole)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "not_replaced")
    assert states(served)["mail"]["is_loaded"] is True


def test_each_key_opens_what_it_is_for(served: Served) -> None:
    listing, admin = f"{served.address}/v1/models", f"{served.address}/admin/models"
    for key in (ANN, BEN):
        assert httpx.get(listing, headers=bearer(key)).status_code == 200
        assert httpx.get(admin, headers=bearer(key)).status_code == 403
        assert httpx.post(f"{admin}/mail/unload", headers=bearer(key)).status_code == 403
    assert httpx.get(listing, headers=bearer(ADMIN)).status_code == 401
    assert httpx.get(admin).status_code == 401
    time.sleep(0.1)
    said = "".join(served.said)
    assert '"key":"ann"' in said
    assert '"key":"admin"' in said
    assert not any(key in said for key in (ANN, BEN, ADMIN))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate for this machine, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=localhost", "-addext", names]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


def test_over_tls_clients_see_the_certificate_and_others_hear_nothing(
    folder: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    words = (folder / "mail", "--host", "0.0.0.0", "--tls-cert", cert, "--tls-key", key, "--allow-host", "box.example")
    with serve(*words, OCKHAM_API_KEY=ANN) as server:
        assert server.address.startswith("https://")
        address = server.address.replace("0.0.0.0", "localhost")
        context = ssl.create_default_context(cafile=cert)
        with httpx.Client(verify=context, headers=bearer(ANN)) as client:
            assert client.get(f"{address}/v1/models").status_code == 200
            assert client.get(f"{address}/live", headers={"host": "box.example"}).status_code == 200
            assert client.get(f"{address}/live", headers={"host": "evil.example"}).status_code == 403
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"{address}/live")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http{address.removeprefix('https')}/live")
