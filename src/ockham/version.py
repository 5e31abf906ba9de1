"""The version of this package and the name that pip knows it by, in one place."""

__version__ = "0.1.0"
DISTRIBUTION = "ockham-slm"
"""The name on the Python package index, where ``ockham`` is another project; it is imported and run as ``ockham``."""


def install_command(extra: str | None = None) -> str:
    """Return the command that adds an extra.

    It works in an environment that was installed from a checkout too: pip takes the extra from what is installed.
    """
    return f"pip install '{DISTRIBUTION}{'' if extra is None else f'[{extra}]'}'"
