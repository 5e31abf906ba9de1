"""Graphs that answer by themselves: a classifier's or a tagger's model as one ONNX file, head and temperature included.

A bundle keeps an encoder's graph and its head apart, and pools the windows of a long text between them; other programs
get all of it in one file. The arithmetic is that of `ockham.models`, operator by operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.convert.graph_builder import CONTRIB, OPSET
from ockham.errors import ModelError
from ockham.models import onnx_encoder
from ockham.models.encoder import Encoder
from ockham.models.linear import Linear
from ockham.models.tagger import Tagger
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HALVES = ("words", "characters")
PROBABILITIES, MARGINS = "probabilities", "margins"
_TINY = 1e-12


class _Nodes:
    """Collects nodes and constants by short names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        import numpy as np
        from onnx import numpy_helper

        if all(constant.name != name for constant in self.constants):
            self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def index(self, number: int) -> str:
        """Return a constant (1,) int64, as axes and ends are given."""
        import numpy as np

        return self.constant(f"index.{number}", np.array([number], np.int64))

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def softmax(self, margins: str, temperature: float) -> str:
        """Turn margins (1, labels) into ``probabilities`` (labels,), in 64 bits as `ockham.models.softmax` does."""
        import numpy as np
        from onnx import TensorProto

        wide = self.node("Cast", [margins], "margins.wide", to=TensorProto.DOUBLE)
        scaled = self.node("Div", [wide, self.constant("temperature", np.array(temperature))], "scaled")
        shares = self.node("Softmax", [scaled], "shares", axis=-1)
        return self.node("Squeeze", [shares, self.index(0)], PROBABILITIES)


def need_onnx() -> None:
    """Raise `ModelError` (``E_MODEL_MISSING``) where onnx, which writes graphs, is not installed."""
    import importlib.util

    if importlib.util.find_spec("onnx") is None:
        raise ModelError("E_MODEL_MISSING", "exporting to ONNX needs the package onnx", fix=install_command("encoder"))


