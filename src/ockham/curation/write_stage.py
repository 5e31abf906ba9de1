"""The last pass: every row into its shard, in order, and everything counted on the way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockham.curation.chunks import Chunk, Chunks
from ockham.curation.partitions import DedupDecision, PartitionDecision
from ockham.curation.record_batch import parse_row
from ockham.curation.shards import Shards
from ockham.curation.steps import redact
from ockham.curation.steps.examine import REASONS, StepConfig
from ockham.curation.steps.gopher_rules import RULES
from ockham.readers.conversations import texts_in
from ockham.readers.documents import SourceFile
from ockham.records import LabelIssue, Progress
from ockham.records.curation import CHANGES, Cluster, CurationReport, DocumentLabelIssue, FileCount, RuleCount, Sample
from ockham.store import Run
from ockham.version import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tell = Callable[[Progress], None]
_SAMPLES = 3
_SHOWN = 300
_CLUSTERS = 50
_BINS = 24
_STEP_OF = {
    "unreadable": "read", "empty": "read", "missing_target": "labels", "personal_data": "personal",
    "other_language": "language", "leak": "leak", "conflicting_label": "labels", "exact_duplicate": "exact",
    "normalised_duplicate": "exact", "near_duplicate": "near",
    "doubted_label": "labels",
} | {rule.name: rule.step for rule in RULES}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What is counted while rows are written."""

    records: Counter[int] = field(default_factory=Counter)
    left_out: Counter[int] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    unchanged: int = 0
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What is the same for all chunks of a run."""

    chunks: Chunks
    files: list[SourceFile]
    plan: StepConfig
    tally: _Tally


def write_all(
    run: Run, chunks: Chunks, decision: PartitionDecision, files: list[SourceFile], plan: StepConfig, on_progress: Tell
) -> CurationReport:
    """Write the clean rows and the quarantine of a run, and return the report."""
    import numpy as np

    packed = plan.spec.format if plan.spec.format.startswith("jsonl") else "jsonl"
    tally = _Tally(before=np.zeros(_BINS, dtype=np.int64), after=np.zeros(_BINS, dtype=np.int64))
    context = _Context(chunks=chunks, files=files, plan=plan, tally=tally)
    with (
        closing(Shards(run, "clean", plan.spec.format, plan.spec.shard_mb)) as clean,
        closing(Shards(run, "quarantine", packed, plan.spec.shard_mb)) as quarantine,
    ):
        for chunk in chunks:
            on_progress(Progress(stage="write", message="rows", done=chunk.first, total=chunks.size))
            _write_chunk(chunk, decision.of(chunk), context, clean, quarantine)
        clean.flush()
        quarantine.flush()
    report = summarize(chunks, decision, tally, files, plan)
    return _with_shards(report, clean, quarantine)


def _write_chunk(chunk: Chunk, decided: DedupDecision, context: _Context, clean: Shards, quarantine: Shards) -> None:
    import numpy as np

    tally = context.tally
    table, rows = chunk.table(), chunk.rows()
    reasons = decided.reason
    _count(tally, chunk, table, reasons)
    begins, ends = table["start"], table["start"] + table["length"]
    stay = reasons == 0
    clean.add(_staying(rows, ends, stay), np.cumsum(table["length"][stay] + 1))
    gone = np.flatnonzero(reasons)
    parts: list[bytes] = []
    sizes: list[int] = []
    spans = zip(reasons[gone].tolist(), begins[gone].tolist(), ends[gone].tolist(), strict=True)
    for (reason, begin, end), entry in zip(spans, _entries(chunk, gone, table[gone], decided, context), strict=True):
        row = rows[begin:end]
        parts += (entry, b',"row":', row, b"}\n")
        sizes.append(len(entry) + len(row) + 9)
        tally.left_out[reason] += 1
        if tally.left_out[reason] <= _SAMPLES:
            tally.samples.append(_sample(parse_row(entry + b"}"), row, context.chunks.inputs[chunk.file]))
    quarantine.add(b"".join(parts), np.cumsum(sizes, dtype=np.int64))


def _staying(rows: bytes, ends: NDArray[np.int64], stay: NDArray[np.bool_]) -> bytes:
    """Put together the rows that stay, stretch by stretch: rows stand one behind the other with their line ends."""
    import numpy as np

    edges = np.flatnonzero(np.diff(stay, prepend=False, append=False))
    bounds = np.append(0, ends + 1)[edges].tolist()
    view = memoryview(rows)
    parts = [view[begin:end] for begin, end in zip(bounds[::2], bounds[1::2], strict=True)]
    return rows if parts and len(parts[0]) == len(rows) else b"".join(parts)


def _count(tally: _Tally, chunk: Chunk, table: NDArray[Any], reasons: NDArray[np.uint8]) -> None:
    import numpy as np

    tally.records[chunk.file] += chunk.size
    # A number below 2^53 is m 2^e with m from .5 to 1, so that e is its number of binary digits.
    sizes = np.minimum(_BINS - 1, np.frexp(table["words"].astype(np.float64))[1])
    readable, stays = reasons != REASONS.index("unreadable"), reasons == 0
    tally.before += np.bincount(sizes[readable], minlength=_BINS)
    tally.after += np.bincount(sizes[stays], minlength=_BINS)
    changed = table["changed"][stays]
    tally.changed += int((changed > 0).sum())
    tally.unchanged += int((changed == 0).sum())
    for bit, step in enumerate(CHANGES):
        tally.changes[step] += int((changed >> bit & 1).sum())


def _entries(
    chunk: Chunk, gone: NDArray[np.int64], lines: NDArray[Any], decided: DedupDecision, context: _Context
) -> Iterator[bytes]:
    """Say of each row that is left out where it stood, why it went, and what stays instead: JSON without its end."""
    from orjson import dumps  # numbers that are not finite become null

    chunks, files, plan = context.chunks, context.files, context.plan
    own = {REASONS.index("near_duplicate"): plan.spec.similarity, REASONS.index("doubted_label"): math.nan}
    name, first = dumps(files[chunk.file].name), chunks.place(chunk.first)[1]
    names = [reason.encode() for reason in plan.reasons()]
    columns = (
        gone.tolist(), lines["offset"].tolist(), decided.reason[gone].tolist(), lines["score"].tolist(),
        lines["limit"].tolist(), decided.instead[gone].tolist(), decided.score[gone].tolist(),
        lines["leaked"].tolist(),
    )  # fmt: skip
    for index, offset, reason, score, limit, instead, decided_score, leaked in zip(*columns, strict=True):
        if reason in own:
            score, limit = round(decided_score, 6), own[reason]  # noqa: PLW2901 - what was decided later counts
        entry = (
            b'{"file":%b,"record":%d,"offset":%b,"reason":"%b","score":%b,"limit":%b,"instead":%b'
            % (name, first + index, b"null" if offset < 0 else b"%d" % offset, names[reason], dumps(score),
               dumps(limit), dumps(_place(chunks, files, instead)) if instead >= 0 else b"null")
        )  # fmt: skip
        if names[reason] == b"leak" and plan.leak is not None:
            entry += b',"leak_of":' + dumps(plan.leak.locations[leaked])
        yield entry


def _place(chunks: Chunks, files: list[SourceFile], document: int) -> str:
    file, record = chunks.place(document)
    return f"{files[file].name}:{record}"


def _sample(entry: dict[str, Any], row: bytes, inputs: tuple[str, ...]) -> Sample:
    cells = parse_row(row)
    text = str(cells.get("reason", "")) if entry["reason"] == "unreadable" else ""
    text = text or "\n".join(texts_in(cells, inputs))
    return Sample(
        location=f"{entry['file']}:{entry['record']}",
        reason=entry["reason"],
        text=_masked_excerpt(text),
        score=entry["score"],
        limit=entry["limit"],
        instead=entry["instead"] or entry.get("leak_of"),
    )


def summarize(
    chunks: Chunks, decision: PartitionDecision, tally: _Tally, files: list[SourceFile], plan: StepConfig
) -> CurationReport:
    """Put the counts of all chunks together."""
    personal: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    would: dict[str, list[int]] = {}
    for chunk in chunks:
        summary = chunk.summary()
        personal.update(summary.personal)
        languages.update(summary.languages)
        for name, counts in summary.would.items():
            would[name] = [a + b for a, b in zip(would.get(name, [0, 0, 0]), counts, strict=True)]
    reasons = plan.reasons()
    left_out = {reasons[reason]: count for reason, count in tally.left_out.items()}
    most = decision.largest(_CLUSTERS)
    return CurationReport(
        ockham=__version__,
        rows=chunks.size,
        unchanged=tally.unchanged,
        changed=tally.changed,
        quarantined=sum(left_out.values()),
        left_out=left_out,
        changes={step: tally.changes[step] for step in CHANGES if tally.changes[step]},
        rules=tuple(_rule(name, left_out, would, plan) for name in reasons[1:] if _is_taken(name, left_out, plan)),
        steps=plan.steps,
        labelled=plan.labelled,
        raw_duplicates=decision.raw_duplicates,
        personal=dict(personal),
        languages=dict(languages),
        lengths={"before": tuple(tally.before.tolist()), "after": tuple(tally.after.tolist())},
        clusters=tuple(Cluster(survivor=_place(chunks, files, survivor), left_out=count) for survivor, count in most),
        samples=tuple(sorted(tally.samples, key=lambda sample: reasons.index(sample.reason))),
        files=tuple(_file(number, file, tally) for number, file in enumerate(files)),
        shards=(),
        similarity=plan.spec.similarity,
        near_looser=decision.near_looser,
        near_stricter=decision.near_stricter,
        doubted=len(decision.doubts),
        label_issues=tuple(_doubt(chunks, files, doubt) for doubt in decision.doubts[:_CLUSTERS]),
        filters=tuple(configured.use for configured in plan.filters),
    )


def _doubt(chunks: Chunks, files: list[SourceFile], doubt: LabelIssue) -> DocumentLabelIssue:
    document = int(doubt.id)
    names = chunks.inputs[chunks.place(document)[0]]
    return DocumentLabelIssue(
        location=_place(chunks, files, document),
        text=_masked_excerpt("\n".join(texts_in(chunks.cells(document), names))),
        given_label=_masked_excerpt(doubt.given_label),
        suggested_label=_masked_excerpt(doubt.suggested_label),
        doubt=doubt.doubt,
    )


def _masked_excerpt(text: str) -> str:
    """Cut a text short and mask personal data in it, whatever is done about that in the rows."""
    text = text[: 4 * _SHOWN]
    return redact.redact(text, redact.find(text))[:_SHOWN]


def _is_taken(name: str, left_out: dict[str, int], plan: StepConfig) -> bool:
    if name in left_out or name in ("unreadable", "empty"):
        return True
    if name == "doubted_label":
        return plan.spec.doubts == "drop" and "labels" in plan.steps
    if name == "other_language":
        return bool(plan.spec.languages) and "language" in plan.steps
    if name == "personal_data":
        return plan.spec.personal == "drop" and "personal" in plan.steps
    return _STEP_OF.get(name, "filter") in plan.steps


def _rule(name: str, left_out: dict[str, int], would: dict[str, list[int]], plan: StepConfig) -> RuleCount:
    rule = {rule.name: rule for rule in RULES}.get(name)
    if rule is None or name not in would:
        limit = {"near_duplicate": plan.spec.similarity, "leak": plan.spec.containment}.get(name)
        return RuleCount(step=_STEP_OF.get(name, "filter"), reason=name, left_out=left_out.get(name, 0), limit=limit)
    limit = float(getattr(plan.spec.limits, rule.limit))
    looser, stricter = rule.steps(limit)
    return RuleCount(
        step=rule.step,
        reason=name,
        left_out=left_out.get(name, 0),
        limit=limit,
        broken=would[name][1],
        looser=would[name][0],
        stricter=would[name][2],
        looser_limit=round(looser, 6),
        stricter_limit=round(stricter, 6),
    )


def _file(number: int, file: SourceFile, tally: _Tally) -> FileCount:
    return FileCount(
        file=file.name,
        sha256=file.sha256,
        format=file.format,
        inputs=file.inputs,
        target=file.target,
        megabytes=round(file.size / 1e6, 3),
        records=tally.records[number],
    )


def _with_shards(report: CurationReport, *shards: Shards) -> CurationReport:
    import dataclasses

    return dataclasses.replace(report, shards=tuple(shard for group in shards for shard in group.written))
