"""The first pass: documents in chunks, examined in order by one process or several, each chunk sealed by the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ockham.curation.chunks import write_chunk
from ockham.curation.executor import Executor, Job, give_up, outcome
from ockham.curation.record_batch import batch_of
from ockham.curation.steps.examine import StepConfig, examine
from ockham.readers.blocks import Block, BufferedRecords, FileRange, block_work
from ockham.readers.conversations import columns_of
from ockham.readers.documents import SourceFile
from ockham.records import Progress, digest, plain
from ockham.store import Run
from ockham.store.atomic import disk

Tell = Callable[[Progress], None]
KIND = "chunk"
_FORM = "chunks, words by eights"
"""What is in a chunk, and by which hashes: a run that was begun with others examines anew."""
_WORTH = 32
"""Megabytes from which on more than one process is started."""


class _Job(NamedTuple):
    key: str
    folder: Path | None
    done: Job | None
    leave: ExitStack


def inputs_of(files: list[SourceFile]) -> list[tuple[str, ...]]:
    """Return the input columns of each file, as `columns_of` says for conversations."""
    return [columns_of(file.target) if file.chat else file.inputs for file in files]


def is_worth(files: list[SourceFile]) -> bool:
    """Tell whether there is so much to do that more than one process is faster; what is written is the same."""
    return sum(file.size for file in files) // 1_000_000 >= _WORTH


def examine_chunks(
    run: Run, files: list[SourceFile], plan: StepConfig, crew: Executor, most: int, on_progress: Tell
) -> list[Path]:
    """Examine all documents, ``most`` bytes a chunk, and return the folders of the chunks, in order."""
    total = sum(file.size for file in files) // 1_000_000
    folders: list[Path] = []
    before = 0
    for number, file in enumerate(files):
        settings = plain(plan.spec), plain(plan.filters), plain(plan.shared)
        work = digest([_FORM, number, file.sha256, settings, list(plan.steps), most, _tests(plan)])
        stored_keys = run.load("file", work, tuple[str, ...])
        if stored_keys is not None:
            artifacts = [run.artifact(KIND, key) for key in stored_keys]
            whole = [folder for folder in artifacts if folder is not None]
            if len(whole) == len(stored_keys):
                folders += whole
                before += file.size
                continue
        batches = _batches(number, file, plan, most)
        file_folders, keys = [], []
        for folder, key, seen in _in_turn(run, batches, work, crew, plan):
            file_folders.append(folder)
            keys.append(key)
            done = min(before + seen, before + file.size) // 1_000_000
            on_progress(Progress(stage="examine", message="documents (MB)", done=done, total=max(total, done)))
        run.save("file", work, tuple(keys))
        folders += file_folders
        before += file.size
    return folders


def _tests(plan: StepConfig) -> list[str]:
    return list(plan.leak.digests) if plan.leak else []


def _batches(
    number: int, file: SourceFile, plan: StepConfig, most: int
) -> Iterator[tuple[Block | BufferedRecords, int]]:
    """Part a file's documents into chunks; each comes with the bytes seen so far."""
    return block_work(number, file, plan.spec.encoding, most)


def _in_turn(
    run: Run,
    batches: Iterator[tuple[Block | BufferedRecords, int]],
    work: str,
    crew: Executor,
    plan: StepConfig,
) -> Iterator[tuple[Path, str, int]]:
    """Examine chunks, some ahead of the one that is waited for, and seal them in their order."""
    waiting: deque[tuple[_Job, int]] = deque()
    try:
        for index, (batch, seen) in enumerate(batches):
            waiting.append((_begin_job(run, _key(work, index, batch), batch, crew, plan), seen))
            if len(waiting) > (crew.size if crew.pool else 0):
                job, at = waiting.popleft()
                yield _seal_chunk(run, job), job.key, at
        while waiting:
            job, at = waiting.popleft()
            yield _seal_chunk(run, job), job.key, at
    finally:
        give_up(job.done for job, _ in waiting if job.done is not None)
        for job, _ in waiting:
            job.leave.close()


def _key(work: str, index: int, batch: Block | BufferedRecords) -> str:
    """Name a chunk by its index, and lines by their bytes too: that the file is whole is known at its end alone."""
    import xxhash

    return digest([work, index, xxhash.xxh3_128_hexdigest(batch.data) if isinstance(batch, Block) else ""])


def _begin_job(run: Run, key: str, batch: Block | BufferedRecords, crew: Executor, plan: StepConfig) -> _Job:
    """Begin to examine a chunk, unless that was done before."""
    leave = ExitStack()
    if run.artifact(KIND, key) is not None:
        return _Job(key, None, None, leave)
    folder = leave.enter_context(run.staging())
    if crew.pool is None:
        work(folder, batch, plan)
        return _Job(key, folder, None, leave)
    submitted = batch.to_file_range() if crew.apart and isinstance(batch, Block) else batch
    return _Job(key, folder, crew.pool.submit(work, folder, submitted, plan), leave)


def _seal_chunk(run: Run, job: _Job) -> Path:
    with job.leave:
        if job.done is not None:
            outcome(job.done)
        if job.folder is not None:
            return run.commit_artifact(KIND, job.key, job.folder, lasting=False)
    return run.path / "artifacts" / KIND / job.key[:32]


def work(folder: Path, batch: Block | BufferedRecords | FileRange, plan: StepConfig) -> None:
    """Examine a chunk and write what was found out into a folder of its own; this runs in any process."""
    examined = examine(batch_of(batch.read() if isinstance(batch, FileRange) else batch), plan)
    with disk(folder, "keeping what was examined"):
        write_chunk(folder, examined)
