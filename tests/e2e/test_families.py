"""True architectures with random weights, from a Hugging Face folder to GGUF: the same answers as transformers gives.

This is how conversion, engine and quantizers are proven without a download. Tolerances are on the log-probabilities of
the next token over the whole vocabulary; the figures measured are in docs/design/007-decoders.md. Random weights are
a hard case: nothing in them is as redundant as in trained ones.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests import tiny_decoder

from ockham.convert import checkpoint_folder, gguf_export, gguf_quantize, pretokenizer
from ockham.convert.gguf_export import Converter
from ockham.errors import ModelError
from ockham.llm.llamacpp import Engine, EngineSpec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tune,
    # Of transformers and peft about each other.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

ENGINE = EngineSpec(context=128, slots=1, threads=1)
PROMPT = [5, 9, 33, 61, 120, 77, 200, 14, 8, 301]
TEXTS = (
    "where is my order 12345?",
    "Don't PAY  twice\n\n\tplease   ",
    "naïve café — 日本語 🚀 \u200d x",
    '{"text": "a \\"quoted\\" one"}',
    "<|im_start|>user\nhello<|im_end|>\n",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, converter: Converter) -> dict[str, Path]:
    """A converted model of each family beside its folder. No folder bears a family's name: llama.cpp reads names."""
    root = tmp_path_factory.mktemp("families")
    made = {name: root / f"small-{place}" for place, name in enumerate(tiny_decoder.FAMILIES)}
    for name, folder in made.items():
        tiny_decoder.family(name, folder)
        checkpoint_folder.check_model(folder)
    for folder in made.values():
        converter.convert(folder, folder.with_name(f"{folder.name}.gguf"), "f16")
    return made


def expected(folder: Path, adapter: Path | None = None) -> NDArray[np.float64]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter).eval()
    with torch.no_grad():
        logits = model(torch.tensor([PROMPT])).logits[0, -1]
    return np.asarray(torch.log_softmax(logits, 0), dtype=np.float64)


def found(path: Path, size: int, *adapters: Path) -> NDArray[np.float64]:
    engine = Engine(path, ENGINE, adapters)
    try:
        top = engine.top(PROMPT, size, scales=[1.0] * len(adapters))
    finally:
        engine.close()
    return np.array([top[token] for token in range(size)])


def lost(true: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence, in nats."""
    return float((np.exp(true) * (true - other)).sum())


@pytest.mark.parametrize("name", tiny_decoder.FAMILIES)
def test_a_family_gives_the_logits_of_transformers_and_loses_little_when_quantized(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = folders[name]
    whole = folder.with_name(folder.name + ".gguf")
    true = expected(folder)
    plain = found(whole, len(true))
    assert np.abs(plain - true).max() < 0.05, "in 16 bits"
    losses = {}
    for form, nbytes in (("q8_0", 0.60), ("q4_0", 0.45)):
        made = gguf_quantize.quantize(whole, tmp_path / f"{form}.gguf", form)  # type: ignore[arg-type] # two of its words
        tensors, metadata = whole.stat().st_size - 30_000, 30_000
        assert made.nbytes < nbytes * tensors + metadata
        losses[form] = lost(true, found(made.path, len(true)))
    assert 0 <= losses["q8_0"] < 0.05
    assert losses["q8_0"] < losses["q4_0"] < 1.0


def test_a_vocabulary_of_ones_own_has_the_tokens_of_its_tokenizer(folders: dict[str, Path]) -> None:
    from tokenizers import Tokenizer

    folder = folders["llama"]
    assert pretokenizer.recognise(folder) == "gpt-2"
    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    engine = Engine(folder.with_name(folder.name + ".gguf"), ENGINE)
    try:
        for text in TEXTS:
            assert engine.tokens(text, special=True) == own.encode(text, add_special_tokens=False).ids
    finally:
        engine.close()


def test_a_piece_of_a_prompt_gets_no_space_of_its_own(folders: dict[str, Path]) -> None:
    from sentencepiece import SentencePieceProcessor

    for name in ("mistral", "gemma2"):
        folder = folders[name]
        own = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        engine = Engine(folder.with_name(folder.name + ".gguf"), ENGINE)
        try:
            found = engine.tokens('{"text": 1}', special=False)
            marked = engine.tokens("<|im_end|>\nb", special=True)
        finally:
            engine.close()
        assert found[0] == own.piece_to_id("{")
        assert own.decode(found) == '{"text": 1}'
        assert marked[0] == own.piece_to_id("<|im_end|>")


@pytest.fixture(scope="module")
def adapter(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(folders["llama"], dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(model, config).save_pretrained(folder)
    return folder


def test_an_adapter_apart_gives_what_peft_gives(
    folders: dict[str, Path], adapter: Path, converter: Converter, tmp_path: Path
) -> None:
    folder = folders["llama"]
    made = converter.convert_adapter(adapter, folder, tmp_path / "adapter.gguf")
    assert made.source == checkpoint_folder.check_model(folder).digest
    true, base = expected(folder, adapter), expected(folder)
    assert np.abs(true - base).max() > 0.5, "the adapter changes the answer"
    got = found(folder.with_name(folder.name + ".gguf"), len(true), made.path)
    assert np.abs(got - true).max() < 0.05


def test_a_folder_converts_to_8_bits_at_once(folders: dict[str, Path], converter: Converter, tmp_path: Path) -> None:
    one = converter.convert(folders["llama"], tmp_path / "one.gguf", "q8_0")
    assert one.nbytes == one.path.stat().st_size
    assert one.source == checkpoint_folder.check_model(folders["llama"]).digest
    true = expected(folders["llama"])
    assert lost(true, found(one.path, len(true))) < 0.05


def test_splitting_rules_that_llama_cpp_does_not_know_are_refused(
    folders: dict[str, Path], converter: Converter, tmp_path: Path
) -> None:
    folder = tmp_path / "odd"
    tiny_decoder.family("llama", folder)
    path = folder / "tokenizer.json"
    rules = json.loads(path.read_text())
    rules["pre_tokenizer"]["add_prefix_space"] = True
    path.write_text(json.dumps(rules))
    assert pretokenizer.recognise(folder) is None
    with pytest.raises(ModelError, match=r"splits texts in a way that llama\.cpp does not know") as caught:
        converter.convert(folder, tmp_path / "odd.gguf", "f16")
    assert caught.value.code == "E_MODEL_FORMAT"


def test_an_architecture_the_converter_does_not_know_is_refused(
    folders: dict[str, Path], converter: Converter, tmp_path: Path
) -> None:
    folder = tmp_path / "unknown"
    shutil.copytree(folders["llama"], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["NobodyKnowsForCausalLM"]}))
    with pytest.raises(ModelError, match="does not know this architecture") as caught:
        converter.convert(folder, tmp_path / "unknown.gguf", "f16")
    assert caught.value.code == "E_MODEL_FORMAT"
    assert not (tmp_path / "unknown.gguf").exists()


def test_a_conversion_that_takes_too_long_is_stopped(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="took longer than 0 s"):
        gguf_export.convert(folders["llama"], tmp_path / "late.gguf", "f16", seconds=0.2)
