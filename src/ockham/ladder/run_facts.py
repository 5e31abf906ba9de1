"""The facts of a run's candidates as they are written down (``facts.json``), and read again with every type checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ockham import store
from ockham.errors import RunError

FACTS = "facts.json"
"""What is told of each candidate where it is served; see `ockham.ladder.candidate_facts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured number as it is shown: what it is, the value, and its interval."""

    title: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A wrong answer: the id of its row, the answer (``None``: no valid one), and its confidence in [0, 1]."""

    row: str
    answer: str | None
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFacts:
    """A candidate: the verdict on it (of the chosen one), its figures, what it costs, its most confident mistakes."""

    because: str | None
    figures: tuple[Figure, ...]
    cost: str | None
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowText:
    """The input and the right answer of a test row."""

    input: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The candidates by `ockham.ladder.run_folder.candidate_key`, and by id the rows that they were wrong about."""

    candidates: Mapping[str, CandidateFacts]
    rows: Mapping[str, RowText]


def encode_facts(facts: RunFacts) -> bytes:
    """Return the facts as they are written down: JSON in UTF-8, equal facts in equal bytes."""
    return store.encode(facts) + b"\n"


def decode_facts(data: bytes) -> RunFacts:
    """Return facts that were written down. Raises `RunError` (``E_RUN_CHANGED``) where they are not whole."""
    facts = store.decode(data, RunFacts)
    if {mistake.row for own in facts.candidates.values() for mistake in own.mistakes} != facts.rows.keys():
        raise RunError("E_RUN_CHANGED", f"the rows of {FACTS} are not those of its mistakes", fix="verify the run")
    return facts


def read_facts(run: Path) -> RunFacts | None:
    """Return the facts of a run's candidates; ``None`` where the run wrote none down.

    Raises `RunError` (``E_RUN_CHANGED``) for a file that cannot be read, or is not as a run writes it.
    """
    try:
        data = (run / FACTS).read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        raise RunError("E_RUN_CHANGED", f"{FACTS} cannot be read", fix="verify the run") from None
    return decode_facts(data)
