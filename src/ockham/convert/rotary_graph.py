"""The layers of ModernBERT and Gemma 3 as nodes of an encoder's graph.

In a layer that reads the neighbours of a token alone, what stands farther away is masked; each kind of layer turns the
queries and keys by angles of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockham.convert.graph_builder import CONTRIB, GraphBuilder
from ockham.models.rotary_body import MODERNBERT, RotaryBody
from ockham.models.sentence_encoder import SentenceEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MASKED = -1e9
_LOCAL, _WHOLE = "local", "whole"


def add_body(
    builder: GraphBuilder,
    sentence: SentenceEncoder,
    rotary: RotaryBody,
    weights: Mapping[str, NDArray[np.float32]],
    words: str,
) -> str:
    """Add the whole body behind the table of words; return the name of its last states.

    Raises `KeyError` with the name of a weight that is missing.
    """
    import numpy as np

    body = _Body(builder, sentence, rotary, weights)
    body.add_positions()
    if sentence.family == MODERNBERT:
        hidden = body.norm(words, "embeddings.norm")
        for number in range(sentence.layers):
            hidden = body.add_modernbert_layer(hidden, number)
        return body.norm(hidden, "final_norm")
    size = builder.constant("words.factor", np.array(sentence.hidden**0.5, np.float32))
    hidden = builder.node("Mul", [words, size], "embedded")
    for number in range(sentence.layers):
        hidden = body.add_gemma_layer(hidden, number)
    return body.norm(hidden, "norm")


@dataclass(frozen=True, slots=True)
class _Body:
    builder: GraphBuilder
    sentence: SentenceEncoder
    rotary: RotaryBody
    weights: Mapping[str, NDArray[np.float32]]

    def add_positions(self) -> None:
        """Add the angles of both kinds of layers, and the mask of the local ones, for the positions of the texts."""
        import numpy as np

        builder, rotary, half = self.builder, self.rotary, self.rotary.head_size // 2
        places = np.arange(self.sentence.max_tokens, dtype=np.float64)
        builder.constant("no.offset", np.array([0], np.int64))
        for kind, theta in ((_WHOLE, rotary.theta), (_LOCAL, rotary.local_theta)):
            angles = places[:, None] / theta ** (np.arange(half) / half)
            for name, table in (("cos", np.cos(angles)), ("sin", np.sin(angles))):
                constant = builder.constant(f"{kind}.{name}.table", table.astype(np.float32))
                builder.node("Gather", [constant, "positions"], f"{kind}.{name}")
        rows = builder.node("Unsqueeze", ["positions", builder.constant("axis.1", np.array([1], np.int64))], "rows")
        away = builder.node("Abs", [builder.node("Sub", [rows, "positions"], "distance")], "away")
        reach = builder.constant("reach", np.array(rotary.reach, np.int64))
        far = builder.node("Greater", [away, reach], "far")
        masked = builder.constant("masked", np.array(_MASKED, np.float32))
        seen = builder.constant("seen", np.array(0, np.float32))
        mask = builder.node("Where", [far, masked, seen], "local.mask.plain")
        axes = builder.constant("axes.01", np.array([0, 1], np.int64))
        builder.node("Unsqueeze", [mask, axes], "local.mask")

    def add_modernbert_layer(self, hidden: str, number: int) -> str:
        """Add a layer of ModernBERT, in which queries, keys and values are one matrix and so are value and gate."""
        at, name = f"layer{number}", f"layers.{number}"
        whole, bias = self.weights[f"{name}.attn.Wqkv.weight"], self.bias(f"{name}.attn.Wqkv")
        size = len(whole) // 3
        # The first layer reads what the embeddings' own norm gives.
        read = self.norm(hidden, f"{name}.attn_norm") if number else hidden
        parts = [
            self.builder.product(read, f"{at}.{part}", whole[place : place + size].T, bias[place : place + size])
            for part, place in zip(("query", "key", "value"), range(0, 3 * size, size), strict=True)
        ]
        context = self._attend(parts, number)
        attended = self.builder.node(
            "Add", [hidden, self.product(context, f"{name}.attn.Wo", f"{at}.output")], f"{at}.attended"
        )
        read = self.norm(attended, f"{name}.mlp_norm")
        both, more = self.weights[f"{name}.mlp.Wi.weight"], self.bias(f"{name}.mlp.Wi")
        half = len(both) // 2
        given = self.builder.product(read, f"{at}.gate", both[:half].T, more[:half])
        other = self.builder.product(read, f"{at}.up", both[half:].T, more[half:])
        lowered = self.product(self._gate(given, other, at), f"{name}.mlp.Wo", f"{at}.down")
        return self.builder.node("Add", [attended, lowered], f"{at}.lowered")

    def add_gemma_layer(self, hidden: str, number: int) -> str:
        """Add a layer of Gemma 3, in which each half is scaled before and behind, and each head of queries and keys."""
        at, name = f"layer{number}", f"layers.{number}"
        read = self.norm(hidden, f"{name}.input_layernorm")
        kinds = {"query": "q", "key": "k", "value": "v"}
        parts = [
            self._heads(self.product(read, f"{name}.self_attn.{short}_proj", f"{at}.{part}"), name, short)
            for part, short in kinds.items()
        ]
        context = self._attend(parts, number)
        output = self.product(context, f"{name}.self_attn.o_proj", f"{at}.output")
        output = self.norm(output, f"{name}.post_attention_layernorm")
        attended = self.builder.node("Add", [hidden, output], f"{at}.attended")
        read = self.norm(attended, f"{name}.pre_feedforward_layernorm")
        given = self.product(read, f"{name}.mlp.gate_proj", f"{at}.gate")
        other = self.product(read, f"{name}.mlp.up_proj", f"{at}.up")
        lowered = self.product(self._gate(given, other, at), f"{name}.mlp.down_proj", f"{at}.down")
        lowered = self.norm(lowered, f"{name}.post_feedforward_layernorm")
        return self.builder.node("Add", [attended, lowered], f"{at}.lowered")

    def product(self, entering: str, name: str, output: str) -> str:
        """Multiply by a weight of the body, which has a bias or none."""
        return self.builder.product(entering, output, self.weights[f"{name}.weight"].T, self.bias(name))

    def bias(self, name: str) -> NDArray[np.float32]:
        """Return a product's bias, zeros where the body has none."""
        import numpy as np

        own = self.weights.get(f"{name}.bias")
        return np.zeros(len(self.weights[f"{name}.weight"]), np.float32) if own is None else own

    def norm(self, entering: str, name: str) -> str:
        """Scale a tensor's last axis: by mean and variance in ModernBERT, by the root mean square in Gemma."""
        import numpy as np

        gain = self.weights[f"{name}.weight"]
        epsilon, out = self.sentence.epsilon, f"{name}.out"
        if self.sentence.family == MODERNBERT:
            shift = self.weights.get(f"{name}.bias", np.zeros_like(gain))
            inputs = [self.builder.constant(f"{name}.weight", gain), self.builder.constant(f"{name}.bias", shift)]
            return self.builder.node("LayerNormalization", [entering, *inputs], out, axis=-1, epsilon=epsilon)
        factor = self.builder.constant(f"{name}.weight", 1 + gain)
        return self.builder.node("SimplifiedLayerNormalization", [entering, factor], out, axis=-1, epsilon=epsilon)

    def _heads(self, entering: str, layer: str, short: str) -> str:
        """Scale each head of queries and keys, and repeat those of keys and values that several queries share."""
        import numpy as np

        builder, rotary = self.builder, self.rotary
        at, shared = f"{layer}.{short}", self.sentence.heads // rotary.kv_heads
        shape = builder.constant(f"{at}.shape", np.array([0, 0, -1, rotary.head_size], np.int64))
        out = builder.node("Reshape", [entering, shape], f"{at}.heads")
        if short != "v":
            out = self.norm(out, f"{layer}.self_attn.{short}_norm")
        if short != "q" and shared > 1:
            order = builder.constant(f"{at}.order", np.repeat(np.arange(rotary.kv_heads), shared))
            out = builder.node("Gather", [out, order], f"{at}.repeated", axis=2)
        flat = builder.constant(f"{at}.flat", np.array([0, 0, self.sentence.heads * rotary.head_size], np.int64))
        return builder.node("Reshape", [out, flat], f"{at}.joined")

    def _attend(self, parts: list[str], number: int) -> str:
        """Turn queries and keys by their positions, and let every token read those that its layer reads."""
        at, is_local = f"layer{number}", self.rotary.local[number]
        kind, heads = _LOCAL if is_local else _WHOLE, self.sentence.heads
        turned = [
            self.builder.node(
                "RotaryEmbedding",
                [part, "no.offset", f"{kind}.cos", f"{kind}.sin"],
                f"{at}.{name}.turned",
                domain=CONTRIB,
                num_heads=heads,
            )
            for name, part in zip(("query", "key"), parts, strict=False)
        ]
        mask = ["", "", "local.mask"] if is_local else []
        return self.builder.node(
            "MultiHeadAttention",
            [*turned, parts[2], *mask],
            f"{at}.context",
            domain=CONTRIB,
            num_heads=heads,
            scale=self.rotary.scale,
        )

    def _gate(self, given: str, other: str, at: str) -> str:
        raised = self.builder.activate(self.sentence.activation, given, f"{at}.raised")
        return self.builder.node("Mul", [raised, other], f"{at}.gated")
