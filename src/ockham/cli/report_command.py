"""`ockham report`: the HTML page of a run, again."""

from __future__ import annotations

from pathlib import Path

import click

from ockham.cli import run_names
from ockham.cli.help import Command
from ockham.cli.options import PATH

EXAMPLES = ("ockham report runs/tickets --open", "ockham report runs/tickets --csv -o review/page.html")


@click.command("report", cls=Command, examples=EXAMPLES)
@click.argument("run", type=PATH, metavar="RUN")
@click.option("--out", "-o", type=PATH, metavar="FILE", help="File to write [default: report.html in RUN].")
@click.option("--csv", is_flag=True, help="Also write wrong-answers.csv and labels-in-doubt.csv beside it.")
@click.option("--open", "open_", is_flag=True, help="Open the report in a browser.")
def command(*, run: Path, out: Path | None, csv: bool, open_: bool) -> None:
    """Write the report of a run again.

    RUN is the folder of a run. The report is made from what the run recorded; nothing is measured again. The paths of
    the files that were written are printed.
    """
    run_names.check(run)
    from ockham import verbs
    from ockham.cli import output

    files = verbs.report(run, out, csv=csv)
    output.lines(*map(str, files))
    if open_:
        import webbrowser

        webbrowser.open(files[0].resolve().as_uri())
