"""An encoder's graph against transformers' own model, and the folders that are not encoders."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests import tiny_encoder

from ockham.convert import graph_builder, onnx_export, onnx_graph
from ockham.errors import ModelError
from ockham.models import encoder, onnx_encoder, sentence_encoder
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.tuning import linear_head

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXAMPLE = Path(__file__).parents[3] / "examples" / "support_mail.csv"
SENTENCES = (
    "The parcel is late again.",
    "I was charged twice for the same order.",
    "How loud is the pump?",
    "Please change the address on my account.",
    "refund",
    "The courier left it in the rain, and the box fell apart when I picked it up this morning.",
    "Naïve café, Straße 5, 日本語",
    "",
    "   ",
    "Where is my invoice? Where is my invoice? " * 40,
    "Your machine stopped with error E12!!! What now???",
    "Thank you; it works now.",
)
SHORT = ("parcel late", "where is my refund", "the card", "unheard words", "milk " * 60, "", "a not paid pump twice")


def embed(found: SentenceEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed the beginning of each text, as much as the encoder takes at once, with the float32 graph."""
    graph, _ = onnx_graph.build(found, found.weights())
    settings = onnx_encoder.EncoderSettings(
        hidden=found.width, max_tokens=found.max_tokens, first_position=found.first_position, prefix=found.prefix
    )
    embedder = onnx_encoder.open_graph(graph, found.folder / "tokenizer.json", settings, threads=1)
    return embedder.vectors(embedder.tokens(texts))


def reference(found: SentenceEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed with transformers, one padded batch with its mask, pooled and scaled as the encoder says."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModel

    words = Tokenizer.from_file(str(found.folder / "tokenizer.json"))
    words.no_padding()
    words.enable_truncation(found.max_tokens)
    rows = [words.encode(text).ids for text in texts]
    width = max(map(len, rows))
    body: Any = AutoModel.from_pretrained(str(found.folder), local_files_only=True).eval()
    pad = body.config.pad_token_id or 0
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    with torch.no_grad():
        hidden = body(input_ids=ids, attention_mask=mask).last_hidden_state
    if found.pooling == "mean":
        vectors = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
    else:
        vectors = hidden[:, 0]
    if found.normalize:
        vectors = torch.nn.functional.normalize(vectors, dim=-1)
    out: NDArray[np.float32] = vectors.numpy()
    return out


@pytest.fixture(scope="module")
def packaged() -> SentenceEncoder:
    return sentence_encoder.find(None)


@pytest.mark.tune
def test_the_packaged_encoder_is_what_transformers_runs(packaged: SentenceEncoder) -> None:
    assert packaged.max_tokens == 256
    plain = embed(packaged, SENTENCES)
    assert plain == pytest.approx(reference(packaged, SENTENCES), abs=2e-5)
    assert np.linalg.norm(plain, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.tune
@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "camembert", "distilbert"])
def test_every_family_is_what_transformers_runs(family: str, pooling: str, tmp_path: Path) -> None:
    found = sentence_encoder.find(
        str(tiny_encoder.write(tmp_path, family, pooling=pooling, normalize=pooling == "mean"))
    )
    assert (found.family, found.pooling, found.normalize) == (family, pooling, pooling == "mean")
    assert found.first_position == (0 if family in ("bert", "distilbert") else 2)
    assert found.max_tokens == 40 - found.first_position, "no position is past the table"
    assert embed(found, SHORT) == pytest.approx(reference(found, SHORT), abs=2e-5)


def test_eight_bits_stay_close_to_float32(packaged: SentenceEncoder, tmp_path: Path) -> None:
    with EXAMPLE.open(encoding="utf-8", newline="") as stream:
        mails = [mail["body"] for mail in csv.DictReader(stream)][:130]
    seen, unseen = mails[:100], mails[100:]
    full = tmp_path / "full"
    full.mkdir()
    plain = onnx_export.write(packaged, packaged.weights(), (), full, quantize=False).embed(unseen)
    served = onnx_export.write(packaged, packaged.weights(), seen, tmp_path).embed(unseen)
    cosines = (served * plain).sum(axis=1)
    assert cosines.min() >= 0.98
    assert cosines.mean() >= 0.99
    small, large = ((folder / onnx_encoder.GRAPH).stat().st_size for folder in (tmp_path, full))
    assert small < 0.3 * large


def test_a_text_is_embedded_the_same_by_any_number_of_threads(packaged: SentenceEncoder, tmp_path: Path) -> None:
    texts = [f"{text} {number}" for number in range(30) for text in SENTENCES[:6]]
    onnx_export.write(packaged, packaged.weights(), texts, tmp_path)
    alone, shared = (onnx_encoder.load(tmp_path, threads=threads).embed(texts) for threads in (1, 3))
    assert np.array_equal(alone, shared)


