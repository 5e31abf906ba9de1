"""Find what a finished run left in its folder: the result, the report, the bundles."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path

from ockham import machine, store
from ockham.errors import BundleError, RunError, StoreError
from ockham.printable import printable
from ockham.records import Candidate, RunResult, digest
from ockham.store import go_record

ACCOUNT = "account.json"
_USUAL_STEMS = frozenset({
    "all", "data", "dataset", "examples", "export", "input", "labeled", "labelled", "labels", "rows", "samples",
    "train", "training",
})  # fmt: skip
"""What files are called that tell nothing of their data."""


def load_result(run: str | Path) -> RunResult:
    """Return everything that a finished run found out. Raises `RunError` (``E_RUN_MISSING``) where there is none."""
    run = Path(run)
    store.identity_of(run)
    try:
        data = (run / ACCOUNT).read_bytes()
    except OSError:
        message = f"{printable(run)} has no verdict yet"
        raise RunError("E_RUN_MISSING", message, fix="resume the run with the same ockham fit command") from None
    return store.decode(data, RunResult)


def candidate_key(candidate: Candidate) -> str:
    """Return what a candidate's facts are found by: its name, and all the settings that it was built with, as one."""
    return digest(candidate)


def write_report(run: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a finished run again, into the run or the file ``out``, and return its path.

    What later goes at the run sent to endpoints, killed ones included, is counted in it.
    """
    from ockham.reporting import render

    run = Path(run)
    page = render(_with_later_goes(load_result(run), run)).encode()
    if out is not None:
        store.save_bytes(Path(out), page)
        return Path(out)
    try:
        with store.open_run(run, store.identity_of(run), create=False) as opened:
            return opened.publish("report.html", page)
    except StoreError as error:
        fix = f"{error.fix}; to write the page elsewhere: ockham report RUN --out FILE"
        raise StoreError(error.code, error.message, fix=fix) from None


def write_tables(run: str | Path, folder: Path) -> tuple[Path, ...]:
    """Write the wrong answers and the labels in doubt of a finished run as CSV into ``folder``; return their paths."""
    from ockham.reporting import saved_tables

    paths = []
    for name, data in saved_tables.tables(load_result(run)).items():
        store.save_bytes(folder / name, data)
        paths.append(folder / name)
    return tuple(paths)


def _with_later_goes(result: RunResult, run: Path) -> RunResult:
    """Return a result whose label counts what the evidence lists; a go that was killed came to no verdict."""
    from ockham.sealed import evidence

    data = go_record.evidence_of(machine.state(), run)
    label = result.verdict.sealed if data is None else evidence.widen_label(result.verdict.sealed, data)
    return replace(result, verdict=replace(result.verdict, sealed=label))


def bundle_of(path: Path, rung: str | None = None) -> Path:
    """Find the bundle: the folder itself, or in a run the one that was chosen, or that of a candidate by its name.

    Raises `RunError` (``E_RUN_MISSING``) where the run has no such candidate or no verdict yet, and `BundleError`
    (``E_BUNDLE``) where its verdict chose none.
    """
    if not (path / "run.json").exists():
        return path
    if rung is None:
        if not (path / "bundle").exists() and load_result(path).verdict.chosen is None:
            message = f"{printable(path)} has no model to use: its verdict chose no candidate"
            fix = "ockham report RUN --open shows why; change the requirements or the data, and run ockham fit again"
            raise BundleError("E_BUNDLE", message, fix=fix)
        return path / "bundle"
    candidates = [report.candidate for report in load_result(path).reports if report.candidate.name == rung]
    for folder in sorted((path / "artifacts" / "bundle").glob("*")):
        if candidates and store.read_bundle(folder).candidate == candidates[0]:
            return folder
    names = ", ".join(report.candidate.name for report in load_result(path).reports)
    message = f"{printable(path)} has no candidate {rung!a}"
    raise RunError("E_RUN_MISSING", message, fix=f"choose from {names}")


def run_name(source: object, name: str) -> str:
    """Name a run after its data: the file's stem, or the folder's name where that is what tells data sets apart.

    ``name`` is that of the first file. A folder names its run, and so does the folder of a file called ``data.csv``.
    """
    stem = Path(name).stem or "run"
    if not isinstance(source, (str, PathLike)):
        return stem
    path = Path(source)
    if path.is_dir():
        return path.resolve().name or stem
    return path.resolve().parent.name or stem if stem.casefold() in _USUAL_STEMS else stem
