"""The process that fetches models, before a run is sealed: it may speak, and cannot open the data.

    python -m ockham.rungs.fetch_models LEDGER NAMES [DATA...]

NAMES is a JSON list of pairs: ``decoder`` or ``encoder``, and the id. The process is told where the data lies so that
Landlock can keep it from there; it writes into the hub's cache alone. Each name that it looks up and each connection
that it makes stands in the ledger before it is made: an audit hook of the interpreter sees to that, and the hub's own
client is Python (its compiled part, Xet, is switched off).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ockham.errors import OckhamError
from ockham.llm import hub
from ockham.models import sentence_encoder
from ockham.rungs import decoder_weights
from ockham.sealed import landlock
from ockham.sealed.syscalls import PR_SET_NO_NEW_PRIVS, prctl
from ockham.store.ledger_file import LedgerHook


def main(arguments: Sequence[str]) -> int:
    """Fetch models; give 0. One that cannot be had is left to the sealed run, which finds it missing and says so."""
    ledger, names, *data = arguments
    keep_from(data, [str(Path(ledger).parent), tempfile.gettempdir(), *caches()])
    sys.addaudithook(LedgerHook(Path(ledger)))
    for kind, name in json.loads(names):
        with suppress(OckhamError):
            _fetch(kind, name)
    return 0


def _fetch(kind: str, name: str) -> None:
    if kind == "decoder":
        decoder_weights.find_model(name)
    elif not sentence_encoder.is_packaged(name):
        hub.find(name, sentence_encoder.WANTED, extra="encoder")


def caches() -> list[str]:
    """List where the hub's client keeps what it has fetched."""
    root = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    folders = [Path(folder).expanduser() for folder in (root, os.environ.get("HF_HUB_CACHE") or root)]
    for folder in folders:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
    return [str(folder) for folder in folders]


def keep_from(data: Sequence[str], write: Sequence[str]) -> None:
    """Let this process never open the data, nor write but where it must; where Landlock is missing, nothing is done."""
    version = landlock.abi() if sys.platform == "linux" else 0
    if version:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        paths = [os.path.realpath(path) for path in data if Path(path).exists()]
        landlock.restrict(landlock.readable(paths, foreign=()), write, version, offline=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
