"""The model is the Llama that transformers knows, and its loss and gradients are the plain ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name for it
from pretrain import bpe, folder, instruct, model
from pretrain.model import SHAPES, Portion, Shape
from safetensors.torch import load_file

from ockham.convert.gguf_export import Converter

pytestmark = pytest.mark.tune

TINY = Shape(vocabulary=320, hidden=64, layers=3, heads=4, kv_heads=2, ffn=96, context=32, tied=False)
WORDS = (
    "the order came late and the box was open",
    "Is 1 pill of Aspirin2 enough?\n\tNo, take 20.",
    "naïve café \u2013 ok",
)


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights in which every part matters: a fresh model's blocks do nothing."""
    generator = torch.Generator().manual_seed(seed)
    found = model.start(TINY, seed)
    return {name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator) for name, tensor in found.items()}


def tokens(batch: int, length: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, TINY.vocabulary, (batch, length)))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("nano")
    bpe.save(bpe.train(WORDS * 3, TINY.vocabulary), place, TINY.context)
    folder.write(weights(), TINY, place / "tokenizer.json", place / "hf", torch.float32)
    return place / "hf"


def test_transformers_gives_the_same_logits(written: Path) -> None:
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(written)
    assert type(theirs).__name__ == "LlamaForCausalLM"
    assert sum(p.numel() for p in theirs.parameters()) == model.parameters(TINY)
    given = tokens(2, 32)
    with torch.no_grad():
        wanted = theirs(given).logits
        found = model.logits(weights(), TINY, given)
    assert found.std() > 0.1
    assert torch.allclose(found, wanted, atol=1e-4)


