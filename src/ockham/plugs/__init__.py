"""Sockets for code of the user's own: found by name, configured, called with care, and held to a contract."""

from ockham.plugs.batch_contract import WILD_TEXTS, check_batches
from ockham.plugs.socket import NAME, Plug, Socket, find_entry, find_plug, guard, load_again, package_name, unusable

__all__ = [
    "NAME",
    "WILD_TEXTS",
    "Plug",
    "Socket",
    "check_batches",
    "find_entry",
    "find_plug",
    "guard",
    "load_again",
    "package_name",
    "unusable",
]
