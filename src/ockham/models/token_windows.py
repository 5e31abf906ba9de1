"""A text as an encoder reads it, token by token with their places: in windows, where it is longer than the encoder.

Neighbouring windows share a quarter of their tokens. Each token counts in the window in which it stands farther from
the edge, so nothing of a text is cut off.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ockham.models import bio_tags
from ockham.models.bio_tags import Place
from ockham.models.onnx_encoder import EncoderSettings, settings_of
from ockham.models.sentence_encoder import SentenceEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARED = 4
"""One token of so many is shared with the next window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The tokens of a part of a text, and the places among them of those that count."""

    tokens: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWindows:
    """A text's windows; where its tokens stand, and before which of them a span may begin."""

    windows: tuple[Window, ...]
    spans: tuple[Place, ...]
    free: tuple[bool, ...]

    @property
    def tokens(self) -> int:
        """The tokens of all windows, those twice that two share."""
        return sum(len(window.tokens) for window in self.windows)

    def join(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Put together what was computed of each window: (its tokens, n) → (the text's tokens, n)."""
        import numpy as np

        return np.concatenate([part[list(window.counts)] for window, part in zip(self.windows, parts, strict=True)])


def shared_tokens(settings: EncoderSettings) -> int:
    """Return how many tokens neighbouring windows of a text share."""
    return settings.max_tokens // _SHARED


def reader(sentence: SentenceEncoder, closed: Collection[str] | None = None) -> Reader:
    """Make a reader for a sentence encoder as it comes; values do not end at ``closed`` joints."""
    from tokenizers import Tokenizer

    return Reader(Tokenizer.from_file(str(sentence.folder / "tokenizer.json")), settings_of(sentence), closed)


class Reader:
    """Reads texts with an encoder's tokenizer."""

    def __init__(
        self,
        tokenizer: Any,  # noqa: ANN401 - a Tokenizer
        settings: EncoderSettings,
        closed: Collection[str] | None = None,
    ) -> None:
        """Take the tokenizer for this use alone: its limit is set so that it gives windows."""
        self._settings = settings
        self._closed = closed
        self._shared = shared_tokens(settings)
        self._tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.enable_truncation(settings.max_tokens, stride=self._shared)

    def read(self, texts: Sequence[str]) -> list[TokenWindows]:
        """Read texts. Lone surrogates count as question marks here, one each, so places stay what they are."""
        prefix = self._settings.prefix
        clean = [(prefix + text).encode("utf-8", "replace").decode() for text in texts]
        encodings = self._tokenizer.encode_batch(clean)
        return [self._reading(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]

    def _reading(self, text: str, encoding: Any) -> TokenWindows:  # noqa: ANN401 - an Encoding
        windows, extents = [], list[Place]()
        parts = [encoding, *encoding.overflowing]
        for number, part in enumerate(parts):
            inner = [index for index, special in enumerate(part.special_tokens_mask) if not special]
            first = self._shared // 2 if number else 0
            last = len(inner) - (self._shared - self._shared // 2 if number < len(parts) - 1 else 0)
            counts, offsets = [], part.offsets  # made anew whenever it is asked for
            for index in inner[first:last]:
                start, end = self._trim_span(text, offsets[index])
                if start < end:
                    counts.append(index)
                    extents.append((start, end))
            windows.append(Window(tokens=tuple(part.ids), counts=tuple(counts)))
        whole = _whole(text, extents)
        return TokenWindows(windows=tuple(windows), spans=tuple(whole), free=bio_tags.free(text, whole, self._closed))

    def _trim_span(self, text: str, offsets: Place) -> Place:
        """Return a token's place in the text itself, without the encoder's prefix and without space at its ends."""
        start, end = (max(0, offset - len(self._settings.prefix)) for offset in offsets)
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        return start, end


def _whole(text: str, extents: Sequence[Place]) -> list[Place]:
    """Return each token the accents that stand behind it, which some tokenizers strip."""
    out = []
    for number, (start, end) in enumerate(extents):
        limit = extents[number + 1][0] if number + 1 < len(extents) else len(text)
        last = end
        while last < limit and bio_tags.continues(text[last]):
            last += 1
        out.append((start, last))
    return out
