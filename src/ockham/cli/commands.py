"""The command line: one file per verb, each imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from ockham.cli import error_report
from ockham.sealed import switches
from ockham.verb_table import VERBS
from ockham.version import __version__

COMPLETE = "_OCKHAM_COMPLETE"
"""The variable by which a shell asks for completions, or for the script that it completes with."""
STARTING_OVER = ("decide", "doctor", "eval", "export", "plan", "predict", "report", "serve", "verify")
"""Commands that keep nothing of what they did when they are stopped."""
DRY_RUN = "--dry-run"
"""The option by which the others keep nothing either."""
# What libraries would write between our lines; whoever wants it says so.
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}


class Verbs(click.Group):
    """A group that knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the verbs."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"ockham.cli.{cmd_name}_command").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, and suggest the nearest one where there is none."""
        if args and args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(args[0], sorted(VERBS), n=1)
            hint = f"did you mean {near[0]}?" if near else f"the commands are: {', '.join(sorted(VERBS))}"
            ctx.fail(f"there is no such command; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ockham", message="%(prog)s %(version)s")
def ockham() -> None:
    """Find the smallest language model that provably does the job.

    Start with `ockham fit FILE`, a file of labelled examples of one task. Nothing leaves this machine unless you name
    an API, a server to measure or a model on the hub, or use a Ray cluster.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status.

    0 done or chosen, 3 none meets the requirements, 4 cannot tell yet, 5 done but records were skipped, 6 chosen but a
    named model could not be measured, 2 bad input or usage, 1 an internal error, 141 the output is no longer read; 129,
    130 and 143 stopped by SIGHUP, SIGINT (Ctrl-C) and SIGTERM.
    """
    switches.apply(os.environ, own=True)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    _write_anything(sys.stdout, sys.stderr)
    if args is None and COMPLETE in os.environ:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(ockham, {}, "ockham", COMPLETE, os.environ[COMPLETE]))
    # Only a process that is ockham's own is sealed: one that calls this function has other work too.
    words = sys.argv[1:] if args is None else args
    resumes = next(iter(words), "") not in STARTING_OVER and DRY_RUN not in words
    sys.exit(error_report.guard(lambda: run(words, seal=args is None), resumes=resumes))


def run(args: Sequence[str], *, seal: bool = False) -> int:
    """Run one command and give its exit status; whatever goes wrong is raised. With ``seal`` it may fork for good."""
    try:
        with ockham.make_context("ockham", list(args), obj=seal) as context:
            status = ockham.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    sys.stdout.flush()
    return status if isinstance(status, int) else 0


def _write_anything(*streams: TextIO) -> None:
    """Let a stream show what its encoding lacks as an escape, rather than stop (LC_ALL=C)."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
