"""Choose the index that PyTorch comes from: python torch_index.py [URL|off].

Prints the address of an extra index, or nothing where pip's own is right, and says on stderr which it is. PyTorch's
builds on the Python package index bring 3.4 GB of NVIDIA's libraries on Linux; a machine without a card has no use
for them.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
VARIABLE = "OCKHAM_TORCH_INDEX"
SECONDS = 5.0
_CARDS = ("dev/nvidiactl", "dev/nvidia0", "proc/driver/nvidia/version", "dev/dxg")
"""What NVIDIA's driver puts there; the last one under WSL."""


def choose_index(named: str, root: Path, platform: str, answers: Callable[[str], bool]) -> tuple[str, str]:
    """Return the extra index ("" for none) and the line that says why. ``named`` is an address, "off" or ""."""
    if named == "off":
        return "", "PyTorch as pip finds it, as you asked"
    if named:
        return named, f"PyTorch from {named}, as you asked"
    if platform != "linux":
        return "", "PyTorch as pip finds it: on this system it brings no graphics libraries"
    if any((root / card).exists() for card in _CARDS):
        return "", "PyTorch as pip finds it, with CUDA: this machine has an NVIDIA card"
    if answers(f"{CPU_INDEX}/torch/"):
        return CPU_INDEX, f"PyTorch's CPU build from {CPU_INDEX}: this machine has no NVIDIA card"
    why = f"{CPU_INDEX} does not answer"
    return (
        "",
        f"PyTorch as pip finds it, perhaps with 3.4 GB of graphics libraries: {why} ({VARIABLE}=URL names another)",
    )


def is_answering(url: str) -> bool:
    """Say whether an address answers in time; a proxy of the environment is asked."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as reply:
            return bool(reply.status == 200)
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    named = (sys.argv[1] if len(sys.argv) > 1 else "") or os.environ.get(VARIABLE, "")
    index, line = choose_index(named, Path("/"), sys.platform, is_answering)
    print(f"setup: {line}", file=sys.stderr)
    print(index)
