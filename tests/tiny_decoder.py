"""Small language models with random weights, in the true architectures, as Hugging Face folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = (
    "the parcel is late and the courier lost it; please refund my payment, I was charged twice for one invoice. "
    "billing delivery system user assistant label text answer json object string data never instructions "
    'Each user message is a JSON object: {"text": "where is my order 12345?"} 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ '
)


def tokenizer(folder: Path, vocabulary: int = 600) -> int:
    """Write a byte-level BPE (GPT-2's splitting, vocabulary of its own) with chat marks; gives its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator([WORDS] * 4, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
        "add_bos_token": False,
        "model_max_length": 512,
        "chat_template": CHATML,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return int(made.get_vocab_size())


def llama(folder: Path, *, seed: int = 0, scale: float = 0.2, **changes: Any) -> Path:
    """Write a Llama of 2 layers and 64 wide, with its tokenizer, into a folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size = tokenizer(folder)
    settings: dict[str, Any] = {
        "vocab_size": size,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "initializer_range": scale,
    }
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(**{**settings, **changes}))
    model.save_pretrained(folder)
    return folder


def sentencepiece(folder: Path, vocabulary: int = 400) -> int:
    """Write a SentencePiece vocabulary (``tokenizer.model``) with chat marks, as Gemma 2 and Phi-3 have; its size."""
    import io

    from sentencepiece import SentencePieceTrainer

    folder.mkdir(parents=True, exist_ok=True)
    made = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([WORDS] * 8),
        model_writer=made,
        vocab_size=vocabulary,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        user_defined_symbols=SPECIAL[1:],
        bos_id=1,
        eos_id=2,
        unk_id=0,
        pad_id=-1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(made.getvalue())
    settings = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "chat_template": CHATML}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    from sentencepiece import SentencePieceProcessor

    return int(SentencePieceProcessor(model_proto=made.getvalue()).vocab_size())


_SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
_HEAD = {"head_dim": 32}
_GEMMA = {**_HEAD, "query_pre_attn_scalar": 32, "sliding_window": 64, "pad_token_id": 0}
FAMILIES: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "llama": ("Llama", False, {"tie_word_embeddings": True}),
    "smollm3": ("SmolLM3", False, {"num_hidden_layers": 4, "tie_word_embeddings": True}),
    "qwen2": ("Qwen2", False, {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", False, _HEAD),
    "gemma2": ("Gemma2", True, _GEMMA),
    "gemma3": ("Gemma3", True, {**_GEMMA, "num_hidden_layers": 6}),
    "phi3": ("Phi3", False, {"partial_rotary_factor": 1.0}),
    "mistral": ("Mistral", True, {"sliding_window": None}),
    "granite": ("Granite", False, {"embedding_multiplier": 3.0, "residual_multiplier": 0.5, "logits_scaling": 2.0}),
    "lfm2": ("Lfm2", False, {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False}),
}
"""Family → its class's name, whether its vocabulary is SentencePiece, and what is its own in the configuration."""


def family(name: str, folder: Path, *, seed: int = 0) -> Path:
    """Write a small model of a family with random weights, in its true architecture, into a folder."""
    import torch
    import transformers

    stem, pieces, changes = FAMILIES[name]
    size = sentencepiece(folder) if pieces else tokenizer(folder)
    text = "Text" if stem == "Gemma3" else ""
    config = getattr(transformers, f"{stem}{text}Config")(**{**_SHAPE, "vocab_size": size, **changes})
    torch.manual_seed(seed)
    model = getattr(transformers, f"{stem}ForCausalLM")(config)
    model.save_pretrained(folder)
    return folder
