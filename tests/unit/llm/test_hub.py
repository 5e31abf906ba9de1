"""Models by name: what is an id on the hub, and at which revision it is fetched."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest

from ockham.errors import ModelError
from ockham.llm import hub
from ockham.models import sentence_encoder
from ockham.rungs.decoder_weights import model_name


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str | None]]:
    """Stand in for the hub: whatever is asked for is an empty folder."""
    asked: list[tuple[str, str | None]] = []

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        assert allow_patterns
        asked.append((name, revision))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_a_revision_stands_behind_the_id(fetched: list[tuple[str, str | None]]) -> None:
    hub.find("owner/model@1a2b3c", ["*"], extra="gguf", revision="other")
    hub.find("owner/model@refs/pr/3", ["*"], extra="gguf")
    hub.find("owner/model", ["*"], extra="gguf", revision="known")
    assert fetched == [("owner/model", "1a2b3c"), ("owner/model", "refs/pr/3"), ("owner/model", "known")]


def test_an_encoder_takes_one_too_and_is_called_without_it(fetched: list[tuple[str, str | None]]) -> None:
    with pytest.raises(ModelError):  # the folder that stands in for it is empty
        sentence_encoder.find("owner/encoder@v1.2")
    assert fetched == [("owner/encoder", "v1.2")]
    assert model_name("owner/model@v1.2") == "model"
    assert hub.split_revision("owner/encoder@v1.2") == ("owner/encoder", "v1.2")


def test_without_one_the_newest_is_taken_and_that_is_said(
    fetched: list[tuple[str, str | None]], caplog: pytest.LogCaptureFixture
) -> None:
    hub.find("owner/model", ["*"], extra="gguf")
    assert fetched == [("owner/model", None)]
    assert "owner/model@revision" in caplog.text


def test_a_folder_with_an_at_sign_is_a_folder(fetched: list[tuple[str, str | None]], tmp_path: Path) -> None:
    place = tmp_path / "mine@home"
    place.mkdir()
    assert hub.find(str(place), ["*"], extra="gguf") == place
    assert model_name(str(place)) == "mine@home"
    assert not fetched


@pytest.mark.parametrize("name", ["owner/model@", "owner/model@-x", "owner/model@a b", "@main", "owner/model@v1;rm"])
def test_what_is_no_revision_is_not_asked_for(name: str, fetched: list[tuple[str, str | None]]) -> None:
    with pytest.raises(ModelError) as caught:
        hub.find(name, ["*"], extra="gguf")
    assert caught.value.code == "E_MODEL_MISSING"
    assert "owner/model@revision" in caught.value.fix
    assert not fetched
