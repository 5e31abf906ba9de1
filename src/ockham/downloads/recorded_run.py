"""A module of Python, run so that each name it looks up and each connection it makes stands in a ledger before.

python -m ockham.downloads.recorded_run LEDGER MODULE [ARGUMENTS...]
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from ockham.store.ledger_file import LedgerHook


def recorded_command(ledger: Path, module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in this way. ``ledger`` is gone on with where it is there."""
    return [sys.executable, "-m", __name__, str(ledger), module, *arguments]


def main(arguments: Sequence[str]) -> None:
    """Run a module as the program."""
    ledger, module, *rest = arguments
    sys.addaudithook(LedgerHook(Path(ledger)))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
