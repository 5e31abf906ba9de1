"""What is exported: a bundle, and what the run that made it knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ockham import catalog, store
from ockham.catalog import Architecture
from ockham.errors import ConfigError
from ockham.ladder.run_folder import ACCOUNT, bundle_of, load_result
from ockham.models.backend import load_model
from ockham.records import Answer, Manifest, Report, RunResult

PLAIN_TEXT = "where is my order?"
"""What a model is tried on where no test row is at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSource:
    """A bundle's folder and manifest; ``result`` is that of its run, where the run is at hand."""

    folder: Path
    manifest: Manifest
    result: RunResult | None

    @property
    def name(self) -> str:
        """The candidate's name."""
        return self.manifest.candidate.name

    @property
    def report(self) -> Report | None:
        """How the candidate was measured on the test rows, where that is known."""
        reports = () if self.result is None else self.result.reports
        return next((report for report in reports if report.candidate == self.manifest.candidate), None)

    @property
    def base(self) -> str | None:
        """The name of the model that it was made from; ``None`` for one that was made from the rows alone."""
        settings = self.manifest.candidate.settings
        base = settings.get("encoder", settings.get("model"))
        return None if base is None else str(base)

    def test_text(self) -> str:
        """Return the text of a test row that the candidate answered right, or one that anybody may have written."""
        report = self.report
        if report is None or self.result is None:
            return PLAIN_TEXT
        for score in sorted(report.scores, key=lambda score: not score.value):
            row = self.result.examples.get(score.example)
            if row is not None and score.answer is not None and row.input.isprintable():
                return row.input
        return PLAIN_TEXT

    def answer(self, text: str) -> Answer:
        """Answer a text with the bundle itself. Raises `ModelError`."""
        return load_model(self.manifest.kind, self.folder).answer([text])[0]


def open_source(path: Path, rung: str | None) -> ExportSource:
    """Open a bundle, or a run, whose chosen candidate is taken, or the one that ``rung`` names.

    Raises `BundleError` for a folder that is not a whole bundle, `RunError` where a run has no such candidate.
    """
    folder = bundle_of(path, rung)
    run = path if (path / "run.json").exists() else path.resolve().parent
    result = load_result(run) if (run / "run.json").exists() and (run / ACCOUNT).exists() else None
    return ExportSource(folder=folder, manifest=store.read_bundle(folder), result=result)


def base_in_catalogue(name: str | None) -> Architecture | None:
    """Return what the catalogue knows of a base model, or ``None``."""
    if name is None:
        return None
    try:
        return catalog.find_architecture(name)
    except ConfigError:
        return None
