"""How long work is shown on stderr: a bar on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

from ockham.printable import printable
from ockham.records import Progress

STAGES = ("read", "clean", "split", "climb", "measure", "decide", "report")
LEAVING = ("endpoint", "judge")
"""Stages that say what leaves this machine; they are announced whatever else is not."""
_EVERY = 0.1  # a plain line at most every tenth of a stage


@contextmanager
def progress_display(
    *, quiet: bool = False, origins: Mapping[str, str] | None = None
) -> Iterator[Callable[[Progress], None]]:
    """Return a function that tells progress on stderr while the block runs; our warnings go there too.

    ``origins`` say of each API where it was named.
    """
    with _show_progress(quiet=quiet) as on_progress:

        def announce(progress: Progress) -> None:
            origin = (origins or {}).get(progress.stage)
            on_progress(progress if origin is None else replace(progress, message=f"{progress.message} ({origin})"))

        yield announce


@contextmanager
def _show_progress(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    with warnings.catch_warnings(), _warnings_on(sys.stderr):
        # What libraries warn of may quote the data, and is nothing the user can act on.
        warnings.simplefilter("ignore")
        if quiet:
            lines = _Lines(sys.stderr)
            yield lambda progress: lines(progress) if progress.stage in LEAVING else None
        elif sys.stderr.isatty():
            with _bar() as on_progress:
                yield on_progress
        else:
            yield _Lines(sys.stderr)


class _Lines:
    """Plain lines: one per message, and for counted work one per tenth."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: tuple[str, str] | None = None
        self._share = 0.0

    def __call__(self, progress: Progress) -> None:
        """Write a line if it says something new."""
        heading = (progress.stage, progress.message)
        share = progress.done / progress.total if progress.done is not None and progress.total else 0.0
        if heading == self._last and share < self._share + _EVERY and (share < 1.0 or self._share >= 1.0):
            return
        self._last, self._share = heading, share
        text = f"{printable(progress.stage)}: {printable(progress.message)}{_count_text(progress)}\n"
        _write(self._stream, text)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich import progress as rich
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)
    columns = (
        rich.SpinnerColumn(),
        rich.TextColumn("{task.fields[stage]:<8}"),
        rich.TextColumn("{task.description}"),
        rich.BarColumn(bar_width=20),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(compact=True),
    )
    with rich.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, stage="")
        last: tuple[str, str] | None = None

        def finish() -> None:
            if last is not None:
                console.print(f"[green]{last[0]:<8}[/] {last[1]}", soft_wrap=True)

        def on_progress(progress: Progress) -> None:
            nonlocal last
            heading = (escape(printable(progress.stage)), escape(printable(progress.message)))
            if heading != last:
                finish()
                last = heading
                bar.reset(task, total=progress.total, description=heading[1], stage=heading[0])
            bar.update(task, completed=progress.done or 0, total=progress.total)

        yield on_progress
        finish()


@contextmanager
def _warnings_on(stream: TextIO) -> Iterator[None]:
    """Show what our own rooms log as a warning; other libraries' logs may quote the data and stay unheard."""
    handler = _Handler(stream)
    ours, root = logging.getLogger("ockham"), logging.getLogger()
    silent = logging.NullHandler()
    spread = ours.propagate
    ours.addHandler(handler)
    root.addHandler(silent)
    ours.propagate = False
    try:
        yield
    finally:
        ours.propagate = spread
        ours.removeHandler(handler)
        root.removeHandler(silent)


class _Handler(logging.Handler):
    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.WARNING)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, without the traceback a record may carry."""
        _write(self._stream, f"warning: {printable(record.getMessage())}\n")


def _write(stream: TextIO, text: str) -> None:
    """Write and flush; a disk too full for a log is no reason to stop the work, a reader who is gone is."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError:
        return


def _count_text(progress: Progress) -> str:
    if progress.done is None:
        return ""
    return f" ({progress.done} of {progress.total})" if progress.total else f" ({progress.done})"
