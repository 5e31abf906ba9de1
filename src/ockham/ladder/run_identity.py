"""What a run is about: who changes any of it starts another run, and what is kept of this one is not taken for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ockham import store
from ockham.data.prepare import Prepared
from ockham.models import sentence_encoder
from ockham.records import Json, digest
from ockham.rungs.rung import Rung
from ockham.version import __version__


def run_identity(
    prepared: Prepared, settings: Mapping[str, Json], encoders: Sequence[str], rungs: Sequence[Rung]
) -> dict[str, Json]:
    """Say what a run is about: the rows, their split, the settings that decide what is built from them, the version.

    Of ``encoders`` that a rung uses, their files count and not their names alone. Raises `ModelError` where one is not
    here.
    """
    split = prepared.split
    rows = digest([list(split.train), list(split.valid), list(split.test)])
    about: dict[str, Json] = {"dataset": prepared.dataset.digest, "split": rows, "inputs": list(prepared.inputs)}
    about["encoder"] = list(encoders)
    if encoders and any(rung.needs_encoder for rung in rungs):
        about["encoder_files"] = {name: _digest_files(name) for name in encoders}
    return {"ockham": __version__, **about, **settings}


def _digest_files(name: str) -> str:
    """Return the digest of all that an encoder's vectors follow from; its weights are read once in a process."""
    sentence = sentence_encoder.find(name)
    paths = {path for pattern in sentence_encoder.WANTED for path in sentence.folder.glob(pattern) if path.is_file()}
    files = {path.relative_to(sentence.folder).as_posix(): store.remembered_digest(path) for path in sorted(paths)}
    return digest([list(sentence.build), files])
