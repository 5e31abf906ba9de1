"""The most frequent small words of some languages; running text holds at least two of its language's.

English has the eight words of Gopher (Rae et al., 2021, appendix A); the others are the most frequent function words.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ockham.data.kernels.quality import StopWords

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
def languages() -> dict[str, int]:
    """Give the place of each language that has stop words."""
    return {name: place for place, name in enumerate(_WORDS)}


@lru_cache(maxsize=1)
def hashed() -> StopWords:
    """Give the stop words as the kernels look for them."""
    import numpy as np

    from ockham.data.kernels.characters import alphabet
    from ockham.data.kernels.quality import StopWords, word_hash

    letters = alphabet()
    hashes = [[word_hash(word, letters) for word in words.split()] for words in _WORDS.values()]
    starts = np.cumsum([0, *map(len, hashes)])
    return StopWords(np.array([one for group in hashes for one in group], dtype=np.uint64), starts.astype(np.int64))
