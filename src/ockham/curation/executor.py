"""Something that works elsewhere, as the steps of curation see it: jobs are submitted and come back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ockham.errors import Defect

T = TypeVar("T")


class Job(Protocol):
    """Work that was given away."""

    def result(self) -> Any:  # noqa: ANN401 - whatever the function gives
        """Wait for the outcome, and give it or raise what went wrong."""

    def cancel(self) -> object:
        """Cancel work that was not begun."""


class WorkerPool(Protocol):
    """Something that works, elsewhere."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Job:  # noqa: ANN401 - those of the function
        """Begin to work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """A pool (``None``: this process), how many work there at once, and whether they read files from a shared disk."""

    pool: WorkerPool | None = None
    size: int = 1
    apart: bool = False


def outcome(job: Job) -> Any:  # noqa: ANN401 - whatever the function gives
    """Wait for work that was given away. Raises `Defect` where the process that did it has died."""
    try:
        return job.result()
    except BrokenExecutor as error:
        fix = "run the same command again, with fewer --workers if memory is short; finished work is kept"
        raise Defect("E_DEFECT", "a process that examines documents died", fix=fix) from error


def in_order(crew: Executor, function: Callable[..., T], argument_lists: Iterable[tuple[Any, ...]]) -> Iterator[T]:
    """Call a function with each of some arguments, and give the outcomes in the same order."""
    if crew.pool is None:
        for arguments in argument_lists:
            yield function(*arguments)
        return
    waiting: deque[Job] = deque()
    try:
        for arguments in argument_lists:
            waiting.append(crew.pool.submit(function, *arguments))
            if len(waiting) > 2 * crew.size:
                yield outcome(waiting.popleft())
        while waiting:
            yield outcome(waiting.popleft())
    finally:
        give_up(waiting)


def give_up(jobs: Iterable[Job]) -> None:
    """Cancel work that was given away, and wait for what is at work: the folders that it writes to can then go."""
    waiting = list(jobs)
    for job in waiting:
        job.cancel()
    for job in waiting:
        with suppress(Exception):
            job.result()
