"""Texts as an encoder reads them: what is asked of the tokenizer."""

from __future__ import annotations

from dataclasses import dataclass, field

from ockham.models.onnx_encoder import EncoderSettings
from ockham.models.token_windows import Reader


@dataclass
class CountingEncoding:
    """An encoding of letters, one a token, that counts how often its places are asked for."""

    text: str
    asked: int = 0
    overflowing: list[object] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        return [ord(letter) for letter in self.text]

    @property
    def special_tokens_mask(self) -> list[int]:
        return [0] * len(self.text)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        self.asked += 1
        return [(at, at + 1) for at in range(len(self.text))]


class CountingTokenizer:
    """A tokenizer that keeps what it gave."""

    def __init__(self) -> None:
        self.given: list[CountingEncoding] = []

    def no_padding(self) -> None:
        """Do nothing."""

    def enable_truncation(self, most: int, stride: int) -> None:
        """Do nothing."""

    def encode_batch(self, texts: list[str]) -> list[CountingEncoding]:
        self.given = [CountingEncoding(text) for text in texts]
        return self.given


def test_places_are_asked_for_once_a_window() -> None:
    """The tokenizer makes the list of all places anew each time: a text of 600 words took 15 ms of nothing else."""
    tokenizer = CountingTokenizer()
    settings = EncoderSettings(hidden=1, max_tokens=256, first_position=0, prefix="")
    (reading,) = Reader(tokenizer, settings).read(["ab cd " * 30])
    assert len(reading.spans) == 120
    assert [encoding.asked for encoding in tokenizer.given] == [1]
