"""Folders that lie on another machine: what is written there leaves this one, whatever its walls are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "glusterfs", "fuse.sshfs"}
_REMOTE |= {
    "fuse.s3fs",
    "fuse.gcsfuse",
    "fuse.rclone",
    "fuse.glusterfs",
    "fuse.ceph",
    "fuse.goofys",
    "davfs",
    "orangefs",
}


def remote(paths: tuple[str, ...], mounts: str | None = None) -> list[str]:
    """List the paths that lie on another machine, by the kinds of file system in /proc/self/mountinfo (proc(5))."""
    try:
        text = Path("/proc/self/mountinfo").read_text("utf-8", "replace") if mounts is None else mounts
    except OSError:
        return []
    kinds = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kinds[before.split()[4].replace("\\040", " ")] = after.split()[0]
    return [path for path in paths if _kind(os.path.realpath(path), kinds) in _REMOTE]


def _kind(path: str, kinds: Mapping[str, str]) -> str:
    parents = [path, *map(str, Path(path).parents)]
    return next((kinds[parent] for parent in parents if parent in kinds), "")
