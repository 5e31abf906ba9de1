"""A dry run: the same work over the first rows of every file, and what that says about all of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing
from itertools import islice

from ockham.curation.chunks import Chunks, write_chunk
from ockham.curation.dedup import decide_duplicates
from ockham.curation.executor import Executor
from ockham.curation.label_check import check_labels
from ockham.curation.map_stage import inputs_of
from ockham.curation.record_batch import batch_of
from ockham.curation.steps.examine import StepConfig, examine
from ockham.curation.write_stage import write_all
from ockham.readers.blocks import BufferedRecords
from ockham.readers.documents import Document, SourceFile, Unreadable, documents_of
from ockham.readers.plain_text import texts_of
from ockham.records import Progress
from ockham.records.curation import CurationReport, in_order
from ockham.store import open_run, scratch_folder

Tell = Callable[[Progress], None]
SAMPLE = 4_000_000
"""Characters that a dry run looks at, spread over the files by their size."""
_PLAIN = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")


def preview_curation(files: list[SourceFile], plan: StepConfig, workers: int, on_progress: Tell) -> CurationReport:
    """Curate a sample in a temporary folder, and say what all of the data would take.

    The report's counts are those of the sample. ``estimate`` holds ``seconds``, ``clean_mb`` and ``disk_mb`` (the most
    that is needed on the way) for all files, where none of them is packed: what those unfold to is not known. Fewer
    duplicates meet in a sample than in all rows, so the shares of those are least values.
    """
    on_progress(Progress(stage="sample", message="the first rows of every file"))
    sample = _sample(files, plan)
    batch = [document for records in sample for document in records.documents]
    # What is loaded and compiled once says nothing about the speed.
    examine(batch_of(sample[0]._replace(documents=sample[0].documents[:8])), plan)
    text = sum(sum(map(len, document.texts)) for document in batch if isinstance(document, Document))
    with scratch_folder() as folder:
        start = time.perf_counter()
        with (
            open_run(folder / "run", {"verb": "curate, dry run"}) as run,
            run.staging() as staging,
            run.staging() as scratch,
        ):
            folders = [staging / str(records.file) for records in sample]
            for inner, records in zip(folders, sample, strict=True):
                inner.mkdir()
                write_chunk(inner, examine(batch_of(records), plan))
            disk = sum(file.stat().st_size for file in staging.glob("*/*"))
            with closing(Chunks(folders, inputs_of(files), plan.shared)) as chunks:
                decision = decide_duplicates(chunks, plan.spec, plan.steps, scratch, Executor(), lambda *_: None)
                check_labels(chunks, decision, [file.target for file in files], plan)
                report = write_all(run, chunks, decision, files, plan, on_progress)
        seconds = time.perf_counter() - start
    clean = sum(shard.bytes for shard in report.shards if shard.path.startswith("clean/"))
    estimate: dict[str, float] = {}
    if all(file.path.suffix.lower() in _PLAIN for file in files) and text:
        whole = sum(file.size for file in files)
        share = max(1.0, whole / max(text, _read_to(batch)))
        estimate = {
            "seconds": round(seconds * share / workers, 1),
            "clean_mb": round(clean * share / 1e6, 1),
            "disk_mb": round((disk + 2 * clean) * share / 1e6, 1),
        }
    return in_order(dataclasses.replace(report, shards=(), sample_of_rows=report.rows, estimate=estimate))


def _sample(files: list[SourceFile], plan: StepConfig) -> list[BufferedRecords]:
    """Take the first rows of each file, as many characters as its share of all bytes."""
    whole = sum(file.size for file in files) or 1
    sample: list[BufferedRecords] = []
    for number, file in enumerate(files):
        batch: list[Document | Unreadable] = []
        left = SAMPLE * file.size / whole
        rows = texts_of if file.parts else documents_of
        for document in islice(rows(number, file, plan.spec.encoding), 100_000):
            batch.append(document)
            left -= 200 + (sum(map(len, document.texts)) if isinstance(document, Document) else 0)
            if left < 0:
                break
        sample.append(BufferedRecords(number, batch, inputs_of([file])[0]))
    return sample


def _read_to(batch: list[Document | Unreadable]) -> int:
    """Return how many bytes of all files the sample takes, from the offset of the last row of each."""
    last = {document.file: document.offset for document in batch if document.offset is not None}
    counts = {number: sum(document.file == number for document in batch) for number in last}
    return sum(int(offset * (counts[number] + 1) / max(1, counts[number])) for number, offset in last.items())
