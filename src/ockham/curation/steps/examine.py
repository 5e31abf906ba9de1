"""Examine documents one by one: repair, redact, measure, and judge by every rule that needs no other document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ockham.curation.curate_spec import TEXT_ONLY, WIDTH, CurateSpec
from ockham.curation.filters import ConfiguredFilter, FilterRecord, LazyCells, ask_filter
from ockham.curation.record_batch import RecordBatch, bytes_at, replace_texts
from ockham.curation.steps import language, redact, repair
from ockham.curation.steps.decontamination import BenchmarkIndex
from ockham.curation.steps.gopher_rules import RULES, measure_rules
from ockham.data.normalize import is_blank
from ockham.data.shared_text import SharedText
from ockham.data.task import is_like_label, is_object
from ockham.records.curation import CHANGES, Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ockham.curation.kernels.shingles import Texts

REASONS = (
    "", "unreadable", "empty", "missing_target", "personal_data", "other_language", *(rule.name for rule in RULES),
    "leak", "conflicting_label", "exact_duplicate", "normalised_duplicate", "near_duplicate",
    "doubted_label",
)  # fmt: skip
"""What a document can be left out for; a reason is stored as its place here, those of filters behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConfig:
    """What to do with every document: settings, the steps to take, what must not leak in, filters by name."""

    spec: CurateSpec
    steps: tuple[Step, ...]
    labelled: bool
    leak: BenchmarkIndex | None = None
    shared: SharedText = field(default_factory=SharedText)
    filters: tuple[ConfiguredFilter, ...] = ()

    def reasons(self) -> tuple[str, ...]:
        """Return what a document can be left out for: `REASONS`, and those of the filters."""
        return (*REASONS, *(name for configured in self.filters for name in configured.names()))


@dataclass(slots=True, kw_only=True)
class ExaminedChunk:
    """What was found out about a portion of documents; arrays have one entry a document.

    ``reason`` is a place in `REASONS`, ``changed`` a bit for each of `CHANGES`, ``texts`` are the inputs after all
    changes, ``own_texts`` the same without what rows share, ``new`` those of documents that were changed. ``hashes``
    are 128 bits each of the text as it came, of its words, and of the target. ``sizes`` are in characters, and asked
    for where the longest document shall stay. ``would`` counts for each rule how many documents break its limit when
    it is one step looser, as it is, and one step stricter. ``unlike`` and ``objects`` count the targets of the rows
    that have no reason to go, as `Kinds` does.
    """

    portion: RecordBatch
    texts: Texts
    own_texts: Texts
    new: dict[int, tuple[str, ...]]
    reason: NDArray[np.uint8]
    score: NDArray[np.float64]
    limit: NDArray[np.float64]
    changed: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    words: NDArray[np.int64]
    sizes: NDArray[np.int64]
    keys: NDArray[np.uint64]
    leaked: NDArray[np.int64]
    personal: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    would: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    counts: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    unlike: int = 0
    objects: int = 0


def examine(portion: RecordBatch, plan: StepConfig) -> ExaminedChunk:
    """Examine a portion. What is found out about a document does not depend on the others in it.

    A document is judged by rules and compared without the text that rows share; it is equal to another as a whole.
    """
    import numpy as np

    from ockham.curation.kernels.char_classes import alphabet
    from ockham.curation.kernels.shingles import characters_of, sketch
    from ockham.data.minhash import orders, rows_for

    number = len(portion)
    changes = _Changes(portion, plan)
    texts = replace_texts(portion.texts, {index: "\n".join(after).encode() for index, after in changes.new.items()})
    rows = rows_for(plan.spec.similarity) if "near" in plan.steps else 0
    judged = without_shared(texts, plan.shared)
    sketches = compared = sketch(judged, alphabet(), orders(), WIDTH, rows)
    if judged is not texts:
        sketches = sketch(texts, alphabet(), orders(), WIDTH, 0)
    examined = ExaminedChunk(
        portion=portion,
        texts=texts,
        own_texts=judged,
        new=changes.new,
        reason=np.zeros(number, dtype=np.uint8),
        score=np.full(number, np.nan),
        limit=np.full(number, np.nan),
        changed=changes.changed,
        hashes=_hashes(portion, texts, sketches.hashes, sketches.words),
        words=np.where(compared.words > 0, sketches.words, 0),
        sizes=characters_of(texts) if plan.spec.survivor == "longest" else np.zeros(number, dtype=np.int64),
        keys=compared.keys,
        leaked=np.full(number, -1, dtype=np.int64),
        personal=changes.counted,
    )
    _judge(examined, changes.personal, plan)
    return examined


def changed_texts(portion: RecordBatch, plan: StepConfig) -> Texts:
    """Return the inputs of a portion as they are after all changes."""
    new = _Changes(portion, plan).new
    return replace_texts(portion.texts, {index: "\n".join(after).encode() for index, after in new.items()})


