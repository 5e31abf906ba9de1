"""The command line: one file per command, each imported when it is called."""

from ockham.cli.commands import main, run

__all__ = ["main", "run"]
