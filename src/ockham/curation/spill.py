"""Records that wait for the pass that wants them: in files by a number that comes with each, few of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.store.atomic import disk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HELD = 16_000_000
"""Bytes of records that are in memory: what is not more never comes to the disk."""
_BLOCK = 16_000_000
"""Bytes that are read at once."""


class SpillFile:
    """Records of one kind in numbered parts; those of a part stand in the order in which they came.

    Nothing is forced to the disk: the files are of no use to another process than this one and those it gives work to.
    """

    __slots__ = ("_folder", "_held", "_kind", "_name", "_parts", "_size")

    def __init__(self, folder: Path, name: str, kind: Any) -> None:  # noqa: ANN401 - a numpy type
        """Take records of a numpy type; the files are called by the name and the number of the part."""
        import numpy as np

        self._folder, self._name, self._kind = folder, name, np.dtype(kind)
        self._held: list[tuple[NDArray[np.uint32], NDArray[Any]]] = []
        self._size = 0
        self._parts: set[int] = set()

    def add(self, parts: NDArray[Any], records: NDArray[Any]) -> None:
        """Add records, each to its part."""
        import numpy as np

        if not len(records):
            return
        records = records.astype(self._kind.base, copy=False)
        self._held.append((parts.astype(np.uint32), records))
        self._size += records.nbytes
        if self._size > HELD:
            self._spill()

    def blocks(self, part: int) -> Iterator[NDArray[Any]]:
        """Yield the records of a part, so many at once as may be in memory; meanwhile others may be added elsewhere."""
        import numpy as np

        if not self._parts:
            parts, records = self._together()
            matching = records[parts == part]
            if len(matching):
                yield matching
            return
        self._spill()
        if part in self._parts:
            most = max(1, _BLOCK // self._kind.itemsize) * self._kind.itemsize
            with self._path(part).open("rb") as file:
                while data := file.read(most):
                    yield np.frombuffer(data, dtype=self._kind)

    def read(self, part: int) -> NDArray[Any]:
        """Return all records of a part."""
        import numpy as np

        return np.concatenate([np.zeros(0, dtype=self._kind), *self.blocks(part)])

    def files(self) -> list[Path]:
        """Write what is in memory, and return the files of the parts that have records, in their order."""
        self._spill()
        return [self._path(part) for part in sorted(self._parts)]

    def drop(self) -> None:
        """Forget all records and remove their files."""
        for part in self._parts:
            self._path(part).unlink()
        self._parts.clear()
        self._held.clear()
        self._size = 0

    def _path(self, part: int) -> Path:
        return self._folder / f"{self._name}-{part:06d}.bin"

    def _together(self) -> tuple[NDArray[np.uint32], NDArray[Any]]:
        import numpy as np

        if len(self._held) != 1:
            parts = np.concatenate([np.zeros(0, dtype=np.uint32), *(batch[0] for batch in self._held)])
            records = np.concatenate([np.zeros(0, dtype=self._kind), *(batch[1] for batch in self._held)])
            self._held = [(parts, records)]
        return self._held[0]

    def _spill(self) -> None:
        """Write what is in memory behind what the files hold."""
        import numpy as np

        parts, records = self._together()
        self._held, self._size = [], 0
        order = np.argsort(parts, kind="stable")
        parts = parts[order]
        begins = np.flatnonzero(np.append(True, parts[1:] != parts[:-1])[: len(parts)])
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(parts)], strict=False):
            part = int(parts[begin])
            with disk(self._path(part), "keeping what is needed on the way"), self._path(part).open("ab") as file:
                file.write(np.ascontiguousarray(records[order[begin:end]]).data)
            self._parts.add(part)
