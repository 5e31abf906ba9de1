"""A sentence encoder as one ONNX graph, in float32 or with 8-bit matrix products.

Inputs of one length stand together in a batch, so the graph knows no padding and no mask, and an answer never depends
on what stands beside it. For the same reason activations are quantized with fixed scales (asymmetric, 8 bits, from the
range seen on calibration texts), not with scales measured anew on each batch. Weights are quantized per output column
to 7 bits (-63 … 63): on processors without VNNI, products of 8-bit weights overflow the 16-bit sums of the fast
instruction, and answers would differ from machine to machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockham.convert import rotary_graph
from ockham.convert.graph_builder import CONTRIB, OPSET, GraphBuilder, Ranges
from ockham.errors import ModelError
from ockham.models.onnx_encoder import EMBEDDING, STATES
from ockham.models.sentence_encoder import WORDS, SentenceEncoder
from ockham.models.sentence_modules import ACTIVATIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Weights = Mapping[str, "NDArray[np.float32]"]


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


def build(
    sentence: SentenceEncoder,
    weights: Weights,
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

    builder = GraphBuilder(ranges)
    try:
        if sentence.rotary is not None:
            words = _words(builder, weights[WORDS])
            hidden = rotary_graph.add_body(builder, sentence, sentence.rotary, weights, words)
        else:
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


def _embed(builder: GraphBuilder, sentence: SentenceEncoder, weights: Weights) -> str:
    positions = weights["embeddings.position_embeddings.weight"]
    kinds = weights.get("embeddings.token_type_embeddings.weight")
    builder.constant("places", positions if kinds is None else positions + kinds[0])
    word = _words(builder, weights[WORDS])
    position = builder.node("Gather", ["places", "positions"], "place")
    both = builder.node("Add", [word, position], "embedded")
    return _norm(builder, sentence, weights, both, "embeddings.LayerNorm")


def _words(builder: GraphBuilder, table: NDArray[np.float32]) -> str:
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
    builder: GraphBuilder,
    sentence: SentenceEncoder,
    weights: Weights,
    hidden: str,
    number: int,
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
    raised = builder.activate(sentence.activation, product(middle, names.up, "up"), f"{at}.raised")
    lowered = builder.node("Add", [middle, product(raised, names.down, "down")], f"{at}.lowered")
    return _norm(builder, sentence, weights, lowered, names.norm2)


def _norm(
    builder: GraphBuilder,
    sentence: SentenceEncoder,
    weights: Weights,
    entering: str,
    name: str,
) -> str:
    gain = builder.constant(f"{name}.weight", weights[f"{name}.weight"])
    shift = builder.constant(f"{name}.bias", weights[f"{name}.bias"])
    inputs = [entering, gain, shift]
    return builder.node("LayerNormalization", inputs, f"{name}.out", axis=-1, epsilon=sentence.epsilon)


def _pool(builder: GraphBuilder, sentence: SentenceEncoder, weights: Weights, hidden: str) -> None:
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
    elif sentence.pooling == "max":
        builder.node("ReduceMax", [hidden, builder.constant("tokens", np.array([1], np.int64))], out, keepdims=0)
    else:
        builder.constant("chosen", np.array(-1 if sentence.pooling == "lasttoken" else 0, np.int64))
        builder.node("Gather", [hidden, "chosen"], out, axis=1)
    out = _dense(builder, sentence, weights, out)
    if sentence.normalize:
        builder.node("LpNormalization", [out], EMBEDDING, axis=1, p=2)
    else:
        builder.node("Identity", [out], EMBEDDING)


def _dense(builder: GraphBuilder, sentence: SentenceEncoder, weights: Weights, pooled: str) -> str:
    """Put the vectors through the dense layers, with one of zeros below them, which is taken away at the end.

    The product of a single row is computed in another order than that of several, and the last bits would differ.
    """
    import numpy as np

    if not sentence.dense:
        return pooled
    zeros = builder.constant("zeros", np.zeros((1, sentence.hidden), np.float32))
    out = builder.node("Concat", [pooled, zeros], "pooled.several", axis=0)
    for number, layer in enumerate(sentence.dense):
        at = f"dense.{number}"
        weight = builder.constant(f"{at}.weight", weights[f"{at}.weight"].T)
        product = builder.node("MatMul", [out, weight], f"{at}.product")
        out = builder.node("Add", [product, builder.constant(f"{at}.bias", weights[f"{at}.bias"])], f"{at}.sum")
        operator = ACTIVATIONS[layer.activation]
        out = builder.node(operator, [out], f"{at}.out") if operator else out
    ends = [builder.constant(f"dense.{name}", np.array([end], np.int64)) for name, end in (("from", 0), ("to", -1))]
    return builder.node("Slice", [out, *ends], "dense.rows")


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
