"""What a run says while it works, and what a bundle says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ockham.records.dataset import TaskName
from ockham.records.evaluation import Candidate

DeviceName = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where long work stands: its stage, one line for a person, and how far it is (where that is known).

    ``rung`` and ``rungs`` say which rung of how many is being climbed.
    """

    stage: str
    message: str
    done: int | None = None
    total: int | None = None
    rung: int | None = None
    rungs: int | None = None


def ignore(progress: Progress) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle is: enough to load it, check it and know where it came from. Stored as ``bundle.json``."""

    format: int
    ockham: str
    task: TaskName
    kind: str
    candidate: Candidate
    labels: tuple[str, ...]
    inputs: tuple[str, ...]
    target: str
    dataset: str
    files: Mapping[str, str]
    """Relative path → SHA-256 of every file but ``bundle.json``."""
