"""Encoders of every body, pooling and prompt agree with sentence-transformers, in 32 bits and in 8."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests import tiny_encoder

from ockham.convert import onnx_export
from ockham.errors import ModelError
from ockham.models import sentence_encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.tune

TEXTS = (
    "parcel late",
    "where is my refund",
    "the card",
    "unheard words",
    "milk is not the price " * 6,
    "a not paid pump twice",
    "invoice",
)
PROMPTS = {"prompts": {"query": "where is ", "Classification": "the price "}, "default_prompt_name": None}


def expected(folder: Path, texts: Sequence[str], **how: Any) -> NDArray[np.float32]:
    from sentence_transformers import SentenceTransformer

    padding = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "model_max_length": 40}
    (folder / "tokenizer_config.json").write_text(json.dumps(padding))
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    vectors: NDArray[np.float32] = model.encode(list(texts), convert_to_numpy=True, **how)
    return vectors


def cosines(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    out: NDArray[np.float32] = (ours * theirs).sum(axis=1) / lengths
    return out


@pytest.mark.parametrize(
    ("family", "pooling", "dense"),
    [
        ("modernbert", "mean", ()),
        ("modernbert", "cls", ("Tanh",)),
        ("gemma3_text", "mean", ("Identity", "Identity")),
        ("gemma3_text", "lasttoken", ()),
        ("bert", "lasttoken", ()),
        ("xlm-roberta", "max", ()),
    ],
)
def test_vectors_agree_with_sentence_transformers(
    family: str, pooling: str, dense: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tiny_encoder.write(tmp_path / "model", family, pooling=pooling, dense=dense, normalize=pooling != "max")
    found = sentence_encoder.find(str(folder))
    assert (found.pooling, found.max_tokens) == (pooling, 38 if family == "xlm-roberta" else 40)
    (tmp_path / "plain").mkdir()
    plain = onnx_export.write(found, found.weights(), (), tmp_path / "plain", quantize=False)
    theirs = expected(folder, TEXTS)
    assert plain.embed(TEXTS) == pytest.approx(theirs, abs=5e-5)
    served = onnx_export.write(found, found.weights(), TEXTS, tmp_path)
    ours = served.embed(TEXTS)
    assert cosines(ours, theirs).min() > 0.97, "8 bits"
    alone = np.concatenate([served.embed([text]) for text in TEXTS])
    assert np.array_equal(alone, ours), "an answer does not depend on what stands beside it"


def test_local_layers_read_the_neighbours_alone(tmp_path: Path) -> None:
    folder = tiny_encoder.write(tmp_path / "model", "modernbert")
    config = json.loads((folder / "config.json").read_text())
    found = sentence_encoder.find(str(folder))
    assert found.rotary is not None
    assert (found.rotary.local, found.rotary.reach) == ((False, True, True, False), 4)
    theirs = expected(folder, TEXTS)
    (folder / "config.json").write_text(json.dumps(config | {"local_attention": 80}))
    far = sentence_encoder.find(str(folder))
    vectors = onnx_export.write(far, far.weights(), (), tmp_path, quantize=False).embed(TEXTS)
    assert np.abs(vectors - theirs)[4].max() > 1e-3
    short = [0, 2, 3, 6]
    assert vectors[short] == pytest.approx(theirs[short], abs=5e-5), "short texts have no far tokens"


def test_what_older_versions_of_transformers_wrote_is_read_too(tmp_path: Path) -> None:
    for family, old in (
        ("modernbert", {"global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "global_attn_every_n_layers": 3}),
        ("gemma3_text", {"rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "_sliding_window_pattern": 2}),
    ):
        folder = tiny_encoder.write(tmp_path / family, family)
        new = sentence_encoder.find(str(folder)).rotary
        config = json.loads((folder / "config.json").read_text())
        for name in ("rope_parameters", "layer_types", "sliding_window_pattern"):
            config.pop(name, None)
        (folder / "config.json").write_text(json.dumps(config | old))
        assert sentence_encoder.find(str(folder)).rotary == new


@pytest.mark.parametrize(
    ("told", "prefix"),
    [
        (PROMPTS, "the price "),
        (PROMPTS | {"default_prompt_name": "query"}, "where is "),
        ({"prompts": {"query": "where is "}}, ""),
        ({"prompts": {"query": "query: ", "passage": "passage: "}}, "query: "),
        (None, ""),
    ],
)
def test_the_prompt_is_the_default_or_the_one_for_classifying(told: Any, prefix: str, tmp_path: Path) -> None:
    folder = tiny_encoder.write(tmp_path / "model", "bert", prompts=told)
    found = sentence_encoder.find(str(folder))
    assert found.prefix == prefix
    default = (told or {}).get("default_prompt_name")
    assert sentence_encoder.find(str(folder), default_prompt_only=True).prefix == (prefix if default else "")
    ours = onnx_export.write(found, found.weights(), (), tmp_path, quantize=False).embed(TEXTS[:4])
    assert ours == pytest.approx(expected(folder, TEXTS[:4], prompt=prefix or None), abs=5e-5)


def test_a_prompt_that_the_catalogue_knows_and_one_that_is_none(tmp_path: Path) -> None:
    folder = tiny_encoder.write(tmp_path / "multilingual-e5-small", "xlm-roberta")
    assert sentence_encoder.find(str(folder)).prefix == "query: "
    assert sentence_encoder.find(str(folder), default_prompt_only=True).prefix == ""
    told = {"prompts": {"query": "where is "}, "default_prompt_name": "document"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match="its default prompt is none of the prompts"):
        sentence_encoder.find(str(folder))


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("gemma3_text", {"use_bidirectional_attention": False}, "reads from left to right alone"),
        ("gemma3_text", {"attn_logit_softcapping": 50.0}, "its attention is capped"),
        ("gemma3_text", {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}, "its positions are scaled"),
        ("gemma3_text", {"head_dim": "large"}, "the head_dim of its config.json is no whole number above 0"),
        ("modernbert", {"layer_types": ["full_attention"]}, "the layer_types of its config.json"),
        ("bert", {"position_embedding_type": "relative_key"}, "its positions are 'relative_key'"),
        ("bert", {"hidden_act": "gelu_new"}, "its activation 'gelu_new' is unknown"),
    ],
)
def test_a_body_that_is_not_known_is_refused(family: str, change: Any, message: str, tmp_path: Path) -> None:
    folder = tiny_encoder.write(tmp_path / "model", family, layers=2)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelError, match=message) as caught:
        sentence_encoder.find(str(folder))
    assert caught.value.code == "E_MODEL_FORMAT"


def test_a_pooling_that_leaves_out_the_prompt_and_weights_that_no_graph_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_encoder.write(tmp_path / "model", "bert", layers=1, prompts=PROMPTS)
    modes = json.loads((folder / "1_Pooling" / "config.json").read_text())
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes | {"include_prompt": False}))
    with pytest.raises(ModelError, match="leaves out the tokens of its prompt"):
        sentence_encoder.find(str(folder))
    monkeypatch.setattr(sentence_encoder, "_MOST_NUMBERS", 1000)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    with pytest.raises(ModelError, match="this version runs up to 1,000"):
        sentence_encoder.find(str(folder))
