"""`ockham doctor`: what this machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ockham.cli import options
from ockham.cli.help import Command
from ockham.cli.terminal import fill, width

if TYPE_CHECKING:
    from ockham.diagnosis import Diagnosis

_REASON_AT = 25
"""The column at which the reason of a rung begins."""


@click.command("doctor", cls=Command, examples=("ockham doctor", "ockham doctor --json"))
@options.as_json
def command(*, as_json: bool) -> None:
    """Show what this machine has and which rungs it can run.

    Only this machine is inspected: nothing is sent, installed or read from your data.
    """
    from ockham import verbs
    from ockham.cli import output

    diagnosis = verbs.doctor()
    if as_json:
        output.record(diagnosis)
    else:
        output.lines(*diagnosis_lines(diagnosis, width()))


def diagnosis_lines(diagnosis: Diagnosis, columns: int) -> list[str]:
    """Return the lines a person reads."""
    machine = diagnosis.machine
    lines = [
        f"Ockham {diagnosis.ockham}, Python {machine.python}, {machine.system}",
        f"{machine.processor}: {machine.cores} cores, {machine.memory_gb:.1f} GB of memory "
        f"({diagnosis.memory_free_gb:.1f} free), {diagnosis.disk_free_gb:.1f} GB free on this disk",
        "",
        *_rung_lines(("rung", "can run", "because"), columns),
    ]
    for rung in diagnosis.rungs:
        lines += _rung_lines((rung.name, "yes" if rung.can_run else "no", rung.because), columns)
    lines += [f"For {rung.name}: {rung.install}" for rung in diagnosis.rungs if rung.install is not None]
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    for text in (f"Packages: {packages}", *diagnosis.notes):
        lines += ["", *fill(text, columns)]
    return lines


def _rung_lines(cells: tuple[str, str, str], columns: int) -> list[str]:
    """Set a rung's line in columns; the last one, which has the reason, goes on below itself where it is long."""
    name, can_run, because = cells
    reasons = fill(because, columns - _REASON_AT)
    heads = [f"{name:<16}{can_run:<9}", *[" " * _REASON_AT] * (len(reasons) - 1)]
    return [f"{head}{reason}" for head, reason in zip(heads, reasons, strict=True)]
