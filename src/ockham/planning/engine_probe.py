"""How fast llama.cpp reads a prompt on this machine: measured once, on a small model of random weights.

A product in FP32 tells little of it where the processor has wider vectors than the engine was built for, or where its
cores wait long for each other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ockham import catalog
from ockham.catalog import Architecture
from ockham.planning.calibrate import Clock
from ockham.records.plan import Quantization
from ockham.sealed import connector

TOKENS = 128
FORMAT: Quantization = "q8_0"
_PACKAGES = ("gguf", "xllamacpp")
_PASSES = 4
_TIMEOUT_S = 60.0
_BYTES, _VOCABULARY = 256, 512


def shape() -> Architecture:
    """Return what is read: four layers as wide as those of a small language model, with next to no vocabulary."""
    return dataclasses.replace(
        catalog.find_architecture("SmolLM2-135M"), layers=4, vocabulary=_VOCABULARY, context=2 * TOKENS
    )


def read_seconds(threads: int) -> float | None:
    """Return the seconds in which the engine reads `TOKENS` tokens of `shape` in `FORMAT`, in a process of its own.

    ``None`` where it is not installed, or does not do it.
    """
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        return None
    command = [sys.executable, "-m", "ockham.planning.engine_probe", str(threads)]
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        run = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S, pass_fds=connector.control()
        )
        return float(run.stdout)
    return None


def measure(threads: int, clock: Clock) -> float:
    """Read as `read_seconds` says, in this process; ``clock`` counts processor time over all threads."""
    from ockham.llm.decoding import DecodingLimits
    from ockham.llm.llamacpp import Engine, EngineSpec

    seconds = []
    with tempfile.TemporaryDirectory(prefix="ockham-") as folder:
        engine = Engine(write(Path(folder) / "probe.gguf"), EngineSpec(context=2 * TOKENS, slots=1, threads=threads))
        try:
            for start in range(_PASSES):
                # Another first token each time, so that nothing is taken from the cache.
                prompt = [start, *(7 * position % _BYTES for position in range(TOKENS - 1))]
                begin = clock()
                engine.write(prompt, DecodingLimits(tokens=1), slot=0)
                seconds.append(clock() - begin)
        finally:
            engine.close()
    return min(seconds) / threads


def write(path: Path) -> Path:
    """Write `shape` as a GGUF file with random weights, and return its path."""
    import gguf
    import numpy as np

    model, rng = shape(), np.random.default_rng(0)
    wide, narrow = model.heads * model.head_size, model.kv_heads * model.head_size
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(model.context)
    writer.add_embedding_length(model.hidden)
    writer.add_block_count(model.layers)
    writer.add_feed_forward_length(model.ffn)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_rope_dimension_count(model.head_size)
    writer.add_vocab_size(model.vocabulary)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    # The engine looks for the tokens of letters and of a line break, which GPT-2's tokenizer writes as U+010A.
    written = ["\u010a", *string.ascii_lowercase]
    writer.add_token_list([*written, *(f"<{number}>" for number in range(len(written), model.vocabulary))])
    writer.add_token_types([gguf.TokenType.NORMAL] * (model.vocabulary - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(model.vocabulary - 1)
    writer.add_eos_token_id(model.vocabulary - 1)

    def add_matrix(name: str, columns: int, rows: int) -> None:
        weights = rng.normal(0, 0.02, (rows, columns)).astype(np.float32)
        packed = gguf.quantize(weights, gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)

    add_matrix("token_embd", model.hidden, model.vocabulary)
    writer.add_tensor("output_norm.weight", np.ones(model.hidden, np.float32))
    for layer in range(model.layers):
        for name, columns, rows in (
            ("attn_q", model.hidden, wide),
            ("attn_k", model.hidden, narrow),
            ("attn_v", model.hidden, narrow),
            ("attn_output", wide, model.hidden),
            ("ffn_gate", model.hidden, model.ffn),
            ("ffn_up", model.hidden, model.ffn),
            ("ffn_down", model.ffn, model.hidden),
        ):
            add_matrix(f"blk.{layer}.{name}", columns, rows)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(model.hidden, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


if __name__ == "__main__":
    sys.stdout.write(f"{measure(int(sys.argv[1]), time.process_time)}\n")
