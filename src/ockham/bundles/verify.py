"""Check a run or a bundle against what was written down about it: named checks, each of which holds or does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ockham import machine, store
from ockham.errors import BundleError, ConfigError, OckhamError, RunError
from ockham.ladder.run_facts import FACTS, read_facts
from ockham.ladder.run_folder import ACCOUNT, bundle_of, load_result
from ockham.printable import printable
from ockham.records import RunResult, Verdict
from ockham.records.curation import CurationReport
from ockham.sealed import evidence
from ockham.sealed.policy import UNSEALED
from ockham.store import go_record
from ockham.version import __version__

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_FIX = "create it again with `ockham fit`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was checked, whether it holds, and what was seen."""

    name: str
    """What was checked."""
    ok: bool
    """Whether it holds."""
    detail: str
    """What was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was checked of a run or a bundle; ``ok`` where every check holds.

    ``digest`` names the bundle with all its files ("sha256:…"); ``None`` where a run has none.
    """

    path: str
    """What was checked."""
    kind: Literal["run", "bundle"]
    """A run or a bundle."""
    digest: str | None
    """Digest of the bundle; null where a run has none."""
    ok: bool
    """Whether every check holds."""
    checks: tuple[Check, ...]
    """The checks, in order."""


def verify(path: str | Path, *, digest: str | None = None) -> Verification:
    """Check every file of a bundle against its list; in a run, the list against the verdict, and all that was sealed.

    ``digest`` is what the bundle's should be, as ``ockham fit`` printed it ("sha256:…"): a list that was swapped along
    with the files shows by nothing else. A check that does not hold is no error. Of a run that has not come to a
    verdict, and of a curation, its evidence is checked, and the files that a curation wrote. Raises `BundleError` and
    `RunError` where there is neither a bundle nor a run, `ConfigError` (``E_CONFIG``) for a digest that is none.
    """
    path = Path(path)
    expected = None if digest is None else _digest(digest)
    if (path / "run.json").exists() and not (path / ACCOUNT).exists():
        checks = [*_results_so_far(path), *_evidence_checks(path)]
        return _verification(path, "run", None, [*checks, *([] if expected is None else [_no_bundle()])])
    result = load_result(path) if (path / "run.json").exists() else None
    verdict = result.verdict if result else None
    try:
        seen = store.bundle_digest(bundle_of(path))
    except BundleError:
        if verdict is None:
            raise
        seen = None  # a run that chose nothing has no bundle; of another, the check says so
    checks = [] if verdict and seen is None and verdict.chosen is None else [_check("bundle", lambda: _bundle(path))]
    if result is not None:
        checks += _run_checks(path, result, seen)
    if expected is not None:
        checks.append(_check("digest", lambda: _same(expected, seen)))
    return _verification(path, "bundle" if verdict is None else "run", seen, checks)


def _verification(
    path: Path, kind: Literal["run", "bundle"], digest: str | None, checks: Sequence[Check]
) -> Verification:
    good = all(check.ok for check in checks)
    return Verification(path=str(path), kind=kind, digest=digest, ok=good, checks=tuple(checks))


def _run_checks(run: Path, result: RunResult, seen: str | None) -> Iterator[Check]:
    """Check what a run wrote down. More evidence of a run is one more line here."""
    verdict = result.verdict
    if seen is not None or verdict.chosen is not None:
        yield _check("record", lambda: _recorded_digest(verdict, seen))
        yield _check("candidate", lambda: _candidate(run, verdict))
    yield _check("verdict", lambda: _verdict(run, verdict))
    yield _check("facts", lambda: _facts(run, result))
    yield _check("artifacts", lambda: _artifacts(run))
    yield from _evidence_checks(run, verdict.sealed)


def _evidence_checks(run: Path, label: str = "") -> Iterator[Check]:
    """Check what a run says of its protection; one whose label claims none needs no evidence."""
    data = go_record.evidence_of(machine.state(), run)
    if label.startswith(UNSEALED) and data is None:
        yield Check(name="evidence", ok=True, detail=f"there is none, and the verdict claims none ({label})")
        return
    for name, ok, detail in evidence.check_evidence(run, data):
        yield Check(name=name, ok=ok, detail=detail)


