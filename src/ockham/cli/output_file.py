"""A file of answers on the command line: whether it can be written, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

from ockham.errors import ConfigError
from ockham.printable import printable
from ockham.store import check_place

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def check_output(path: Path, data: str | None, *, force: bool) -> None:
    """Find out before any work whether answers can be written to a file.

    Raises `ConfigError` (``E_CONFIG``) for an extension that names no form, a file that is there already and need not
    give way, and one that holds the rows themselves; `StoreError` (``E_DISK``) as `check_place` does.
    """
    if path.suffix.lower() not in SUFFIXES:
        names = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise ConfigError(
            "E_CONFIG",
            f"{printable(path)}: answers cannot be written in this format",
            fix=f"use a name that ends in {names}",
        )
    check_place(path)
    if not path.exists():
        return
    if data is not None and Path(data).exists() and path.samefile(data):
        message = f"{printable(path)} is the input file"
        raise ConfigError("E_CONFIG", message, fix="write the answers to another file")
    if not force:
        message = f"{printable(path)} already exists"
        raise ConfigError("E_CONFIG", message, fix="choose another name, or add --force to overwrite it")