def test_the_largest_products_do_not_overflow_on_any_processor() -> None:
    """Without VNNI two products are added in 16 bits first: the worst that can enter gives the exact sum there too."""
    import onnxruntime
    from onnx import TensorProto, helper

    inputs, outputs = 64, 16
    draw = np.random.default_rng(0)
    signs = np.where(np.arange(outputs) % 2, 1.0, -1.0)
    weight = (np.ones((inputs, outputs)) * signs).astype(np.float32)  # every number of a column is its largest
    ranges = {"given": (np.zeros(inputs, np.float32), np.full(inputs, 255.0, np.float32))}
    builder = graph_builder.GraphBuilder(ranges)
    out = builder.product("given", "worst", weight, np.zeros(outputs, np.float32))
    stored = {one.name: one for one in builder.constants}
    numbers = np.abs(np.frombuffer(stored["worst.weight"].raw_data, np.int8).astype(int))
    assert 2 * 255 * numbers.max() <= 2**15 - 1, "what any processor adds up exactly"
    graph = helper.make_graph(
        builder.nodes,
        "worst",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, ["rows", inputs])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)],
        builder.constants,
    )
    opsets = [helper.make_opsetid("", graph_builder.OPSET), helper.make_opsetid(graph_builder.CONTRIB, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    given = np.vstack([np.full((1, inputs), 255.0), draw.integers(200, 256, size=(40, inputs))]).astype(np.float32)
    (found,) = session.run(None, {"given": given})
    assert found == pytest.approx(given @ weight, rel=1e-5)


@pytest.mark.tune
def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    found = sentence_encoder.find(str(tiny_encoder.write(tmp_path / "tiny", "bert")))
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        onnx_export.write(found, found.weights(), SHORT, tmp_path / name)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"encoder.onnx", "tokenizer.json", "encoder.json"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder.write(tmp_path_factory.mktemp("source"), "bert", layers=1)


def spoiled(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "encoder"))


def code(name: str) -> tuple[str, str]:
    with pytest.raises(ModelError) as caught:
        sentence_encoder.find(name)
    assert caught.value.fix
    return caught.value.code, caught.value.message


@pytest.mark.tune
@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("tokenizer.json", "has no tokenizer.json"),
        ("model.safetensors", "pickled weights are never opened"),
        ("config.json", "has no config.json"),
    ],
)
def test_a_folder_that_is_not_whole(missing: str, message: str, tiny: Path, tmp_path: Path) -> None:
    folder = spoiled(tiny, tmp_path)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02never opened")
    (folder / missing).unlink()
    found = code(str(folder))
    assert found[0] == "E_MODEL_MISSING"
    assert message in found[1]


@pytest.mark.tune
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", {"model_type": "gpt2"}, "its body is 'gpt2'"),
        ("config.json", {"model_type": "bert"}, "its config.json has no hidden_size"),
        ("config.json", "{", "config.json cannot be read"),
        ("modules.json", [{"type": "sentence_transformers.models.CNN", "path": "2"}], "it has a 'CNN' layer"),
        ("modules.json", [{"type": "models.Normalize"}, {"type": "models.Pooling"}], "stand in an order"),
        ("modules.json", [{"type": "models.Pooling", "path": "../1_Pooling"}], "lies outside the folder"),
        ("1_Pooling/config.json", {"pooling_mode_weightedmean_tokens": True}, "its pooling is none of"),
    ],
)
def test_a_folder_of_another_build(file: str, content: Any, message: str, tiny: Path, tmp_path: Path) -> None:
    folder = spoiled(tiny, tmp_path)
    (folder / file).write_text(content if isinstance(content, str) else json.dumps(content))
    found = code(str(folder))
    assert found[0] == "E_MODEL_FORMAT"
    assert message in found[1]


@pytest.mark.tune
@pytest.mark.parametrize("dense", [("Identity",), ("Tanh",), ("GELU", "Identity")])
@pytest.mark.parametrize("normalize", [True, False])
def test_dense_layers_behind_the_pooling_are_what_torch_runs(
    dense: tuple[str, ...], normalize: bool, tmp_path: Path
) -> None:
    import torch
    from safetensors.numpy import load_file

    folder = tiny_encoder.write(tmp_path / "model", "bert", normalize=normalize, dense=dense)
    found = sentence_encoder.find(str(folder))
    assert [layer.activation for layer in found.dense] == list(dense)
    assert (found.hidden, found.width) == (32, 24)
    plain = dataclasses.replace(found, normalize=False, dense=())
    vectors: Any = torch.from_numpy(reference(plain, SHORT))
    for number, activation in enumerate(dense):
        layer = torch.nn.Linear(vectors.shape[1], 24, bias=activation != "Identity")
        state = load_file(folder / f"{number + 2}_Dense" / "model.safetensors")
        layer.load_state_dict({name.removeprefix("linear."): torch.from_numpy(value) for name, value in state.items()})
        vectors = getattr(torch.nn, activation)()(layer(vectors)).detach()
    expected = torch.nn.functional.normalize(vectors, dim=-1) if normalize else vectors
    assert embed(found, SHORT) == pytest.approx(expected.numpy(), abs=2e-5)
    served = onnx_export.write(found, found.weights(), SHORT * 20, tmp_path)
    ours = served.embed(SHORT)
    cosine = (ours * expected.numpy()).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(expected.numpy(), axis=1)
    assert cosine.min() > 0.97, "8 bits"


