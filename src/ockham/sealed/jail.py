"""Enter the jail: one wall after the other, in the only order that works.

A child of the broker does this while it has one thread and before anything heavy is imported. Namespaces come first
(they need privileges), then privileges go, then what was inherited, then files, then system calls. No wall can be taken
down again, and every process that is started later stands behind the same ones.
"""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ockham.sealed import landlock, limits, namespaces, seccomp, syscalls
from ockham.sealed.connector import CONTROL, HELD
from ockham.sealed.policy import Policy, Walls
from ockham.sealed.syscalls import PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, prctl

SERVICES_READ = ("/run/opengl-driver", "/run/opengl-driver-32", "/run/current-system", "/run/booted-system")
"""What some systems keep in /run though it is no service: drivers and programs."""


def leave_network(mapped: Callable[[], bool]) -> str | None:
    """Go into namespaces of this process's own; ``mapped`` has its parent say who is who there.

    Returns why that is not possible, or ``None``. Where the namespaces were made but ``mapped`` says no, nothing can be
    done in them and there is no way back: raises `OSError`, and the process must end.
    """
    try:
        namespaces.leave()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "unknown")
    if not mapped():
        raise OSError(errno.EPERM, "users could not be mapped")
    return None


def put_up_walls(policy: Policy, temporary: Path, ways: Sequence[int], absent: Mapping[str, str]) -> Walls:
    """Put up every wall but the namespaces; ``absent`` says why those are missing, if they are.

    ``temporary`` becomes the folder for temporary files. ``ways`` are the descriptors of the sockets that stay open:
    first the one on which the broker listens, then those on which the process itself waits for clients.
    Raises `OSError` where a wall that the kernel offers cannot be put up.
    """
    missing = dict(absent)
    limits.drop_privileges(root=os.geteuid() == 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    bounds = limits.bound(limits.total_memory())
    closed = limits.close_sockets(ways)
    forgotten = limits.forget_secrets(policy.keys)
    # What is fetched was fetched before; libraries need not try.
    os.environ.update({"TMPDIR": str(temporary), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"})
    os.environ[CONTROL] = str(ways[0])
    os.environ[HELD] = ",".join(policy.keys)
    tempfile.tempdir = None  # what was found out before no longer holds
    version = landlock.abi()
    if version:
        landlock.restrict(_readable(policy), [*policy.write, str(temporary)], version)
    else:
        missing["landlock"] = "the kernel does not offer it"
    seccomp.install()
    return Walls(
        namespaces="namespaces" not in missing,
        seccomp=True,
        landlock=version,
        limits=bounds,
        absent=missing,
        forgotten=tuple(forgotten),
        closed=closed,
    )


def die_with(parent: int) -> None:
    """Let this process be killed as soon as its parent is gone. Call it when its users are mapped, which undoes it."""
    prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def is_possible() -> bool:
    """Return whether this machine's calls are known, so that a filter can be put up at all."""
    return bool(syscalls.NUMBERS)


def threads() -> int:
    """Count the threads of this process."""
    return len(list(Path("/proc/self/task").iterdir()))


def _readable(policy: Policy) -> Sequence[str]:
    """List what may be read: all but the secret places, and whatever Python and the user need, wherever it lies."""
    import sys

    home = Path("~").expanduser()
    own = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path, *os.environ.get("LD_LIBRARY_PATH", "").split(":")]
    return [
        *landlock.readable(landlock.list_hidden(home)),
        *SERVICES_READ,
        *(path for path in own if path),
        *policy.read,
    ]
