"""Name the rules by which a byte-level BPE splits a text, as llama.cpp names them.

Each rule set here is copied from a tokenizer.json of the family and from the regular expressions that llama.cpp runs
under that name (``llama-vocab.cpp``). Only an exact match counts: a tokenizer that splits in any other way would be
served wrongly, and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}| ?", r"|\p{N}{1,3}| ?")


def recognise(folder: Path) -> str | None:
    """Return llama.cpp's name for the rules in a folder's ``tokenizer.json``; ``None`` where they are no known ones."""
    try:
        tokenizer = json.loads((folder / "tokenizer.json").read_bytes())
        model, before, rules = tokenizer["model"], tokenizer["normalizer"], tokenizer["pre_tokenizer"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(model, dict) or model.get("type") != "BPE" or model.get("byte_fallback"):
        return None
    steps = rules.get("pretokenizers") if isinstance(rules, dict) and rules.get("type") == "Sequence" else [rules]
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        return None
    return _match_rules([_short(step) for step in steps], composes=_composes(before))


def _match_rules(steps: list[tuple[str, ...]], *, composes: bool) -> str | None:
    byte_level, plain = ("ByteLevel", "split"), ("ByteLevel",)
    if composes:
        # Qwen2 alone composes characters (NFC) first; llama.cpp does not, which matters for decomposed letters only.
        return "qwen2" if steps == [("Split", _QWEN2), plain] else None
    families = {
        "gpt-2": [byte_level],
        "smollm": [("Digits",), byte_level],
        "qwen2": [("Split", _QWEN2), plain],
        "llama-bpe": [("Split", _LLAMA3), plain],
    }
    return next((name for name, rules in families.items() if rules == steps), None)


def _short(step: Mapping[str, Any]) -> tuple[str, ...]:
    kind = step.get("type")
    if kind == "ByteLevel" and step.get("add_prefix_space") is False:
        return ("ByteLevel", "split") if step.get("use_regex") is True else ("ByteLevel",)
    if kind == "Digits" and step.get("individual_digits") is True:
        return ("Digits",)
    pattern = step.get("pattern")
    if kind == "Split" and isinstance(pattern, dict) and step.get("behavior") == "Isolated" and not step.get("invert"):
        return ("Split", str(pattern.get("Regex")))
    return ("?",)


def _composes(before: object) -> bool:
    return isinstance(before, dict) and before.get("type") == "NFC"
