"""Run llama.cpp's own converter in a process of its own, with one addition: a pre-tokenizer it does not know by hash.

The converter recognises a byte-level BPE by the hash of one encoded text, so no vocabulary of a user's own is ever
known to it, though its splitting rules may be exactly those of a known family. `ockham.convert.pretokenizer` reads the
rules themselves and names the family; this file runs as a script, alone, and hands that name to the converter where
its own table has none. Nothing of ockham is imported here: the process is started with ``-I``.

    python -I converter.py SCRIPT NAME ARGUMENTS...
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def knowing(recognise: Callable[[Any, Any], str], name: str) -> Callable[[Any, Any], str]:
    """Give the converter's own recognition, with a name for what it does not know."""

    def recognised(model: object, tokenizer: object) -> str:
        try:
            return recognise(model, tokenizer)
        except NotImplementedError:
            if not name:
                raise
            return name

    return recognised


def run(script: Path, name: str, arguments: list[str]) -> None:
    """Run the converter's script as if it were started itself."""
    sys.path[:0] = [str(script.parent), str(script.parent / "gguf-py")]
    import importlib

    text_model = importlib.import_module("conversion.base").TextModel
    text_model.get_vocab_base_pre = knowing(text_model.get_vocab_base_pre, name)
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
