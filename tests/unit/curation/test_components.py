"""What `curate` decides documents by is looked at part by part: the same outcome, and memory that does not grow."""

from __future__ import annotations

import gc
import json
import random
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("numba", reason="the extra curate is not installed")

from ockham.curation import components, map_stage, partitions, spill
from ockham.curation.chunks import Chunks, chunks_of
from ockham.curation.curate import CurateSpec, curate, prepare_curation
from ockham.curation.dedup import _equal, _find_torn, decide_duplicates, kinds_of
from ockham.curation.executor import Executor
from ockham.curation.partitions import PartitionDecision, Partitions
from ockham.curation.spill import SpillFile
from ockham.curation.steps.examine import REASONS
from ockham.data.clean import first_of_each
from ockham.readers.blocks import block_work

DOCUMENTS = 31


def texts_of(count: int, seed: int = 0) -> list[str]:
    """Make short documents of which a fourth are nearly the same as one before, however far, and some equal."""
    rng = random.Random(seed)
    found: list[str] = []
    for number in range(count):
        words = rng.choice(found).split() if number % 4 == 3 else [f"w{rng.randrange(5_000)}" for _ in range(14)]
        if number % 8 != 7:
            words[-1] = f"w{number}"
        found.append(" ".join(words))
    return found


def rows_in(path: Path, texts: list[str], labels: list[str] | None = None) -> Path:
    rows = [{"text": text} | ({"label": labels[at]} if labels else {}) for at, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def small(monkeypatch: pytest.MonkeyPatch, part: int, held: int, keys: int, words: int) -> None:
    monkeypatch.setattr(partitions, "PART", part)
    monkeypatch.setattr(spill, "HELD", held)
    monkeypatch.setattr(spill, "_BLOCK", held)
    monkeypatch.setattr(partitions, "KEYS", keys)
    monkeypatch.setattr(components, "SET", words)


def content(folder: Path) -> dict[str, bytes]:
    kept = [*folder.glob("clean/*"), *folder.glob("quarantine/*"), *folder.glob("report.*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(kept)}


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("survivor", ["first", "longest"])
def test_the_same_bytes_in_tiny_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: bool, survivor: str
) -> None:
    """Parts of 8 documents, sets of two or three, everything on disk: as in one part that never leaves memory."""
    texts = texts_of(160)
    labels = (
        [f"label {len(set(text)) % 3 if at % 5 else at % 2}" for at, text in enumerate(texts)] if labelled else None
    )
    source = rows_in(tmp_path / "a.jsonl", texts, labels)
    spec = CurateSpec(steps=("labels", "exact", "near"), similarity=0.5, survivor=survivor, doubts="drop")  # type: ignore[arg-type]  # a literal of the loop
    whole = curate(source, spec, out=tmp_path / "whole").report
    assert min(whole.left_out.get("near_duplicate", 0), whole.left_out.get("exact_duplicate", 0)) >= 5
    assert (whole.left_out.get("conflicting_label", 0) > 1) is labelled
    small(monkeypatch, 8, 60, 40, 40)
    before = map_stage._batches
    monkeypatch.setattr(map_stage, "_batches", lambda number, file, plan, most: before(number, file, plan, 300))
    curate(source, spec, out=tmp_path / "parts")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert list((tmp_path / "parts/staging").iterdir()) == []


def chunked(folder: Path, texts: list[str], size: int, spec: CurateSpec) -> Chunks:
    """Examine documents in chunks of so many bytes."""
    folder.mkdir()
    files, plan, _ = prepare_curation(rows_in(folder / "a.jsonl", texts), spec, lambda _: None)
    places: list[Path] = []
    for piece, _ in block_work(0, files[0], None, size):
        places.append(folder / f"{len(places)}")
        places[-1].mkdir()
        map_stage.work(places[-1], piece, plan)
    return Chunks(places, map_stage.inputs_of(files))


def peak_of(work: Callable[[], object]) -> int:
    """Give the most bytes that some work had in memory at once."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All arrays of the first process, from the first hash to the last row that is asked for."""
    spec = CurateSpec(steps=("exact", "near"), similarity=0.5)
    peaks: dict[tuple[int, bool], int] = {}

    def work(chunks: Chunks, scratch: Path) -> None:
        scratch.mkdir()
        decided = decide_duplicates(chunks, spec, ("exact", "near"), scratch, Executor(), lambda *_: None)
        gone = sum(int((decided.of(chunk).reason > 0).sum()) for chunk in chunks)
        assert chunks.size // 8 < gone < chunks.size // 3
        assert len(decided.largest(5)) == 5
        kinds_of(chunks, scratch)

    for count in (1_000, 4_000):
        chunks = chunked(tmp_path / str(count), texts_of(count), 20_000, spec)
        assert chunks.size == count
        chunks_of(chunks.source())  # what is known of each chunk is not counted, nor what is loaded once
        if not peaks:
            work(chunks, tmp_path / "first")
        for parted in (True, False) if count > 1_000 else (True,):
            with monkeypatch.context() as patch:
                if parted:
                    small(patch, 400, 3_000, 600, 2_000)
                # Twice: what another thread of the process allocates meanwhile would count too.
                peaks[count, parted] = min(
                    peak_of(partial(work, chunks, tmp_path / f"{count}-{parted}-{turn}")) for turn in range(2)
                )
    assert peaks[4_000, True] < 1.15 * peaks[1_000, True]
    assert peaks[4_000, False] > peaks[4_000, True] + 18 * 3_000


class Even(Partitions):
    """Parts of so many documents each, without chunks; a document has as many words as its number."""

    __slots__ = ()

    def __init__(self, size: int) -> None:
        self._chunks = [[] for _ in range(0, DOCUMENTS, size)]
        self._firsts = np.arange(0, DOCUMENTS, size)
        self._size = DOCUMENTS

    def column(self, part: int, name: str) -> NDArray[Any]:
        assert name == "words"
        return np.arange(*self.span(part))


def sets_in(folder: Path, buckets: list[list[int]], size: int) -> list[set[tuple[int, int]]]:
    """Put documents together that share a bucket; give the pairs of each set."""
    parts = Even(size)
    pairs, edges = SpillFile(folder, "pairs", "<u8"), SpillFile(folder, "edges", "<u8")
    for place, bucket in enumerate(buckets):
        members = np.array(bucket)
        pairs.add(parts.of(members), components._pack(members, np.full(len(members), place)))
        one, other = members[1:], members[:-1]
        later = np.maximum(one, other)
        edges.add(parts.of(later), components._pack(later, np.minimum(one, other)))
    joined = components._Joined(folder)
    for part in reversed(range(len(parts))):
        components._join(part, parts, pairs, edges, joined)
    edges.drop()
    found = [
        components._unpack(np.fromfile(path, "<u8")) for path in components._split_pairs(folder, parts, pairs, joined)
    ]
    return [set(zip(one.tolist(), other.tolist(), strict=True)) for one, other in found]


@given(
    st.lists(st.lists(st.integers(0, DOCUMENTS - 1), min_size=2, max_size=4, unique=True), max_size=14),
    st.integers(1, 12),
    st.integers(1, 60),
    st.sampled_from([8, 10**6]),
)
@settings(max_examples=60, deadline=None)
def test_sets_hold_whole_groups(buckets: list[list[int]], size: int, most: int, held: int) -> None:
    """In parts of any size as in one, and as a naive joining of sets says."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as one, TemporaryDirectory() as many:
        patch.setattr(components, "SET", most)
        whole = sets_in(Path(one), buckets, DOCUMENTS)
        patch.setattr(spill, "HELD", held)
        assert sets_in(Path(many), buckets, size) == whole
        assert len(list(Path(many).iterdir())) == len(whole)
    pairs = {(document, place) for place, bucket in enumerate(buckets) for document in bucket}
    assert set().union(*whole) == pairs
    assert sum(map(len, whole)) == len(pairs)
    naive = {one: {one} for one in range(DOCUMENTS)}
    for bucket in buckets:
        met = set().union(*(naive[document] for document in bucket))
        naive.update(dict.fromkeys(met, met))
    for inside in whole:
        documents = {document for document, _ in inside}
        assert all(naive[document] <= documents for document in documents)
        roots = {min(naive[document]) for document in documents if sum(naive[document])}
        assert sum(documents) <= most or len(roots) == 1


class Noted(PartitionDecision):
    """What is noted, and nothing else."""

    __slots__ = ("notes",)

    def __init__(self) -> None:
        self.notes: dict[int, tuple[str, int]] = {}

    def note(
        self,
        numbers: NDArray[np.int64],
        reason: str | NDArray[np.uint8],
        instead: NDArray[np.int64] | None = None,
        score: NDArray[np.float64] | None = None,
    ) -> None:
        assert score is None
        for at, number in enumerate(numbers.tolist()):
            assert number not in self.notes
            name = reason if isinstance(reason, str) else REASONS[reason[at]]
            self.notes[number] = name, -1 if instead is None else int(instead[at])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 2)), max_size=30),
    st.booleans(),
    st.sampled_from([56, 200, 10**6]),
)
@settings(max_examples=50, deadline=None)
def test_equal_words_are_decided_as_in_fitting(rows: list[tuple[int, int, int]], one_answer: bool, block: int) -> None:
    """Documents of (words, signs, target), looked at in blocks of any size."""
    known = Noted()
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(spill, "_BLOCK", block)
        patch.setattr(spill, "HELD", block)
        words = SpillFile(Path(folder), "words", ("<u8", 7))
        for number, (word, sign, target) in enumerate(rows):
            one = [word, sign, 7, word, target, 5, number]
            words.add(np.zeros(1), np.array([one], dtype=np.uint64))
        torn = _find_torn(words, 0)
        _equal(known, words.blocks(0), torn if one_answer else torn[:0], True)
    wanted: dict[int, tuple[str, int]] = {}
    for word in range(4):
        group = [number for number, row in enumerate(rows) if row[0] == word]
        stays = first_of_each([rows[number][2] for number in group], one_answer=one_answer)
        for place, number in enumerate(group):
            if stays is None:
                wanted[number] = "conflicting_label", -1
            elif stays[place] != place:
                first = group[stays[place]]
                same = rows[number][1] == rows[first][1]
                wanted[number] = "exact_duplicate" if same else "normalised_duplicate", first
    assert known.notes == wanted


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 255)), max_size=9), max_size=9),
    st.sampled_from([1, 17, 10**6]),
)
@settings(max_examples=50, deadline=None)
def test_scattered_records_come_back_in_their_order(adds: list[list[tuple[int, int]]], held: int) -> None:
    """Also while others are added, in memory and on disk; in the end nothing is left."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(spill, "HELD", held)
        patch.setattr(spill, "_BLOCK", 24)
        found = SpillFile(Path(folder), "one", ("<u8", 2))
        wanted: dict[int, list[list[int]]] = {place: [] for place in range(7)}
        for records in adds:
            pairs = np.array([[value, value + 1] for _, value in records], dtype=np.uint64).reshape(-1, 2)
            found.add(np.array([place for place, _ in records], dtype=np.int64), pairs)
            for (place, _), pair in zip(records, pairs.tolist(), strict=True):
                wanted[place].append(pair)
        for place in reversed(range(7)):
            read: list[list[int]] = []
            for block in found.blocks(place):
                read += block.tolist()
                if place:
                    found.add(np.zeros(len(block)), block)
                    wanted[0] += block.tolist()
            assert read == wanted[place]
        assert found.read(0).tolist() == wanted[0]
        assert [np.fromfile(path, np.uint64).reshape(-1, 2).tolist() for path in found.files()] == [
            records for _, records in sorted(wanted.items()) if records
        ]
        found.drop()
        assert list(Path(folder).iterdir()) == []
        assert found.read(0).tolist() == []


def test_what_is_noted_is_found_by_its_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, 25, 40, 4_000_000, 2_000_000)
    texts = texts_of(100)
    chunks = chunked(tmp_path / "in", texts, 900, CurateSpec(steps=("exact",)))
    assert len(chunks.items) > 5
    known = PartitionDecision(chunks, tmp_path)
    assert len(known.parts) > 3
    known.note(np.array([99, 3, 40]), "exact_duplicate", np.array([7, 1, 7]))
    known.note(np.array([50]), "near_duplicate", np.array([30]), np.array([0.75]))
    known.note(np.array([60]), "conflicting_label")
    gone = [chunk.first + int(at) for chunk in chunks for at in np.flatnonzero(known.of(chunk).reason)]
    assert gone == [3, 40, 50, 60, 99]
    instead = np.concatenate([known.of(chunk).instead for chunk in chunks])
    assert instead[[3, 40, 50, 60, 99, 0]].tolist() == [1, 7, 30, -1, 7, -1]
    scores = np.concatenate([known.of(chunk).score for chunk in chunks])
    assert scores[50] == 0.75
    assert np.isnan(np.delete(scores, 50)).all()
    assert known.largest(2) == [(7, 2), (1, 1)]
    assert known.largest(9) == [(7, 2), (1, 1), (30, 1)]
