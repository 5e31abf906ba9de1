"""Models that are here: from config.json the shape that the catalogue has, from a GGUF file its own, and refusals."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from tests import tiny_gguf

from ockham import catalog
from ockham.catalog import Architecture, prices
from ockham.errors import ConfigError, ModelError
from ockham.planning import PlanSpec, plan
from ockham.planning.local_models import find_local_model

QWEN = {
    "model_type": "qwen2",
    "hidden_size": 896,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "intermediate_size": 4864,
    "vocab_size": 151_936,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
}
MINILM = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "vocab_size": 30_522,
    "max_position_embeddings": 512,
}
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50_257}
MIXTRAL = {
    "model_type": "mixtral",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14_336,
    "vocab_size": 32_000,
    "max_position_embeddings": 32_768,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "tie_word_embeddings": False,
}


def folder(place: Path, config: dict[str, Any]) -> Path:
    place.mkdir()
    (place / "config.json").write_text(json.dumps(config))
    return place


def numbers(one: Architecture) -> Architecture:
    return dataclasses.replace(one, name="", hub="", licence="", date="", source="", revision=None, downloads=())


@pytest.mark.parametrize(
    ("config", "name"),
    [(QWEN, "Qwen2.5-0.5B"), (MINILM, "all-MiniLM-L6-v2"), (GPT2, "gpt2"), (MIXTRAL, "Mixtral-8x7B")],
)
def test_a_folder_gives_the_shape_that_the_catalogue_has(config: dict[str, Any], name: str, tmp_path: Path) -> None:
    found = find_local_model(str(folder(tmp_path / "mine", config)))
    assert numbers(found.shape) == numbers(catalog.find_architecture(name))
    assert (found.shape.name, found.stored) == ("mine", None)
    inside = find_local_model(str(folder(tmp_path / "both", {"model_type": "a picture too", "text_config": config})))
    assert numbers(inside.shape) == numbers(found.shape)


def test_a_gguf_file_gives_its_shape_and_its_format(tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "tiny.gguf")
    found = find_local_model(str(path))
    shape = found.shape
    assert (shape.layers, shape.hidden, shape.heads, shape.kv_heads) == (2, 64, 4, 2)
    assert (shape.ffn, shape.gated, shape.tied, shape.vocabulary) == (128, True, True, 259)
    assert found.stored == "q8_0"
    one = plan(PlanSpec(models=(str(path),), device="L4", input_tokens=50), prices(), dt.date(2026, 11, 22))
    assert [(each.model, each.quantization) for each in one.forecasts] == [("tiny", "q8_0")]
    # The file is the weights and a head of some kilobytes; norms are counted in 32 bits as they are stored.
    assert one.forecasts[0].memory.weights_mb == pytest.approx(path.stat().st_size / 1e6, rel=0.15)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "a config.json that cannot be read"),
        ("[]", "a config.json that cannot be read"),
        ('{"model_type": "mamba", "hidden_size": 3}', r"whose architecture \(mamba\) is not planned with"),
        ('{"model_type": "zamba2", "hidden_size": 3}', r"whose architecture \(zamba2\) is not planned with"),
        (json.dumps(QWEN | {"num_hidden_layers": 10**9}), r"whose architecture \(\w+\) is not planned with"),
        ('{"model_type": "llama", "hidden_size": -3}', r"whose architecture \(\w+\) is not planned with"),
        ('{"model_type": "llama", "hidden_size": true}', r"whose architecture \(\w+\) is not planned with"),
        (" " * (1 << 21), "a config.json that cannot be read"),
        ("[" * 100_000, "a config.json that cannot be read"),
        (None, "no config.json"),
    ],
)
def test_a_folder_that_says_nothing_usable_is_refused(text: str | None, said: str, tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    if text is not None:
        (place / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=said):
        find_local_model(str(place))


def test_what_is_not_here_and_not_known_is_refused(tmp_path: Path) -> None:
    for name in (str(tmp_path / "nothing"), "./nothing", "gone.gguf"):
        with pytest.raises(ConfigError, match="there is no folder or file"):
            find_local_model(name)
    for name in ("Qwen2.5-8B", "", "A" * 5000, "a\0b"):
        with pytest.raises(ConfigError, match="the catalogue has no model"):
            find_local_model(name)
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF\x03\x00\x00\x00 and then nothing")
    with pytest.raises(ModelError):
        find_local_model(str(damaged))
