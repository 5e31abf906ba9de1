"""A server of small bundles in a process of its own, as a user starts it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ockham import store
from ockham.models import fake, linear
from ockham.records import Candidate, Example, Manifest

KEY = "test-key-of-the-server"
MAILS = {
    "billing": ("invoice refund charged twice", "the card was charged", "a refund of the invoice please"),
    "delivery": ("where is my parcel", "the courier came late", "the depot has the wrong address"),
    "defect": ("the pump is broken", "it leaks and makes noise", "an error at every start"),
}


def examples(labels: Sequence[str] = tuple(MAILS)) -> list[Example]:
    """Return a few mails for each label."""
    rows = [(text, label) for label in labels for text in MAILS.get(label, (f"text of {label}", f"more of {label}"))]
    return [Example(id=str(number), input=text, target=label) for number, (text, label) in enumerate(rows)]


def seal(
    folder: Path, kind: str, labels: Sequence[str], task: str = "classify", inputs: Sequence[str] = ("text",)
) -> Path:
    """Make a folder with the files of a model a bundle."""
    candidate = Candidate(name=kind, rung=2, kind=kind)
    manifest = Manifest(
        format=1,
        ockham="0",
        task=task,  # type: ignore[arg-type]
        kind=kind,
        candidate=candidate,
        labels=tuple(sorted(labels)),
        inputs=tuple(inputs),
        target="label",
        dataset="",
        files={},
    )
    store.seal_bundle(folder, manifest)
    return folder


def linear_bundle(folder: Path, labels: Sequence[str] = tuple(MAILS), inputs: Sequence[str] = ("text",)) -> Path:
    """Write a bundle with a linear model of a few mails."""
    folder.mkdir(parents=True)
    rows = examples(labels)
    linear.fit(rows, (), folder, metric=lambda truth, answers: float(truth == list(answers)), seed=0)
    return seal(folder, "linear", labels, inputs=inputs)


def fake_bundle(folder: Path, answers: dict[str, str], task: str = "generate") -> Path:
    """Write a bundle that knows some answers by heart."""
    folder.mkdir(parents=True)
    rows = [Example(id=text, input=text, target=answer) for text, answer in answers.items()]
    fake.fit(rows, folder)
    return seal(folder, "fake", sorted(set(answers.values())) if task == "classify" else (), task=task)


@dataclass(slots=True)
class Served:
    """A running server: its address, its process, and what it has said so far."""

    address: str
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a client that has the key."""
        return {"authorization": f"Bearer {KEY}"}


@contextlib.contextmanager
def serve(*words: str | Path, **more: str) -> Iterator[Served]:
    """Start ``ockham serve`` with these words on a free port; it is ended as a user ends it."""
    command = [sys.executable, "-m", "ockham", "serve", *map(str, words), "--port", "0"]
    environment = {**os.environ, "OCKHAM_API_KEY": KEY, **more}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)
    said: list[str] = []
    try:
        address = None
        for line in process.stderr or ():
            said.append(line)
            address = re.search(r"https?://\S+:\d+", line)
            if address:
                break
        assert address, "".join(said)
        served = Served(address[0], process, said)
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
        reader.start()
        yield served
        process.send_signal(signal.SIGINT)
        process.wait(40)
        reader.join(5)
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


__all__ = ["KEY", "MAILS", "Served", "examples", "fake_bundle", "linear_bundle", "seal", "serve"]
