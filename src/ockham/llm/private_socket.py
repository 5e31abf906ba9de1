"""A socket file in a folder that only this user may enter; on Linux its folder is gone as soon as something listens."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from ockham.sealed import connector

_NAME = "engine.sock"
_OPEN = Path("/proc/self/fd")


class PrivateSocket:
    """A place for a server of this process to listen at, and for its client to connect to; ``close`` it when done.

    Linux reaches a file by its descriptor (proc(5), ``/proc/self/fd``). The server can therefore listen in a folder
    of any depth, although a socket's address has 108 bytes at most (unix(7)), and `hide` can remove the file and its
    folder while the socket is in use. Elsewhere both stay until `close`.
    """

    def __init__(self) -> None:
        """Make the folder."""
        self._held = contextlib.ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="ockham-"))
        self._held.callback(shutil.rmtree, self._folder, ignore_errors=True)
        # A jail's broker makes the connections and needs the path itself; it also removes the jail's temporary folder.
        self._hidden = hasattr(os, "O_PATH") and _OPEN.is_dir() and not connector.control()
        self.path = self._reach(self._folder) / _NAME
        """Where the server is to listen."""

    def hide(self) -> Path:
        """Return where the client connects to, now that the server listens; nothing is left on disk where possible."""
        if self._hidden:
            self.path = self._reach(self._folder / _NAME)
            shutil.rmtree(self._folder, ignore_errors=True)
        return self.path

    def close(self) -> None:
        """Remove what is left. Closing again is harmless."""
        self._held.close()

    def _reach(self, path: Path) -> Path:
        if not self._hidden:
            return path
        descriptor = os.open(path, os.O_PATH)
        self._held.callback(os.close, descriptor)
        return _OPEN / str(descriptor)
