"""A sentence encoder as one ONNX graph, in float32 or with 8-bit matrix products.

Inputs of one length stand together in a batch, so the graph knows no padding and no mask, and an answer never depends
on what stands beside it. For the same reason activations are quantized with fixed scales (asymmetric, 8 bits, from the
range seen on calibration texts), not with scales measured anew on each batch. Weights are quantized per output column
to 7 bits (-63 … 63): on processors without VNNI, products of 8-bit weights overflow the 16-bit sums of the fast
instruction, and answers would differ from machine to machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.models.onnx_encoder import EMBEDDING, STATES
from ockham.models.sentence_encoder import ACTIVATIONS, WORDS, SentenceEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTRIB = "com.microsoft"
OPSET = 20
_BITS = 7

_SMOOTH = 0.5

Ranges = Mapping[str, "tuple[NDArray[np.float32], NDArray[np.float32]]"]
"""The smallest and largest value seen in each channel of each tensor that enters a matrix product."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """The names of one layer's weights, whatever the family calls them."""

    query: str
    key: str
    value: str
    output: str
    norm1: str
    up: str
    down: str
    norm2: str


@dataclass(slots=True)
class _Builder:
    """Collects nodes and constants; ``taps`` are the tensors that enter matrix products, in order."""

    ranges: Ranges | None
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    taps: list[str] = field(default_factory=list)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        import numpy as np
        from onnx import numpy_helper

        # Not `ascontiguousarray`: it gives a scalar an axis, which pooling by the first token would pass on.
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def product(self, entering: str, name: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """Multiply by a weight (in, out) and add a bias, in 8 bits where the entering tensor's range is known."""
        import numpy as np

        if entering not in self.taps:
            self.taps.append(entering)
        self.constant(f"{name}.bias", bias)
        if self.ranges is None:
            self.constant(f"{name}.weight", weight)
            product = self.node("MatMul", [entering, f"{name}.weight"], f"{name}.product")
            return self.node("Add", [product, f"{name}.bias"], f"{name}.out")
        quantized, weight = f"{entering}.q", weight * self.smooth(entering)[:, None]
        if not any(node.name == quantized for node in self.nodes):
            self.quantize(entering, quantized)
        top = 2 ** (_BITS - 1) - 1
        scales = np.maximum(np.abs(weight).max(axis=0), 1e-12) / top
        self.constant(f"{name}.weight", np.clip(np.rint(weight / scales), -top, top).astype(np.int8))
        self.constant(f"{name}.scales", scales.astype(np.float32))
        inputs = [quantized, f"{name}.weight", f"{entering}.scale", f"{name}.scales", f"{entering}.zero", ""]
        return self.node("MatMulIntegerToFloat", [*inputs, f"{name}.bias"], f"{name}.out", domain=CONTRIB)

    def smooth(self, entering: str) -> NDArray[np.float32]:
        """Return the divisor of each channel (SmoothQuant, Xiao et al. 2023): a few are far larger than the rest.

        What the channel is divided by, its row of the weights is multiplied by, so the product stays what it was.
        """
        import numpy as np

        low, high = (self.ranges or {})[entering]
        size = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1e-6)
        divisors: NDArray[np.float32] = ((size / np.median(size)) ** _SMOOTH).astype(np.float32)
        return divisors

    def quantize(self, entering: str, quantized: str) -> None:
        """Even the channels out, and turn the tensor into 8-bit numbers with one fixed scale."""
        import numpy as np

        low, high = (self.ranges or {})[entering]
        divisors = self.smooth(entering)
        bottom, top = min(0.0, float((low / divisors).min())), max(0.0, float((high / divisors).max()))
        scale = max(top - bottom, 1e-12) / 255
        self.constant(f"{entering}.factors", 1 / divisors)
        self.constant(f"{entering}.scale", np.array(scale, np.float32))
        self.constant(f"{entering}.zero", np.array(min(255, max(0, round(-bottom / scale))), np.uint8))
        even = self.node("Mul", [entering, f"{entering}.factors"], f"{entering}.even")
        self.node("QuantizeLinear", [even, f"{entering}.scale", f"{entering}.zero"], quantized)


