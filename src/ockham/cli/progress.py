"""How long work is shown on stderr: a bar on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TextIO

from ockham.printable import printable
from ockham.records import Progress

STAGES = ("read", "clean", "split", "climb", "measure", "decide", "report")
_NOTE = "note: "
"""What a remark begins with: it is no work, so what was begun before it goes on."""
LEAVING = ("endpoint", "judge", "server")
"""Stages that say what leaves this machine; they are announced whatever else is not."""
_EVERY = 0.1  # a plain line at most every tenth of a stage
_PAUSE_SECONDS = 3.0
"""Between two plain lines about the same work, but for its last: quick work would fill a log."""
_SILENCE_SECONDS = 9.0
"""After so long a plain line says where the work stands: with the second between two looks, no silence is over 10."""
_BEAT_SECONDS = 1.0
_FIRST_SECONDS = 3.0
"""The rate of work is not told before it was watched for so long."""
_LONG_SECONDS = 60.0
"""Work that takes longer is announced with what Ctrl-C does."""


@contextmanager
def progress_display(
    *, quiet: bool = False, origins: Mapping[str, str] | None = None, resumes: bool = False
) -> Iterator[Callable[[Progress], None]]:
    """Return a function that tells progress on stderr while the block runs; our warnings go there too.

    ``origins`` say of each API where it was named; ``resumes`` says that work which is stopped goes on where it was.
    """
    with _show_progress(quiet=quiet, resumes=resumes) as on_progress:

        def announce(progress: Progress) -> None:
            origin = (origins or {}).get(progress.stage)
            on_progress(progress if origin is None else replace(progress, message=f"{progress.message} ({origin})"))

        yield announce


@contextmanager
def _show_progress(*, quiet: bool, resumes: bool) -> Iterator[Callable[[Progress], None]]:
    with warnings.catch_warnings(), _warnings_on(sys.stderr):
        # What libraries warn of may quote the data, and is nothing the user can act on.
        warnings.simplefilter("ignore")
        if quiet:
            lines = _Lines(sys.stderr)
            yield lambda progress: lines(progress) if progress.stage in LEAVING else None
        elif sys.stderr.isatty():
            with _bar(resumes=resumes) as on_progress:
                yield on_progress
        else:
            lines = _Lines(sys.stderr, resumes=resumes)
            with lines.heartbeat():
                yield lines


class _Estimate:
    """How long counted work still takes, by its own rate since it was first heard of."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heading: tuple[str, str] | None = None
        self._begun, self._first = 0.0, 0
        self.elapsed = 0.0

    def seconds_left(self, progress: Progress) -> float | None:
        """Return the seconds left, or ``None`` while too little of the work is done to say."""
        heading, done = (progress.stage, progress.message), progress.done or 0
        if heading != self._heading or done < self._first:
            self._heading, self._begun, self._first = heading, self._clock(), done
        self.elapsed = self._clock() - self._begun
        if not progress.total or done <= self._first or self.elapsed < _FIRST_SECONDS:
            return None
        return self.elapsed * max(0, progress.total - done) / (done - self._first)


