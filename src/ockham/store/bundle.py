"""Folders that can be checked: every file has a digest written down, and nothing else is inside.

A sealed artifact carries ``MANIFEST.json``, written by the store; a bundle carries ``bundle.json``, the `Manifest` that
travels with it. Digests are SHA-256, or XXH3 (written as ``xxh3:…``) for what is needed on the way alone: that finds
what a disk has damaged as well, in a tenth of the time.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ockham.errors import BundleError, Defect, RunError
from ockham.printable import printable
from ockham.records import Manifest
from ockham.store.atomic import disk, save_bytes, walk
from ockham.store.codec import SCHEMA, decode, encode
from ockham.store.file_identity import file_identity

BUNDLE = "bundle.json"
SEAL = "MANIFEST.json"
_LIST_LIMIT = 64 << 20
_CHUNK = 1 << 20
_QUICK = "xxh3:"
_FIX = "copy the bundle again from where it was made, or make it again"


def file_digest(path: Path, *, quick: bool = False) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal, or its quick digest. Raises `OSError`."""
    digest = _quick() if quick else hashlib.sha256()
    room = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as reader:
        while size := reader.readinto(room):
            digest.update(room[:size])
    return (_QUICK if quick else "") + digest.hexdigest()


def remembered_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read once in this process while the file stays as it is. Raises `OSError`."""
    identity = file_identity(path)
    return file_digest(path) if identity is None else _remember_digest(path, identity)


@functools.lru_cache(maxsize=256)
def _remember_digest(path: Path, identity: tuple[int, ...]) -> str:  # noqa: ARG001 - it tells files apart
    return file_digest(path)


def _quick() -> Any:  # noqa: ANN401 - a hash of a package that is not always there
    import xxhash

    return xxhash.xxh3_128()


def seal_bundle(folder: Path, manifest: Manifest) -> Manifest:
    """Write down the SHA-256 of every file of a folder, which thereby becomes a bundle; give the complete manifest.

    ``manifest.files`` is replaced. Raises `Defect` for links and other things that are not plain files, `StoreError`
    (``E_DISK``) when the disk refuses.
    """
    with disk(folder, "reading the files of a bundle"):
        files = {name: file_digest(folder / name) for name in _own_files(folder, besides=(BUNDLE, SEAL))}
    sealed = dataclasses.replace(manifest, files=files)
    save_bytes(folder / BUNDLE, encode(sealed) + b"\n")
    return sealed


def read_bundle(folder: Path) -> Manifest:
    """Read a bundle's manifest after checking every file of it.

    Raises `BundleError` (``E_BUNDLE``) that names the first file that is missing, changed, extra, a link, or placed
    outside the folder, or for a candidate of another kind than the bundle's.
    """
    manifest = read_manifest(folder)
    _check(folder, manifest.files, besides=(BUNDLE, SEAL))
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest alone, to know what it is; whoever loads it must `read_bundle`.

    Raises `BundleError` (``E_BUNDLE``) where it cannot be read, or names a candidate of another kind than the bundle's.
    """
    data = _read_list(folder, BUNDLE)
    try:
        manifest = decode(data, Manifest)
    except RunError as error:
        raise BundleError(
            "E_BUNDLE", f"{printable(folder / BUNDLE)} cannot be read: {error.message}", fix=_FIX
        ) from None
    if manifest.format != SCHEMA:
        message = f"{printable(folder / BUNDLE)} has format {manifest.format}; this version reads format {SCHEMA}"
        raise BundleError("E_BUNDLE", message, fix="use the version of ockham that wrote the bundle, or a newer one")
    if manifest.candidate.kind != manifest.kind:
        raise _wrong(folder / BUNDLE, "names a candidate of another kind than its own")
    return manifest


def bundle_digest(folder: Path) -> str:
    """Return the SHA-256 of a bundle's manifest ("sha256:…"), which names the bundle with all files that it lists.

    Raises `BundleError` (``E_BUNDLE``) where there is no manifest.
    """
    return f"sha256:{hashlib.sha256(_read_list(folder, BUNDLE)).hexdigest()}"


def write_seal(folder: Path, kind: str, key: str, *, lasting: bool = True) -> None:
    """Write the list of a folder's files, with their digests, as its last file.

    What is not ``lasting`` gets quick digests, and its list is not forced to the disk.
    """
    files = {name: file_digest(folder / name, quick=not lasting) for name in _own_files(folder, besides=(SEAL,))}
    data = encode({"schema": SCHEMA, "kind": kind, "key": key, "files": files}) + b"\n"
    if lasting:
        save_bytes(folder / SEAL, data)
    else:
        (folder / SEAL).write_bytes(data)