def build(
    sentence: SentenceEncoder,
    weights: Mapping[str, NDArray[np.float32]],
    ranges: Ranges | None = None,
    *,
    taps: bool = False,
    output: str = EMBEDDING,
) -> tuple[bytes, tuple[str, ...]]:
    """Build the graph; return it as bytes, with the names of the tensors that enter matrix products.

    The graph takes ``ids`` (batch, tokens) int64 and ``positions`` (tokens,) int64 and gives ``embedding``
    (batch, hidden) float32, pooled and scaled as the encoder asks, or as ``output`` ``states`` (batch, tokens, hidden),
    the tokens' own. With ``taps`` it gives the named tensors as well.
    Raises `ModelError` (``E_MODEL_FORMAT``) where a weight is missing or an activation is unknown.
    """
    from onnx import TensorProto, helper

    builder = _Builder(ranges)
    try:
        hidden = _words(builder, weights[WORDS]) if sentence.is_static else _embed(builder, sentence, weights)
        for number in range(sentence.layers):
            hidden = _layer(builder, sentence, weights, hidden, number)
    except KeyError as missing:
        message = f"the encoder has no weight {missing.args[0]!a}"
        raise ModelError("E_MODEL_FORMAT", message, fix="choose another with --encoder") from None
    if output == STATES:
        builder.node("Identity", [hidden], STATES)
    else:
        _pool(builder, sentence, weights, hidden)
    shown = (output, *(builder.taps if taps else ()))
    graph = helper.make_graph(
        builder.nodes,
        "sentence-encoder",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"]),
            helper.make_tensor_value_info("positions", TensorProto.INT64, ["tokens"]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in shown],
        builder.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="ockham")
    return model.SerializeToString(deterministic=True), tuple(builder.taps)


def _embed(builder: _Builder, sentence: SentenceEncoder, weights: Mapping[str, NDArray[np.float32]]) -> str:
    positions = weights["embeddings.position_embeddings.weight"]
    kinds = weights.get("embeddings.token_type_embeddings.weight")
    builder.constant("places", positions if kinds is None else positions + kinds[0])
    word = _words(builder, weights[WORDS])
    position = builder.node("Gather", ["places", "positions"], "place")
    both = builder.node("Add", [word, position], "embedded")
    return _norm(builder, sentence, weights, both, "embeddings.LayerNorm")


def _words(builder: _Builder, table: NDArray[np.float32]) -> str:
    """Look the tokens up; in the 8-bit graph each row of the table has its own scale, which makes it a quarter."""
    import numpy as np
    from onnx import TensorProto

    if builder.ranges is None:
        return builder.node("Gather", [builder.constant("words", table), "ids"], "word")
    scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / 127
    builder.constant("words", np.rint(table / scales).astype(np.int8))
    builder.constant("word_scales", scales.astype(np.float32))
    whole = builder.node("Gather", ["words", "ids"], "word.q")
    scale = builder.node("Gather", ["word_scales", "ids"], "word.scale")
    return builder.node("Mul", [builder.node("Cast", [whole], "word.cast", to=TensorProto.FLOAT), scale], "word")


def _layer(
    builder: _Builder, sentence: SentenceEncoder, weights: Mapping[str, NDArray[np.float32]], hidden: str, number: int
) -> str:
    names = _names(sentence.family, number)
    at = f"layer{number}"

    def product(entering: str, name: str, part: str) -> str:
        return builder.product(entering, f"{at}.{part}", weights[f"{name}.weight"].T, weights[f"{name}.bias"])

    parts = [
        product(hidden, names.query, "query"),
        product(hidden, names.key, "key"),
        product(hidden, names.value, "value"),
    ]
    context = builder.node("MultiHeadAttention", parts, f"{at}.context", domain=CONTRIB, num_heads=sentence.heads)
    attended = builder.node("Add", [hidden, product(context, names.output, "output")], f"{at}.attended")
    middle = _norm(builder, sentence, weights, attended, names.norm1)
    raised = builder.node(*_activation(sentence, product(middle, names.up, "up")), f"{at}.raised")
    lowered = builder.node("Add", [middle, product(raised, names.down, "down")], f"{at}.lowered")
    return _norm(builder, sentence, weights, lowered, names.norm2)


