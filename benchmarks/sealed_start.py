"""What sealing costs at the start: from the parsed flags to the first line of the verb, sealed and not, alternating.

Prints medians in milliseconds. What a verb imports anyway is imported before the clock starts.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile

CODE = """
import sys, time
import click, ctypes, shutil, socket, subprocess, tempfile
import ockham.cli.fit_command, ockham.store
from ockham.cli import sealed_commands
begin = time.perf_counter()
with click.Context(click.Command("fit"), obj=True):
    try:
        sealed_commands.enter("fit", {{}}, ({folder!r},), unsealed={unsealed})
    except click.exceptions.Exit as leaving:
        raise SystemExit(leaving.exit_code)
sys.stderr.write(str(1000 * (time.perf_counter() - begin)))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alternations", type=int, default=20, help="how often each is started (20)")
    alternations = parser.parse_args().alternations
    times: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(alternations + 1):
            for unsealed in (True, False):
                command = [sys.executable, "-c", CODE.format(folder=f"{folder}/run", unsealed=unsealed)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                if number:  # the first one fills the disk's cache
                    times[unsealed].append(float(done.stderr))
    plain, sealed = statistics.median(times[True]), statistics.median(times[False])
    print(f"unsealed {plain:.1f} ms, sealed {sealed:.1f} ms: {sealed - plain:.1f} ms more (n = {alternations})")
    print(f"least: unsealed {min(times[True]):.1f} ms, sealed {min(times[False]):.1f} ms")
    more = sorted(after - before for before, after in zip(times[True], times[False], strict=True))
    # The interval of a median by the order of its sorted values (binomial, normal approximation), 95 %.
    reach = 0.98 * len(more) ** 0.5
    low, high = (more[min(len(more) - 1, max(0, round(len(more) / 2 + side * reach)))] for side in (-1, 1))
    print(f"of the pairs: {statistics.median(more):.1f} ms more ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
