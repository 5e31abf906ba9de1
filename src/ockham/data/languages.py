"""Tell rows that are not in English, by their script or by the small words of European languages.

No more than that is needed to say that an encoder which was trained on English may not read them. Terse rows, such as
names of products, have no small words and are left alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from ockham.readers.row_sample import evenly_spaced

SAMPLE = 200
"""Rows that are looked at, evenly spaced."""
_LEAST_WORDS = 100
_LEAST_SHARE = 0.1
"""Of the words of a text in a language, its small words are a fifth and more."""
_LEAST_DISTINCT = 5
"""One word that is frequent may be a name."""
_AHEAD = 3
"""How many times as frequent as English small words those of another language must be."""
_LEAST_LETTERS = 50
_WORD = re.compile(r"[^\W\d_]+")
_WORDS = {
    "English": "the to of and is my i you it for on that this what how with have please are can me be not",
    "German": "der die das und ist ich nicht ein eine mein meine wie wo auf mit für den im zu bitte kann habe von dem",
    "French": "le la les de des et est je pas un une mon ma que comment pour sur avec dans vous il du ai mes",
    "Spanish": "el la los de y es no un una mi que cómo para en con por se lo mis está puedo las del quiero",
    "Italian": "il la di e è non un una mio mia che come per su con del si ho mi sono le i della nel",
    "Portuguese": "o a os de e é não um uma meu minha que como para em com por do da no na está meus quero",
    "Dutch": "de het een en is ik niet mijn hoe waar op met voor van dat wat kan heb te zijn er naar graag aan",
    "Polish": "i w na nie jest się z do mój moja jak gdzie czy dla to że mam po proszę o jestem od przez",
    "Swedish": "och är jag inte en ett min mitt hur var på med för av det att som kan har till den vill om",
    "Turkish": "ve bir bu için ne neden nerede benim değil var mi ile çok da de ben olan istiyorum lütfen",
}
_SCRIPTS = {
    "CJK": "Chinese or Japanese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "CYRILLIC": "a language in Cyrillic letters",
    "ARABIC": "a language in Arabic letters",
    "HEBREW": "Hebrew",
    "GREEK": "Greek",
    "THAI": "Thai",
    "DEVANAGARI": "a language in Devanagari letters",
}


def foreign_language(texts: Sequence[str]) -> str | None:
    """Return the language of most texts, as a sentence names it; ``None`` for English and where it cannot be told."""
    sample = evenly_spaced(texts, SAMPLE)
    return _by_script("".join(sample)) or _by_small_words(sample)


def _by_script(text: str) -> str | None:
    letters = [char for char in text if char.isalpha()]
    if len(letters) < _LEAST_LETTERS:
        return None
    counts = Counter(unicodedata.name(char, "?").split(" ")[0] for char in letters)
    foreign = {name: count for name, count in counts.items() if name in _SCRIPTS}
    if 2 * sum(foreign.values()) < len(letters):
        return None
    if foreign.get("HIRAGANA", 0) + foreign.get("KATAKANA", 0) > len(letters) / 10:
        return _SCRIPTS["HIRAGANA"]  # written together with Chinese characters
    most = max(foreign, key=lambda name: foreign[name])
    return "Chinese" if most == "CJK" else _SCRIPTS[most]


def _by_small_words(texts: Sequence[str]) -> str | None:
    words = [word for text in texts for word in _WORD.findall(text.lower())]
    if len(words) < _LEAST_WORDS:
        return None
    counts = Counter(words)
    hits = {name: sum(counts[word] for word in set(small.split())) for name, small in _WORDS.items()}
    english = hits.pop("English")
    most = max(hits, key=lambda name: hits[name])
    if sum(word in counts for word in set(_WORDS[most].split())) < _LEAST_DISTINCT:
        return None
    return most if hits[most] >= max(_LEAST_SHARE * len(words), _AHEAD * english) else None
