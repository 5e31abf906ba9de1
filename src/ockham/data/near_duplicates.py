"""Which texts are nearly the same: clusters that must never stand on two sides of a split.

MinHash over character n-grams finds the candidates (Broder, 1997; banding as in Leskovec, Rajaraman and Ullman, "Mining
of Massive Datasets", chapter 3), the Jaccard similarity of the full shingle sets decides, single linkage joins.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ockham.data.minhash import GOLDEN, PERMUTATIONS, mix_bits, orders, rows_for
from ockham.data.normalize import near_key

DEFAULT_THRESHOLD = 0.8

# Three letters see a changed word in a sentence of ten as a small change. In very long texts they say too little (two
# English texts of 100,000 letters share 70 % of them): there five decide. A length between takes part in both.
_PASSES = ((3, 0, 12_000), (5, 8_000, sys.maxsize))
_SKETCH = 128
_MARGIN = 0.2
_NEIGHBOURS = 64
_COMPARISONS = 200
_CHUNK_TEXTS = 1 << 12
_CHUNK_CHARS = 1 << 18
_CHECK_SHINGLES = 1 << 21
_MISSED = 1e-6

_Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shingles:
    """The shingle sets of all texts, one after the other: text i owns hashes[starts[i]:starts[i + 1]], sorted."""

    hashes: NDArray[np.uint32]
    starts: _Ids


def near_duplicates(texts: Sequence[str], *, threshold: float = DEFAULT_THRESHOLD, seed: int = 0) -> _Ids:
    """Return for each text the number of its cluster, which is the lowest position among the cluster's texts.

    Two texts are near-duplicates if the Jaccard similarity of their shingles (character 3-grams of the loose form, see
    `normal.loose`; 5-grams among texts of more than 8,000 letters) is at least ``threshold``, in (0, 1]; clusters are
    the connected parts (single linkage). Texts that are equal in the loose form always meet; a text without letters or
    digits stands alone. No pair under the threshold is ever linked; a pair above it is missed with a probability in
    the order of one in a million, except that where more than 64 texts that are not yet one cluster share a band,
    each is compared with the next 64 alone, and that the search ends after about 200 comparisons a text.
    Deterministic for a ``seed``.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be in (0, 1], got {threshold}")
    forms = [near_key(text) for text in texts]
    first: dict[str, int] = {}
    same = np.array([first.setdefault(form, i) if form else i for i, form in enumerate(forms)], dtype=np.int64)
    unique = np.array([i for i, form in enumerate(forms) if form and same[i] == i], dtype=np.int64)
    lengths = np.fromiter(map(len, forms), dtype=np.int64, count=len(forms))
    heads = [same]
    for width, least, most in _PASSES:
        members = unique[(lengths[unique] >= least) & (lengths[unique] < most)]
        if len(members) > 1:
            shingles = _shingles([forms[i] for i in members], width)
            linked = np.arange(len(forms))
            linked[members] = members[_link(shingles, _signatures(shingles, seed), threshold)]
            heads.append(linked)
    return _components(len(forms), np.tile(np.arange(len(forms)), len(heads)), np.concatenate(heads))


def join(clusters: NDArray[np.int64], groups: Sequence[str | None]) -> _Ids:
    """Make one cluster of all clusters that a group touches; ``groups[i]`` is the group of row i, if it has one."""
    first: dict[str, int] = {}
    heads = [i if group is None else first.setdefault(group, i) for i, group in enumerate(groups)]
    rows = np.arange(len(clusters))
    seen: dict[int, int] = {}
    tops = [seen.setdefault(int(cluster), i) for i, cluster in enumerate(clusters)]
    return _components(len(clusters), np.concatenate([rows, rows]), np.array(heads + tops, dtype=np.int64))