def test_tied_weights_are_those_transformers_knows_too(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    tied = dataclasses.replace(TINY, tied=True)
    drawn = model.start(tied, 0)
    assert model.parameters(tied) == model.parameters(TINY) - TINY.vocabulary * TINY.hidden
    bpe.save(bpe.train(WORDS * 3, TINY.vocabulary), tmp_path, TINY.context)
    folder.write(drawn, tied, tmp_path / "tokenizer.json", tmp_path / "hf", torch.float32)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    given = tokens(1, 8)
    with torch.no_grad():
        assert torch.allclose(model.logits(drawn, tied, given), theirs(given).logits, atol=1e-4)


def test_the_folder_holds_what_it_says(written: Path) -> None:
    config = json.loads((written / "config.json").read_text(encoding="utf-8"))
    assert config["tie_word_embeddings"] is False
    assert "lm_head.weight" in load_file(written / "model.safetensors")
    assert {path.name for path in written.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


@pytest.mark.parametrize("masked", [False, True])
def test_the_sliced_loss_and_its_gradients_are_the_plain_ones(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_SLICE", 7)  # several slices, the last one short
    given = tokens(3, 12)
    counts = (tokens(3, 11) % 3 == 0).float() if masked else None
    ours = {name: tensor.requires_grad_() for name, tensor in weights().items()}
    plain = {name: tensor.requires_grad_() for name, tensor in weights().items()}
    _, loss = model.loss(ours, TINY, Portion(tokens=given, counts=counts), torch.float32)
    each = F.cross_entropy(
        model.logits(plain, TINY, given[:, :-1]).flatten(0, 1), given[:, 1:].flatten(), reduction="none"
    )
    wanted = (each if counts is None else each * counts.flatten()).sum()
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    # Half the sum, so that a gradient that ignores what comes from above would be seen.
    (loss / 2).backward()
    (wanted / 2).backward()
    for name, tensor in ours.items():
        wanted_gradient = plain[name].grad
        assert tensor.grad is not None
        assert wanted_gradient is not None
        assert torch.allclose(tensor.grad, wanted_gradient, rtol=1e-3, atol=1e-4), name


def test_losses_are_those_of_each_token() -> None:
    given = tokens(2, 12)
    each = model.losses(weights(), TINY, given, torch.float32)
    assert each.shape == (2, 11)
    whole, _ = model.loss(weights(), TINY, Portion(tokens=given), torch.float32)
    assert float(each.sum()) == pytest.approx(float(whole), rel=1e-5)


def test_a_token_never_sees_those_after_it() -> None:
    given = tokens(1, 16)
    changed = given.clone()
    changed[0, 9:] = (changed[0, 9:] + 1) % TINY.vocabulary
    one, other = (model.logits(weights(), TINY, which) for which in (given, changed))
    assert torch.allclose(one[:, :9], other[:, :9], atol=1e-5)
    assert not torch.allclose(one[:, 9], other[:, 9], atol=1e-2)


def test_half_precision_is_near_the_whole_one() -> None:
    given = tokens(2, 17)
    whole, _ = model.loss(weights(), TINY, Portion(tokens=given), torch.float32)
    half, _ = model.loss(weights(), TINY, Portion(tokens=given), torch.bfloat16)
    assert float(half) == pytest.approx(float(whole), rel=0.02)


@pytest.mark.parametrize(("name", "most"), [("8m", 8.5e6), ("14m", 14.1e6), ("26m", 26.5e6)])
def test_the_sizes_fit_the_package_and_the_blocks_of_quantization(name: str, most: float) -> None:
    shape = SHAPES[name]
    assert 0.95 * most < model.parameters(shape) < most
    for rows, columns in model.matrices(shape).values():
        assert rows % 32 == 0
        assert columns % 256 == 0
    started = model.start(shape, 0)
    assert sum(tensor.numel() for tensor in started.values()) == model.parameters(shape)
    # 16-bit numbers take two bytes; 8-bit blocks hold 32 numbers in 34 bytes.
    assert model.parameters(shape) * (34 / 32 if name == "26m" else 2) < 30e6


def test_the_tokenizer_gives_every_text_back_and_splits_digits(written: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(written)
    ours = bpe.load(written / "tokenizer.json")
    for text in (*WORDS, "日本語 🙂  two  blanks\n\n\nlines", ""):
        ids = ours.encode(text, add_special_tokens=False).ids
        assert ours.decode(ids, skip_special_tokens=False) == text
        assert theirs(text)["input_ids"] == ids
    assert bpe.train(WORDS * 3, TINY.vocabulary).to_str() == bpe.train(WORDS * 3, TINY.vocabulary).to_str()
    assert len(ours.encode("2026", add_special_tokens=False).ids) == 4
    assert [ours.token_to_id(name) for name in bpe.SPECIAL] == [0, 1, 2, 3, 4]


def test_chats_are_encoded_as_the_template_writes_them_and_only_answers_count(written: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(written)
    chat = [
        {"role": "system", "content": " Be brief. "},
        {"role": "user", "content": "Is 1 pill enough?"},
        {"role": "assistant", "content": "No, take 20."},
        {"role": "user", "content": "the box was open"},
        {"role": "assistant", "content": "naïve\nok"},
    ]
    ids, kept = instruct.encoded(bpe.load(written / "tokenizer.json"), chat)
    assert theirs.apply_chat_template(chat, tokenize=True, return_dict=False) == ids
    counted = theirs.decode([i for i, k in zip(ids, kept, strict=True) if k])
    assert counted == "No, take 20.<|end|>naïve\nok<|end|>"
    # What generation starts from is the beginning of what was learnt.
    asked = theirs.apply_chat_template(chat[:-1], tokenize=True, return_dict=False, add_generation_prompt=True)
    assert ids[: len(asked)] == asked
    assert kept[len(asked)]
    assert not any(kept[len(asked) - 2 : len(asked)])


@pytest.mark.slow
def test_llama_cpp_gives_the_same_tokens_and_logits(written: Path, converter: Converter, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    from ockham.convert import pretokenizer
    from ockham.llm.llamacpp import Engine, EngineSpec

    assert pretokenizer.recognise(written) == bpe.PRE_TOKENIZER
    converter.convert(written, tmp_path / "nano.gguf", "f32")
    engine = Engine(tmp_path / "nano.gguf", EngineSpec(context=32, slots=1, threads=1, own_template=True))
    try:
        ours = bpe.load(written / "tokenizer.json")
        for text in (*WORDS, "call 0800 555 now!  \n\n  42x7 it's", "日本語 🙂"):
            assert engine.tokens(text, special=False) == ours.encode(text, add_special_tokens=False).ids
        assert engine.head.metadata["tokenizer.ggml.eos_token_id"] == bpe.number(ours, bpe.TURN_END)
        chat = [{"role": "user", "content": "Is 1 pill enough?"}]
        start = [*instruct.encoded(ours, chat)[0], bpe.number(ours, "<|assistant|>"), *ours.encode("\n").ids]
        assert engine.tokens(engine.render(chat), special=True) == start
        theirs = engine.top(start, 5)
    finally:
        engine.close()
    wanted = torch.log_softmax(model.logits(weights(), TINY, torch.tensor([start]))[0, -1], dim=-1)
    assert set(theirs) <= set(wanted.topk(8).indices.tolist())
    for token, found in theirs.items():
        assert found == pytest.approx(float(wanted[token]), abs=0.01)