def without_shared(texts: Texts, shared: SharedText) -> Texts:
    """Return what documents are judged and compared by: their texts without what rows share."""
    if not shared.passages:
        return texts
    new: dict[int, bytes] = {}
    for index in range(len(texts.starts)):
        text = bytes_at(texts, index).decode()
        shorter = shared.text_to_compare(text)
        if shorter is not text:
            new[index] = shorter.encode()
    return replace_texts(texts, new)


class _Changes:
    """Repair and redact: new inputs, which steps changed them, and the documents that hold personal data."""

    def __init__(self, portion: RecordBatch, plan: StepConfig) -> None:
        import numpy as np

        from ockham.curation.kernels.repair_flags import repair_flags

        self._portion, self._plan = portion, plan
        self.new: dict[int, tuple[str, ...]] = {}
        self.changed = np.zeros(len(portion), dtype=np.uint8)
        self.personal = np.zeros(len(portion), dtype=np.bool_)
        self.counted: Counter[str] = Counter()
        repair_bits = sum(bits for bit, bits, _ in _REPAIRS if CHANGES[bit] in plan.steps)
        if repair_bits:
            seen = repair_flags(portion.texts)
            suspects = np.flatnonzero(seen & repair_bits)
            for index, mark in zip(suspects.tolist(), seen[suspects].tolist(), strict=True):
                self._repair(index, mark)
        if "personal" in plan.steps:
            # What was repaired is searched anew: a repair may bring something to light.
            stretches = redact.suspects(portion.texts)
            for index in sorted({*stretches, *self.new}):
                self._search(index, stretches.get(index))

    def _repair(self, index: int, mark: int) -> None:
        texts = before = self._portion.inputs_of(index)
        for bit, bits, mend in _REPAIRS:
            if mark & bits and CHANGES[bit] in self._plan.steps:
                mended = tuple(map(mend, texts))
                if mended != texts:
                    texts = mended
                    self.changed[index] |= 1 << bit
        if texts != before:
            self.new[index] = texts

    def _search(self, index: int, stretches: list[redact.Stretch] | None) -> None:
        texts = self.new.get(index) or self._portion.inputs_of(index)
        # What was found in the text of a record holds for its input where it has one, as it came.
        same = stretches if index not in self.new and len(texts) == 1 else None
        spans = [redact.find(text, same) for text in texts]
        self.counted.update({span.kind for group in spans for span in group})
        self.personal[index] = any(spans)
        if self.personal[index] and self._plan.spec.personal == "redact":
            self.new[index] = tuple(redact.redact(text, group) for text, group in zip(texts, spans, strict=True))
            self.changed[index] |= 1 << CHANGES.index("personal")


def _hashes(
    portion: RecordBatch, after: Texts, words: NDArray[np.uint64], counts: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Hash text as it came, words, and target: (documents x 6), 128 bits each."""
    import numpy as np

    inner = words.copy()
    # A text without words is told by its bytes, or all of them would be one.
    bare = np.flatnonzero(counts == 0)
    inner[bare] = _digests(after, bare)
    everyone = np.arange(len(portion))
    targets = portion.targets
    labelled = bool((targets.ends > targets.starts).any())
    empty = _digests(targets, everyone[:1])
    target = _digests(targets, everyone) if labelled else np.repeat(empty, len(portion), axis=0)
    return np.concatenate([_digests(portion.texts, everyone), inner, target], axis=1)


def _digests(texts: Texts, indices: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash some texts: (texts x 2), the 128 bits of XXH3."""
    import numpy as np
    import xxhash

    data, digest = texts.data.data, xxhash.xxh3_128_digest
    spans = zip(texts.starts[indices].tolist(), texts.ends[indices].tolist(), strict=True)
    digests = b"".join([digest(data[start:end]) for start, end in spans])
    return np.frombuffer(digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def _judge(examined: ExaminedChunk, personal: NDArray[np.bool_], plan: StepConfig) -> None:
    """Set the reason of each document to the first one to leave it out, in the order of the steps."""
    import numpy as np

    portion = examined.portion
    broken = np.zeros(len(portion), dtype=np.bool_)
    broken[list(portion.broken)] = True
    _drop(examined, "unreadable", broken)
    counts = examined.counts = _counts(examined, plan, ~broken)
    _drop(examined, "empty", counts["chars"] == 0)
    targets: list[bytes] = []
    if plan.labelled and "labels" in plan.steps:
        targets = [bytes_at(portion.targets, index) for index in range(len(portion))]
        blank = {target for target in set(targets) if is_blank(target.decode())}
        _drop(examined, "missing_target", np.array([target in blank for target in targets], dtype=np.bool_))
    if "personal" in plan.steps and plan.spec.personal == "drop":
        _drop(examined, "personal_data", personal)
    if "language" in plan.steps and plan.spec.languages:
        accepted = counts["wanted"] > 0
        _drop(examined, "other_language", ~accepted, counts["sure"] / 1e6, plan.spec.min_language)
    for rule, values, limit in measure_rules(counts, plan.spec.limits, plan.steps):
        breaks = rule.breaks(values, limit)
        loose, strict = (rule.breaks(values, other) for other in rule.steps(limit))
        alive = ~broken & (counts["chars"] > 0)
        would = tuple(int((breaking & alive).sum()) for breaking in (loose, breaks, strict))
        examined.would[rule.name] = (would[0], would[1], would[2])
        _drop(examined, rule.name, breaks, values, limit)
    if plan.leak is not None and "leak" in plan.steps:
        row, share = plan.leak.find(examined.own_texts)
        examined.leaked = row
        _drop(examined, "leak", row >= 0, share, plan.spec.containment)
    for configured in plan.filters:
        _ask(examined, configured, plan)
    if targets:
        _look_at(examined, targets)


def _ask(examined: ExaminedChunk, configured: ConfiguredFilter, plan: StepConfig) -> None:
    """Ask a filter about the documents that have no reason to go."""
    import numpy as np

    portion = examined.portion
    alive = np.flatnonzero(examined.reason == 0).tolist()
    records = [
        FilterRecord(
            text=bytes_at(examined.texts, index).decode(),
            target=(bytes_at(portion.targets, index).decode() or None) if plan.labelled else None,
            cells=LazyCells(partial(portion.cells_of, index)),
        )
        for index in alive
    ]
    first = plan.reasons().index(configured.names()[0])
    for index, verdict in zip(alive, ask_filter(configured, records), strict=True):
        if verdict >= 0:
            examined.reason[index] = first + verdict


def _look_at(examined: ExaminedChunk, targets: list[bytes]) -> None:
    """Count the targets of the rows that have no reason to go, as `Kinds` does."""
    import numpy as np

    alive = np.flatnonzero(examined.reason == 0).tolist()
    for target, count in Counter([targets[index] for index in alive]).items():
        text = target.decode()
        examined.unlike += count * (not is_like_label(text))
        examined.objects += count * is_object(text)


def _counts(examined: ExaminedChunk, plan: StepConfig, readable: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    """Count what the rules need, and identify the languages."""
    import numpy as np

    from ockham.curation.kernels.char_classes import alphabet
    from ockham.curation.kernels.text_stats import COUNTS, statistics

    number = len(readable)
    list_numbers = np.full(number, -1, dtype=np.int64)
    more: dict[str, NDArray[np.int64]] = {}
    if "language" in plan.steps:
        labels, sure = language.identify_all(examined.own_texts)
        codes = (*language.languages(), language.UNKNOWN)
        certain = language.are_certain(examined.texts, sure, plan.spec.min_language)
        lists = language.stop_word_languages()
        list_numbers[certain] = np.array([lists.get(code, -1) for code in codes])[labels[certain]]
        requested = np.array([code in plan.spec.languages for code in codes])
        # A text whose language is not sure is no text of another one.
        more["wanted"] = (requested[labels] | ~certain).astype(np.int64)
        more["sure"] = np.rint(sure.astype(np.float64) * 1e6).astype(np.int64)
        labels = np.where(certain, labels, -1)
        totals = np.bincount(labels[readable] + 1, minlength=len(codes)).tolist()
        named = zip((codes[-1], *codes[:-1]), totals, strict=True)
        examined.languages.update({code: count for code, count in named if count})
    if set(TEXT_ONLY) & set(plan.steps):
        table = statistics(examined.own_texts, alphabet(), language.stop_words(), list_numbers)
        counts = {name: table[:, index] for index, name in enumerate(COUNTS)}
    else:
        seen = examined.words.copy()
        for index in np.flatnonzero(seen == 0).tolist():
            seen[index] = not is_blank(bytes_at(examined.texts, index).decode())
        counts = {"chars": seen}
    return counts | {"listed": (list_numbers >= 0).astype(np.int64)} | more


def _drop(
    examined: ExaminedChunk,
    reason: str,
    which: NDArray[np.bool_],
    score: NDArray[np.float64] | None = None,
    limit: float | None = None,
) -> None:
    chosen = which & (examined.reason == 0)
    examined.reason[chosen] = REASONS.index(reason)
    if score is not None and limit is not None:
        examined.score[chosen] = score[chosen]
        examined.limit[chosen] = limit


def _repairs() -> tuple[tuple[int, int, Callable[[str], str]], ...]:
    # Bits of `kernels.repair_flags`, which is not imported here: it needs numba.
    mojibake, control, tag, entity, loose = 1, 2, 4, 8, 128
    return (
        (0, mojibake, repair.encoding),
        (1, tag | entity, repair.markup),
        (2, control | loose, repair.characters),
    )


_REPAIRS: tuple[tuple[int, int, Callable[[str], Any]], ...] = _repairs()
