"""Tiny models of many architectures as GGUF files, with weights of zero: for what an engine allocates for them.

Their layers differ as those of the published models do: windows, heads per layer, latent attention, recurrent layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tests import tiny_gguf
from tests.gguf_bytes import BOOL, FLOAT32, INT32, STRING, UINT32, array, pair

HIDDEN, HEADS, KV, SIZE, WIDE, LAYERS = 64, 4, 2, 16, 96, 8
TOKENS = 259
CONTEXT = 8192

Shapes = dict[str, tuple[int, ...]]
Numbers = Mapping[str, "int | bool | float | Sequence[int] | Sequence[bool]"]


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """An architecture: its numbers beside the usual ones, and the tensors of a layer (as rows and columns)."""

    name: str
    numbers: Numbers
    layer: Callable[[int], Shapes]
    more: Shapes = field(default_factory=dict)
    norm: str = "output_norm.weight"


def attention(kv: int = KV, size: int = SIZE, heads: int = HEADS) -> Shapes:
    return {
        "attn_norm.weight": (HIDDEN,),
        "attn_q.weight": (heads * size, HIDDEN),
        "attn_k.weight": (kv * size, HIDDEN),
        "attn_v.weight": (kv * size, HIDDEN),
        "attn_output.weight": (HIDDEN, heads * size),
    }


def block(wide: int = WIDE) -> Shapes:
    return {
        "ffn_norm.weight": (HIDDEN,),
        "ffn_gate.weight": (wide, HIDDEN),
        "ffn_up.weight": (wide, HIDDEN),
        "ffn_down.weight": (HIDDEN, wide),
    }


def experts(wide: int = 32, number: int = 4) -> Shapes:
    return {
        "ffn_gate_inp.weight": (number, HIDDEN),
        "ffn_gate_exps.weight": (number, wide, HIDDEN),
        "ffn_up_exps.weight": (number, wide, HIDDEN),
        "ffn_down_exps.weight": (number, HIDDEN, wide),
    }


def shared(wide: int = 32) -> Shapes:
    return {
        "ffn_gate_shexp.weight": (wide, HIDDEN),
        "ffn_up_shexp.weight": (wide, HIDDEN),
        "ffn_down_shexp.weight": (HIDDEN, wide),
    }


def without(shapes: Shapes, *names: str) -> Shapes:
    return {name: shape for name, shape in shapes.items() if name not in names}


def renamed(shapes: Shapes, old: str, new: str) -> Shapes:
    return {new if name == old else name: shape for name, shape in shapes.items()}


def norms(*names: str, size: int = HIDDEN) -> Shapes:
    return {f"{name}.weight": (size,) for name in names}


QK = norms("attn_q_norm", "attn_k_norm", size=SIZE)
GEMMA = norms("post_attention_norm", "post_ffw_norm")
INNER, STATE, GROUPS, STEPS = 2 * HIDDEN, 16, 2, 8
SSM = {"ssm.conv_kernel": 4, "ssm.inner_size": INNER, "ssm.state_size": STATE}
SSM2 = {**SSM, "ssm.time_step_rank": STEPS, "ssm.group_count": GROUPS}
EXPERTS = {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 32}


def mamba() -> Shapes:
    return {
        "attn_norm.weight": (HIDDEN,),
        "ssm_in.weight": (2 * INNER, HIDDEN),
        "ssm_conv1d.weight": (INNER, 4),
        "ssm_conv1d.bias": (INNER,),
        "ssm_x.weight": (4 + 2 * STATE, INNER),
        "ssm_dt.weight": (INNER, 4),
        "ssm_dt.bias": (INNER,),
        "ssm_a": (INNER, STATE),
        "ssm_d": (INNER,),
        "ssm_out.weight": (HIDDEN, INNER),
    }


def mamba2() -> Shapes:
    wide = INNER + 2 * GROUPS * STATE
    return {
        "attn_norm.weight": (HIDDEN,),
        "ssm_in.weight": (INNER + wide + STEPS, HIDDEN),
        "ssm_conv1d.weight": (wide, 4),
        "ssm_conv1d.bias": (wide,),
        "ssm_dt.bias": (STEPS,),
        "ssm_a": (STEPS, 1),
        "ssm_d": (STEPS, 1),
        "ssm_norm.weight": (GROUPS, INNER // GROUPS),
        "ssm_out.weight": (HIDDEN, INNER),
    }


def delta_net() -> Shapes:
    keys, values = 2 * GROUPS * STATE, STEPS * STATE
    return {
        "attn_norm.weight": (HIDDEN,),
        "attn_qkv.weight": (keys + values, HIDDEN),
        "attn_gate.weight": (values, HIDDEN),
        "ssm_conv1d.weight": (keys + values, 4),
        "ssm_dt.bias": (STEPS,),
        "ssm_a": (STEPS,),
        "ssm_ba.weight": (2 * STEPS, HIDDEN),
        "ssm_norm.weight": (STATE,),
        "ssm_out.weight": (HIDDEN, values),
    }


def convolution() -> Shapes:
    return {
        "attn_norm.weight": (HIDDEN,),
        "shortconv.conv.weight": (HIDDEN, 3),
        "shortconv.in_proj.weight": (3 * HIDDEN, HIDDEN),
        "shortconv.out_proj.weight": (HIDDEN, HIDDEN),
    }


def latent() -> Shapes:
    """Latent attention: 32 numbers and 8 for the position, in 4 heads of 24 and 16."""
    return {
        **norms("attn_norm", "ffn_norm"),
        "attn_kv_a_norm.weight": (32,),
        "attn_q_a_norm.weight": (48,),
        "attn_q_a.weight": (48, HIDDEN),
        "attn_q_b.weight": (HEADS * 24, 48),
        "attn_kv_a_mqa.weight": (40, HIDDEN),
        "attn_k_b.weight": (HEADS, 32, 16),
        "attn_v_b.weight": (HEADS, 16, 32),
        "attn_output.weight": (HIDDEN, HEADS * 16),
    }


MANY_HEADS = [2, 1, 4, 2, 4, 2, 1, 2]
HYBRID_HEADS = [0, 0, 2, 0, 0, 2, 0, 2]
NEMOTRON = "M-M*M-*M"

TINY = [
    Tiny(name="llama", numbers={}, layer=lambda _: attention() | block()),
    Tiny(name="gemma2", numbers={"attention.sliding_window": 512}, layer=lambda _: attention() | block() | GEMMA),
    Tiny(name="gemma3", numbers={"attention.sliding_window": 512}, layer=lambda _: attention() | block() | GEMMA | QK),
    Tiny(
        name="gemma3",
        numbers={"attention.sliding_window": 300, "attention.sliding_window_pattern": 3},
        layer=lambda _: attention() | block() | GEMMA | QK,
    ),
    Tiny(name="gemma3", numbers={}, layer=lambda _: attention() | block() | GEMMA | QK),
    Tiny(
        name="cohere2",
        numbers={"attention.sliding_window": 1024, "attention.layer_norm_epsilon": 1e-5, "logit_scale": 1.0},
        layer=lambda _: without(attention() | block(), "ffn_norm.weight"),
    ),
    Tiny(
        name="gpt-oss",
        numbers={**EXPERTS, "attention.sliding_window": 128},
        layer=lambda _: {
            **attention(),
            **norms("post_attention_norm"),
            "attn_sinks.weight": (HEADS,),
            **experts(),
            "attn_q.bias": (HEADS * SIZE,),
            "attn_k.bias": (KV * SIZE,),
            "attn_v.bias": (KV * SIZE,),
            "attn_output.bias": (HIDDEN,),
            "ffn_gate_inp.bias": (4,),
            "ffn_gate_exps.bias": (4, 32),
            "ffn_up_exps.bias": (4, 32),
            "ffn_down_exps.bias": (4, HIDDEN),
        },
        more={"output.weight": (TOKENS, HIDDEN)},
    ),
    Tiny(
        name="llama4",
        numbers={**EXPERTS, "interleave_moe_layer_step": 1},
        layer=lambda _: attention() | norms("ffn_norm") | experts() | shared(),
    ),
    Tiny(
        name="phi3",
        numbers={"attention.sliding_window": 512},
        layer=lambda _: {
            **attention(),
            **norms("ffn_norm"),
            "ffn_up.weight": (2 * WIDE, HIDDEN),
            "ffn_down.weight": (HIDDEN, WIDE),
        },
    ),
    Tiny(
        name="smallthinker",
        numbers={**EXPERTS, "attention.sliding_window": 4096, "expert_gating_func": 2},
        layer=lambda _: attention() | norms("ffn_norm") | experts(),
    ),
    Tiny(
        name="olmo2",
        numbers={"attention.sliding_window": 512, "attention.sliding_window_pattern": [True, True, True, False] * 2},
        layer=lambda _: {
            **without(attention() | block(), "attn_norm.weight", "ffn_norm.weight"),
            **GEMMA,
            "attn_q_norm.weight": (HIDDEN,),
            "attn_k_norm.weight": (KV * SIZE,),
        },
        more={"output.weight": (TOKENS, HIDDEN)},
    ),
    Tiny(
        name="openelm",
        numbers={
            "attention.head_count": [HEADS] * LAYERS,
            "attention.head_count_kv": MANY_HEADS,
            "feed_forward_length": [WIDE] * LAYERS,
        },
        layer=lambda i: {
            **norms("attn_norm"),
            "attn_qkv.weight": ((2 * MANY_HEADS[i] + HEADS) * SIZE, HIDDEN),
            **QK,
            "attn_output.weight": (HIDDEN, HEADS * SIZE),
            **block(),
        },
    ),
    Tiny(
        name="deepseek2",
        numbers={
            **EXPERTS,
            "attention.head_count_kv": 1,
            "attention.key_length": 40,
            "attention.value_length": 32,
            "attention.key_length_mla": 24,
            "attention.value_length_mla": 16,
            "attention.q_lora_rank": 48,
            "attention.kv_lora_rank": 32,
            "rope.dimension_count": 8,
            "expert_shared_count": 1,
            "leading_dense_block_count": 1,
        },
        layer=lambda i: latent() | (block() if i == 0 else experts() | shared()),
        more={"output.weight": (TOKENS, HIDDEN)},
    ),
    Tiny(
        name="lfm2",
        numbers={"attention.head_count_kv": HYBRID_HEADS, "shortconv.l_cache": 3},
        layer=lambda i: (attention() | QK if HYBRID_HEADS[i] else convolution()) | block(),
        norm="token_embd_norm.weight",
    ),
    Tiny(
        name="jamba",
        numbers={"attention.head_count_kv": HYBRID_HEADS, **SSM, "ssm.time_step_rank": 4},
        layer=lambda i: (
            (
                attention()
                if HYBRID_HEADS[i]
                else mamba() | norms("ssm_b_norm", "ssm_c_norm", size=STATE) | norms("ssm_dt_norm", size=4)
            )
            | block()
        ),
    ),
    Tiny(
        name="mamba",
        numbers={"attention.head_count": 0, "feed_forward_length": 0, **SSM, "ssm.time_step_rank": 4},
        layer=lambda _: mamba(),
    ),
    Tiny(
        name="mamba2",
        numbers={"attention.head_count": 0, "feed_forward_length": 0, **SSM2},
        layer=lambda _: mamba2(),
    ),
    Tiny(
        name="falcon-h1",
        numbers={**SSM2, "attention.key_length": SIZE, "attention.value_length": SIZE},
        layer=lambda _: attention() | mamba2() | renamed(block(), "ffn_norm.weight", "ffn_norm"),
    ),
    Tiny(
        name="granitehybrid",
        numbers={"attention.head_count_kv": HYBRID_HEADS, **SSM2},
        layer=lambda i: (attention() if HYBRID_HEADS[i] else mamba2()) | block(),
    ),
    Tiny(
        name="nemotron_h",
        numbers={
            "attention.head_count_kv": [KV if mark == "*" else 0 for mark in NEMOTRON],
            "feed_forward_length": [WIDE if mark == "-" else 0 for mark in NEMOTRON],
            "attention.layer_norm_epsilon": 1e-5,
            **SSM2,
        },
        layer=lambda i: {
            "M": mamba2(),
            "*": attention(),
            "-": {**norms("attn_norm"), "ffn_up.weight": (WIDE, HIDDEN), "ffn_down.weight": (HIDDEN, WIDE)},
        }[NEMOTRON[i]],
    ),
    Tiny(
        name="qwen3next",
        numbers={
            **EXPERTS,
            **SSM2,
            "ssm.inner_size": STEPS * STATE,
            "expert_shared_feed_forward_length": 32,
            "rope.dimension_count": 8,
        },
        layer=lambda i: {
            **(delta_net() if (i + 1) % 4 else attention() | QK | {"attn_q.weight": (2 * HEADS * SIZE, HIDDEN)}),
            **norms("post_attention_norm"),
            **experts(),
            **shared(),
            "ffn_gate_inp_shexp.weight": (HIDDEN,),
        },
    ),
]


def write(path: Path, tiny: Tiny) -> Path:
    """Write a model."""
    tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {
        name: np.zeros(shape, np.float32)
        for name, shape in ({"token_embd.weight": (TOKENS, HIDDEN), tiny.norm: (HIDDEN,)} | tiny.more).items()
    }
    for i in range(LAYERS):
        for name, shape in tiny.layer(i).items():
            tensors[f"blk.{i}.{name}"] = np.zeros(shape, np.float32)
    return tiny_gguf.lay(path, tensors, metadata(tiny), whole=True)


def metadata(tiny: Tiny) -> list[bytes]:
    """Lay down the numbers of an architecture, and the tokens that every tiny model has."""
    numbers: dict[str, int | bool | float | Sequence[int] | Sequence[bool]] = {
        "block_count": LAYERS,
        "context_length": CONTEXT,
        "embedding_length": HIDDEN,
        "feed_forward_length": WIDE,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV,
        "rope.dimension_count": SIZE,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "vocab_size": TOKENS,
    }
    numbers |= tiny.numbers
    pairs = [pair("general.architecture", STRING, tiny.name)]
    for name, value in numbers.items():
        key = f"{tiny.name}.{name}"
        if isinstance(value, (list, tuple)):
            pairs.append(array(key, BOOL if isinstance(value[0], bool) else INT32, value))
        else:
            pairs.append(pair(key, FLOAT32 if isinstance(value, float) else UINT32, value))
    tokens = tiny_gguf.metadata()
    return pairs + [line for line in tokens if b"tokenizer." in line[:40]]
