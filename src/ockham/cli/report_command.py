"""`ockham report`: the HTML page of a run, again."""

from __future__ import annotations

from pathlib import Path

import click

from ockham.cli.options import PATH


@click.command("report")
@click.argument("run", type=PATH, metavar="RUN")
@click.option("--out", "-o", type=PATH, metavar="FILE", help="Where the page goes; report.html in RUN otherwise.")
@click.option("--open", "open_", is_flag=True, help="Open the report in the browser.")
def command(*, run: Path, out: Path | None, open_: bool) -> None:
    """Write a run's report again.

    RUN is a run's folder. The report is made from the run's records; nothing is measured. Prints the report's path.
    """
    from ockham.cli import output
    from ockham.ladder.run_folder import write_report

    page = write_report(run, out)
    output.lines(str(page))
    if open_:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
