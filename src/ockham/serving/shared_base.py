"""Which bundles can be served by one process: adapters, and the base itself, whose weights are the same file.

Read from the bundle's own JSON, so that the process that speaks HTTP needs nothing of a model to know it.
"""

from __future__ import annotations

import json
from pathlib import Path

KIND, FILE = "gguf", "gguf.json"
_SETTINGS = ("threads", "gpu_layers")
"""What bundles of one process must have in common; of contexts and slots it takes the most."""


def shared_base(folder: Path, kind: str) -> str | None:
    """Return what bundles have in common that can share a process: the digest of the base, and how it is run.

    ``None`` for a bundle that cannot share one. What is wrong with a file is told where it is loaded.
    """
    if kind != KIND:
        return None
    try:
        record = json.loads((folder / FILE).read_bytes())
        return ":".join([record["weights"]["sha256"], *(str(record["spec"].get(name)) for name in _SETTINGS)])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
