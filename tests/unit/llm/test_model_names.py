"""Names of models that are not here: refused, or let through to the hub, and how to fetch one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ockham import machine
from ockham.errors import ModelError
from ockham.ladder.fit import FitSpec, fit, tune
from ockham.llm import model_names
from ockham.records import Progress

KNOWN, HUB = "SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in an empty folder, with empty caches."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CACHE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path


def refusal(name: str) -> ModelError:
    with pytest.raises(ModelError) as caught:
        model_names.check_name(name)
    assert caught.value.exit_status == 2
    return caught.value


def pull(name: str) -> None:
    path = machine.cache() / "models" / name
    path.mkdir(parents=True)
    (path / "pulled.json").write_text("{}")


def cache_from_hub(folder: Path, name: str) -> None:
    (folder / "HF_HOME" / "hub" / f"models--{name.replace('/', '--')}" / "snapshots" / "main").mkdir(parents=True)


def test_a_name_that_leads_nowhere_is_refused_with_the_nearest(folder: Path) -> None:
    error = refusal("ockham-nan")
    assert (
        error.message == "there is no model 'ockham-nan': no folder or file of this name, and no model of the catalogue"
    )
    assert error.fix.startswith("did you mean ockham-nano?")
    (folder / "my-classifier").mkdir()
    (folder / "letters.gguf").touch()
    assert refusal("my-classifer").fix.startswith("did you mean my-classifier?")
    assert "letters.gguf" in refusal("leters.gguf").fix
    assert refusal("zzzzzzzz").fix.startswith("`ockham models` lists the names")
    assert refusal(KNOWN).fix == f"fetch it first: ockham models pull {KNOWN}"


def test_names_that_begin_as_was_written_are_proposed_those_that_are_here_first(folder: Path) -> None:
    assert refusal("SmolLM2-135M").fix == "fetch it first: ockham models pull SmolLM2-135M"
    pull("SmolLM2-135M-Instruct")
    assert refusal("SmolLM2-135M").fix == (
        "fetch it first: ockham models pull SmolLM2-135M, or name one that is here: SmolLM2-135M-Instruct"
    )
    assert refusal("smollm").fix.startswith("did you mean SmolLM2-135M-Instruct or SmolLM2-1.7B or ")


def test_what_is_here_or_may_be_fetched_is_let_through(folder: Path) -> None:
    (folder / "mine").mkdir()
    pull(KNOWN)
    cache_from_hub(folder, "gpt2")
    for name in ("mine", KNOWN, "ockham-nano", "gpt2", "owner/model", "owner/model@main", "./mine", "mine/file.gguf"):
        model_names.check_name(name)
    assert refusal(KNOWN.lower()).fix == f"it is here by another name: {KNOWN}"


def test_an_id_of_the_hub_is_to_be_fetched_first_where_nothing_is_fetched(folder: Path) -> None:
    wanted = {
        "owner/model": "hf download owner/model",
        "owner/model@v1": "hf download owner/model --revision v1",
        HUB: f"ockham models pull {KNOWN}",
    }
    for name, command in wanted.items():
        with pytest.raises(ModelError) as caught:
            model_names.check_fetched(name)
        assert (caught.value.code, caught.value.fix) == ("E_MODEL_MISSING", f"fetch it first: {command}")
    cache_from_hub(folder, "owner/model")
    model_names.check_fetched("owner/model")
    (folder / "runs").mkdir()
    model_names.check_fetched("runs/gone")  # which is no id


def test_a_fit_refuses_it_before_the_data_are_read() -> None:
    def fail(progress: Progress) -> None:
        raise AssertionError(progress.message)

    with pytest.raises(ModelError, match="there is no model 'ockham-nan'"):
        fit("rows.csv", FitSpec(models=("ockham-nan",)), on_progress=fail)
    with pytest.raises(ModelError, match="there is no model 'ockham-nan'"):
        tune("rows.csv", "ockham-nan", on_progress=fail)
