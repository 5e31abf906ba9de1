"""Compile a function when it is first called, and keep the machine code for the next process.

The code is kept in a folder of the user's own, never in the installed package: the one ``OCKHAM_KERNELS`` names, else
``ockham`` under the user's cache folder. Its name holds a digest of the kernels' sources, because numba itself does not
notice that a function which another file calls has changed. A folder that others may write to is not used: what is kept
there is code. Compiling all kernels takes about a quarter of a minute, loading them about a second.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from ockham import machine

VARIABLE = "OCKHAM_KERNELS"
_log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


def compile_kernel(function: F) -> F:
    """Compile a function to machine code at its first call; it runs without Python's lock.

    It may not make arrays, sort one, or copy a slice into another. For functions that may, numba counts the references
    of all arrays whenever one is taken out of a tuple or handed on, which took half the time of some loops.
    """
    return _compile(function, arrays=False)


def compile_kernel_with_arrays(function: F) -> F:
    """Compile a function as `compile_kernel` does, that may make arrays and sort them."""
    return _compile(function, arrays=True)


def _compile(function: F, *, arrays: bool) -> F:
    folder = cache_folder()
    before = numba.config.CACHE_DIR
    # numba asks for the folder when it wraps a function, and other users of numba in this process have theirs.
    numba.config.CACHE_DIR = "" if folder is None else str(folder)
    try:
        return cast("F", numba.njit(nogil=True, cache=folder is not None, _nrt=arrays)(function))
    finally:
        numba.config.CACHE_DIR = before


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Return the folder for machine code, made if need be; ``None`` where there is none that is safe to use."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    try:
        named = os.environ.get(VARIABLE)
        folder = (Path(named) if named else machine.cache()) / f"kernels-{digest[:16]}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except (OSError, RuntimeError):
        status = None
    if status is None or not _is_private(status):
        _log.warning("the kernels are compiled anew in each process: no private folder for them; set %s", VARIABLE)
        return None
    return folder


def _is_private(status: os.stat_result) -> bool:
    mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return stat.S_ISDIR(status.st_mode) and mine and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
