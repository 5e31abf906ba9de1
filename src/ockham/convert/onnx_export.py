"""From an encoder's weights to the files that serve it: calibrate, quantize, check, write."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import machine
from ockham.convert import onnx_graph
from ockham.models import model_files, onnx_encoder
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.readers.row_sample import evenly_spaced

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CALIBRATION_TEXTS = 300


def write(
    sentence: SentenceEncoder,
    weights: Mapping[str, NDArray[np.float32]],
    texts: Sequence[str],
    folder: Path,
    *,
    quantize: bool = True,
    output: str = onnx_encoder.EMBEDDING,
) -> onnx_encoder.Embedder:
    """Write an encoder's graph, tokenizer and settings into a staging folder, and load it as it will be served.

    ``texts`` are training inputs: evenly spaced ones calibrate the ranges of the activations. ``output`` is what the
    graph gives, ``embedding`` or ``states``. Raises `ModelError` (``E_MODEL_FORMAT``) where the encoder is of an
    unknown build.
    """
    settings = onnx_encoder.settings_of(sentence)
    ranges = calibrate(sentence, weights, texts, settings) if quantize else None
    graph, _ = onnx_graph.build(sentence, weights, ranges, output=output)
    (folder / onnx_encoder.GRAPH).write_bytes(graph)
    # The tokenizer must be byte for byte the encoder's own.
    shutil.copyfile(sentence.folder / "tokenizer.json", folder / onnx_encoder.TOKENIZER)
    if output == onnx_encoder.STATES:  # those of tokens, which no dense layer behind the pooling changes
        settings = dataclasses.replace(settings, hidden=sentence.hidden)
    model_files.write(settings, folder / onnx_encoder.FILE)
    return onnx_encoder.load(folder, threads=machine.cores())


def calibrate(
    sentence: SentenceEncoder,
    weights: Mapping[str, NDArray[np.float32]],
    texts: Sequence[str],
    settings: onnx_encoder.EncoderSettings,
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Find the range of every channel that enters a matrix product, over at most `CALIBRATION_TEXTS` texts."""
    import numpy as np

    graph, taps = onnx_graph.build(sentence, weights, taps=True)
    if not taps:
        return {}
    full = onnx_encoder.open_graph(graph, sentence.folder / "tokenizer.json", settings, threads=machine.cores())
    ranges: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for tensors in full.tensors(evenly_spaced(texts, CALIBRATION_TEXTS), taps):
        for name, values in zip(taps, tensors, strict=True):
            low, high = values.min(axis=(0, 1)), values.max(axis=(0, 1))
            if name in ranges:
                low, high = np.minimum(low, ranges[name][0]), np.maximum(high, ranges[name][1])
            ranges[name] = (low, high)
    return ranges
