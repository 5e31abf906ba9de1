"""The first pass: documents in chunks, examined in order by one process or several, each chunk sealed by the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from ockham.curation.chunks import write_chunk
from ockham.data.documents import Document, SourceFile, Unreadable, documents_of
from ockham.data.steps.examine import Plan, examine
from ockham.errors import Defect
from ockham.records import Progress, digest, plain
from ockham.store import Run
from ockham.store.atomic import disk

Tell = Callable[[Progress], None]
Batch = list[Document | Unreadable]
_EACH = 256
"""Bytes that a document counts at least, so that a chunk of tiny rows stays small too."""
KIND = "chunk"
_WORTH = 32
"""Megabytes from which on more than one process is started."""


class _Job(NamedTuple):
    key: str
    folder: Path | None
    done: Future[None] | None
    leave: ExitStack


def inputs_of(files: list[SourceFile]) -> list[tuple[str, ...]]:
    """Give the input columns of each file."""
    return [file.inputs for file in files]


def examined_chunks(run: Run, files: list[SourceFile], plan: Plan, size: tuple[int, int], tell: Tell) -> list[Path]:
    """Examine all documents and give the folders of the chunks, in order; ``size`` is (processes, bytes a chunk)."""
    workers, most = size
    total = sum(file.size for file in files) // 1_000_000
    if total < _WORTH:  # a process takes seconds to start, and what is written is the same
        workers = 1
    folders: list[Path] = []
    before = 0
    with _pool(workers) as pool:
        for number, file in enumerate(files):
            work = digest(["chunks", number, file.sha256, plain(plan.spec), list(plan.steps), most, _tests(plan)])
            known = run.find("file", work, int)
            if known is not None:
                kept = [run.artifact(KIND, digest([work, place])) for place in range(known)]
                whole = [folder for folder in kept if folder is not None]
                if len(whole) == known:
                    folders += whole
                    before += file.size
                    continue
            batches = _batches(number, file, plan, most)
            found = []
            for folder, seen in _in_turn(run, batches, work, (pool, workers, plan, inputs_of(files))):
                found.append(folder)
                done = min(before + seen, before + file.size) // 1_000_000
                tell(Progress(stage="examine", message="documents (MB)", done=done, total=max(total, done)))
            run.keep("file", work, len(found))
            folders += found
            before += file.size
    return folders


def _tests(plan: Plan) -> list[str]:
    return list(plan.leak.digests) if plan.leak else []


def _batches(number: int, file: SourceFile, plan: Plan, most: int) -> Iterator[tuple[Batch, int]]:
    """Part a file's documents into chunks; each comes with the bytes of text seen so far."""
    batch: Batch = []
    held = seen = 0
    for one in documents_of(number, file, plan.spec.encoding):
        batch.append(one)
        held += max(_EACH, sum(map(len, one.texts)) if isinstance(one, Document) else 0)
        if held >= most:
            seen += held
            yield batch, seen
            batch, held = [], 0
    if batch:
        yield batch, seen + held


def _in_turn(
    run: Run,
    batches: Iterator[tuple[Batch, int]],
    work: str,
    how: tuple[ProcessPoolExecutor | None, int, Plan, list[tuple[str, ...]]],
) -> Iterator[tuple[Path, int]]:
    """Examine chunks, some ahead of the one that is waited for, and seal them in their order."""
    pool, workers, plan, inputs = how
    waiting: deque[tuple[_Job, int]] = deque()
    try:
        for place, (batch, seen) in enumerate(batches):
            waiting.append((_begun(run, digest([work, place]), batch, (pool, plan, inputs)), seen))
            if len(waiting) > (workers if pool else 0):
                job, at = waiting.popleft()
                yield _sealed(run, job), at
        while waiting:
            job, at = waiting.popleft()
            yield _sealed(run, job), at
    finally:
        for job, _ in waiting:
            if job.done is not None:
                job.done.cancel()
            job.leave.close()


def _begun(
    run: Run,
    key: str,
    batch: Batch,
    how: tuple[ProcessPoolExecutor | None, Plan, list[tuple[str, ...]]],
) -> _Job:
    """Begin to examine a chunk, unless that was done before."""
    pool, plan, inputs = how
    leave = ExitStack()
    if run.artifact(KIND, key) is not None:
        return _Job(key, None, None, leave)
    folder = leave.enter_context(run.staging())
    if pool is None:
        work(folder, batch, plan, inputs)
        return _Job(key, folder, None, leave)
    return _Job(key, folder, pool.submit(work, folder, batch, plan, inputs), leave)


def _sealed(run: Run, job: _Job) -> Path:
    with job.leave:
        if job.done is not None:
            try:
                job.done.result()
            except BrokenExecutor as error:
                fix = "run the same command again, with fewer --workers if memory is short; what was done is kept"
                raise Defect("E_DEFECT", "a process that examines documents has died", fix=fix) from error
        if job.folder is not None:
            return run.seal(KIND, job.key, job.folder)
    return run.path / "artifacts" / KIND / job.key[:32]


def work(folder: Path, batch: Batch, plan: Plan, inputs: list[tuple[str, ...]]) -> None:
    """Examine a chunk and write what was found out into a folder of its own; this runs in any process."""
    examined = examine(batch, plan)
    with disk(folder, "keeping what was examined"):
        write_chunk(folder, examined, inputs)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    """Lend processes, started anew (a fork would inherit the lock of the run); none where one process is enough."""
    if workers == 1:
        yield None
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool
