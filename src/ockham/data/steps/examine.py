"""Examine documents one by one: repair, redact, measure, and judge by every rule that needs no other document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockham.data.documents import Document, Unreadable
from ockham.data.steps import redact, repair
from ockham.data.steps.language import identify
from ockham.data.steps.leak import LeakIndex
from ockham.data.steps.rules import RULES, judged
from ockham.data.steps.spec import TEXT_ONLY, WIDTH, CurateSpec, Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ockham.data.kernels.shingles import Texts

KEPT, CHANGED, DROPPED = 0, 1, 2
CHANGES: tuple[Step, ...] = ("encoding", "html", "characters", "personal")
REASONS = (
    "", "unreadable", "empty", "missing_target", "personal_data", "other_language", *(rule.name for rule in RULES),
    "leak", "conflicting_label", "exact_duplicate", "normalised_duplicate", "near_duplicate",
)  # fmt: skip
"""What a document can be left out for; a reason is stored as its place here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do with every document: the settings, the steps to take, and what must not leak in."""

    spec: CurateSpec
    steps: tuple[Step, ...]
    labelled: bool
    leak: LeakIndex | None = None


@dataclass(slots=True, kw_only=True)
class Examined:
    """What was found out about a chunk of documents; arrays have one entry a document.

    ``reason`` is a place in `REASONS`, ``changed`` a bit for each of `CHANGES`, ``texts`` are the inputs after all
    changes. ``hashes`` are 128 bits each of the text as it came, of its words, and of the target. ``would`` counts for
    each rule how many documents break its limit when it is one step looser, as it is, and one step stricter.
    """

    documents: list[Document | Unreadable]
    texts: list[tuple[str, ...]]
    reason: NDArray[np.uint8]
    score: NDArray[np.float64]
    limit: NDArray[np.float64]
    changed: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    words: NDArray[np.int64]
    keys: NDArray[np.uint64]
    leaked: NDArray[np.int64]
    personal: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    would: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    counts: dict[str, NDArray[np.int64]] = field(default_factory=dict)


def examine(documents: Sequence[Document | Unreadable], plan: Plan) -> Examined:
    """Examine a chunk. What is found out about a document does not depend on the others in the chunk."""
    import numpy as np

    from ockham.data.kernels.characters import alphabet
    from ockham.data.kernels.shingles import orders, rows_for, sketch, texts_of

    number = len(documents)
    came = [one.texts if isinstance(one, Document) else () for one in documents]
    before = [_joined(texts) for texts in came]
    texts, changed, found = _changed(came, before, plan)
    after = [old if new is was else _joined(new) for old, new, was in zip(before, texts, came, strict=True)]
    packed = texts_of(after)
    rows = rows_for(plan.spec.similarity) if "near" in plan.steps else 0
    sketches = sketch(packed, alphabet(), orders(), WIDTH, rows)
    examined = Examined(
        documents=list(documents),
        texts=texts,
        reason=np.zeros(number, dtype=np.uint8),
        score=np.full(number, np.nan),
        limit=np.full(number, np.nan),
        changed=changed,
        hashes=_hashes(documents, before, after, sketches.hashes, sketches.words),
        words=sketches.words,
        keys=sketches.keys,
        leaked=np.full(number, -1, dtype=np.int64),
        personal=Counter(kind for spans in found for kind in sorted({span.kind for span in spans})),
    )
    _judge(examined, packed, [bool(spans) for spans in found], plan)
    return examined


def _joined(texts: tuple[str, ...]) -> bytes:
    return "\n".join(texts).encode()


def _changed(
    came: Sequence[tuple[str, ...]], joined: list[bytes], plan: Plan
) -> tuple[list[tuple[str, ...]], NDArray[np.uint8], list[list[redact.Found]]]:
    """Repair and redact: the new texts, which steps changed them, and the personal data that was found."""
    import numpy as np

    from ockham.data.kernels.marks import marks
    from ockham.data.kernels.shingles import texts_of

    seen = marks(texts_of(joined)).tolist()
    texts = list(came)
    changed = np.zeros(len(texts), dtype=np.uint8)
    personal: list[list[redact.Found]] = []
    for i, mark in enumerate(seen):
        for bit, wanted, mend in _REPAIRS:
            if mark & wanted and CHANGES[bit] in plan.steps:
                mended = tuple(map(mend, texts[i]))
                if mended != texts[i]:
                    texts[i] = mended
                    changed[i] |= 1 << bit
        personal.append([])
        if "personal" in plan.steps:
            data = joined[i] if len(texts[i]) == 1 and not changed[i] else None
            spans = [redact.find(text, data) for text in texts[i]]
            personal[i] = [span for group in spans for span in group]
            if personal[i] and plan.spec.personal == "redact":
                texts[i] = tuple(redact.redact(text, group) for text, group in zip(texts[i], spans, strict=True))
                changed[i] |= 1 << CHANGES.index("personal")
    return texts, changed, personal


def _hashes(
    documents: Sequence[Document | Unreadable],
    before: list[bytes],
    after: list[bytes],
    words: NDArray[np.uint64],
    counts: NDArray[np.int64],
) -> NDArray[np.uint64]:
    """Hash text as it came, words, and target: (documents x 6), 128 bits each."""
    import numpy as np
    import xxhash

    raw = b"".join(map(xxhash.xxh3_128_digest, before))
    # A text without words is told by its bytes, or all of them would be one.
    bare = b"".join(xxhash.xxh3_128_digest(text) for text in after)
    target = b"".join(xxhash.xxh3_128_digest((getattr(one, "target", None) or "").encode()) for one in documents)
    raw_, bare_, target_ = (
        np.frombuffer(one, dtype=">u8").reshape(-1, 2).astype(np.uint64) for one in (raw, bare, target)
    )
    return np.concatenate([raw_, np.where(counts[:, None] > 0, words, bare_), target_], axis=1)


def _judge(examined: Examined, packed: Texts, personal: list[bool], plan: Plan) -> None:
    """Give each document the first reason to leave it out, in the order of the steps."""
    import numpy as np

    _drop(examined, "unreadable", np.array([isinstance(one, Unreadable) for one in examined.documents], dtype=bool))
    readable = examined.reason == 0
    counts = _counts(examined, packed, plan, readable)
    examined.counts = counts
    _drop(examined, "empty", counts["chars"] == 0)
    if plan.labelled and "labels" in plan.steps:
        _drop(examined, "missing_target", np.array([not _target(one) for one in examined.documents], dtype=bool))
    if "personal" in plan.steps and plan.spec.personal == "drop":
        _drop(examined, "personal_data", np.array(personal, dtype=bool))
    if "language" in plan.steps and plan.spec.languages:
        wanted = counts["wanted"] > 0
        _drop(examined, "other_language", ~wanted, counts["sure"] / 1e6, plan.spec.min_language)
    for rule, values, limit in judged(counts, plan.spec.limits, plan.steps):
        broken = rule.breaks(values, limit)
        loose, strict = (rule.breaks(values, other) for other in rule.steps(limit))
        alive = readable & (counts["chars"] > 0)
        would = tuple(int((one & alive).sum()) for one in (loose, broken, strict))
        examined.would[rule.name] = (would[0], would[1], would[2])
        _drop(examined, rule.name, broken, values, limit)
    if plan.leak is not None and "leak" in plan.steps:
        row, share = plan.leak.find(packed)
        examined.leaked = row
        _drop(examined, "leak", row >= 0, share, plan.spec.containment)


def _counts(examined: Examined, packed: Texts, plan: Plan, readable: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    """Count what the rules need, and identify the languages."""
    import numpy as np

    from ockham.data.kernels.characters import alphabet
    from ockham.data.kernels.quality import COUNTS, statistics
    from ockham.data.steps import stop_words

    number = len(examined.documents)
    places = np.full(number, -1, dtype=np.int64)
    wanted, sure = np.ones(number, dtype=np.int64), np.zeros(number, dtype=np.int64)
    if "language" in plan.steps:
        named = identify(["\n".join(texts) for texts in examined.texts])
        lists = stop_words.languages()
        for i, one in enumerate(named):
            places[i] = lists.get(one.code, -1) if one.sure >= plan.spec.min_language else -1
            wanted[i] = one.code in plan.spec.languages and one.sure >= plan.spec.min_language
            sure[i] = round(one.sure * 1e6)
        examined.languages.update(one.code for one, read in zip(named, readable.tolist(), strict=True) if read)
    if set(TEXT_ONLY) & set(plan.steps):
        found = statistics(packed, alphabet(), stop_words.hashed(), places)
        counts = {name: found[:, place] for place, name in enumerate(COUNTS)}
    else:
        counts = {"chars": np.array([sum(map(_visible, texts)) for texts in examined.texts], dtype=np.int64)}
    return counts | {"listed": (places >= 0).astype(np.int64), "wanted": wanted, "sure": sure}


def _drop(
    examined: Examined,
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


def _visible(text: str) -> int:
    return len(text.strip())


def _target(one: Document | Unreadable) -> bool:
    return isinstance(one, Document) and bool((one.target or "").strip())


def _repairs() -> tuple[tuple[int, int, Callable[[str], str]], ...]:
    # Bits of `kernels.marks`, which is not imported here: it needs numba.
    mojibake, control, tag, entity, wide = 1, 2, 4, 8, 16
    return (
        (0, mojibake, repair.encoding),
        (1, tag | entity, repair.markup),
        (2, control | wide, repair.characters),
    )


_REPAIRS: tuple[tuple[int, int, Callable[[str], Any]], ...] = _repairs()
