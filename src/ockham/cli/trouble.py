"""Every way a command can end but well: said in two lines, never with a value of the user's data."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType

import click

from ockham.cli.terminal import inert
from ockham.errors import OckhamError

STOPPED = 130
UNREAD = 141  # 128 + SIGPIPE, as a shell reports it
_PACKAGE = Path(__file__).resolve().parents[1]


def guard(work: Callable[[], int]) -> int:
    """Do the work and give its exit status; say on stderr what stopped it.

    The first Ctrl-C lets what is being saved be saved and leaves with one line; the second ends the process at once.
    """
    before = _stop_twice()
    try:
        return work()
    except (Exception, KeyboardInterrupt) as error:
        return told(error)
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def told(error: BaseException) -> int:
    """Say on stderr what happened and give the exit status that goes with it."""
    if isinstance(error, OckhamError):
        _say(f"{error.code}: {error.message}", f"  next: {error.fix}")
        return error.exit_status
    if isinstance(error, (KeyboardInterrupt, click.exceptions.Abort)):
        _say("stopped; run the same command again to go on")
        return STOPPED
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if isinstance(error, BrokenPipeError):
        _unread()
        return UNREAD
    _say(*defect(error).splitlines())
    return 1


def defect(error: BaseException) -> str:
    """Say where a fault of ours is: its type and place alone, since an exception's own words may quote the data."""
    words = (
        f"E_DEFECT: an unexpected {type(error).__name__} {_place(error.__traceback__)} (a fault of ours)\n"
        "  next: report these lines and the command; OCKHAM_DEBUG=1 adds the traceback"
    )
    if not os.environ.get("OCKHAM_DEBUG"):
        return words
    import traceback

    trace = "".join(traceback.format_exception(error))
    return f"{words}\nThe traceback may hold your data; read it before you pass it on.\n{trace}"


def _place(trace: TracebackType | None) -> str:
    """Name the deepest line of our own; the libraries below it are not ours to mend."""
    found = "outside the package"
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if _PACKAGE in file.parents:
            found = f"at ockham/{file.relative_to(_PACKAGE).as_posix()}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _stop_twice() -> signal._HANDLER | None:
    """Let the second Ctrl-C end the process at once; only the main thread may set this."""

    def first(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal's signature
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise KeyboardInterrupt

    try:
        return signal.signal(signal.SIGINT, first)
    except ValueError:
        return None


def _unread() -> None:
    """Point stdout to nowhere, so that the flush at exit does not complain about the closed pipe."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        return


def _say(*lines: str) -> None:
    click.echo("\n".join(map(inert, lines)), err=True)