def linear_graph(model: Linear, idf: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Build the graph of a linear classifier.

    It takes the columns of a text's terms and how often each stands in it, for ``words`` (n,) int64 and
    ``words_counts`` (n,) float32 and for ``characters`` alike, and gives ``probabilities`` (labels,) float64.

    ``idf`` are the inverse document frequencies of the terms of each half.
    """
    import numpy as np
    from onnx import TensorProto, helper

    nodes, start = _Nodes(), 0
    nodes.constant("unit", np.array(1, np.float32))
    nodes.constant("tiny", np.array(_TINY, np.float32))
    parts = []
    for half in HALVES:
        weights = nodes.constant(f"{half}.idf", idf[half].astype(np.float32))
        weight = nodes.constant(f"{half}.weight", model.weight[start : start + len(idf[half])])
        start += len(idf[half])
        frequency = nodes.node("Add", [nodes.node("Log", [f"{half}_counts"], f"{half}.log"), "unit"], f"{half}.tf")
        rarity = nodes.node("Gather", [weights, half], f"{half}.rarity")
        value = nodes.node("Mul", [frequency, rarity], f"{half}.value")
        length = nodes.node("ReduceL2", [value], f"{half}.length", keepdims=1)
        scaled = nodes.node("Div", [value, nodes.node("Max", [length, "tiny"], f"{half}.divisor")], f"{half}.scaled")
        row = nodes.node("Unsqueeze", [scaled, nodes.index(0)], f"{half}.row")
        rows = nodes.node("Gather", [weight, half], f"{half}.rows")
        parts.append(nodes.node("MatMul", [row, rows], f"{half}.margins"))
    both = nodes.node("Add", parts, "both")
    nodes.softmax(nodes.node("Add", [both, nodes.constant("bias", model.bias)], "margins"), model.settings.temperature)
    inputs = []
    for half in HALVES:
        inputs.append(helper.make_tensor_value_info(half, TensorProto.INT64, [half]))
        inputs.append(helper.make_tensor_value_info(f"{half}_counts", TensorProto.FLOAT, [half]))
    return _serialize(
        nodes, "linear-classifier", inputs, helper.make_tensor_value_info(PROBABILITIES, TensorProto.DOUBLE, None)
    )


def encoder_graph(graph: Path, model: Encoder) -> bytes:
    """Build the graph of an encoder with its head, from the ``graph`` of its bundle.

    It takes the tokens of all windows of one text, ``ids`` (tokens,) int64, and the ``lengths`` (windows,) int64 of
    these windows, and gives ``probabilities`` (labels,) float64. A loop takes one window after the other through the
    encoder, since there is no padding; `ockham.models.onnx_encoder.pool` says how they become one vector.
    """
    import numpy as np
    from onnx import TensorProto, helper

    nodes, head = _Nodes(), model.head
    body = _window_body(graph, model.embedder.settings.first_position)
    count = nodes.node("Squeeze", [nodes.node("Shape", ["lengths"], "windows.shape")], "windows")
    nodes.constant("start", np.array([0], np.int64))
    nodes.nodes.append(helper.make_node("Loop", [count, "", "start"], ["end", "windows.vectors"], body=body))
    vectors = nodes.node("Squeeze", ["windows.vectors", nodes.index(1)], "vectors")
    largest = nodes.node("ReduceMax", [vectors, nodes.index(0)], "largest", keepdims=1)
    lengths = nodes.node("ReduceL2", [vectors, nodes.index(1)], "vectors.length", keepdims=0)
    mean = nodes.node("ReduceMean", [lengths, nodes.index(0)], "vectors.mean", keepdims=1)
    length = nodes.node("ReduceL2", [largest], "largest.length", keepdims=0)
    length = nodes.node("Max", [length, nodes.constant("tiny", np.array(_TINY, np.float32))], "divisor")
    pooled = nodes.node("Mul", [largest, nodes.node("Div", [mean, length], "factor")], "pooled")
    product = nodes.node("MatMul", [pooled, nodes.constant("head.weight", head.weight)], "head.product")
    margins = nodes.node("Add", [product, nodes.constant("head.bias", head.bias)], MARGINS)
    nodes.softmax(margins, head.settings.temperature)
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["tokens"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT64, ["windows"]),
    ]
    return _serialize(
        nodes, "encoder-classifier", inputs, helper.make_tensor_value_info(PROBABILITIES, TensorProto.DOUBLE, None)
    )


def tagger_graph(graph: Path, model: Tagger) -> bytes:
    """Build the graph of a tagger with its head, from the ``graph`` of its bundle.

    It takes ``ids`` (texts, tokens) int64, windows of one length, and gives ``margins`` (texts, tokens, tags) float32,
    of which the temperature is taken off.
    """
    import numpy as np
    from onnx import TensorProto, helper

    nodes = _Nodes()
    length = nodes.node("Shape", ["ids"], "tokens", start=1, end=2)
    nodes.nodes += _positions(nodes, length, model.embedder.settings.first_position, "positions")
    body = _read(graph)
    nodes.nodes += body.node
    nodes.constants += body.initializer
    product = nodes.node("MatMul", [onnx_encoder.STATES, nodes.constant("head.weight", model.weight)], "head.product")
    sums = nodes.node("Add", [product, nodes.constant("head.bias", model.bias)], "head.out")
    nodes.node("Div", [sums, nodes.constant("temperature", np.array(model.temperature, np.float32))], MARGINS)
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"])]
    return _serialize(nodes, "encoder-tagger", inputs, helper.make_tensor_value_info(MARGINS, TensorProto.FLOAT, None))


def _window_body(graph: Path, first: int) -> Any:  # noqa: ANN401 - a GraphProto
    """Return what is done with one window: cut it out of the outer ``ids``, and take it through the encoder."""
    from onnx import TensorProto, helper

    body, nodes = _read(graph), _Nodes()
    inner = {"ids": "window.ids", "positions": "window.positions"}  # no name may stand inside and outside
    for node in body.node:
        node.input[:] = [inner.get(name, name) for name in node.input]
    number = nodes.node("Unsqueeze", ["window", nodes.index(0)], "window.number")
    length = nodes.node("Gather", ["lengths", number], "window.length")
    stop = nodes.node("Add", ["window.start", length], "window.stop")
    flat = nodes.node("Slice", ["ids", "window.start", stop], "window.flat")
    nodes.node("Unsqueeze", [flat, nodes.index(0)], "window.ids")
    nodes.nodes += _positions(nodes, length, first, "window.positions")
    nodes.node("Identity", ["window.more"], "window.goes_on")
    return helper.make_graph(
        [*nodes.nodes, *body.node],
        "window",
        [
            helper.make_tensor_value_info("window", TensorProto.INT64, []),
            helper.make_tensor_value_info("window.more", TensorProto.BOOL, []),
            helper.make_tensor_value_info("window.start", TensorProto.INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("window.goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("window.stop", TensorProto.INT64, [1]),
            helper.make_tensor_value_info(onnx_encoder.EMBEDDING, TensorProto.FLOAT, None),
        ],
        [*nodes.constants, *body.initializer],
    )


def _positions(nodes: _Nodes, length: str, first: int, output: str) -> list[Any]:
    """Return nodes that count the tokens of a window of a ``length`` (1,) from the ``first`` position on."""
    import numpy as np
    from onnx import helper

    begin = nodes.constant(f"{output}.first", np.array(first, np.int64))
    step = nodes.constant(f"{output}.step", np.array(1, np.int64))
    return [
        helper.make_node("Squeeze", [length], [f"{output}.count"]),
        helper.make_node("Add", [f"{output}.count", begin], [f"{output}.end"]),
        helper.make_node("Range", [begin, f"{output}.end", step], [output]),
    ]


def _read(graph: Path) -> Any:  # noqa: ANN401 - a GraphProto
    import onnx

    return onnx.load(str(graph), load_external_data=False).graph


def _serialize(nodes: _Nodes, name: str, inputs: Sequence[Any], output: Any) -> bytes:  # noqa: ANN401 - value infos
    from onnx import helper

    graph = helper.make_graph(nodes.nodes, name, list(inputs), [output], nodes.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="ockham")
    data: bytes = model.SerializeToString(deterministic=True)
    return data
