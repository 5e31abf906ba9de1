"""What sentence-transformers needs beside an adapter to open a folder as the encoder that was tuned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ockham.models.sentence_encoder import SentenceEncoder
from ockham.models.sentence_modules import POOLINGS, PROMPTS, read_json
from ockham.store import save_text

_TOKENIZER_CONFIG = "tokenizer_config.json"
_SPECIAL_TOKENS = "special_tokens_map.json"
_KINDS = "sentence_transformers.models"


def write_layout(sentence: SentenceEncoder, folder: Path) -> None:
    """Write the list of modules, the pooling and the settings of the tokenizer into a folder.

    The tokenizer itself is left out: a bundle has it already.
    """
    modules = [_module(0, "", "Transformer"), _module(1, "1_Pooling", "Pooling")]
    for layer in sentence.dense:
        name = f"{len(modules)}_Dense"
        modules.append(_module(len(modules), name, "Dense"))
        shutil.copytree(sentence.folder / layer.path, folder / name, dirs_exist_ok=True)
    if sentence.normalize:
        name = f"{len(modules)}_Normalize"
        modules.append(_module(len(modules), name, "Normalize"))
        (folder / name).mkdir(exist_ok=True)
    _write_json(modules, folder / "modules.json")
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {f"pooling_mode_{old}": sentence.pooling == mode for mode, old in POOLINGS.items()}
    pooling = {"word_embedding_dimension": sentence.hidden, **modes}
    _write_json(pooling, folder / "1_Pooling" / "config.json")
    _write_json({"max_seq_length": sentence.max_tokens, "do_lower_case": False}, folder / "sentence_bert_config.json")
    _write_json(_with_prompt(sentence), folder / PROMPTS)
    for name in (_TOKENIZER_CONFIG, _SPECIAL_TOKENS):
        if (sentence.folder / name).is_file():
            shutil.copyfile(sentence.folder / name, folder / name)
    if not (folder / _TOKENIZER_CONFIG).exists():
        _write_json(_tokenizer_config(sentence), folder / _TOKENIZER_CONFIG)


def _with_prompt(sentence: SentenceEncoder) -> dict[str, Any]:
    """Return the settings of sentence-transformers, in which the prompt that was used is the default."""
    config = read_json(sentence.folder / PROMPTS, optional=True)
    if not sentence.prefix:
        return config
    listed = config.get("prompts")
    prompts = dict(listed) if isinstance(listed, dict) else {}
    name = next((name for name, text in prompts.items() if text == sentence.prefix), "classification")
    return {**config, "prompts": {**prompts, name: sentence.prefix}, "default_prompt_name": name}


def _module(number: int, path: str, kind: str) -> dict[str, Any]:
    return {"idx": number, "name": str(number), "path": path, "type": f"{_KINDS}.{kind}"}


def _tokenizer_config(sentence: SentenceEncoder) -> dict[str, Any]:
    """Return the settings of a tokenizer that came without: the token that batches are padded with."""
    from tokenizers import Tokenizer

    config = json.loads((sentence.folder / "config.json").read_bytes())
    pad = Tokenizer.from_file(str(sentence.folder / "tokenizer.json")).id_to_token(config.get("pad_token_id") or 0)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": sentence.max_tokens,
        "model_input_names": ["input_ids", "attention_mask"],
        "pad_token": pad,
    }


def _write_json(value: object, path: Path) -> None:
    save_text(path, json.dumps(value, indent=1) + "\n")
