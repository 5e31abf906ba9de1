"""`ockham report`: the HTML page of a run, again."""

from __future__ import annotations

from pathlib import Path

import click

from ockham.cli import run_names
from ockham.cli.help import Command
from ockham.cli.options import PATH


@click.command(
    "report", cls=Command, examples=("ockham report runs/tickets --open", "ockham report runs/tickets -o page.html")
)
@click.argument("run", type=PATH, metavar="RUN")
@click.option("--out", "-o", type=PATH, metavar="FILE", help="File to write [default: report.html in RUN].")
@click.option("--open", "open_", is_flag=True, help="Open the report in a browser.")
def command(*, run: Path, out: Path | None, open_: bool) -> None:
    """Write the report of a run again.

    RUN is the folder of a run. The report is made from what the run recorded; nothing is measured again. The path of
    the report is printed.
    """
    run_names.check(run)
    from ockham.cli import output
    from ockham.ladder.run_folder import write_report

    page = write_report(run, out)
    output.lines(str(page))
    if open_:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
