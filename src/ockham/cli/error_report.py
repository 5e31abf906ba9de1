"""Every way a command can end but well: said in two lines, never with a value of the user's data."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TextIO

import click

from ockham.errors import OckhamError
from ockham.printable import printable

UNREAD = 141  # 128 + SIGPIPE, as a shell reports it
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_PACKAGE = Path(__file__).resolve().parents[1]


def guard(work: Callable[[], int], *, resumes: bool = True) -> int:
    """Do the work and give its exit status; say on stderr what stopped it, and whether it ``resumes`` when run again.

    The first SIGINT (Ctrl-C), SIGTERM or SIGHUP lets what is being saved be saved, ends child processes, removes what
    is temporary and leaves with one line and 128 + its number; the second ends the process at once.
    """
    with _stopped_by() as received:
        try:
            return work()
        except (SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            # A panic of a library in Rust is no Exception, and its words may hold the data. Once the signal has come,
            # whatever else goes wrong is what it stopped: a child may have got it too.
            return report_error(KeyboardInterrupt() if received else error, *received, resumes=resumes)
        finally:
            for stream in (sys.stdout, sys.stderr):
                _settle(stream)


def report_error(error: BaseException, number: int = signal.SIGINT, *, resumes: bool = True) -> int:
    """Say on stderr what happened and give the exit status that goes with it; ``number`` is the signal that came."""
    if isinstance(error, OckhamError):
        _say(f"{error.code}: {error.message}", f"  next: {error.fix}")
        return error.exit_status
    if isinstance(error, (KeyboardInterrupt, click.exceptions.Abort)):
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        _say(f"stopped{by}; run the same command again to {'resume' if resumes else 'start over'}")
        return 128 + number
    if isinstance(error, click.ClickException):
        text = io.StringIO()
        error.show(text)
        _say(*text.getvalue().expandtabs().rstrip("\n").split("\n"))
        return 2
    if isinstance(error, BrokenPipeError):
        return UNREAD
    if isinstance(error, OSError) and (refused := _refusal_of(error)) is not None:
        return report_error(refused)
    _say(*defect(error).splitlines())
    return 1


def defect(error: BaseException) -> str:
    """Say where a fault of ours is: its type and place alone, since an exception's own words may quote the data."""
    words = (
        f"E_DEFECT: an unexpected {type(error).__name__} {_place(error.__traceback__)} (a bug in Ockham)\n"
        "  next: report these lines and the command; OCKHAM_DEBUG=1 adds the traceback"
    )
    if not os.environ.get("OCKHAM_DEBUG"):
        return words
    import traceback

    trace = "".join(traceback.format_exception(error))
    return f"{words}\nThe traceback may hold your data; read it before you pass it on.\n{trace}"


def _place(trace: TracebackType | None) -> str:
    """Name the deepest line of our own; the libraries below it are not ours to mend."""
    location = "outside the package"
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if _PACKAGE in file.parents:
            location = f"at ockham/{file.relative_to(_PACKAGE).as_posix()}:{trace.tb_lineno}"
        trace = trace.tb_next
    return location


@contextmanager
def _stopped_by() -> Iterator[list[int]]:
    """Let the first signal stop the work, and the second end the process; lend the list of those that came.

    What is ignored when the command starts, as SIGHUP under nohup, stays ignored. Only the main thread may set this.
    """
    received: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {signum: signal.getsignal(signum) for signum in _SIGNALS}
        before = {signum: handler for signum, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal's signature
        for signum in before:
            signal.signal(signum, signal.SIG_DFL)
        received.append(number)
        raise KeyboardInterrupt

    for signum in before:
        signal.signal(signum, stop)
    try:
        yield received
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _refusal_of(error: OSError) -> OckhamError | None:
    """Say what the system refused, where that is no fault of ours: an output or a disk that is full, or failing."""
    from ockham.store.atomic import is_refusal, refusal

    if not is_refusal(error):
        return None
    name = error.filename
    named = isinstance(name, (str, bytes))
    return refusal(error, f"{printable(Path(os.fsdecode(name)))}: using it" if named else "writing the output")


def _settle(stream: TextIO) -> None:
    """Write what a stream still holds; where that fails, point it to nowhere, so that the exit does not complain."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _say(*lines: str) -> None:
    # Where nobody can be told (a full disk, a terminal that hung up), the exit status still tells.
    with suppress(OSError):
        click.echo("\n".join(map(printable, lines)), err=True)