def _components(n: int, left: _Ids, right: _Ids) -> _Ids:
    """Number the connected parts of a graph by their lowest member."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if n == 0:
        return np.zeros(0, dtype=np.int64)
    graph = coo_array((np.ones(len(left), dtype=np.int32), (left, right)), shape=(n, n))
    _, parts = connected_components(graph, directed=False)
    _, lowest, inverse = np.unique(parts, return_index=True, return_inverse=True)
    return lowest[inverse].astype(np.int64)


def _shingles(forms: Sequence[str], width: int) -> _Shingles:
    hashes: list[NDArray[np.uint32]] = []
    sizes: list[_Ids] = []
    for chunk in _chunks(forms):
        values, counts = _hash_ngrams(chunk, width)
        hashes.append(values)
        sizes.append(counts)
    starts = np.zeros(len(forms) + 1, dtype=np.int64)
    np.cumsum(np.concatenate(sizes), out=starts[1:])
    return _Shingles(hashes=np.concatenate(hashes), starts=starts)


def _chunks(forms: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    chars = 0
    for form in forms:
        if chunk and (len(chunk) == _CHUNK_TEXTS or chars + len(form) > _CHUNK_CHARS):
            yield chunk
            chunk, chars = [], 0
        chunk.append(form)
        chars += len(form)
    yield chunk


def _hash_ngrams(forms: Sequence[str], width: int) -> tuple[NDArray[np.uint32], _Ids]:
    """Hash every n-gram of each text to 32 bits: sorted and distinct within a text, with their number for each text."""
    padded = [f" {form} ".ljust(width) for form in forms]
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    windows = len(codes) - width + 1
    hashed = np.zeros(windows, dtype=np.uint64)
    for offset in range(width):
        hashed *= GOLDEN
        hashed += codes[offset : offset + windows]
    hashed = mix_bits(hashed)
    owner = np.repeat(np.arange(len(padded), dtype=np.uint64), lengths)[:windows]
    inside = np.ones(windows, dtype=bool)
    ends = np.cumsum(lengths)[:-1]
    for back in range(1, width):
        inside[ends - back] = False
    keys = ((owner << np.uint64(32)) | (hashed >> np.uint64(32)))[inside]
    keys.sort()
    keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))]
    counts = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(padded))
    return keys.astype(np.uint32), counts.astype(np.int64)


def _signatures(shingles: _Shingles, seed: int) -> NDArray[np.uint32]:
    """Return for each text the minima of its shingles under 128 orders, (texts x 128).

    Long texts are represented by their 128 smallest shingles (a bottom-k sketch; Cohen and Kaplan, 2007), which keeps
    the cost of a text of 500 words that of one of 25.
    """
    sizes = np.minimum(np.diff(shingles.starts), _SKETCH)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    picks = np.repeat(shingles.starts[:-1] - starts, sizes) + np.arange(int(sizes.sum()))
    sketch = mix_bits(shingles.hashes[picks].astype(np.uint64)).astype(np.uint32)
    # One order after the other in memory, as they are written here and read by `_bands`.
    signatures = np.empty((PERMUTATIONS, len(sizes)), dtype=np.uint32)
    for i, (factor, term) in enumerate(zip(*orders(seed), strict=True)):
        signatures[i] = np.minimum.reduceat(sketch * factor + term, starts)
    return signatures.T


def _link(shingles: _Shingles, signatures: NDArray[np.uint32], threshold: float) -> _Ids:
    """Join the texts that agree in a band and are near-duplicates.

    In every band the texts are sorted, and each is compared with the one after it, then with the one two places
    after it, and so on: what has become one cluster meanwhile is not compared again, so that 10,000 copies of one
    template cost 10,000 comparisons and not 50 million.
    """
    n = len(signatures)
    orders, left_in_run = _bands(signatures, rows_for(threshold, _MISSED))
    roots = np.arange(n)
    edges: list[_Ids] = []
    tried = np.array([n * n])
    # A byte of each minimum says nearly as much as all four (Li and König, 2010), and is read four times as fast.
    short = signatures.astype(np.uint8, order="C")
    compared = 0
    open_ = np.flatnonzero(left_in_run)
    for offset in range(1, _NEIGHBOURS + 1):
        open_ = open_[left_in_run[open_] >= offset]
        if not len(open_) or compared > _COMPARISONS * max(n, _CHUNK_TEXTS):
            break
        left, right = orders[open_], orders[open_ + offset]
        apart = roots[left] != roots[right]
        left, right = left[apart], right[apart]
        keys = _distinct(np.minimum(left, right) * n + np.maximum(left, right))
        compared += len(keys)
        # Only what was checked in full is remembered: that is little, and the rest is told apart again in no time.
        keys = _likely(shingles, short, keys, threshold)
        keys = keys[tried[np.searchsorted(tried[:-1], keys)] != keys]
        tried = _distinct(np.concatenate([tried, keys]))
        pairs = _similar(shingles, keys, threshold)
        if len(pairs):
            edges.append(pairs)
            links = np.concatenate(edges)
            roots = _components(n, links // n, links % n)
    return roots


def _distinct(keys: _Ids) -> _Ids:
    """Sort and keep one of each; `numpy.unique` hashes, which takes a hundred times as long for keys of this shape.

    The stable sort merges keys that are in order already, as those are that were tried before.
    """
    keys = np.sort(keys, kind="stable")
    return keys[np.concatenate((keys[1:] != keys[:-1], [True]))[: len(keys)]]


def _bands(signatures: NDArray[np.uint32], rows: int) -> tuple[_Ids, _Ids]:
    """Sort the texts by each band: their order, band after band, and how many equal ones follow each place."""
    n = len(signatures)
    orders: list[_Ids] = []
    following: list[_Ids] = []
    for start in range(0, PERMUTATIONS - rows + 1, rows):
        key = np.zeros(n, dtype=np.uint64)
        for column in range(start, start + rows):
            key = mix_bits(key * GOLDEN + signatures[:, column])
        order = np.argsort(key, kind="stable")
        changes = np.flatnonzero(np.concatenate((key[order][1:] != key[order][:-1], [True])))
        last = np.repeat(changes, np.diff(np.concatenate(([-1], changes))))
        orders.append(order)
        following.append(last - np.arange(n))
    return np.concatenate(orders), np.concatenate(following)


def _likely(shingles: _Shingles, signatures: NDArray[np.uint8], keys: _Ids, threshold: float) -> _Ids:
    """Keep the pairs (first * n + second) that may reach the threshold, by their sizes and their signatures."""
    n = len(signatures)
    sizes = np.diff(shingles.starts)
    left, right = keys // n, keys % n
    small, large = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
    possible = np.flatnonzero(small >= threshold * large)
    likely = []
    for part in np.array_split(possible, len(possible) // (1 << 16) + 1):
        agreement = np.count_nonzero(signatures[left[part]] == signatures[right[part]], axis=1) / PERMUTATIONS
        likely.append(part[agreement >= threshold - _MARGIN])
    result: _Ids = keys[np.concatenate(likely)]
    return result


def _similar(shingles: _Shingles, keys: _Ids, threshold: float) -> _Ids:
    """Keep the pairs (first * n + second) whose exact Jaccard similarity reaches the threshold."""
    sizes = np.diff(shingles.starts)
    n = len(sizes)
    left, right = keys // n, keys % n
    costs = np.cumsum(sizes[left] + sizes[right])
    parts = np.split(np.arange(len(keys)), np.flatnonzero(np.diff(costs // _CHECK_SHINGLES)) + 1)
    similar = [part[_jaccard(shingles, left[part], right[part]) >= threshold] for part in parts if len(part)]
    result: _Ids = keys[np.concatenate([*similar, np.zeros(0, dtype=np.int64)])]
    return result


def _jaccard(shingles: _Shingles, left: _Ids, right: _Ids) -> NDArray[np.float64]:
    """Compute |A and B| / |A or B| for each pair of texts, from the full sets."""
    sizes = np.diff(shingles.starts)
    pairs = np.concatenate([np.arange(len(left))] * 2)
    texts = np.concatenate([left, right])
    lengths = sizes[texts]
    ends = np.cumsum(lengths)
    picks = np.repeat(shingles.starts[texts] - (ends - lengths), lengths) + np.arange(int(ends[-1]))
    keys = (np.repeat(pairs, lengths).astype(np.uint64) << np.uint64(32)) | shingles.hashes[picks]
    keys.sort()
    twice = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)
    shared = np.bincount(twice.astype(np.int64), minlength=len(left))
    result: NDArray[np.float64] = shared / (sizes[left] + sizes[right] - shared)
    return result
