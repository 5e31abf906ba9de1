"""Memory does not grow with the input: peaks of runs of three sizes, each a process of its own, with small buffers."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra curate is not installed")

# The kernel's own count of this program's memory; that of the resource module starts from the parent's.
CHILD = """
import sys
from pathlib import Path
from ockham.curation import components, near_dedup
from ockham.curation.curate import curate
from ockham.curation.curate_spec import CurateSpec

components.SET = 100_000
near_dedup._AT_ONCE = 400_000
done = curate(sys.argv[1], CurateSpec(steps=("exact", "near"), shard_mb=1), out=sys.argv[2], chunk_mb=1)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(done.report.rows, done.report.left_out.get("near_duplicate", 0), peak.split()[1])
"""
SIZES = (6, 18, 30)


def corpus(path: Path, megabytes: int) -> Path:
    """Write text of which four documents in ten are like one of the last fifty."""
    rng = random.Random(megabytes)
    vocabulary = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 8))) for _ in range(20_000)]
    recent: list[list[str]] = []
    held = 0
    with path.open("w", encoding="utf-8") as file:
        while held < megabytes * 1_000_000:
            if recent and rng.random() < 0.4:
                words = list(rng.choice(recent))
                words[rng.randrange(len(words))] = "changed"
            else:
                words = rng.choices(vocabulary, k=rng.randint(60, 400))
                recent = [*recent[-49:], words]
            held += file.write(json.dumps({"text": " ".join(words)}) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_is_flat_in_the_size_of_the_input(tmp_path: Path) -> None:
    peaks: list[float] = []
    for size in (SIZES[0], *SIZES):  # the first run of all may compile the kernels
        source = corpus(tmp_path / f"{size}.jsonl", size)
        out = tmp_path / f"out-{size}-{len(peaks)}"
        command = [sys.executable, "-c", CHILD, str(source), str(out)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        rows, near, peak = map(int, done.stdout.split())
        assert near > rows / 5
        peaks.append(peak * 1024 / 1e6)
    slope = float(np.polyfit(SIZES, peaks[1:], 1)[0])
    assert slope < 0.5, f"{slope:.2f} MB for each MB of input: {peaks}"
