"""What climbs with language models share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from ockham.convert.gguf_export import Converter


@pytest.fixture(autouse=True, scope="module")
def one_converter(converter: Converter) -> Iterator[None]:
    """Let all rungs convert with one process, which starts when the first of them does."""
    from ockham.rungs import decoder_tuned, decoder_weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_tuned, "Converter", lambda: contextlib.nullcontext(converter))
        patch.setattr(decoder_weights, "convert", converter.convert)
        yield
