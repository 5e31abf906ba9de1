"""What tokens may come next under a JSON schema, in torch: the grammar that llama.cpp's own is made of (llguidance)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ockham.errors import ModelError
from ockham.version import install_command


class Grammar:
    """A schema over the vocabulary of a model's folder."""

    def __init__(self, folder: Path, schema: str, end: int) -> None:
        """Take the folder's tokenizer, the schema as JSON text, and the token that ends an answer.

        Raises `ModelError` (``E_MODEL_MISSING``) where llguidance is not installed.
        """
        try:
            import llguidance.hf
            from llguidance import LLMatcher
            from transformers import AutoTokenizer
        except ImportError:
            message = "llguidance and transformers are needed for tuning on objects"
            raise ModelError("E_MODEL_MISSING", message, fix=install_command("tune")) from None
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        self._end = end
        self._vocabulary = llguidance.hf.from_tokenizer(tokenizer, eos_token=end)
        self._matcher = LLMatcher
        self._made: Any = None
        self._read: tuple[int, ...] = ()
        self._whole = True
        self._grammar = json.dumps({"grammars": [{"json_schema": json.loads(schema)}]})

    def after(self, taken: Sequence[int]) -> list[int]:
        """Return the tokens that may follow those taken; the end alone where nothing may."""
        import numpy as np

        taken = tuple(taken)
        # Writing asks after one token more each time: the matcher goes on where it stands.
        if self._made is None or taken[: len(self._read)] != self._read:
            self._made, self._read, self._whole = self._matcher(self._vocabulary, self._grammar), (), True
        self._whole = self._whole and self._made.consume_tokens(list(taken[len(self._read) :]))
        self._read = taken
        if not self._whole:
            return [self._end]
        matcher = self._made
        allowed: list[int] = np.flatnonzero(np.frombuffer(matcher.compute_logit_bias(), np.uint8)).tolist()
        return allowed or [self._end]