@pytest.mark.tune
def test_dense_layers_that_cannot_be_run_are_refused_by_name(tmp_path: Path) -> None:
    folder = tiny_encoder.write(tmp_path, "bert", dense=("Tanh",))
    config = folder / "2_Dense" / "config.json"
    whole = json.loads(config.read_text())
    config.write_text(json.dumps(whole | {"activation_function": "torch.nn.modules.activation.Hardtanh"}))
    assert "the activation 'Hardtanh'" in code(str(folder))[1]
    config.write_text(json.dumps(whole | {"out_features": 23}))
    with pytest.raises(ModelError, match="the weights of 2_Dense are not of the shape"):
        sentence_encoder.find(str(folder)).weights()
    config.write_text(json.dumps(whole))
    (folder / "2_Dense" / "model.safetensors").unlink()
    assert code(str(folder)) == ("E_MODEL_MISSING", code(str(folder))[1])
    assert "pickled weights are never opened" in code(str(folder))[1]


@pytest.mark.tune
def test_weights_and_activation_that_the_graph_does_not_know(tiny: Path, tmp_path: Path) -> None:
    folder = spoiled(tiny, tmp_path)
    found = sentence_encoder.find(str(folder))
    weights = found.weights()
    del weights["encoder.layer.0.output.dense.bias"]
    with pytest.raises(ModelError, match=r"no weight 'encoder\.layer\.0\.output\.dense\.bias'"):
        onnx_graph.build(found, weights)
    with pytest.raises(ModelError, match="activation 'gelu_new' is unknown"):
        onnx_graph.build(dataclasses.replace(found, activation="gelu_new"), found.weights())


@pytest.mark.tune
def test_damaged_weights_are_refused(tiny: Path, tmp_path: Path) -> None:
    folder = spoiled(tiny, tmp_path)
    (folder / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(ModelError) as caught:
        sentence_encoder.find(str(folder)).weights()
    assert caught.value.code == "E_MODEL_FORMAT"


def test_a_hub_id_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    found = code("nobody/no-such-encoder")
    assert found[0] == "E_MODEL_MISSING"
    assert "the hub could not provide it" in found[1]


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "~/nowhere", "a\\b"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(name: str) -> None:
    found = code(name)
    assert found[0] == "E_MODEL_MISSING"
    assert "there is no folder" in found[1]


def test_other_weights_in_the_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_encoder, "PACKAGE_SHA256", "0" * 64)
    with pytest.raises(ModelError) as caught:
        sentence_encoder.find(None)
    assert caught.value.code == "E_MODEL_DIGEST"


@pytest.fixture(scope="module")
def bundle(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    found = sentence_encoder.find(str(tiny))
    body = onnx_export.write(found, found.weights(), SHORT, folder)
    linear_head.solve(body.embed(SHORT), ["a", "b"] * (len(SHORT) // 2) + ["a"] * (len(SHORT) % 2), 10.0).save(folder)
    return folder


@pytest.mark.tune
@pytest.mark.parametrize(
    "change",
    [
        {"hidden": 31}, {"hidden": 33}, {"hidden": 10**12}, {"max_tokens": 2}, {"max_tokens": 41},
        {"max_tokens": 2**62}, {"first_position": 1}, {"first_position": 2**62}, {"first_position": 2**63 - 1},
    ],
)  # fmt: skip
def test_settings_that_are_not_those_of_the_graph(change: dict[str, int], bundle: Path, tmp_path: Path) -> None:
    """As after damage before the bundle was sealed: found when it is loaded, not by a fault in the first long text."""
    folder = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    assert encoder.load(folder).answer(["where is my parcel " * 20])[0].value in ("a", "b")
    told = json.loads((folder / onnx_encoder.FILE).read_text())
    assert (told["hidden"], told["max_tokens"], told["first_position"]) == (32, 40, 0)
    (folder / onnx_encoder.FILE).write_text(json.dumps(told | change))
    with pytest.raises(ModelError) as caught:
        encoder.load(folder)
    assert caught.value.code == "E_MODEL_FORMAT"
    assert "encoder.json: its numbers are not those of encoder.onnx" in caught.value.message


@pytest.mark.tune
def test_labels_that_are_not_those_of_the_head(bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    (folder / encoder.FILE).write_text(json.dumps({"labels": ["a"], "temperature": 1.0}))
    with pytest.raises(ModelError, match=r"head\.safetensors: its arrays are not of the shape that head\.json tells"):
        encoder.load(folder)
