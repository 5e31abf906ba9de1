"""Collect the nodes and constants of an encoder's graph, with matrix products in float32 or in 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONTRIB = "com.microsoft"
OPSET = 20
_BITS = 7
_SMOOTH = 0.5
_ACTIVATIONS: Mapping[str, tuple[str, dict[str, str]]] = {
    "gelu": ("Gelu", {}),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
}

Ranges = Mapping[str, "tuple[NDArray[np.float32], NDArray[np.float32]]"]
"""The smallest and largest value seen in each channel of each tensor that enters a matrix product."""


@dataclass(slots=True)
class GraphBuilder:
    """Collects nodes and constants; ``taps`` are the tensors that enter matrix products, in order."""

    ranges: Ranges | None
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    taps: list[str] = field(default_factory=list)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant; return its name."""
        import numpy as np
        from onnx import numpy_helper

        # Not `ascontiguousarray`: it gives a scalar an axis, which pooling by the first token would pass on.
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        """Add a node; return the name of what it gives."""
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

    def activate(self, activation: str, entering: str, output: str) -> str:
        """Apply a body's activation; raises `ModelError` (``E_MODEL_FORMAT``) for one that is unknown."""
        if activation not in _ACTIVATIONS:
            message = f"the encoder's activation {activation!a} is unknown"
            raise ModelError("E_MODEL_FORMAT", message, fix="choose another with --encoder")
        operator, attributes = _ACTIVATIONS[activation]
        return self.node(operator, [entering], output, **attributes)
