"""The cache of models that are here: what the engine allocates for tiny ones, and figures worked out by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests import tiny_gguf, tiny_layers
from tests.gguf_bytes import BOOL, FLOAT32, INT32, STRING, UINT32, Gguf, array, pair

from ockham.catalog import engine, find_architecture
from ockham.errors import ConfigError
from ockham.planning.local_models import find_local_model
from ockham.planning.memory import kv_cache, serving

CPU = engine("cpu", encoders=False)
CONTEXT = 10_000

# Each model in a process of its own, for a server that was stopped leaves threads behind; its log goes to a file.
_LOAD = """
import os, sys, time, xllamacpp
for number, path in enumerate(sys.argv[2:]):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        continue
    os.dup2(os.open(path + ".log", os.O_WRONLY | os.O_CREAT), 2)
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames = [f"{sys.argv[1]}/{number}.sock"]
    params.n_ctx, params.n_parallel, params.n_gpu_layers, params.cpuparams.n_threads = CONTEXT, 1, 0, 1
    params.verbosity, params.offline, params.ui, params.fit_params, params.warmup = 4, True, False, False, False
    params.kv_unified, params.cache_ram_mib, params.ctx_shift = False, 0, False
    params.flash_attn_type = int(xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED)
    try:
        server = xllamacpp.Server(params)
        time.sleep(0.05)
    finally:
        os._exit(0)
""".replace("CONTEXT", str(CONTEXT))


@pytest.fixture(scope="module")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tiny")
    names = [f"{index}-{tiny.name}" for index, tiny in enumerate(tiny_layers.TINY)]
    return {
        name: tiny_layers.write(folder / f"{name}.gguf", tiny)
        for name, tiny in zip(names, tiny_layers.TINY, strict=True)
    }


def test_the_engine_allocates_what_is_planned(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    """Windows, heads per layer, latent attention and recurrent layers: llama.cpp's own account of 21 architectures."""
    pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")
    command = [sys.executable, "-c", _LOAD, str(tmp_path), *map(str, tiny_models.values())]
    subprocess.run(command, check=True, timeout=120)
    wrong = {}
    for name, path in tiny_models.items():
        account = path.with_name(f"{path.name}.log").read_text()
        parts = re.findall(r"llama_(?:kv_cache|memory_recurrent): size = +([\d.]+) MiB", account)
        allocated = sum(map(float, parts))
        predicted = kv_cache(find_local_model(str(path)).shape, CONTEXT, CPU.batch_tokens, 256) / 2**20
        if not parts or predicted != pytest.approx(allocated, abs=0.005 * len(parts) + 1e-6):
            wrong[name] = (predicted, allocated)
    assert wrong == {}


GEMMA3 = {
    "model_type": "gemma3_text",
    "hidden_size": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "intermediate_size": 2048,
    "vocab_size": 1000,
    "max_position_embeddings": 65_536,
    "sliding_window": 256,
}
LLAMA = {**GEMMA3, "model_type": "llama"}
DEEPSEEK = {
    "hidden_size": 1024,
    "num_hidden_layers": 10,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "intermediate_size": 4096,
    "moe_intermediate_size": 256,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 512,
    "q_lora_rank": None,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 1000,
    "max_position_embeddings": 65_536,
}
MIXED = {**GEMMA3, "num_hidden_layers": 16, "sliding_window": None}
MAMBA2 = {"mamba_d_ssm": 1024, "mamba_n_heads": 16, "mamba_d_state": 128, "mamba_n_groups": 1, "mamba_d_conv": 4}
FULL, NEAR = 8192, 256 + 512
TOKEN = 2 * 2 * 64 * 2
"""Bytes that one layer keeps of one token: keys and values of 2 heads of 64 numbers, 2 bytes each."""


