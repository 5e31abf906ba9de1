"""A package of somebody else's, as pip would leave it: one file, and the facts that name its entry points."""

from __future__ import annotations

from pathlib import Path

SHOUTING = """
from dataclasses import dataclass, field

REASONS = ("capitals",)


@dataclass(frozen=True, kw_only=True)
class Spec:
    most: float = field(default=0.5, metadata={"min": 0, "max": 1})
    spare: tuple[str, ...] = ()


def load(spec):
    def judge(records):
        return ["capitals" if shouts(record, spec) else None for record in records]

    return judge


def shouts(record, spec):
    letters = [letter for letter in record.text if letter.isalpha()]
    loud = sum(letter.isupper() for letter in letters) > spec.most * max(1, len(letters))
    return loud and record.cells.get("source") not in spec.spare
"""

OVERLAP = """
from dataclasses import dataclass

TITLE = "shared letters"


@dataclass(frozen=True, kw_only=True)
class Spec:
    case: bool = False


def load(spec):
    def score(targets, answers):
        return [overlap(*(text if spec.case else text.lower() for text in pair)) for pair in zip(targets, answers)]

    return score


def overlap(target, answer):
    letters = set(target) | set(answer)
    return len(set(target) & set(answer)) / len(letters) if letters else 1.0
"""


def write_package(site: Path, group: str, name: str, code: str, *, version: str = "1.0", word: str = "acme") -> Path:
    """Write a package of one plug into a folder that is to stand on the path; the module's name is its own."""
    module = f"{word}_{name}"
    facts = site / f"{module}-{version}.dist-info"
    facts.mkdir(parents=True, exist_ok=True)
    (site / f"{module}.py").write_text(code, encoding="utf-8")
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {word}-{name}\nVersion: {version}\n")
    (facts / "entry_points.txt").write_text(f"[ockham.{group}]\n{name} = {module}\n")
    return site
