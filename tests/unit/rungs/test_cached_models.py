"""Models of the catalogue that stand on this machine: where they are looked for, and why the others are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ockham.catalog import SHIPPED, architectures
from ockham.rungs import decoder_rungs
from ockham.rungs.cached_models import folders, list_cached_models
from ockham.rungs.decoder_weights import model_name

COMMITS = ("1" * 40, "2" * 40)


def whole(place: Path) -> Path:
    """A folder with a model's files, all of them empty."""
    place.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (place / name).touch()
    return place


def cached(hub: Path, name: str, commit: str, main: str) -> Path:
    """A repository as the hub's client keeps it."""
    repository = hub / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(main)
    return whole(repository / "snapshots" / commit)


def test_models_stand_in_the_hubs_cache_in_ours_and_in_a_folder_that_is_named() -> None:
    cache = Path("/x/ockham")
    assert folders(cache, "/mine", {"HF_HUB_CACHE": "/hub"}) == (
        Path("/hub"),
        cache / "models",
        Path("/mine"),
        SHIPPED,
    )
    assert folders(cache, None, {"HF_HOME": "/home"})[0] == Path("/home/hub")
    assert folders(cache, None, {"XDG_CACHE_HOME": "/x"})[0] == Path("/x/huggingface/hub")
    assert folders(cache, None, {})[0] == Path.home() / ".cache/huggingface/hub"


def test_what_is_here_and_fits_is_taken_smallest_first(tmp_path: Path) -> None:
    hub, mine = tmp_path / "hub", tmp_path / "mine"
    for commit in COMMITS:
        qwen = cached(hub, "Qwen/Qwen2.5-0.5B-Instruct", commit, COMMITS[1])
    cached(hub, "Qwen/Qwen2.5-72B-Instruct", COMMITS[0], COMMITS[0])
    cached(hub, "nobody/knows-this", COMMITS[0], COMMITS[0])
    cached(hub, "sentence-transformers/all-MiniLM-L6-v2", COMMITS[0], COMMITS[0])
    (hub / "models--Qwen--Qwen3-0.6B" / "snapshots").mkdir(parents=True)
    smol = whole(mine / "SmolLM2-135M")
    (mine / "gpt2.gguf").touch()
    (mine / "Qwen2.5-1.5B").mkdir()
    (mine / "Qwen2.5-1.5B" / "pytorch_model.bin").touch()
    found = list_cached_models([hub, tmp_path / "no such folder", mine], free_gb=8.0)
    assert found.here == (str(mine / "gpt2.gguf"), str(smol), str(qwen)), "the commit that main was, and no pickle"
    assert [model_name(place) for place in found.here] == ["gpt2", "SmolLM2-135M", "Qwen2.5-0.5B-Instruct"]
    assert "… Qwen2.5-72B) are too large for the 8.0 GB of free memory" in found.rest
    absent, large = found.rest.split("; ")[:2]
    decoders_known = [one for one in architectures() if one.kind == "decoder"]
    numbers = [int(text.split(" (")[0].split()[-1]) for text in (absent, large)]
    assert sum(numbers) + len(found.here) == len(decoders_known), "every model is counted once"


def test_rungs_are_of_what_was_named_else_of_what_is_here(tmp_path: Path) -> None:
    smol = whole(tmp_path / "SmolLM2-135M")
    shelf = list_cached_models([tmp_path], free_gb=8.0)
    found = [rung.name for rung in decoder_rungs.rungs((), shelf)]
    assert found == ["decoder:SmolLM2-135M", "decoder"], "what nobody named is not tuned, and stays in one form"
    assert [rung.name for rung in decoder_rungs.rungs((str(smol),), None)] == [
        "decoder:SmolLM2-135M:4bit",
        "decoder:SmolLM2-135M",
        "decoder-tuned:SmolLM2-135M:4bit",
        "decoder-tuned:SmolLM2-135M",
    ]
    (nothing,) = decoder_rungs.rungs((), list_cached_models([], free_gb=8.0))
    assert nothing.name == "decoder"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen2.5-0.5B", "Qwen2.5-0.5B"),
        ("./mine/model-1.7b/", "model-1.7b"),
        ("/x/tiny.gguf", "tiny"),
        ("/c/models--Qwen--Qwen2.5-0.5B/snapshots/060db6", "Qwen2.5-0.5B"),
        ("/c/photographs/snapshots/060db6", "060db6"),
    ],
)
def test_a_model_is_called_by_its_own_name(model: str, name: str) -> None:
    assert model_name(model) == name
