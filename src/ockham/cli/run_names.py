"""Names of runs, bundles and files on the command line: there, or the nearest that is, before anything is loaded."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import click

from ockham.errors import DataError, RunError
from ockham.printable import printable

RUNS = "runs"
"""The folder where `ockham fit` keeps its runs."""
_CLOSE = 0.6


def check(path: Path) -> None:
    """Refuse a run or bundle that is not there, and name the nearest one.

    Raises `RunError` (``E_RUN_MISSING``).
    """
    if not _exists(path):
        raise _absent(path, "run or bundle", _runs_near(path))


def check_run_or_model(path: Path) -> None:
    """Refuse what is no run, bundle, folder or file that is there, and no model that is known by name.

    Raises `RunError` (``E_RUN_MISSING``), which names the nearest one, and `ModelError` (``E_MODEL_MISSING``) for an id
    of the hub that is not on this machine, with the command that fetches it.
    """
    from ockham.llm import hub, model_names

    if _exists(path) or model_names.is_here(str(path)) or hub.is_cached(str(path)):
        return
    if path.parent != Path(RUNS):
        model_names.check_fetched(str(path))
    folders: list[Path] = []
    with suppress(OSError, ValueError):
        folders = sorted(entry for entry in path.parent.iterdir() if entry.is_dir() or entry.suffix == ".gguf")
    raise _absent(path, "run, bundle or model", _runs_near(path), folders)


def check_models(names: object) -> None:
    """Refuse names of models that lead nowhere: one setting, with commas between them, or a list of them.

    Raises `ModelError` (``E_MODEL_MISSING``), which names the nearest ones.
    """
    from ockham.llm import model_names

    words = names if isinstance(names, (list, tuple)) else str(names or "").split(",")
    for word in words:
        if isinstance(word, str) and word.strip():
            model_names.check_name(word.strip())


def complete_candidates(context: click.Context, _option: object, begun: str) -> list[str]:
    """Return the candidates of the runs on the command line that a shell may complete a name to."""
    names: list[str] = []
    for place in context.args:  # where an option has no value yet, click leaves the arguments there
        with suppress(OSError, ValueError, KeyError, TypeError):
            verdict = json.loads((Path(place.rpartition("=")[2]) / "verdict.json").read_bytes())
            measured = [entry for entry in verdict["candidates"] if entry["status"] == "measured"]
            names += [str(entry["name"]) for entry in measured]
    return [name for name in dict.fromkeys(names) if name.startswith(begun)]


def _absent(path: Path, what: str, runs: Sequence[Path], others: Sequence[Path] = ()) -> RunError:
    near = _nearest(path, [*others, *runs])
    if near is not None:
        fix = f"did you mean {printable(near)}?"
    elif runs:
        fix = f"the runs here are {', '.join(printable(name) for name in runs[:10])}"
    else:
        fix = "create a run first: ockham fit DATA"
    return RunError("E_RUN_MISSING", f"there is no {what} {printable(path)}", fix=fix)


def _exists(path: Path) -> bool:
    with suppress(OSError, ValueError):
        return path.exists()
    return False


def check_data(name: str) -> None:
    """Refuse a file of rows that is not there, and name the nearest one in its folder.

    Raises `DataError` (``E_IO``).
    """
    path = Path(name)
    with suppress(OSError, ValueError):
        if path.exists() or path.is_symlink():
            return
    names: list[Path] = []
    with suppress(OSError, ValueError):
        names = sorted(entry for entry in path.parent.iterdir() if not entry.name.startswith("."))
    near = _nearest(path, names)
    fix = "check the path" if near is None else f"did you mean {printable(near)}?"
    raise DataError("E_IO", f"{printable(path)} cannot be opened: No such file or directory", fix=fix)


def _runs_near(path: Path) -> list[Path]:
    """List the runs and bundles in the folder that was named, and in runs/."""
    runs: list[Path] = []
    for folder in dict.fromkeys((path.parent, Path(RUNS))):
        with suppress(OSError, ValueError):
            runs += sorted(entry for entry in folder.iterdir() if _is_run(entry))
    return runs


def _is_run(path: Path) -> bool:
    return (path / "run.json").exists() or (path / "bundle.json").exists()


def _nearest(path: Path, names: Iterable[Path]) -> Path | None:
    by_name = {entry.name: entry for entry in names}
    near = difflib.get_close_matches(path.name, by_name, n=1, cutoff=_CLOSE)
    return by_name[near[0]] if near else None
