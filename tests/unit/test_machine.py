"""Facts about the machine, read from planted /proc and /sys trees and from this one."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from ockham import machine

MEMINFO = (
    "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\nHugePages_Total:       0\n"
)


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_control_groups_the_machine_s_own_memory_counts(tmp_path: Path) -> None:
    root = plant(tmp_path, {"proc/meminfo": MEMINFO})
    assert machine.memory_gb(root) == pytest.approx(16.384)
    assert machine.available_memory_gb(root) == pytest.approx(8.192)


def test_a_version_2_limit_binds_and_page_cache_counts_as_free(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/pod/box\n",
            "sys/fs/cgroup/pod/box/memory.max": "max\n",
            "sys/fs/cgroup/pod/memory.max": "2000000000\n",
            "sys/fs/cgroup/pod/memory.current": "1500000000\n",
            "sys/fs/cgroup/pod/memory.stat": "anon 900000000\ninactive_file 500000000\n",
        },
    )
    assert machine.memory_gb(root) == pytest.approx(2.0)
    assert machine.available_memory_gb(root) == pytest.approx(1.0)


def test_a_version_1_limit_binds_though_the_group_s_path_is_the_host_s(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "300000000\n",
            "sys/fs/cgroup/memory/memory.stat": "inactive_file 7\ntotal_inactive_file 100000000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert machine.memory_gb(root) == pytest.approx(1.0)
    assert machine.available_memory_gb(root) == pytest.approx(0.8)
    assert machine.cores(root) == 1


def test_version_1_writes_no_limit_as_a_huge_number(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert machine.memory_gb(root) == pytest.approx(16.384)
    assert machine.cores(root) == len(os.sched_getaffinity(0))


def test_use_beyond_the_limit_leaves_nothing_rather_than_less(tmp_path: Path) -> None:
    root = plant(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "100\n",
            "sys/fs/cgroup/memory.current": "200\n",
        },
    )
    assert machine.available_memory_gb(root) == 0.0


@pytest.mark.parametrize(("quota", "expected"), [("50000 100000", 1), ("max 100000", None), ("garbage", None)])
def test_the_cpu_quota_is_rounded_down_to_at_least_one_core(tmp_path: Path, quota: str, expected: int | None) -> None:
    root = plant(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota})
    assert machine.cores(root) == (expected or len(os.sched_getaffinity(0)))


def test_peak_memory_is_read_in_megabytes(tmp_path: Path) -> None:
    root = plant(tmp_path, {"proc/77/status": "Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    2000 kB\n"})
    assert machine.peak_rss_mb(77, root) == pytest.approx(2.048)


def test_peak_memory_of_another_process_that_does_not_say_is_unknown_not_zero(tmp_path: Path) -> None:
    assert machine.peak_rss_mb(77, tmp_path) is None


def test_peak_memory_of_this_process_falls_back_to_getrusage(tmp_path: Path) -> None:
    peak = machine.peak_rss_mb("self", tmp_path)
    assert peak is not None
    assert 5 < peak < 100_000


def test_peak_memory_sees_what_a_process_held_and_gave_back() -> None:
    code = "from ockham.machine import peak_rss_mb as p; b = p(); x = bytearray(80_000_000); del x; print(p() - b)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert 60 < float(done.stdout) < 120


def test_look_describes_this_machine() -> None:
    seen = machine.describe(["pytest", "there-is-no-such-package"])
    assert seen.packages == {"pytest": metadata.version("pytest")}
    assert seen.cores >= 1
    assert 0.1 < seen.memory_gb < 100_000
    assert seen.python == ".".join(map(str, sys.version_info[:3]))
    assert seen.processor


def test_an_empty_proc_still_gives_a_processor_and_memory(tmp_path: Path) -> None:
    seen = machine.describe([], tmp_path)
    assert seen.processor
    assert seen.memory_gb > 0.1
