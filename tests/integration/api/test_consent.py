"""A bundle or a folder from somebody else sends no row and no secret anywhere that this call did not name."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.serving.test_process import bundle as sealed
from tests.integration.serving.test_process import echo
from tests.stub_api import StubApi, says, serving
from tests.unit.cli.test_commands import Run, run

import ockham
from ockham import store
from ockham.api import consent
from ockham.api.client import EndpointSpec
from ockham.api.consent import Destination
from ockham.cli import commands
from ockham.errors import BundleError, ConsentError, ModelError
from ockham.models import endpoint
from ockham.records import Example, Progress
from ockham.serving.process import ServingProcess

__all__ = ["echo", "run"]

SECRET = "CANARY-SECRET"
VARIABLE = "AWS_SECRET_ACCESS_KEY"
LABELS = ("billing", "shipping")
ROWS = 52


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubApi]:
    """Somebody else's server, and a secret in the environment that it would like to have."""
    monkeypatch.setenv(VARIABLE, SECRET)
    with serving(lambda _number, _seen: says("billing")) as stub:
        yield stub


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own labelled rows, in the folder that the user stands in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with (folder / "mail.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("text", "label"))
        words = ("invoice", "parcel")
        table.writerows((f"{words[n % 2]} number {n * n} {chr(97 + n % 26) * 9}", LABELS[n % 2]) for n in range(ROWS))
    return folder / "mail.csv"


@pytest.fixture
def bundle(api: StubApi, tmp_path: Path) -> Path:
    """A bundle that asks somebody else's server, with the user's secret as its key."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    spec = EndpointSpec(url=api.url, model="big", key_env=VARIABLE)
    examples = [Example(id=str(n), input=f"{label} {n}", target=label) for n in range(3) for label in LABELS]
    endpoint.fit(examples, folder, spec)
    return sealed(folder, "endpoint", LABELS)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what bundle.json says, as anybody can."""
    manifest = json.loads((folder / "bundle.json").read_text())
    change(manifest)
    (folder / "bundle.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("verb", ["predict", "eval"])
def test_n06_a_bundle_s_own_word_sends_nothing(verb: str, bundle: Path, rows: Path, api: StubApi, run: Run) -> None:
    status, out, err = run(verb, str(bundle), str(rows))
    assert api.seen == []
    assert (status, out) == (2, "")
    assert err.startswith("E_CONSENT: ")
    assert f"{consent.host(api.url)}, with the key from {VARIABLE}" in err
    assert "--endpoint URL --endpoint-key-env NAME" in err
    assert SECRET not in err


@pytest.mark.parametrize("verb", ["predict", "eval"])
def test_an_endpoint_that_calls_itself_linear_is_refused(
    verb: str, bundle: Path, rows: Path, api: StubApi, run: Run
) -> None:
    rewrite(bundle, lambda manifest: manifest["candidate"].update(name="linear", kind="linear"))
    named = ("--endpoint", api.url, "--endpoint-key-env", VARIABLE)
    for flags in ((), named):
        status, out, err = run(verb, str(bundle), str(rows), *flags)
        assert api.seen == []
        assert (status, out) == (2, "")
        assert err.startswith("E_BUNDLE: ")
        assert "names a candidate of another kind than its own" in err
    with pytest.raises(BundleError):
        store.read_bundle(bundle)


@pytest.mark.parametrize("verb", ["predict", "eval"])
def test_n06_another_address_or_variable_than_the_bundle_s_is_refused(
    verb: str, bundle: Path, rows: Path, api: StubApi, run: Run
) -> None:
    elsewhere = api.url.replace("/v1", "/v2")
    for flags in (
        ("--endpoint", api.url),
        ("--endpoint", api.url, "--endpoint-key-env", "OPENAI_API_KEY"),
        ("--endpoint", elsewhere, "--endpoint-key-env", VARIABLE),
        ("--endpoint-key-env", VARIABLE),
        ("--yes",),
    ):
        status, out, err = run(verb, str(bundle), str(rows), *flags)
        assert (status, out) == (2, "")
        assert err.startswith(("E_CONSENT: ", "E_CONFIG: "))
    assert api.seen == []


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions"])
def test_what_this_call_names_is_asked_and_said_before(
    ending: str, bundle: Path, rows: Path, api: StubApi, run: Run
) -> None:
    named = ("--endpoint", api.url + ending, "--endpoint-key-env", VARIABLE, "--quiet")
    status, out, err = run("predict", str(bundle), str(rows), *named)
    assert status == 0
    assert len(api.seen) == ROWS == len(out.splitlines())
    assert api.seen[0].headers["Authorization"] == f"Bearer {SECRET}"
    route = f"at most {ROWS} rows go to {consent.host(api.url)}, with the key from {VARIABLE}"
    assert err == f"endpoint: {route} (address: --endpoint; key: --endpoint-key-env)\n"


def test_eval_pays_for_no_more_probes_than_fit(bundle: Path, rows: Path, api: StubApi, run: Run) -> None:
    named = ("--endpoint", api.url, "--endpoint-key-env", VARIABLE)
    status, _, err = run("eval", str(bundle), str(rows), *named)
    assert status == 0
    assert len(api.seen) == ROWS + 20 + 20, "each row once; twenty to warm up and twenty to time"
    assert f"at most {ROWS} rows go to" in err
    assert "20 of them again, to time it" in err


def test_the_same_holds_in_python(bundle: Path, rows: Path, api: StubApi) -> None:
    right = Destination(url=api.url, key_env=VARIABLE)
    wrong = (
        None,
        Destination(url=api.url),
        dataclasses.replace(right, key_env="HOME"),
        dataclasses.replace(right, url="http://127.0.0.1:1/v1"),
    )
    for named in wrong:
        for verb in (ockham.predict, ockham.eval):
            with pytest.raises(ConsentError) as caught:
                verb(bundle, rows, endpoint=named)
            assert caught.value.code == "E_CONSENT"
            assert caught.value.exit_status == 2
        with pytest.raises(ConsentError):  # nor does the process that serves take the bundle's word
            ServingProcess(bundle, named)
    assert api.seen == []
    told: list[Progress] = []
    assert len(ockham.predict(bundle, rows, endpoint=right, on_progress=told.append)) == ROWS
    assert [one.message for one in told if one.stage == "endpoint"] == [
        f"at most {ROWS} rows go to {consent.host(api.url)}, with the key from {VARIABLE}"
    ]


def test_a_bundle_without_a_key_needs_its_address_alone(bundle: Path, rows: Path, api: StubApi) -> None:
    file = bundle / endpoint.FILE
    kept = json.loads(file.read_text())
    kept["spec"]["key_env"] = ""
    file.write_text(json.dumps(kept))
    sealed(bundle, "endpoint", LABELS)
    with pytest.raises(ConsentError) as caught:
        ockham.predict(bundle, rows)
    assert "without a key" in caught.value.message
    assert len(ockham.predict(bundle, rows, endpoint=Destination(url=api.url))) == ROWS
    assert "Authorization" not in api.seen[0].headers


def test_a_key_in_place_of_its_variable_s_name_is_not_shown() -> None:
    assert "sk-CANARY" not in consent.route("http://h/v1", "sk-CANARY")
    assert consent.host("http://user:SECRET@h:8080/v1?key=SECRET") == "h:8080"
    assert consent.host("http://[::1") == "an address that is none"


def test_a_bundle_of_an_unknown_kind_is_refused_before_the_rows_are_read(bundle: Path) -> None:
    sealed(bundle, "no-such-kind")
    with pytest.raises(ModelError) as caught:
        ockham.predict(bundle, "no-such-file.csv")
    assert caught.value.code == "E_MODEL_MISSING"


def test_a_plug_of_another_package_is_named(echo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    told: list[Progress] = []
    ockham.predict(echo, [{"text": "a"}], on_progress=told.append)
    assert "answered by a model from another package: ockham-echo 1.0" in told[0].message


FILES = {
    "table": '[{verb}.endpoint]\nurl = "{url}"\nmodel = "big"\nkey_env = "{variable}"\n',
    "flat": '[{verb}]\nendpoint = "{url}"\nendpoint_model = "big"\nendpoint_key_env = "{variable}"\n',
    "judge": '[{verb}.judge]\nurl = "{url}"\nmodel = "big"\nkey_env = "{variable}"\n',
    "flat judge": '[{verb}]\njudge = "{url}"\njudge_model = "big"\njudge_key_env = "{variable}"\n',
}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("verb", ["fit", "tune"])
def test_a_settings_file_that_was_only_found_sends_nothing(
    verb: str, form: str, rows: Path, api: StubApi, run: Run
) -> None:
    Path("ockham.toml").write_text(FILES[form].format(verb=verb, url=api.url, variable=VARIABLE))
    more = ("--base", "no-such-model") if verb == "tune" else ()
    status, out, err = run(verb, str(rows), *more)
    assert (status, out, api.seen) == (2, "", [])
    assert err.startswith(
        "E_CONSENT: ockham.toml, which was found in the current folder and not named, would send rows to the "
    )
    assert f"{consent.host(api.url)}, with the key from {VARIABLE}" in err
    assert "--yes" in err
    assert not Path("runs").exists()


def test_a_found_file_names_neither_the_key_of_a_named_address_nor_vouches_for_itself(
    rows: Path, api: StubApi, run: Run
) -> None:
    named = ("--endpoint", api.url, "--endpoint-model", "big")
    Path("ockham.toml").write_text(f'[fit]\nendpoint_key_env = "{VARIABLE}"\n')
    assert run("fit", str(rows), *named)[2].startswith("E_CONSENT: ")
    Path("ockham.toml").write_text(FILES["flat"].format(verb="fit", url=api.url, variable=VARIABLE) + "yes = true\n")
    assert run("fit", str(rows))[0] == 2
    assert run("fit", str(rows), "--yes")[2].startswith("E_CONFIG: settings: there is no setting 'yes'")
    assert api.seen == []


@pytest.mark.parametrize("verb", ["predict", "eval"])
def test_a_found_file_is_no_consent_to_what_a_bundle_asks(
    verb: str, bundle: Path, rows: Path, api: StubApi, run: Run
) -> None:
    text = f'[{verb}]\nendpoint = "{api.url}"\nendpoint_key_env = "{VARIABLE}"\n'
    Path("ockham.toml").write_text(text)
    status, _, err = run(verb, str(bundle), str(rows))
    assert (status, api.seen) == (2, [])
    assert err.startswith("E_CONSENT: ockham.toml, which was found in the current folder")
    status, _, err = run(verb, str(bundle), str(rows), "--config", "ockham.toml")
    assert status == 0
    assert "(address: ockham.toml; key: ockham.toml)" in err


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ('endpoint = "http://192.0.2.1/v1"', "would send rows to the endpoint 192.0.2.1"),
        ('host = "0.0.0.0"\nbehind_proxy = true', "who may reach the server (host, behind_proxy)"),
        ('allow_hosts = ["192.0.2.1"]', "who may reach the server (allow_hosts)"),
        ('api_key = "known to others"', "who may reach the server (api_key)"),
        (f'api_key_env = "{VARIABLE}"', "who may reach the server (api_key_env)"),
    ],
)
@pytest.mark.usefixtures("rows")  # the folder that the user stands in
def test_a_found_file_neither_opens_a_server_nor_names_whom_it_asks(
    setting: str, word: str, bundle: Path, run: Run
) -> None:
    Path("ockham.toml").write_text(f"[serve]\n{setting}\n")
    status, out, err = run("serve", str(bundle), "--port", "0")
    assert (status, out) == (2, "")
    assert err.startswith("E_CONSENT: ockham.toml, which was found in the current folder")
    assert word in err


def test_a_found_file_sends_no_row_to_a_cluster(rows: Path, run: Run) -> None:
    Path("ockham.toml").write_text('[curate]\nengine = "ray"\naddress = "192.0.2.1:10001"\n')
    for flags in ((), ("--engine", "ray")):
        status, out, err = run("curate", str(rows), "--out", "clean", *flags)
        assert (status, out) == (2, "")
        assert err.startswith("E_CONSENT: ockham.toml, which was found in the current folder")
        assert "would send rows to a Ray cluster" in err
        assert not Path("clean").exists()


def test_a_found_file_names_no_server_to_be_measured_and_no_key_for_one(rows: Path, api: StubApi, run: Run) -> None:
    Path("ockham.toml").write_text(f'[eval]\nserver = "{api.url}"\nserver_key_env = "{VARIABLE}"\n')
    status, out, err = run("eval", str(rows))
    assert (status, out, api.seen) == (2, "", [])
    assert err.startswith("E_CONSENT: ockham.toml, which was found in the current folder")
    assert f"the server {consent.host(api.url)}, with the key from {VARIABLE}" in err
    Path("ockham.toml").write_text(f'[eval]\nserver_key_env = "{VARIABLE}"\n')
    assert run("eval", str(rows), "--server", api.url)[2].startswith("E_CONSENT: ")
    assert api.seen == []


@pytest.mark.parametrize(
    ("flags", "origin"),
    [
        (("--yes",), "address: ockham.toml; key: ockham.toml"),
        (("--config", "ockham.toml"), "address: ockham.toml; key: ockham.toml"),
        (("--endpoint", "URL", "--endpoint-key-env", VARIABLE), "address: --endpoint; key: --endpoint-key-env"),
    ],
)
def test_fit_says_what_goes_where_before_it_does(
    flags: tuple[str, ...], origin: str, rows: Path, api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("ockham.toml").write_text(FILES["flat"].format(verb="fit", url=api.url, variable=VARIABLE))
    named = tuple(api.url if flag == "URL" else flag for flag in flags)
    rungs = ("--rung", "constant", "--rung", "endpoint", "--out", "run")
    status, out, err = run("fit", str(rows), *rungs, *named, "--json", "--quiet")
    assert status in {0, 3, 4}
    data = json.loads(out)["dataset"]
    timed = min(20, data["valid"])
    assert len(api.seen) == data["test"] + 20 + 20
    told = [line for line in err.splitlines() if line.startswith("endpoint: ")]
    most = data["test"] + timed + data["train"]
    assert told == [
        f"endpoint: at most {most} rows go to {consent.host(api.url)}, with the key from {VARIABLE}: {data['test']} to "
        f"test it, {timed} to time it, {data['train']} with their answers as examples ({origin})"
    ]


def test_python_reads_no_file_that_it_was_not_given(rows: Path, api: StubApi) -> None:
    Path("ockham.toml").write_text(FILES["table"].format(verb="fit", url=api.url, variable=VARIABLE))
    verdict = ockham.fit(rows, ockham.FitSpec(rungs=("constant", "endpoint")), out="run")
    assert api.seen == []
    assert [line.status for line in verdict.candidates] == ["measured", "skipped"]


def test_help_says_what_leaves_this_machine() -> None:
    for verb in ("predict", "eval"):
        with commands.ockham.make_context("ockham", [], resilient_parsing=True) as top:
            command = commands.ockham.get_command(top, verb)
        assert command is not None
        assert {"endpoint", "endpoint_key_env", "yes"} <= {parameter.name for parameter in command.params}
