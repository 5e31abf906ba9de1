"""A model's folder from the hub at a fixed revision, by the hub's own client in a process of its own.

    python -m ockham.downloads.hub_snapshot FOLDER ID REVISION

The client resumes what was cut off. Its switches forbid it to fetch in ockham's processes; this one is made to fetch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import util
from pathlib import Path

from ockham.catalog import ModelSource
from ockham.downloads.child_process import run_watched
from ockham.downloads.recorded_run import recorded_command
from ockham.errors import ModelError, StoreError
from ockham.version import install_command

PATTERNS = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "1_Pooling/*.json")
"""The files of a folder that are wanted; an encoder says in a folder of its own how it pools."""
_NO_ANSWER, _REFUSED, _BROKEN, _FULL = 71, 72, 73, 74
_SECONDS = 10.0
"""The hub is not waited for longer than this before it is called unreachable."""


def fetch_folder(source: ModelSource, folder: Path, ledger: Path, on_bytes: Callable[[int], None]) -> None:
    """Fetch a model's folder; each request stands in ``ledger`` before it is made.

    Raises `ModelError` (``E_DOWNLOAD``), `StoreError` (``E_DISK``).
    """
    if util.find_spec("huggingface_hub") is None:
        raise ModelError("E_DOWNLOAD", "huggingface_hub is not installed", fix=install_command("encoder"))
    command = recorded_command(ledger, __name__, str(folder), str(source.hub), str(source.revision))
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    status, _ = run_watched(command, folder, environment, on_bytes)
    if status == _FULL:
        fix = "free some space on that disk and run the same command again"
        raise StoreError("E_DISK", f"fetching {source.hub} failed: the disk is full", fix=fix)
    if status != 0:
        reasons = {
            _NO_ANSWER: ("the hub cannot be reached", "check the network"),
            _REFUSED: (
                f"the hub refuses {source.hub}",
                f"accept its terms at https://huggingface.co/{source.hub} and set HF_TOKEN",
            ),
        }
        broken = (f"the connection broke while {source.hub} was fetched", "run the same command again: it resumes")
        what, fix = reasons.get(status, broken)
        raise ModelError("E_DOWNLOAD", what, fix=fix)


def main(arguments: Sequence[str]) -> int:
    """Fetch, and say by the exit status what went wrong."""
    folder, hub, revision = arguments
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    try:
        HfApi().model_info(hub, revision=revision, timeout=_SECONDS)
        snapshot_download(hub, revision=revision, local_dir=folder, allow_patterns=list(PATTERNS))
    except (GatedRepoError, HfHubHTTPError):
        return _REFUSED
    except Exception as error:  # the client raises many kinds, of several libraries
        if isinstance(error, OSError) and error.errno in (28, 122):
            return _FULL
        return _BROKEN if any(Path(folder).rglob("*.incomplete")) else _NO_ANSWER
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
