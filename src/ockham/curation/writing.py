"""The last pass: every row into its shard, in order, and everything counted on the way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ockham import __version__
from ockham.curation.chunks import Chunk, Chunks, Line, dumped, parsed
from ockham.curation.decision import Decision
from ockham.curation.shards import Shards
from ockham.data.documents import SourceFile
from ockham.data.harvest import text_of
from ockham.data.steps import redact
from ockham.data.steps.account import Cluster, CurationReport, FileCount, RuleCount, Sample
from ockham.data.steps.examine import CHANGES, REASONS, Plan
from ockham.data.steps.rules import RULES
from ockham.records import Progress
from ockham.store import Run

Tell = Callable[[Progress], None]
_SAMPLES = 3
_SHOWN = 300
_CLUSTERS = 50
_BINS = 24
_STEP_OF = {
    "unreadable": "read", "empty": "read", "missing_target": "labels", "personal_data": "personal",
    "other_language": "language", "leak": "leak", "conflicting_label": "labels", "exact_duplicate": "exact",
    "normalised_duplicate": "exact", "near_duplicate": "near",
} | {rule.name: rule.step for rule in RULES}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What is counted while rows are written."""

    records: Counter[int] = field(default_factory=Counter)
    left_out: Counter[int] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    kept: int = 0
    before: list[int] = field(default_factory=lambda: [0] * _BINS)
    after: list[int] = field(default_factory=lambda: [0] * _BINS)
    instead: Counter[int] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)


def write_all(
    run: Run, chunks: Chunks, decision: Decision, given: tuple[list[SourceFile], Plan], tell: Tell
) -> CurationReport:
    """Write the clean rows and the quarantine of a run, and give the report."""
    files, plan = given
    packed = plan.spec.format if plan.spec.format.startswith("jsonl") else "jsonl"
    clean = Shards(run, "clean", plan.spec.format, plan.spec.shard_mb)
    quarantine = Shards(run, "quarantine", packed, plan.spec.shard_mb)
    tally = _Tally()
    for chunk in chunks:
        tell(Progress(stage="write", message="rows", done=chunk.first, total=chunks.size))
        _write_chunk(chunk, (chunks, decision), (files, plan, tally), (clean, quarantine))
    clean.flush()
    quarantine.flush()
    report = summed_up(chunks, decision, tally, files, plan)
    return _with_shards(report, clean, quarantine)


def _write_chunk(
    chunk: Chunk,
    known: tuple[Chunks, Decision],
    given: tuple[list[SourceFile], Plan, _Tally],
    shards: tuple[Shards, Shards],
) -> None:
    chunks, decision = known
    files, plan, tally = given
    reasons = decision.reason[chunk.first : chunk.first + chunk.size].tolist()
    for document, (line, reason) in enumerate(zip(chunk.lines(), reasons, strict=True), chunk.first):
        _count(tally, line, reason)
        if not reason:
            shards[0].add(line.row)
            continue
        entry = _entry(document, line, (chunks, decision), (files, plan))
        shards[1].add(dumped(entry)[:-1] + b',"row":' + line.row + b"}")
        if int(decision.instead[document]) >= 0:
            tally.instead[int(decision.instead[document])] += 1
        if tally.left_out[reason] <= _SAMPLES:
            tally.samples.append(_sample(entry, line.row, files[line.file].inputs))


def _count(tally: _Tally, line: Line, reason: int) -> None:
    tally.records[line.file] += 1
    size = min(_BINS - 1, line.words.bit_length())
    if REASONS[reason] != "unreadable":
        tally.before[size] += 1
    if reason:
        tally.left_out[reason] += 1
        return
    tally.after[size] += 1
    if not line.changed:
        tally.kept += 1
        return
    tally.changed += 1
    for bit, step in enumerate(CHANGES):
        tally.changes[step] += line.changed >> bit & 1


def _entry(
    document: int,
    line: Line,
    known: tuple[Chunks, Decision],
    given: tuple[list[SourceFile], Plan],
) -> dict[str, Any]:
    """Say of a row that is left out where it stood, why it went, and what stays in its place."""
    chunks, decision = known
    files, plan = given
    reason = REASONS[int(decision.reason[document])]
    score, limit = line.score, line.limit
    if reason == "near_duplicate":
        score, limit = round(float(decision.score[document]), 6), plan.spec.similarity
    instead = int(decision.instead[document])
    entry: dict[str, Any] = {
        "file": files[line.file].name,
        "record": line.record,
        "offset": None if line.offset < 0 else line.offset,
        "reason": reason,
        "score": None if math.isnan(score) else score,
        "limit": None if math.isnan(limit) else limit,
        "instead": _place(chunks, files, instead) if instead >= 0 else None,
    }
    if reason == "leak" and plan.leak is not None:
        entry["leak_of"] = plan.leak.places[line.leaked]
    return entry