def _results_so_far(run: Path) -> Iterator[Check]:
    """Check what a run without a verdict has come to: a curation its files, any other nothing yet."""
    if store.identity_of(run).get("verb") == "curate":
        yield _check("files", lambda: _curated_files(run))
    else:
        yield Check(name="verdict", ok=False, detail="the run has not come to one")


def _curated_files(run: Path) -> str:
    try:
        report = store.decode((run / "report.json").read_bytes(), CurationReport)
    except OSError:
        raise RunError(
            "E_RUN_MISSING",
            "the curation is not finished",
            fix="run the same `ockham curate` command again to resume it",
        ) from None
    for shard in report.shards:
        try:
            whole = store.file_digest(run / shard.path) == shard.sha256
        except OSError:
            whole = False
        if not whole:
            raise RunError(
                "E_RUN_CHANGED", f"{printable(Path(shard.path))} differs from the entry in report.json", fix=_FIX
            )
    return f"{len(report.shards):,} file{'' if len(report.shards) == 1 else 's'}, as report.json lists them"


def _no_bundle() -> Check:
    return Check(name="digest", ok=False, detail="there is no bundle")


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, detail=look())
    except OckhamError as error:
        return Check(name=name, ok=False, detail=error.message)


def _bundle(path: Path) -> str:
    files = len(store.read_bundle(bundle_of(path)).files)
    return f"{files:,} file{'' if files == 1 else 's'}, as bundle.json lists them"


def _recorded_digest(verdict: Verdict, seen: str | None) -> str:
    if verdict.bundle is None:
        raise BundleError(
            "E_BUNDLE", "the verdict chose no candidate, so this bundle does not belong to the run", fix=_FIX
        )
    if seen != verdict.bundle:
        raise BundleError("E_BUNDLE", "bundle.json is not the one that the verdict recorded", fix=_FIX)
    return "bundle.json is the one that the verdict recorded"


def _candidate(run: Path, verdict: Verdict) -> str:
    manifest = store.read_bundle(bundle_of(run))
    if manifest.candidate.name != verdict.chosen or manifest.dataset != verdict.dataset.digest:
        message = "the bundle holds another candidate than the verdict chose, or was made from other rows"
        raise BundleError("E_BUNDLE", message, fix=_FIX)
    return f"{verdict.chosen}, which the verdict chose, from the same rows"


def _verdict(run: Path, verdict: Verdict) -> str:
    try:
        published = store.decode((run / "verdict.json").read_bytes(), Verdict)
    except OSError:
        raise RunError("E_RUN_MISSING", "verdict.json is missing", fix=_FIX) from None
    if published != verdict:
        raise RunError("E_RUN_CHANGED", "verdict.json and account.json contradict each other", fix=_FIX)
    return "verdict.json says what account.json says"


def _facts(run: Path, result: RunResult) -> str:
    """Compare what ``ockham serve`` shows of the candidates with what the account says of them."""
    from ockham.ladder.candidate_facts import candidate_facts

    found = read_facts(run)
    if found is None:
        return f"there is no {FACTS}, so `ockham serve` reads {ACCOUNT}"
    if result.verdict.ockham != __version__:
        return f"{FACTS} was written by version {printable(result.verdict.ockham)}, which may word it in another way"
    if found != candidate_facts(result):
        raise RunError("E_RUN_CHANGED", f"{FACTS} and {ACCOUNT} contradict each other", fix=_FIX)
    return f"{FACTS} says what {ACCOUNT} says"


def _artifacts(run: Path) -> str:
    folders = sorted(path for path in (run / "artifacts").glob("*/*") if path.is_dir())
    for folder in folders:
        store.verify_folder(folder)
    return f"{len(folders):,} sealed folder{'' if len(folders) == 1 else 's'}, whole"


def _same(expected: str, seen: str | None) -> str:
    if seen != expected:
        raise BundleError("E_BUNDLE", "the bundle's digest is not the one you gave", fix=_FIX)
    return "the bundle has the digest given"


def _digest(text: str) -> str:
    match = _DIGEST.fullmatch(text.strip().lower())
    if match is None:
        raise ConfigError(
            "E_CONFIG", "--digest is not a SHA-256 digest", fix="copy it as `ockham fit` printed it: sha256:…"
        )
    return f"sha256:{match[1]}"
