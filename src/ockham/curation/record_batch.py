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
        """Give the number of records."""
        return len(self.offsets)

    def inputs_of(self, place: int) -> tuple[str, ...]:
        """Give the inputs of a record; none where it is broken."""
        if place in self.broken:
            return ()
        if place in self.parts:
            return self.parts[place]
        if len(self.inputs) == 1:
            return (bytes_at(self.texts, place).decode(),)
        return texts_in(self.cells_of(place), self.inputs)

    def cells_of(self, place: int) -> dict[str, Any]:
        """Give the cells of a record."""
        return parse_row(bytes_at(self.rows, place))


def batch_of(work: Block | BufferedRecords) -> RecordBatch:
    """Put records into buffers; lines are read here. Raises `DataError` (``E_ENCODING``) as reading lines does."""
    if isinstance(work, BufferedRecords):
        return _packed(work.file, work.documents, work.inputs)
    if work.too_long:
        broken = Unreadable(work.file, 1, work.offset, "E_FORMAT", TOO_LONG)
        return _packed(work.file, [broken], work.columns[0])
    return _of_lines(work)


def bytes_at(texts: Texts, place: int) -> bytes:
    """Give one text of a buffer."""
    return bytes(texts.data[texts.starts[place] : texts.ends[place]])


def replace_texts(texts: Texts, new: Mapping[int, bytes]) -> Texts:
    """Put others in the place of some texts: they stand behind all that was there."""
    import numpy as np

    from ockham.curation.kernels.shingles import Texts, texts_of

    if not new:
        return texts
    more = texts_of(list(new.values()))
    places = np.fromiter(new, dtype=np.int64, count=len(new))
    starts, ends = texts.starts.copy(), texts.ends.copy()
    starts[places], ends[places] = more.starts + len(texts.data), more.ends + len(texts.data)
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
        found: dict[str, Any] = orjson.loads(row)
    except ValueError:
        found = json.loads(row)
    return found


def _plain(value: object) -> object:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _packed(file: int, documents: Sequence[Document | Unreadable], inputs: tuple[str, ...]) -> RecordBatch:
    import numpy as np

    from ockham.curation.kernels.shingles import texts_of

    readable = {place: one for place, one in enumerate(documents) if isinstance(one, Document)}
    rows = [_row(one) for one in documents]
    texts = [_joined(one.texts) if isinstance(one, Document) else b"" for one in documents]
    targets = [(getattr(one, "target", None) or "").encode() for one in documents]
    return RecordBatch(
        file=file,
        inputs=inputs,
        rows=texts_of(rows, b"\n"),
        texts=texts_of(texts),
        targets=texts_of(targets),
        offsets=np.array([-1 if one.offset is None else one.offset for one in documents], dtype=np.int64),
        broken={n: (one.code, one.reason) for n, one in enumerate(documents) if isinstance(one, Unreadable)},
        parts={n: one.texts for n, one in readable.items() if len(inputs) > 1 or is_conversation(inputs)},
    )


def _row(one: Document | Unreadable) -> bytes:
    return dump_row(one.cells if isinstance(one, Document) else {"code": one.code, "reason": one.reason})


def _joined(texts: tuple[str, ...]) -> bytes:
    return "\n".join(texts).encode()


def _of_lines(block: Block) -> RecordBatch:
    import numpy as np

    from ockham.curation.kernels.json_lines import SOUND, UNSURE, read_lines

    inputs, target = block.columns
    read = read_lines(np.frombuffer(block.data, np.uint8), inputs, target)
    unsure = np.flatnonzero((read.verdicts == UNSURE) | (read.lines.ends - read.lines.starts >= MAX_RECORD)).tolist()
    looked = {place: _looked_at(block, read, place) for place in unsure}
    taken = read.verdicts == SOUND
    taken[[place for place, one in looked.items() if one is not None]] = True
    taken[[place for place, one in looked.items() if one is None]] = False
    more = _packed(block.file, [one for one in looked.values() if one is not None], inputs)
    numbers = np.cumsum(taken) - 1
    own = [int(numbers[place]) for place, one in looked.items() if one is not None]
    chosen = np.flatnonzero(taken)
    return RecordBatch(
        file=block.file,
        inputs=inputs,
        rows=_together(read.rows, chosen, more.rows, own),
        texts=_together(read.texts, chosen, more.texts, own),
        targets=_together(read.targets, chosen, more.targets, own),
        offsets=read.lines.starts[chosen] + block.offset,
        broken={own[place]: why for place, why in more.broken.items()},
        parts={own[place]: texts for place, texts in more.parts.items()},
    )


def _together(texts: Texts, chosen: NDArray[np.int64], more: Texts, places: list[int]) -> Texts:
    """Take the chosen texts, and put others behind them in the buffer, in some places among them."""
    import numpy as np

    from ockham.curation.kernels.shingles import Texts

    starts, ends = texts.starts[chosen], texts.ends[chosen]
    if not places:
        return Texts(texts.data, starts, ends)
    starts[places], ends[places] = more.starts + len(texts.data), more.ends + len(texts.data)
    return Texts(np.concatenate([texts.data, more.data]), starts, ends)


def _looked_at(block: Block, read: Read, place: int) -> Document | Unreadable | None:
    """Read a line by the strict rules; nothing where it is blank."""
    start, end = int(read.lines.starts[place]), int(read.lines.ends[place])
    if end - start >= MAX_RECORD:
        line = TextLine(block.offset + start, None, "E_FORMAT", TOO_LONG)
    else:
        line = line_of(block.offset + start, block.data[start : end + 1], block.name, _UTF8)
    if line.text is not None and not line.text.strip():
        return None
    return document_of(block.file, row_of(1, line), *block.columns)
