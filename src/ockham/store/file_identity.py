"""Which file a file is: what changes with every change of it, so that what was read of it need not be read again."""

from __future__ import annotations

import time
from pathlib import Path

_SETTLED_NS = 1_000_000_000


def file_identity(path: Path) -> tuple[int, ...] | None:
    """Return numbers that are others once the file has changed, by what the system says of it.

    ``None`` for a file that was changed within the last second: another change could bear the same time. Raises
    `OSError` where there is no such file.
    """
    status = path.stat()
    if time.time_ns() - status.st_ctime_ns < _SETTLED_NS:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
