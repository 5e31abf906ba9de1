"""This machine: what it is, what this process may use of it, what a process has used, and work on all its cores.

Everything is read from the operating system; nothing is asked over a network and no heavy library is imported. Limits
set by control groups count (cgroup v2 and v1), since a container is killed at its own limit, not at the machine's.
Memory is in gigabytes (10^9 bytes) and megabytes (10^6 bytes). ``root`` is where ``/proc`` and ``/sys`` are found.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, cast

from ockham.records import Machine

T = TypeVar("T")

PACKAGES = ("numpy", "onnxruntime", "scikit-learn", "torch", "transformers")
ROOT = Path("/")

# cgroup v1 writes "no limit" as the largest page-aligned number; anything of that size is no limit.
_UNLIMITED = 2**60


def describe(names: Iterable[str] = PACKAGES, root: Path = ROOT) -> Machine:
    """Describe the machine: system, processor, usable cores and memory, Python and the named packages that are here."""
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}".strip(),
        processor=processor(root),
        cores=cores(root),
        memory_gb=round(memory_gb(root), 2),
        python=platform.python_version(),
        packages=packages(names),
    )


def packages(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each named distribution, sorted by name; those not installed are left out."""
    versions = {name: _version(name) for name in sorted(set(names))}
    return {name: version for name, version in versions.items() if version is not None}


def cores(root: Path = ROOT) -> int:
    """Count the cores this process may use: its affinity, and its CPU quota rounded down, but at least 1.

    Rounded down because a thread beyond the quota is paused by the kernel in the middle of its work.
    """
    here = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    quotas = [quota for quota in _quotas(root) if quota > 0]
    return max(1, min([here, *(int(quota) for quota in quotas)]))


def cache() -> Path:
    """Return the user's folder for what can be made again; it may not be there yet."""
    named = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(named) if named else Path.home() / ".cache") / "ockham"


def state() -> Path:
    """Return the user's folder for records that cannot be made again (XDG base directories); it may not be there."""
    named = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(named) if named else Path.home() / ".local" / "state") / "ockham"


def run_parallel(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run jobs in threads, one core each, and give their results in order.

    Linear algebra is held to one core a job: many small products are faster apart than divided, and their results do
    not depend on the number of cores. Not for use within a job.
    """
    # Loaded before they are limited: only libraries that are there can be.
    import numpy as np  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(min(cores(), max(1, len(jobs)))) as pool:
        contexts = [copy_context() for _ in jobs]
        return list(pool.map(lambda job, context: context.run(job), jobs, contexts))


def memory_gb(root: Path = ROOT) -> float:
    """Return the memory this process may ever use, in GB: the machine's, or its control group's if less."""
    limits = [limit for limit, _ in _groups(root)]
    return min([_total(root), *limits]) / 1e9


def tune_malloc(*, own: int, trim: int) -> None:
    """Tell glibc from how many bytes on a buffer gets pages of its own, which go back to the system when it is freed.

    Of the heap's end, ``trim`` freed bytes stay with the process (malloc.h: M_MMAP_THRESHOLD and M_TRIM_THRESHOLD).
    Where the C library is another, nothing is done.
    """
    import ctypes

    setting = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if setting is not None:
        for name, value in ((-1, trim), (-3, own)):
            setting(name, value)


def trim_memory() -> None:
    """Hand what has been freed back to the system (malloc_trim), where the C library is glibc."""
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def available_memory_gb(root: Path = ROOT) -> float:
    """Return the memory this process can take now without swapping, in GB.

    On Linux ``MemAvailable``, or what is left under a control group's limit if that is less (page cache that the kernel
    would give back counts as free). Elsewhere the machine's whole memory, since it cannot be asked without a library.
    """
    free = _meminfo(root).get("MemAvailable")
    left = [max(0, limit - used) for limit, used in _groups(root)]
    return min([_total(root) if free is None else free, *left]) / 1e9


def peak_rss_mb(pid: int | str = "self", root: Path = ROOT) -> float | None:
    """Return the most resident memory a process has held since it began, in MB; ``None`` where it cannot be known.

    Linux says it for any process (``VmHWM``); elsewhere only for this one (``getrusage``).
    """
    status = _text(root / "proc" / str(pid) / "status")
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    if str(pid) not in {"self", str(os.getpid())} or sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) / 1e6


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def processor(root: Path = ROOT) -> str:
    """Return the processor's name as the system writes it, or its kind where the system does not say."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return platform.machine() or "unknown"


def _total(root: Path) -> int:
    total = _meminfo(root).get("MemTotal")
    if total is not None:
        return total
    # sysconf is typed as missing on Windows, where there is no such name to ask for either.
    sysconf = cast("Any", getattr(os, "sysconf", None))
    return int(sysconf("SC_PHYS_PAGES")) * int(sysconf("SC_PAGE_SIZE")) if sysconf else 0


def _meminfo(root: Path) -> dict[str, int]:
    """Read /proc/meminfo into bytes by name."""
    values: dict[str, int] = {}
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        parts = rest.split()
        if len(parts) == 2 and parts[0].isdigit():
            values[name] = int(parts[0]) * 1024
    return values


def _groups(root: Path) -> Iterator[tuple[int, int]]:
    """Return limit and use in bytes of every control group above this process that limits memory."""
    for folder in _folders(root, "memory"):
        for limit_file, used_file, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _text(folder / limit_file).strip()
            if limit.isdigit() and int(limit) < _UNLIMITED:
                used = int(_text(folder / used_file).strip() or 0)
                yield int(limit), max(0, used - _pairs(folder / "memory.stat").get(cache, 0))


def _quotas(root: Path) -> Iterator[float]:
    """Return the CPU quota, in cores, of every control group above this process that has one."""
    for folder in _folders(root, "cpu"):
        parts = _text(folder / "cpu.max").split()
        if len(parts) != 2:
            parts = [_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        if all(part.isdigit() and int(part) > 0 for part in parts):
            yield int(parts[0]) / int(parts[1])


def _folders(root: Path, controller: str) -> list[Path]:
    """List the control-group folders that bind this process, its own first, up to the mount's root.

    Inside a container the path in /proc/self/cgroup may be the host's and not exist here; its parents are then looked
    at, and the mount's root is the container's own group.
    """
    mount = root / "sys/fs/cgroup"
    folders: list[Path] = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            bases = [mount, mount / "unified"]
        elif controller in controllers.split(","):
            bases = [mount / controllers, mount / controller]
        else:
            continue
        parts = [part for part in path.split("/") if part not in {"", ".."}]
        for base in bases:
            folders += [base.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    return list(dict.fromkeys(folders))


def _pairs(path: Path) -> Mapping[str, int]:
    lines = (line.split() for line in _text(path).splitlines())
    return {parts[0]: int(parts[1]) for parts in lines if len(parts) == 2 and parts[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
