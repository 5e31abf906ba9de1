"""A portion of the records of a file in a few buffers: no work is done for each record but in compiled loops."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockham.readers.blocks import Block, BufferedRecords
from ockham.readers.conversations import is_conversation, texts_in
from ockham.readers.documents import Document, Unreadable, document_of
from ockham.readers.json_fast import row_of
from ockham.readers.table import MAX_RECORD
from ockham.readers.text_file import TOO_LONG, Encoding, TextLine, line_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ockham.curation.kernels.json_lines import Read
    from ockham.curation.kernels.shingles import Texts

_UTF8 = Encoding("utf-8", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBatch:
    """Records of one file, in their order: entry i of each is that of record i.

    ``rows`` are the records as JSON, a line end behind each; of those in ``broken`` (with code and reason) the row says
    why. ``texts`` are the inputs, several joined by line ends; ``targets`` are empty without a target. ``offsets`` are
    in bytes, -1 where there is none. ``parts`` holds the inputs of those records whose row does not give them as they
    came.
    """

    file: int
    inputs: tuple[str, ...]
    rows: Texts
    texts: Texts
    targets: Texts
    offsets: NDArray[np.int64]
    broken: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    parts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.offsets)

    def inputs_of(self, index: int) -> tuple[str, ...]:
        """Return the inputs of a record; none where it is broken."""
        if index in self.broken:
            return ()
        if index in self.parts:
            return self.parts[index]
        if len(self.inputs) == 1:
            return (bytes_at(self.texts, index).decode(),)
        return texts_in(self.cells_of(index), self.inputs)

    def cells_of(self, index: int) -> dict[str, Any]:
        """Return the cells of a record."""
        return parse_row(bytes_at(self.rows, index))


def batch_of(work: Block | BufferedRecords) -> RecordBatch:
    """Put records into buffers; lines are read here. Raises `DataError` (``E_ENCODING``) as reading lines does."""
    if isinstance(work, BufferedRecords):
        return _gather_documents(work.file, work.documents, work.inputs)
    if work.too_long:
        broken = Unreadable(work.file, 1, work.offset, "E_FORMAT", TOO_LONG)
        return _gather_documents(work.file, [broken], work.columns[0])
    return _of_lines(work)


def bytes_at(texts: Texts, index: int) -> bytes:
    """Return one text of a buffer."""
    return bytes(texts.data[texts.starts[index] : texts.ends[index]])


def replace_texts(texts: Texts, new: Mapping[int, bytes]) -> Texts:
    """Replace some texts by others, which go behind all that was there."""
    import numpy as np

    from ockham.curation.kernels.shingles import Texts, texts_of

    if not new:
        return texts
    more = texts_of(list(new.values()))
    indices = np.fromiter(new, dtype=np.int64, count=len(new))
    starts, ends = texts.starts.copy(), texts.ends.copy()
    starts[indices], ends[indices] = more.starts + len(texts.data), more.ends + len(texts.data)
    return Texts(np.concatenate([texts.data, more.data]), starts, ends)


def dump_row(value: object) -> bytes:
    """Write one JSON object on one line; numbers that are not finite become null, other kinds of value text."""
    import orjson

    try:
        return orjson.dumps(value, default=_plain)
    except (TypeError, ValueError):  # an integer over 64 bits, or half a character in a column that is not looked at
        return json.dumps(value, default=_plain, separators=(",", ":")).encode()


def parse_row(row: bytes | bytearray) -> dict[str, Any]:
    """Read a row back."""
    import orjson

    try:
        cells: dict[str, Any] = orjson.loads(row)
    except ValueError:
        cells = json.loads(row)
    return cells


def _plain(value: object) -> object:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _gather_documents(file: int, documents: Sequence[Document | Unreadable], inputs: tuple[str, ...]) -> RecordBatch:
    import numpy as np

    from ockham.curation.kernels.shingles import texts_of

    readable = {index: document for index, document in enumerate(documents) if isinstance(document, Document)}
    rows = [_row(document) for document in documents]
    texts = [_join_inputs(document.texts) if isinstance(document, Document) else b"" for document in documents]
    targets = [(getattr(document, "target", None) or "").encode() for document in documents]
    return RecordBatch(
        file=file,
        inputs=inputs,
        rows=texts_of(rows, b"\n"),
        texts=texts_of(texts),
        targets=texts_of(targets),
        offsets=np.array(
            [-1 if document.offset is None else document.offset for document in documents], dtype=np.int64
        ),
        broken={
            n: (document.code, document.reason)
            for n, document in enumerate(documents)
            if isinstance(document, Unreadable)
        },
        parts={n: document.texts for n, document in readable.items() if len(inputs) > 1 or is_conversation(inputs)},
    )


def _row(document: Document | Unreadable) -> bytes:
    return dump_row(
        document.cells if isinstance(document, Document) else {"code": document.code, "reason": document.reason}
    )


def _join_inputs(texts: tuple[str, ...]) -> bytes:
    return "\n".join(texts).encode()


def _of_lines(block: Block) -> RecordBatch:
    import numpy as np

    from ockham.curation.kernels.json_lines import SOUND, UNSURE, read_lines

    inputs, target = block.columns
    read = read_lines(np.frombuffer(block.data, np.uint8), inputs, target)
    unsure = np.flatnonzero((read.verdicts == UNSURE) | (read.lines.ends - read.lines.starts >= MAX_RECORD)).tolist()
    looked = {index: _read_strictly(block, read, index) for index in unsure}
    taken = read.verdicts == SOUND
    taken[[index for index, record in looked.items() if record is not None]] = True
    taken[[index for index, record in looked.items() if record is None]] = False
    more = _gather_documents(block.file, [record for record in looked.values() if record is not None], inputs)
    numbers = np.cumsum(taken) - 1
    own = [int(numbers[index]) for index, record in looked.items() if record is not None]
    chosen = np.flatnonzero(taken)
    return RecordBatch(
        file=block.file,
        inputs=inputs,
        rows=_together(read.rows, chosen, more.rows, own),
        texts=_together(read.texts, chosen, more.texts, own),
        targets=_together(read.targets, chosen, more.targets, own),
        offsets=read.lines.starts[chosen] + block.offset,
        broken={own[index]: why for index, why in more.broken.items()},
        parts={own[index]: texts for index, texts in more.parts.items()},
    )


def _together(texts: Texts, chosen: NDArray[np.int64], more: Texts, indices: list[int]) -> Texts:
    """Take the chosen texts, and put others behind them in the buffer, at some indices among them."""
    import numpy as np

    from ockham.curation.kernels.shingles import Texts

    starts, ends = texts.starts[chosen], texts.ends[chosen]
    if not indices:
        return Texts(texts.data, starts, ends)
    starts[indices], ends[indices] = more.starts + len(texts.data), more.ends + len(texts.data)
    return Texts(np.concatenate([texts.data, more.data]), starts, ends)


def _read_strictly(block: Block, read: Read, index: int) -> Document | Unreadable | None:
    """Read a line by the strict rules; nothing where it is blank."""
    start, end = int(read.lines.starts[index]), int(read.lines.ends[index])
    if end - start >= MAX_RECORD:
        line = TextLine(block.offset + start, None, "E_FORMAT", TOO_LONG)
    else:
        line = line_of(block.offset + start, block.data[start : end + 1], block.name, _UTF8)
    if line.text is not None and not line.text.strip():
        return None
    return document_of(block.file, row_of(1, line), *block.columns)
