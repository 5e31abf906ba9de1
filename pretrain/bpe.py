"""The tokenizer: byte-level BPE over the pre-tokens that llama.cpp calls ``smollm`` (digits alone, then GPT-2's rule).

A converter knows a pre-tokenizer by a hash over the encoding of a test text, which depends on the merges, so a new
vocabulary is never known by it. We take a rule that llama.cpp has, and tell the converter its name (design note 006).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.store import save_text
from pretrain.sources import Document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 8192
PRE_TOKENIZER = "smollm"
END = "<|endoftext|>"
TURNS = ("<|system|>", "<|user|>", "<|assistant|>")
TURN_END = "<|end|>"
SPECIAL = (END, *TURNS, TURN_END)

# What a source gives to the training of the vocabulary: the small ones all they have, the books a sixth.
SAMPLE = 20_000_000
_PIECE = 20_000

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] | trim + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)


def train(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Tokenizer:
    """Train the vocabulary; the special tokens come first, then the 256 bytes, then the merges in their order."""
    from tokenizers import Tokenizer, decoders, models, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(_alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def sample(documents: Sequence[Document], limit: int = SAMPLE) -> Iterator[str]:
    """Give pieces of each source's documents, spread evenly, up to about ``limit`` characters a source."""
    sizes: dict[str, int] = {}
    for document in documents:
        sizes[document.source] = sizes.get(document.source, 0) + len(document.text)
    for document in documents:
        step = max(1, round(sizes[document.source] / limit))
        for start in range(0, len(document.text), _PIECE * step):
            yield document.text[start : start + _PIECE]


def load(path: Path) -> Tokenizer:
    """Read a tokenizer.json."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def number(tokenizer: Tokenizer, token: str) -> int:
    """Give a special token's number. Raises `ModelError` (``E_MODEL_FORMAT``) where the tokenizer is not ours."""
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ModelError("E_MODEL_FORMAT", "the tokenizer lacks a special token", fix="scripts/pretrain prepare")
    return found


def save(tokenizer: Tokenizer, folder: Path, context: int) -> None:
    """Write tokenizer.json and tokenizer_config.json, with the chat template, as transformers reads them."""
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "bos_token": END,
        # What ends an answer: a decoder that is asked in turns stops here.
        "eos_token": TURN_END,
        "pad_token": END,
        "add_bos_token": False,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "additional_special_tokens": list(TURNS),
        "chat_template": CHAT_TEMPLATE,
    }
    save_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    save_text(folder / "tokenizer_config.json", json.dumps(config, indent=2) + "\n")


def _pre_tokenizer() -> Any:  # noqa: ANN401 - the library has no type for "any of them"
    from tokenizers import pre_tokenizers

    digits = pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])


def _alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return list(pre_tokenizers.ByteLevel.alphabet())