def check_seal(folder: Path, kind: str, key: str) -> None:
    """Check a sealed artifact against its list. Raises `BundleError` (``E_BUNDLE``)."""
    sealed = _read_seal(folder)
    if sealed.get("schema") != SCHEMA or sealed.get("kind") != kind or sealed.get("key") != key:
        raise _wrong(folder / SEAL, "belongs to another artifact or version")
    _check(folder, _digests(folder, sealed), besides=(SEAL,))


def verify_folder(folder: Path) -> None:
    """Check every file of a bundle or a sealed artifact, wherever it was moved.

    Raises `BundleError` (``E_BUNDLE``) that names the first file whose content is wrong, missing or extra.
    """
    bundle = (folder / BUNDLE).exists()
    if bundle:
        read_bundle(folder)
    if not bundle or (folder / SEAL).exists():
        _check(folder, _digests(folder, _read_seal(folder)), besides=(SEAL,))


def _own_files(folder: Path, *, besides: tuple[str, ...]) -> list[str]:
    plain, strange = _walk(folder)
    if strange:
        raise Defect("E_DEFECT", f"{printable(folder / strange[0])} is not a plain file", fix="please report this")
    return [name for name in plain if name not in besides]


def _walk(folder: Path) -> tuple[list[str], list[str]]:
    """List the plain files below a folder, and what is neither file nor folder, both sorted, as paths with slashes."""
    plain: list[str] = []
    strange: list[str] = []
    for root, folders, files in walk(folder):
        for name in [*folders, *files]:
            path = root / name
            mode = os.lstat(path).st_mode
            relative = path.relative_to(folder).as_posix()
            if stat.S_ISREG(mode):
                plain.append(relative)
            elif not stat.S_ISDIR(mode):
                strange.append(relative)
    return sorted(plain), sorted(strange)


def _check(folder: Path, files: Mapping[str, str], *, besides: tuple[str, ...]) -> None:
    for name in sorted(files):
        pure = PurePosixPath(name)
        if not name or "\0" in name or "\\" in name or pure.is_absolute() or ".." in pure.parts or str(pure) != name:
            raise _wrong(folder / besides[0], f"lists a file outside the folder ({name!a})")
    try:
        plain, strange = _walk(folder)
        if strange:
            raise _wrong(folder / strange[0], "is a link or a device, not a plain file")
        for name in sorted({*plain, *files} - {*besides}):
            if name not in files:
                raise _wrong(folder / name, "is not part of it")
            if name not in plain:
                raise _wrong(folder / name, "is missing")
            path, is_quick = folder / name, files[name].startswith(_QUICK)
            if files[name] != (file_digest(path, quick=True) if is_quick else remembered_digest(path)):
                raise _wrong(folder / name, "was changed (its digest is not the one written down)")
    except OSError as error:
        raise _wrong(folder, f"cannot be read: {os.strerror(error.errno or 0)}") from error


def _read_list(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if not folder.is_dir():
            raise BundleError("E_BUNDLE", f"{printable(folder)} is not a folder", fix="name the folder of a bundle")
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise _wrong(path, "is not a plain file")
        with path.open("rb") as reader:
            data = reader.read(_LIST_LIMIT + 1)
    except FileNotFoundError:
        message = f"{printable(folder)} is not a bundle: it has no {name}"
        raise BundleError("E_BUNDLE", message, fix="name the folder of a bundle, such as RUN/bundle") from None
    except OSError as error:
        raise _wrong(path, f"cannot be read: {os.strerror(error.errno or 0)}") from error
    if len(data) > _LIST_LIMIT:
        raise _wrong(path, "is too large to be a list of files")
    return data


def _read_seal(folder: Path) -> dict[str, object]:
    try:
        sealed = json.loads(_read_list(folder, SEAL))
    except (ValueError, RecursionError):
        raise _wrong(folder / SEAL, "is not whole") from None
    if not isinstance(sealed, dict):
        raise _wrong(folder / SEAL, "is not whole")
    return sealed


def _digests(folder: Path, sealed: Mapping[str, object]) -> dict[str, str]:
    files = sealed.get("files")
    if not isinstance(files, dict):
        raise _wrong(folder / SEAL, "is not whole")
    return {str(name): str(digest) for name, digest in files.items()}


def _wrong(path: Path, what: str) -> BundleError:
    return BundleError("E_BUNDLE", f"{printable(path)} {what}", fix=_FIX)