@pytest.mark.parametrize(
    ("config", "cache"),
    [
        ({**GEMMA3}, TOKEN * (2 * FULL + 10 * NEAR)),
        ({**GEMMA3, "sliding_window_pattern": 4}, TOKEN * (3 * FULL + 9 * NEAR)),
        (
            {**GEMMA3, "layer_types": ["sliding_attention"] * 8 + ["full_attention"] * 4},
            TOKEN * (4 * FULL + 8 * NEAR),
        ),
        ({**GEMMA3, "sliding_window": None}, TOKEN * 12 * FULL),
        ({**GEMMA3, "model_type": "gemma2"}, TOKEN * (6 * FULL + 6 * NEAR)),
        ({**GEMMA3, "model_type": "cohere2"}, TOKEN * (3 * FULL + 9 * NEAR)),
        ({**GEMMA3, "model_type": "olmo3"}, TOKEN * (3 * FULL + 9 * NEAR)),
        ({**GEMMA3, "model_type": "exaone4", "sliding_window_pattern": "LLLG"}, TOKEN * (3 * FULL + 9 * NEAR)),
        ({**GEMMA3, "model_type": "exaone4", "sliding_window": None}, TOKEN * 12 * FULL),
        (
            {
                **GEMMA3,
                "model_type": "gpt_oss",
                "sliding_window": 128,
                "num_local_experts": 4,
                "num_experts_per_tok": 2,
            },
            TOKEN * (6 * FULL + 6 * 768),  # 128 and 512 are 640, in steps of 256
        ),
        (
            {**GEMMA3, "model_type": "llama4_text", "attention_chunk_size": 8192, "num_local_experts": 4},
            TOKEN * 12 * FULL,  # the chunk holds the context
        ),
        # Layers 18 and 19 use what layers 16 and 17 keep; of the 18, three look at all.
        (
            {**GEMMA3, "model_type": "gemma3n_text", "num_hidden_layers": 20, "num_kv_shared_layers": 2},
            TOKEN * (3 * FULL + 15 * NEAR),
        ),
        # llama.cpp keeps all of families whose windows it does not use.
        ({**LLAMA, "model_type": "mistral"}, TOKEN * 12 * FULL),
        ({**LLAMA, "model_type": "phi3"}, TOKEN * 12 * FULL),
        ({**LLAMA, "model_type": "qwen2", "use_sliding_window": False, "max_window_layers": 6}, TOKEN * 12 * FULL),
        ({**LLAMA, "model_type": "qwen2", "use_sliding_window": True, "max_window_layers": 6}, TOKEN * 12 * FULL),
        # Latent attention keeps 512 numbers and 64 of the position a token, whatever the heads.
        ({**DEEPSEEK, "model_type": "deepseek_v2"}, 2 * 576 * 10 * FULL),
        ({**DEEPSEEK, "model_type": "deepseek_v3", "q_lora_rank": 256}, 2 * 576 * 10 * FULL),
        # Kimi's delta attention keeps a matrix of 64 by 64 for each of 8 heads, and 3 inputs of 3 convolutions.
        (
            {
                **DEEPSEEK,
                "model_type": "kimi_linear",
                "linear_attn_config": {
                    "full_attn_layers": [4, 8],
                    "num_heads": 8,
                    "head_dim": 64,
                    "short_conv_kernel_size": 4,
                },
            },
            2 * 576 * 2 * FULL + 4 * 8 * (8 * 64 * 64 + 3 * 3 * 8 * 64),
        ),
        # Of MiniCPM 3 the engine keeps each head's 192 numbers as keys and 128 as values.
        ({**DEEPSEEK, "model_type": "minicpm3", "n_routed_experts": None}, 2 * 16 * (192 + 128) * 10 * FULL),
        # 4 of 16 layers attend; 12 keep 3 inputs of 1,024 channels and 16 numbers for each, in 32 bits.
        (
            {
                **MIXED,
                "model_type": "jamba",
                "attn_layer_period": 4,
                "attn_layer_offset": 1,
                "mamba_expand": 2,
                "mamba_d_state": 16,
                "mamba_d_conv": 4,
            },
            TOKEN * 4 * FULL + 4 * 12 * 1024 * (3 + 16),
        ),
        ({**MIXED, **MAMBA2, "model_type": "falcon_h1"}, 16 * (TOKEN * FULL + 4 * (3 * 1280 + 128 * 1024))),
        (
            {
                **MIXED,
                **MAMBA2,
                "model_type": "granitemoehybrid",
                "layer_types": ["mamba"] * 7 + ["attention"] + ["mamba"] * 7 + ["attention"],
            },
            TOKEN * 2 * FULL + 4 * 14 * (3 * 1280 + 128 * 1024),
        ),
        (
            {**MIXED, "model_type": "lfm2", "conv_L_cache": 3, "layer_types": ["conv", "full_attention"] * 8},
            TOKEN * 8 * FULL + 4 * 8 * 2 * 512,
        ),
        ({**MIXED, "model_type": "lfm2", "conv_L_cache": 3, "full_attn_idxs": [3]}, TOKEN * FULL + 4 * 15 * 2 * 512),
        (
            {
                **MIXED,
                "model_type": "nemotron_h",
                "hybrid_override_pattern": "M-M-M-*-M-M-M-*-",
                "mamba_num_heads": 16,
                "mamba_head_dim": 64,
                "ssm_state_size": 128,
                "n_groups": 1,
                "conv_kernel": 4,
            },
            TOKEN * 2 * FULL + 4 * 6 * (3 * 1280 + 128 * 1024),
        ),
        (
            {
                **MIXED,
                "model_type": "qwen3_next",
                "linear_num_value_heads": 8,
                "linear_num_key_heads": 4,
                "linear_key_head_dim": 64,
                "linear_value_head_dim": 64,
                "num_experts": 4,
                "num_experts_per_tok": 2,
            },
            TOKEN * 4 * FULL + 4 * 12 * (3 * (512 + 2 * 4 * 64) + 64 * 512),
        ),
        (
            {
                "model_type": "mamba2",
                "hidden_size": 512,
                "num_hidden_layers": 6,
                "vocab_size": 1000,
                "state_size": 128,
                "num_heads": 16,
                "head_dim": 64,
                "n_groups": 1,
                "conv_kernel": 4,
                "expand": 2,
            },
            4 * 6 * (3 * 1280 + 128 * 1024),
        ),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else "",
)
def test_a_config_gives_the_cache_of_its_layers(config: dict[str, Any], cache: float, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    shape = find_local_model(str(tmp_path)).shape
    assert serving(shape, "q4_0", FULL, 1, CPU).kv_cache_mb == pytest.approx(cache / 1e6)
    assert serving(shape, "q4_0", FULL, 3, CPU).kv_cache_mb == pytest.approx(3 * cache / 1e6)


def test_a_chunk_is_kept_of_a_longer_context(tmp_path: Path) -> None:
    config = {**GEMMA3, "model_type": "llama4_text", "num_local_experts": 4}
    (tmp_path / "config.json").write_text(json.dumps(config | {"attention_chunk_size": 8192}))
    # Every fourth of 12 layers looks at all 65,536 tokens, the others at a chunk and what is read at once.
    assert cache_of(tmp_path, 65_536) == TOKEN * (3 * 65_536 + 9 * (8192 + 512))


@pytest.mark.parametrize(
    ("config", "billions", "used"),
    [
        (
            {
                **DEEPSEEK,
                "model_type": "deepseek_v3",
                "hidden_size": 7168,
                "num_hidden_layers": 61,
                "num_attention_heads": 128,
                "intermediate_size": 18_432,
                "moe_intermediate_size": 2048,
                "n_routed_experts": 256,
                "num_experts_per_tok": 8,
                "first_k_dense_replace": 3,
                "q_lora_rank": 1536,
                "vocab_size": 129_280,
            },
            671.0,
            37.5,
        ),
        (
            {
                "model_type": "kimi_linear",
                "hidden_size": 2304,
                "num_hidden_layers": 27,
                "num_attention_heads": 32,
                "intermediate_size": 9216,
                "moe_intermediate_size": 1024,
                "num_experts": 256,
                "num_experts_per_token": 8,
                "num_shared_experts": 1,
                "first_k_dense_replace": 1,
                "kv_lora_rank": 512,
                "qk_nope_head_dim": 128,
                "qk_rope_head_dim": 64,
                "v_head_dim": 128,
                "vocab_size": 163_840,
                "linear_attn_config": {
                    "full_attn_layers": [4, 8, 12, 16, 20, 24, 27],
                    "num_heads": 32,
                    "head_dim": 128,
                },
            },
            49.1,
            3.45,
        ),
        (
            {
                "model_type": "jamba",
                "hidden_size": 4096,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
                "intermediate_size": 14_336,
                "num_experts": 16,
                "num_experts_per_tok": 2,
                "vocab_size": 65_536,
                "mamba_dt_rank": 256,
            },
            51.6,
            12.1,
        ),
        (
            {
                "model_type": "nemotron_h",
                "hidden_size": 4096,
                "num_hidden_layers": 52,
                "vocab_size": 131_072,
                "intermediate_size": 21_504,
                "mamba_num_heads": 128,
                "mamba_head_dim": 64,
                "ssm_state_size": 128,
                "hybrid_override_pattern": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
            },
            8.1,
            8.1,
        ),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else "",
)
def test_weights_of_mixed_layers_are_those_published(
    config: dict[str, Any], billions: float, used: float, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    shape = find_local_model(str(tmp_path)).shape
    assert shape.parameters / 1e9 == pytest.approx(billions, rel=0.005)
    assert (shape.matrices_used + 2 * shape.table) / 1e9 == pytest.approx(used, rel=0.01)


def test_mamba_has_no_scores_of_attention(tmp_path: Path) -> None:
    config = {"model_type": "mamba", "hidden_size": 512, "num_hidden_layers": 6, "vocab_size": 1000}
    (tmp_path / "config.json").write_text(json.dumps(config))
    short, long = (
        serving(find_local_model(str(tmp_path)).shape, "q4_0", context, 1, CPU) for context in (512, 100_000)
    )
    assert short.total_mb == long.total_mb


def cache_of(path: Path, context: int) -> float:
    return serving(find_local_model(str(path)).shape, "q4_0", context, 1, CPU).kv_cache_mb * 1e6


def header(path: Path, architecture: str, **numbers: int | list[int]) -> Path:
    """Write the head of a model of 4 layers, 1,024 wide, with 16 heads."""
    pairs = [pair("general.architecture", STRING, architecture)]
    usual: dict[str, int | list[int]] = {"block_count": 4, "embedding_length": 1024, "attention_head_count": 16}
    for name, value in (usual | {"context_length": 65_536} | numbers).items():
        key = f"{architecture}.{name.replace('attention_', 'attention.')}"
        pairs.append(array(key, INT32, value) if isinstance(value, list) else pair(key, UINT32, value))
    plain = Gguf()
    pairs += [array("tokenizer.ggml.tokens", STRING, plain.tokens), array("tokenizer.ggml.token_type", INT32, [1] * 4)]
    plain.tokens = [b"a", b"b", b"c", b"d"]
    pairs[-2] = array("tokenizer.ggml.tokens", STRING, plain.tokens)
    plain.pairs = pairs
    path.write_bytes(plain.laid())
    return path


def test_heads_that_stand_once_a_layer_are_read(tmp_path: Path) -> None:
    path = header(tmp_path / "mixed.gguf", "lfm2", attention_head_count_kv=[0, 8, 0, 4])
    # Values are as wide as the widest layer's: without flash attention the engine keeps them transposed.
    assert cache_of(path, FULL) == 2 * 64 * FULL * ((8 + 8) + (4 + 8))


def test_a_list_that_is_too_short_is_refused(tmp_path: Path) -> None:
    path = header(tmp_path / "short.gguf", "llama", attention_head_count_kv=[8, 8])
    with pytest.raises(ConfigError, match="not planned with"):
        find_local_model(str(path))


def test_the_format_of_a_file_is_the_one_it_names(tmp_path: Path) -> None:
    tensors = tiny_gguf.matrices(0)
    for number, name in ((15, "q4_k_m"), (18, "q6_k"), (1, "f16"), (1024 + 7, "q8_0")):
        pairs = [*tiny_gguf.metadata(), pair("general.file_type", UINT32, number)]
        assert find_local_model(str(tiny_gguf.lay(tmp_path / f"{number}.gguf", tensors, pairs))).stored == name
    # A format that is not planned with, or none: the one that most bytes are in.
    for extra in ([], [pair("general.file_type", UINT32, 30)], [pair("general.file_type", FLOAT32, 1.0)]):
        path = tiny_gguf.lay(tmp_path / "other.gguf", tensors, [*tiny_gguf.metadata(), *extra])
        assert find_local_model(str(path)).stored == "q8_0"


def test_a_scalar_pattern_counts_and_one_by_layer_where_the_engine_reads_it(tmp_path: Path) -> None:
    tensors = {"token_embd.weight": tiny_gguf.matrices(0)["token_embd.weight"]}

    def windows(architecture: str, *extra: bytes) -> list[int | None]:
        numbers = {"block_count": 4, "embedding_length": 64, "attention.head_count": 4, "attention.sliding_window": 512}
        pairs = [pair("general.architecture", STRING, architecture)]
        pairs += [pair(f"{architecture}.{key}", UINT32, value) for key, value in numbers.items()]
        pairs += [line for line in tiny_gguf.metadata() if b"tokenizer." in line[:40]]
        shape = find_local_model(str(tiny_gguf.lay(tmp_path / "x.gguf", tensors, [*pairs, *extra]))).shape
        return sorted((group.window for group in shape.layer_groups for _ in range(group.layers)), key=str)

    def marks(architecture: str) -> bytes:
        return array(f"{architecture}.attention.sliding_window_pattern", BOOL, [True, False, False, False])

    assert windows("gemma2") == [512, 512, None, None]
    assert windows("gemma2", pair("gemma2.attention.sliding_window_pattern", UINT32, 4)) == [512, 512, 512, None]
    assert windows("gemma2", marks("gemma2")) == [512, 512, None, None]
    assert windows("gemma4", marks("gemma4")) == [512, None, None, None]
    assert windows("mellum", marks("mellum")) == [512, None, None, None]
    assert windows("llama", marks("llama")) == [None] * 4


def test_catalogued_layers_are_described_the_same_way() -> None:
    shape = find_architecture("gemma-3-1b")
    assert shape.groups == ()
    assert [(group.layers, group.keys, group.window) for group in shape.layer_groups] == [
        (4, 256, None),
        (22, 256, 512),
    ]