def _norm(
    builder: _Builder, sentence: SentenceEncoder, weights: Mapping[str, NDArray[np.float32]], entering: str, name: str
) -> str:
    gain = builder.constant(f"{name}.weight", weights[f"{name}.weight"])
    shift = builder.constant(f"{name}.bias", weights[f"{name}.bias"])
    inputs = [entering, gain, shift]
    return builder.node("LayerNormalization", inputs, f"{name}.out", axis=-1, epsilon=sentence.epsilon)


def _pool(
    builder: _Builder, sentence: SentenceEncoder, weights: Mapping[str, NDArray[np.float32]], hidden: str
) -> None:
    """Make one vector of a text's states; the dense layers behind the pooling are small, and stay in float32."""
    import numpy as np
    from onnx import TensorProto, helper

    out = "pooled"
    if sentence.pooling == "mean":
        # A product with ones adds a text's tokens in one order however many texts stand in the batch; ReduceMean adds
        # up a text alone in another one than several, and the last bits differ.
        length = builder.node("Shape", ["positions"], "length")
        one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
        ones = builder.node("ConstantOfShape", [length], "ones", value=one)
        total = builder.node("MatMul", [ones, hidden], "total")
        count = builder.node("Cast", [length], "count", to=TensorProto.FLOAT)
        if sentence.is_static:  # whose texts may have no token at all, of which a product is not defined: 0 it is
            zero = builder.constant("zero", np.array([0], np.float32))
            total = builder.node("Where", [builder.node("Equal", [count, zero], "empty"), zero, total], "sum")
            count = builder.node("Max", [count, builder.constant("least", np.array([1], np.float32))], "divisor")
        builder.node("Div", [total, count], out)
    else:
        builder.constant("first", np.array(0, np.int64))
        builder.node("Gather", [hidden, "first"], out, axis=1)
    for number, layer in enumerate(sentence.dense):
        at = f"dense.{number}"
        weight = builder.constant(f"{at}.weight", weights[f"{at}.weight"].T)
        product = builder.node("MatMul", [out, weight], f"{at}.product")
        out = builder.node("Add", [product, builder.constant(f"{at}.bias", weights[f"{at}.bias"])], f"{at}.sum")
        operator = ACTIVATIONS[layer.activation]
        out = builder.node(operator, [out], f"{at}.out") if operator else out
    if sentence.normalize:
        builder.node("LpNormalization", [out], EMBEDDING, axis=1, p=2)
    else:
        builder.node("Identity", [out], EMBEDDING)


def _activation(sentence: SentenceEncoder, entering: str) -> tuple[str, list[str]]:
    kinds = {"gelu": "Gelu", "relu": "Relu"}
    if sentence.activation not in kinds:
        message = f"the encoder's activation {sentence.activation!a} is unknown"
        raise ModelError("E_MODEL_FORMAT", message, fix="choose another with --encoder")
    return kinds[sentence.activation], [entering]


def _names(family: str, number: int) -> _Layer:
    if family == "distilbert":
        at = f"transformer.layer.{number}."
        return _Layer(
            query=f"{at}attention.q_lin",
            key=f"{at}attention.k_lin",
            value=f"{at}attention.v_lin",
            output=f"{at}attention.out_lin",
            norm1=f"{at}sa_layer_norm",
            up=f"{at}ffn.lin1",
            down=f"{at}ffn.lin2",
            norm2=f"{at}output_layer_norm",
        )
    at = f"encoder.layer.{number}."
    return _Layer(
        query=f"{at}attention.self.query",
        key=f"{at}attention.self.key",
        value=f"{at}attention.self.value",
        output=f"{at}attention.output.dense",
        norm1=f"{at}attention.output.LayerNorm",
        up=f"{at}intermediate.dense",
        down=f"{at}output.dense",
        norm2=f"{at}output.LayerNorm",
    )
