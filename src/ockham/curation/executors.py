"""Who does the work: this process, several, or a Ray cluster. What is done, and in which order it comes back, is equal.

A pool takes functions that stand at the top of a module, with arguments that travel. Texts travel to several processes
of this machine; a Ray cluster gets the places of texts in files, and reads them where it works.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from typing import Any

from ockham import machine
from ockham.curation.executor import Executor, Job
from ockham.sealed import switches

_TERMINAL = (signal.SIGINT, signal.SIGHUP)
_KEPT, _OWN = 128_000_000, 32_000_000
"""Bytes free at the end of the heap that are not given back, and from how many on a buffer gets pages of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """A Ray cluster by its address (``None``: one that is started on this machine for the time of the work).

    ``tasks`` is how many pieces are at work at once (``None``: as many as the cluster has cores). All its machines must
    see the input and the output under the same paths.
    """

    address: str | None = None
    tasks: int | None = None


def open_executor(workers: int | RayCluster) -> AbstractContextManager[Executor]:
    """Lend a crew: a number of processes, or a Ray cluster.

    Raises `ModelError` (``E_MODEL_MISSING``) where Ray is not installed, `ConfigError` where no cluster answers.
    """
    if isinstance(workers, RayCluster):
        from ockham.curation.ray_executor import ray_crew

        return ray_crew(workers.address, workers.tasks)
    return nullcontext(Executor()) if workers == 1 else _processes(workers)


class _Processes:
    """Processes that are started as there is work."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Job:  # noqa: ANN401 - those of the function
        """Begin to work."""
        with _signals_held():
            return self._pool.submit(function, *arguments)


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    """Lend processes, started anew: a fork would inherit the lock of the run."""
    with _signals_held():
        # Its own start lets signals through again.
        resource_tracker.ensure_running()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_join) as pool:
        try:
            yield Executor(pool=_Processes(pool), size=workers)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back what a terminal sends to all processes of a command; one that is started meanwhile inherits this."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _join() -> None:
    """Begin to work for the process that asks: it alone is stopped by a terminal, and when it is gone, this ends."""
    for number in _TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TERMINAL)
    threading.Thread(target=_leave_with_whoever_asks, daemon=True).start()
    switches.apply(os.environ, own=True)
    keep_memory()


def _leave_with_whoever_asks() -> None:
    """End this process, work in hand or not, as soon as its parent is gone: it holds both ends of its own queue."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def keep_memory() -> None:
    """Let this process keep freed memory for the next chunk, where the C library is glibc; elsewhere nothing is done.

    By default the buffers of each chunk are given back and taken anew, and the system fills each page with zeros again:
    that took a sixth of the time. At most 128 MB are kept.
    """
    machine.tune_malloc(own=_OWN, trim=_KEPT)