class _Lines:
    """Plain lines: one per message, for counted work at most one per tenth, and one at least every ten seconds."""

    def __init__(self, stream: TextIO, *, resumes: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._resumes, self._clock = stream, resumes, clock
        self._lock = threading.Lock()
        self._estimate = _Estimate(clock)
        self._last: Progress | None = None
        self._share = 0.0
        self._heading_since = self._written = clock()
        self._announced = False
        self._seconds_left: float | None = None

    def __call__(self, progress: Progress) -> None:
        """Write a line if it says something new, or is the first that can say how long the work will take."""
        with self._lock:
            if progress.message.startswith(_NOTE):
                self._line(progress, [])
                return
            share = progress.done / progress.total if progress.done is not None and progress.total else 0.0
            last = self._last
            is_new = last is None or (last.stage, last.message) != (progress.stage, progress.message)
            if is_new:
                self._heading_since, self._announced, self._share = self._clock(), False, 0.0
            self._seconds_left, self._last = self._estimate.seconds_left(progress), progress
            is_last = share >= 1.0 > self._share
            if is_new or is_last or (self._has_more_to_say(share) and self._has_paused()):
                self._share = share
                self._line(progress, self._remarks(progress))

    def _has_more_to_say(self, share: float) -> bool:
        return share >= self._share + _EVERY or (not self._announced and _is_long(self._seconds_left))

    def _has_paused(self) -> bool:
        return self._clock() - self._written >= _PAUSE_SECONDS

    def beat(self) -> None:
        """Write where the work stands if nothing was written for a while."""
        with self._lock:
            if self._last is not None and self._clock() - self._written >= _SILENCE_SECONDS:
                self._line(self._last, self._remarks(self._last))

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Look, as long as the block lasts, that the silence does not grow too long."""
        done = threading.Event()

        def beat() -> None:
            with suppress(OSError, ValueError):  # whoever reads is gone, which the work itself will find
                while not done.wait(_BEAT_SECONDS):
                    self.beat()

        thread = threading.Thread(target=beat, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _remarks(self, progress: Progress) -> list[str]:
        return [text for text in (_count_text(progress), self._time_text()) if text]

    def _line(self, progress: Progress, remarks: Sequence[str]) -> None:
        self._written = self._clock()
        text = f"{printable(progress.stage)}: {_rung_text(progress)}{printable(progress.message)}"
        _write(self._stream, f"{text} ({', '.join(remarks)})\n" if remarks else f"{text}\n")

    def _time_text(self) -> str:
        if not self._seconds_left:
            elapsed = self._clock() - self._heading_since
            return f"{elapsed:.0f} s so far" if elapsed >= _SILENCE_SECONDS else ""
        if self._announced or not _is_long(self._seconds_left):
            return _left_text(self._seconds_left, resumes=False)
        self._announced = True
        return _left_text(self._seconds_left, resumes=self._resumes)


@contextmanager
def _bar(*, resumes: bool) -> Iterator[Callable[[Progress], None]]:
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
        rich.TextColumn("{task.fields[left]}"),
    )
    estimate = _Estimate(time.monotonic)
    with rich.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, stage="", left="")
        last: tuple[str, str] | None = None

        def finish() -> None:
            if last is not None:
                console.print(f"[green]{last[0]:<8}[/] {last[1]}", soft_wrap=True)

        def on_progress(progress: Progress) -> None:
            nonlocal last
            if progress.message.startswith(_NOTE):
                remark = escape(_rung_text(progress) + printable(progress.message))
                console.print(f"[green]{escape(printable(progress.stage)):<8}[/] {remark}", soft_wrap=True)
                return
            heading = (escape(printable(progress.stage)), escape(_rung_text(progress) + printable(progress.message)))
            if heading != last:
                finish()
                last = heading
                bar.reset(task, total=progress.total, description=heading[1], stage=heading[0], left="")
            seconds = estimate.seconds_left(progress)
            remark = "" if seconds is None else _left_text(seconds, resumes=resumes and _is_long(seconds))
            bar.update(task, completed=progress.done or 0, total=progress.total, left=remark)

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
    return f"{progress.done:,} of {progress.total:,}" if progress.total else f"{progress.done:,}"


def _rung_text(progress: Progress) -> str:
    return f"rung {progress.rung} of {progress.rungs}: " if progress.rung is not None else ""


def _is_long(seconds: float | None) -> bool:
    return seconds is not None and seconds > _LONG_SECONDS


def _left_text(seconds: float, *, resumes: bool) -> str:
    """Say about how long work still takes; nothing where it is as good as done."""
    if seconds < 1:
        return ""
    if seconds < 90:
        text = f"about {seconds:.0f} s left"
    elif seconds < 5400:
        text = f"about {seconds / 60:.0f} min left"
    else:
        text = f"about {seconds / 3600:.1f} h left"
    return f"{text}; Ctrl-C keeps what is done" if resumes else text
