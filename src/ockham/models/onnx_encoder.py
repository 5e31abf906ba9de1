"""Texts in, vectors out: an encoder's graph run by ONNX Runtime, on batches of one length, without padding.

A graph gives one vector for a text, or one for each of its tokens (`STATES`). A text that is longer than the encoder
reads is read in windows, whose vectors are pooled into one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.models import model_files
from ockham.models.model_files import FIX
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.sealed import switches
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAPH = "encoder.onnx"
TOKENIZER = "tokenizer.json"
FILE = "encoder.json"
EMBEDDING, STATES = "embedding", "states"
"""What a graph gives: the vectors of texts (texts, hidden), or of their tokens (texts, tokens, hidden)."""
BATCH_TOKENS = 256
"""Tokens that go through the graph at a time: enough to keep the processor busy, few enough to stay in its cache.

With 128 to 1,024 a text took the same processor time; each token in work takes 30 kB of buffers on each core.
"""


_SHARED = 8
"""A window shares one token of so many with the next one, so that few words are torn apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """What is needed to run the graph on texts; of a longer text at most so many ``windows`` are read."""

    hidden: int = field(metadata={"min": 1})
    max_tokens: int = field(metadata={"min": 1})
    first_position: int = field(metadata={"min": 0})
    prefix: str
    windows: int = field(default=8, metadata={"min": 1, "max": 64})
    special_tokens: bool = True
    """Whether the tokenizer puts its own tokens around a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowedTexts:
    """Texts as the tokens of their windows, one text's after another's, and how many windows each text has.

    ``unread`` is about the share of each text that stands in no window that is read: it is longer than all of them.
    """

    rows: tuple[list[int], ...]
    counts: tuple[int, ...]
    unread: tuple[float, ...]


def shared_tokens(settings: EncoderSettings) -> int:
    """Return how many tokens neighbouring windows of a text share."""
    return settings.max_tokens // _SHARED


def settings_of(sentence: SentenceEncoder) -> EncoderSettings:
    """Say what is needed to run the graph of a sentence encoder."""
    return EncoderSettings(
        hidden=sentence.width,
        max_tokens=sentence.max_tokens,
        first_position=sentence.first_position,
        prefix=sentence.prefix,
        special_tokens=not sentence.is_static,
    )


@dataclass(frozen=True, slots=True)
class Embedder:
    """A loaded encoder. Equal texts get equal vectors, whatever stands beside them."""

    tokenizer: Any
    session: Any
    settings: EncoderSettings
    threads: int
    """Batches that run side by side, each on one core: none waits for another inside a small matrix product."""

    def windows(self, texts: Sequence[str]) -> WindowedTexts:
        """Turn texts into token ids, in windows of ``max_tokens``. Lone surrogates count as U+FFFD here (only here).

        Of a text that has more windows than are read, they are evenly spaced, the first and the last among them.
        """
        clean = [(self.settings.prefix + text).encode("utf-8", "replace").decode() for text in texts]
        rows, counts, unread = list[list[int]](), list[int](), list[float]()
        for encoding in self.tokenizer.encode_batch_fast(clean, add_special_tokens=self.settings.special_tokens):
            parts = [encoding, *encoding.overflowing]
            read = _spread(len(parts), self.settings.windows)
            rows += [parts[index].ids for index in read]
            counts.append(len(read))
            tokens = sum(len(part) for part in parts)
            unread.append(1 - sum(len(parts[index]) for index in read) / tokens if len(read) < len(parts) else 0.0)
        return WindowedTexts(rows=tuple(rows), counts=tuple(counts), unread=tuple(unread))

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the first window of each text."""
        clean = [(self.settings.prefix + text).encode("utf-8", "replace").decode() for text in texts]
        around = self.settings.special_tokens
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(clean, add_special_tokens=around)]

    def embed(self, texts: Sequence[str], on_rows: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        """Embed texts: (texts, hidden) float32, in order; ``on_rows`` hears how many windows of how many are done."""
        windows = self.windows(texts)
        return pool(self.vectors(windows.rows, on_rows), windows.counts)

    def embed_windows(self, texts: WindowedTexts) -> NDArray[np.float32]:
        """Embed texts given as their windows: (texts, hidden) float32, in order."""
        return pool(self.vectors(texts.rows), texts.counts)

    def vectors(
        self, rows: Sequence[Sequence[int]], on_rows: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Embed rows of tokens: (rows, hidden) float32, in order; ``on_rows`` hears how many of how many are done."""
        import numpy as np

        out = np.empty((len(rows), self.settings.hidden), np.float32)
        done = 0
        for indices, vectors in self._run_batches(rows, EMBEDDING):
            out[indices] = vectors
            done += len(indices)
            if on_rows is not None:
                on_rows(done, len(rows))
        return out

    def states(self, rows: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Return the states of the tokens of each row, (tokens, hidden) float32, by a graph that has them."""
        out: dict[int, NDArray[np.float32]] = {}
        for indices, states in self._run_batches(rows, STATES):
            out.update(zip(indices, states, strict=True))
        return [out[index] for index in range(len(rows))]

    def _run_batches(
        self, rows: Sequence[Sequence[int]], output: str
    ) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Run the graph on batches of rows; gives the places of each batch with what came out."""
        import numpy as np

        def run(batch: list[int]) -> NDArray[np.float32]:
            ids = np.array([rows[index] for index in batch], np.int64)
            inputs = {"ids": ids, "positions": self._positions(ids.shape[1])}
            vectors: NDArray[np.float32] = self.session.run([output], inputs)[0]
            return vectors

        parts = _shared_out(list(batches([len(row) for row in rows])), self.threads)
        if len(parts) == 1:
            yield parts[0], run(parts[0])
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                yield from zip(parts, pool.map(run, parts), strict=True)

    def tensors(self, texts: Sequence[str], names: Sequence[str]) -> Iterator[list[NDArray[np.float32]]]:
        """Return the named tensors of the graph for each text alone (for calibration)."""
        import numpy as np

        for row in self.tokens(texts):
            yield self.session.run(
                list(names), {"ids": np.array([row], np.int64), "positions": self._positions(len(row))}
            )

    def _positions(self, length: int) -> NDArray[np.int64]:
        import numpy as np

        first = self.settings.first_position
        return np.arange(first, first + length, dtype=np.int64)


def pool(vectors: NDArray[np.float32], counts: Sequence[int]) -> NDArray[np.float32]:
    """Make one vector a text of those of its windows, (windows, hidden): in each place the largest.

    It is as long as the windows' vectors are on average, so it has length 1 where these have. The vector of a text with
    one window stays as it is. The mean of the windows was worse where one sentence of a long text decides.
    """
    import numpy as np

    if len(counts) == len(vectors):
        return vectors
    out = np.empty((len(counts), vectors.shape[1]), np.float32)
    start = 0
    for index, count in enumerate(counts):
        part = vectors[start : start + count]
        start += count
        largest = part.max(axis=0)
        if count > 1:
            length = np.linalg.norm(part, axis=1).mean()
            largest = largest * (length / max(float(np.linalg.norm(largest)), 1e-12))
        out[index] = largest
    return out


def _spread(windows: int, most: int) -> list[int]:
    """Choose at most so many of the windows of a text, evenly spaced from the first to the last."""
    if windows <= most:
        return list(range(windows))
    return [0] if most == 1 else [round(step * (windows - 1) / (most - 1)) for step in range(most)]


def batches(lengths: Sequence[int], tokens: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Group places by exact length, in batches of about so many tokens: no padding, hence none to mask."""
    by_length: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        by_length.setdefault(length, []).append(index)
    for length, indices in sorted(by_length.items()):
        size = max(1, tokens // max(1, length))
        for start in range(0, len(indices), size):
            yield indices[start : start + size]


def _shared_out(parts: list[list[int]], cores: int) -> list[list[int]]:
    """Part the largest of a few batches until every core has one, where there are texts enough."""
    parts = [*parts]
    while len(parts) < cores and max(map(len, parts), default=0) > 1:
        largest = max(parts, key=len)
        middle = len(largest) // 2
        place = parts.index(largest)
        parts[place : place + 1] = [largest[:middle], largest[middle:]]
    return parts


def load(folder: Path, *, threads: int) -> Embedder:
    """Load an encoder from the files of a bundle.

    Raises `ModelError` where one is missing or damaged, or where the settings are not those of the graph.
    """
    return open_graph(
        folder / GRAPH, folder / TOKENIZER, model_files.read(EncoderSettings, folder / FILE), threads=threads
    )


def _check(embedder: Embedder) -> None:
    """Ask the graph about the largest token at the last place that a text may have; look at the size of its vector."""
    import numpy as np

    settings = embedder.settings
    last = settings.first_position + settings.max_tokens - 1
    try:
        inputs = {
            "ids": np.array([[_largest_id(embedder.tokenizer)]], np.int64),
            "positions": np.array([last], np.int64),
        }
        size = embedder.session.run(None, inputs)[0].shape[-1]
    except ModelError:
        raise
    except Exception:  # of ONNX Runtime's own, or a number that is none of the graph's
        size = None
    if size != settings.hidden or settings.max_tokens <= embedder.tokenizer.num_special_tokens_to_add(False):
        message = f"{FILE}: its numbers are not those of {GRAPH}"
        raise ModelError("E_MODEL_FORMAT", message, fix=FIX)


def _largest_id(tokenizer: Any) -> int:  # noqa: ANN401 - a Tokenizer
    """Return the largest number that a tokenizer may give: of its words, and of those that it puts around a text.

    Raises `ModelError` (``E_MODEL_FORMAT``) where it cannot encode.
    """
    try:
        around = [number for text in ("", "a b") for number in tokenizer.encode(text).ids]
    except BaseException as error:
        # What goes wrong inside the library is a panic of its language, and no Exception.
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        message = f"the encoder's tokenizer cannot be used ({type(error).__name__})"
        raise ModelError("E_MODEL_FORMAT", message, fix=FIX) from None
    return max([*tokenizer.get_vocab(with_added_tokens=True).values(), *around], default=0)


def open_graph(graph: Path | bytes, tokenizer: Path, settings: EncoderSettings, *, threads: int) -> Embedder:
    """Make an embedder of a graph (a file or its bytes) and a tokenizer file.

    Raises `ModelError` (``E_MODEL_FORMAT``) where either cannot be read, ``E_MODEL_MISSING`` where ONNX Runtime or
    tokenizers is not installed, ``E_TELEMETRY`` where ONNX Runtime was imported before it could be silenced.
    """
    switches.need_silence()
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError:
        message = "onnxruntime and tokenizers are needed for the encoder rungs"
        raise ModelError("E_MODEL_MISSING", message, fix=install_command("encoder")) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A plan of memory for every shape of batch that ever came is 26 MB after a few hundred texts, and saves no time.
    options.enable_mem_pattern = False
    # Higher levels replace Add and LayerNormalization by a fused operator that is eight times slower on the CPU.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        words = Tokenizer.from_file(str(tokenizer))
        model = graph if isinstance(graph, bytes) else str(graph)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # both libraries raise plain Exceptions of their own
        message = f"the encoder's files cannot be loaded ({type(error).__name__})"
        raise ModelError("E_MODEL_FORMAT", message, fix=FIX) from None
    words.no_padding()
    words.enable_truncation(settings.max_tokens, stride=shared_tokens(settings))
    embedder = Embedder(words, session, settings, threads)
    _check(embedder)
    return embedder
