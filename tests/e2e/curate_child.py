"""A process that curates for whoever asks, each time in a process of its own, and says what it is about to do.

A request is the folder to write into; the source, and a small one to load the kernels by, are named at the start.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fork_server import say, serve

from ockham.cli import output
from ockham.curation.curate import CurateSpec, Tell, curate
from ockham.records import Progress
from ockham.records.curation import CurationReport
from ockham.store import Run

SPEC = CurateSpec(steps=("html", "characters", "personal", "exact", "near"), personal="redact", shard_mb=1)


def main(source: str, small: str, out: str) -> None:
    """Answer requests, one after the other."""
    work(small, out)  # so that all that are forked have the kernels
    publish = Run.publish

    def publish_aloud(run: Run, name: str, data: bytes) -> Path:
        say(f"publish {name}")
        return publish(run, name, data)

    setattr(Run, "publish", publish_aloud)  # noqa: B010 - mypy would not let it be assigned
    serve(lambda folder: output.record(work(source, folder, on_progress)))


def on_progress(progress: Progress) -> None:
    say(f"{progress.stage} {progress.done}")


def work(source: str, out: str, tell: Tell | None = None) -> CurationReport:
    return curate(source, SPEC, out=out, chunk_mb=1, on_progress=tell).report


if __name__ == "__main__":
    main(*sys.argv[1:])
