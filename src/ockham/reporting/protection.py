"""How the data was kept from the network, in two sentences for whoever answers for it; three with an endpoint."""

from __future__ import annotations

from ockham.records import RunResult
from ockham.reporting.formatting import count
from ockham.sealed.state import base

_FILTER = "to which the operating system allows no connection, neither to other machines nor to services on this one"
_LISTED = ", listed in the ledger"
_TWO = {
    "sealed": (f"Your data was read only by processes {_FILTER}, in an empty network of their own."),
    "sealed (without Landlock)": (
        f"Your data was read only by processes {_FILTER}, in an empty network of their own; this system cannot also "
        "limit which folders they may write to."
    ),
    "sealed (seccomp alone)": (
        f"Your data was read only by processes {_FILTER}; this system does not also allow an empty network of their "
        "own, which would be a second lock."
    ),
    "switches only": (
        "On this system the operating system does not separate the processes that read your data from the network: "
        "libraries were told to stay quiet, and connections that Python code asked for in Ockham's processes were "
        "refused; compiled code and other programs could have connected. This is care, not proof."
    ),
}


def protection(run_result: RunResult) -> str:
    """Say how the run was kept from the network, and what shows it."""
    label = base(run_result.verdict.sealed)
    if label == "not known":
        return "Not recorded: the run was made by an older version."
    if label not in _TWO:
        why = label.partition(": ")[2]
        reason = f" ({why})" if why else ""
        return (
            f"This run was not sealed off from the network{reason}. Nothing in it shows whether the programs that read "
            "your data sent any of it elsewhere."
        )
    if label == "switches only":
        return _TWO[label]
    tried = (
        f" Before the first row was read, {count(run_result.attacks)} ways out were tried from inside, and all failed; "
        "what the kernel reported about these processes is in evidence.json, which `ockham verify` checks."
    )
    asked = run_result.verdict.sealed.partition("; ")[2]
    spoke = ""
    if asked:
        spoke = (
            f" What was sent to endpoints that you named ({asked.removesuffix(_LISTED)}) went through a separate "
            "process, which holds the keys, opens none of your files, and wrote the time, size and SHA-256 of each "
            "request into evidence.json before making it."
        )
    return _TWO[label] + spoke + (tried if run_result.attacks else "")