def _place(chunks: Chunks, files: list[SourceFile], document: int) -> str:
    line = chunks.line(document)
    return f"{files[int(line['file'])].name}:{int(line['record'])}"


def _sample(entry: dict[str, Any], row: bytes, inputs: tuple[str, ...]) -> Sample:
    """Cut a text short and mask personal data in it, whatever is done about that in the rows."""
    cells = parsed(row)
    text = str(cells.get("reason", "")) if entry["reason"] == "unreadable" else ""
    text = text or "\n".join(text_of(cells.get(name)) for name in inputs)
    text = text[: 4 * _SHOWN]
    text = redact.redact(text, redact.find(text))
    return Sample(
        place=f"{entry['file']}:{entry['record']}",
        reason=entry["reason"],
        text=text[:_SHOWN],
        score=entry["score"],
        limit=entry["limit"],
        instead=entry["instead"] or entry.get("leak_of"),
    )


def summed_up(chunks: Chunks, decision: Decision, tally: _Tally, files: list[SourceFile], plan: Plan) -> CurationReport:
    """Put the counts of all chunks together."""
    personal: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    would: dict[str, list[int]] = {}
    for chunk in chunks:
        found = chunk.summary()
        personal.update(found.personal)
        languages.update(found.languages)
        for name, counts in found.would.items():
            would[name] = [a + b for a, b in zip(would.get(name, [0, 0, 0]), counts, strict=True)]
    left_out = {REASONS[reason]: count for reason, count in tally.left_out.items()}
    most = tally.instead.most_common()
    most = sorted(most, key=lambda item: (-item[1], item[0]))[:_CLUSTERS]
    return CurationReport(
        ockham=__version__,
        rows=chunks.size,
        kept=tally.kept,
        changed=tally.changed,
        quarantined=sum(left_out.values()),
        left_out=_largest_first(left_out),
        changes={step: tally.changes[step] for step in CHANGES if tally.changes[step]},
        rules=tuple(_rule(name, left_out, would, plan) for name in REASONS[1:] if _is_taken(name, left_out, plan)),
        steps=plan.steps,
        labelled=plan.labelled,
        raw_duplicates=decision.raw_duplicates,
        personal=_largest_first(personal),
        languages=_largest_first(languages),
        lengths={"before": tuple(tally.before), "after": tuple(tally.after)},
        clusters=tuple(Cluster(survivor=_place(chunks, files, one), left_out=count) for one, count in most),
        samples=tuple(sorted(tally.samples, key=lambda one: REASONS.index(one.reason))),
        files=tuple(_file(number, file, tally) for number, file in enumerate(files)),
        shards=(),
        similarity=plan.spec.similarity,
        near_looser=decision.near_looser,
        near_stricter=decision.near_stricter,
    )


def _is_taken(name: str, left_out: dict[str, int], plan: Plan) -> bool:
    if name in left_out or name in ("unreadable", "empty"):
        return True
    if name == "other_language":
        return bool(plan.spec.languages) and "language" in plan.steps
    if name == "personal_data":
        return plan.spec.personal == "drop" and "personal" in plan.steps
    return _STEP_OF[name] in plan.steps


def _rule(name: str, left_out: dict[str, int], would: dict[str, list[int]], plan: Plan) -> RuleCount:
    known = {rule.name: rule for rule in RULES}.get(name)
    if known is None or name not in would:
        limit = {"near_duplicate": plan.spec.similarity, "leak": plan.spec.containment}.get(name)
        return RuleCount(step=_STEP_OF[name], reason=name, left_out=left_out.get(name, 0), limit=limit)
    limit = float(getattr(plan.spec.limits, known.limit))
    looser, stricter = known.steps(limit)
    return RuleCount(
        step=known.step,
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


def _largest_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _with_shards(report: CurationReport, *shards: Shards) -> CurationReport:
    import dataclasses

    return dataclasses.replace(report, shards=tuple(one for group in shards for one in group.written))
