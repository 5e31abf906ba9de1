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
    """Records of one kind in numbered places; those of a place stand in the order in which they came.

    Nothing is forced to the disk: the files are of no use to another process than this one and those it gives work to.
    """

    __slots__ = ("_folder", "_held", "_kind", "_name", "_places", "_size")

    def __init__(self, folder: Path, name: str, kind: Any) -> None:  # noqa: ANN401 - a numpy type
        """Take records of a numpy type; the files are called by the name and the number of the place."""
        import numpy as np

        self._folder, self._name, self._kind = folder, name, np.dtype(kind)
        self._held: list[tuple[NDArray[np.uint32], NDArray[Any]]] = []
        self._size = 0
        self._places: set[int] = set()

    def add(self, places: NDArray[Any], records: NDArray[Any]) -> None:
        """Add records, each to its place."""
        import numpy as np

        if not len(records):
            return
        records = records.astype(self._kind.base, copy=False)
        self._held.append((places.astype(np.uint32), records))
        self._size += records.nbytes
        if self._size > HELD:
            self._spill()

    def blocks(self, place: int) -> Iterator[NDArray[Any]]:
        """Give the records of a place, so many at once as may be in memory; meanwhile others may be added elsewhere."""
        import numpy as np

        if not self._places:
            places, records = self._together()
            found = records[places == place]
            if len(found):
                yield found
            return
        self._spill()
        if place in self._places:
            most = max(1, _BLOCK // self._kind.itemsize) * self._kind.itemsize
            with self._path(place).open("rb") as file:
                while data := file.read(most):
                    yield np.frombuffer(data, dtype=self._kind)

    def read(self, place: int) -> NDArray[Any]:
        """Give all records of a place."""
        import numpy as np

        return np.concatenate([np.zeros(0, dtype=self._kind), *self.blocks(place)])

    def files(self) -> list[Path]:
        """Write what is in memory, and give the files of the places that have records, in their order."""
        self._spill()
        return [self._path(place) for place in sorted(self._places)]

    def drop(self) -> None:
        """Forget all records and remove their files."""
        for place in self._places:
            self._path(place).unlink()
        self._places.clear()
        self._held.clear()
        self._size = 0

    def _path(self, place: int) -> Path:
        return self._folder / f"{self._name}-{place:06d}.bin"

    def _together(self) -> tuple[NDArray[np.uint32], NDArray[Any]]:
        import numpy as np

        if len(self._held) != 1:
            places = np.concatenate([np.zeros(0, dtype=np.uint32), *(one[0] for one in self._held)])
            records = np.concatenate([np.zeros(0, dtype=self._kind), *(one[1] for one in self._held)])
            self._held = [(places, records)]
        return self._held[0]

    def _spill(self) -> None:
        """Write what is in memory behind what the files hold."""
        import numpy as np

        places, records = self._together()
        self._held, self._size = [], 0
        order = np.argsort(places, kind="stable")
        places = places[order]
        begins = np.flatnonzero(np.append(True, places[1:] != places[:-1])[: len(places)])
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(places)], strict=False):
            place = int(places[begin])
            with disk(self._path(place), "keeping what is needed on the way"), self._path(place).open("ab") as file:
                file.write(np.ascontiguousarray(records[order[begin:end]]).data)
            self._places.add(place)
