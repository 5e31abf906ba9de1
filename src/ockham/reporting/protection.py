"""How the data was kept from the network, in two sentences for whoever answers for it."""

from __future__ import annotations

from ockham.records import RunResult
from ockham.reporting.formatting import count
from ockham.sealed.state import base

_FILTER = "the operating system refuses every connection, to other machines and to services of this one"
_LISTED = ", listed in the ledger"
_TWO = {
    "sealed": (
        f"Your data was read only by processes to which {_FILTER}, and which stand in a network of their own with "
        "nothing in it."
    ),
    "sealed (without Landlock)": (
        f"Your data was read only by processes to which {_FILTER}, and which stand in a network of their own with "
        "nothing in it; this system cannot also limit which folders they may write to."
    ),
    "sealed (seccomp alone)": (
        f"Your data was read only by processes to which {_FILTER}; this system does not let them have an empty network "
        "of their own as well, which would be a second lock."
    ),
    "switches only": (
        "On this system no wall of the operating system stands between the processes that read your data and the "
        "network: libraries were told to stay quiet, and connections that Python code asked for in Ockham's processes "
        "were refused; compiled code and other programs could have connected. This is care, not proof."
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
        f" Before the first row was read, {count(run_result.attacks)} ways out were tried from inside, and each "
        "failed; what the kernel said of these processes while they worked stands in evidence.json, which "
        "`ockham verify` "
        "checks."
    )
    asked = run_result.verdict.sealed.partition("; ")[2]
    spoke = ""
    if asked:
        spoke = (
            " What was sent to endpoints that you named went through a process of its own, which holds the keys and "
            f"opens no file of yours: {asked.removesuffix(_LISTED)}. The ledger in evidence.json has the "
            "time, size and SHA-256 of each request, written before it was made."
        )
    return _TWO[label] + spoke + (tried if run_result.attacks else "")
