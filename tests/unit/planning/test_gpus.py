"""Graphics processors from recorded answers of drivers: none, one, several, parts of a card, broken, AMD's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ockham.catalog import device
from ockham.planning.gpus import AMD, NVIDIA, PARTS, Gpu, ask, best_gpu, catalog_entry, gpus

ONE = "0, GPU-5b1e7f0a-0000-0000-0000-000000000001, NVIDIA GeForce RTX 3060, 12288\n"
SEVERAL = ONE + (
    "1, GPU-5b1e7f0a-0000-0000-0000-000000000002, NVIDIA H100 80GB HBM3, 81559\n"
    "2, GPU-77aa7f0a-0000-0000-0000-000000000003, NVIDIA H100 80GB HBM3, 81559\n"
)
DIVIDED = "0, GPU-9c73eb7b-8d6d-6c0e-dc13-97873e2ede40, NVIDIA A100-SXM4-80GB, 81920\n"
DIVIDED_PARTS = """GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-9c73eb7b-8d6d-6c0e-dc13-97873e2ede40)
  MIG 3g.40gb     Device  0: (UUID: MIG-a686709d-6dc2-542a-8851-0d2508448c10)
  MIG 1g.10gb+me  Device  1: (UUID: MIG-53864714-0a66-5df2-9007-9268e30d9a72)
"""
# In a container that was given one part, the card's memory is not told.
INSIDE = "0, GPU-9c73eb7b-8d6d-6c0e-dc13-97873e2ede40, NVIDIA H200, [Insufficient Permissions]\n"
INSIDE_PARTS = """GPU 0: NVIDIA H200 (UUID: GPU-9c73eb7b-8d6d-6c0e-dc13-97873e2ede40)
  MIG 1g.18gb     Device  0: (UUID: MIG-b3061c09-2a4c-5026-a575-79f86a5bb12c)
"""
BROKEN = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running.\n",
    "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.183\n",
    "No devices were found\n",
    "Unable to determine the device handle for GPU 0000:01:00.0: Unknown Error\n",
    "0, GPU-5b1e7f0a-0000-0000-0000-000000000001, NVIDIA GeForce RTX 3060\n",
)
ROCM = """{"card0": {"Card series": "Radeon RX 7900 XTX", "Card model": "0x744c", "Card vendor":
"Advanced Micro Devices, Inc. [AMD/ATI]", "VRAM Total Memory (B)": "25753026560", "VRAM Total Used Memory (B)": "27"},
"system": {"Driver version": "6.14.14"}}"""
# A newer release: other names, a warning first, and the graphics of a processor with 512 MB of the computer's memory.
ROCM_NEW = """WARNING: AMD GPU device(s) is/are in a low-power state. Check power control/runtime_status

{"card0": {"Device Name": "AMD Radeon 8060S Graphics", "Card Model": "0x1586", "VRAM Total Memory (B)": "536870912"},
 "card1": {"Card Series": "N/A", "Device Name": "AMD Radeon RX 7800 XT", "Card Model": "0x747e",
           "VRAM Total Memory (B)": "17163091968"}}
"""


def saying(nvidia: str = "", parts: str = "", amd: str = "") -> Callable[[Sequence[str]], str]:
    """Programs that say this."""
    said = {NVIDIA: nvidia, PARTS: parts, AMD: amd}
    return lambda command: said[tuple(command)]


def test_a_machine_without_any_has_none(tmp_path: Path) -> None:
    assert gpus(tmp_path, saying()) == ()
    assert best_gpu(()) is None


def test_one_card_is_found_in_the_catalogue_with_the_memory_its_driver_tells(tmp_path: Path) -> None:
    (found,) = gpus(tmp_path, saying(ONE))
    assert (found.name, found.display_name) == ("NVIDIA GeForce RTX 3060", "NVIDIA GeForce RTX 3060, 13 GB")
    best = best_gpu([found])
    assert best is not None
    assert best.name == "RTX 3060 12GB"
    assert best.memory_gb == pytest.approx(12_288 * 2**20 / 1e9)
    assert best.bandwidth_gb_s == device("RTX 3060 12GB").bandwidth_gb_s


def test_of_several_the_largest_known_is_taken_and_the_unknown_passed_over(tmp_path: Path) -> None:
    found = gpus(tmp_path, saying(SEVERAL))
    assert [one.name for one in found] == ["NVIDIA GeForce RTX 3060", *["NVIDIA H100 80GB HBM3"] * 2]
    best = best_gpu([Gpu(name="Voodoo 9", memory_gb=500.0), *found])
    assert best is not None
    assert best.name == "H100 SXM"
    assert best_gpu([Gpu(name="Voodoo 2", memory_gb=0.012)]) is None


@pytest.mark.parametrize(
    ("visible", "number"),
    [(None, 3), ("", 0), ("-1", 0), ("0", 1), ("0,2", 2), ("GPU-77aa", 1), ("GPU-", 0), ("7", 0), (" 1 , 2 ", 2)],
)
def test_only_what_may_be_seen_is_listed(visible: str | None, number: int, tmp_path: Path) -> None:
    assert len(gpus(tmp_path, saying(SEVERAL), visible)) == number


def test_of_a_divided_card_each_part_has_its_share(tmp_path: Path) -> None:
    found = gpus(tmp_path, saying(DIVIDED, DIVIDED_PARTS))
    assert [one.part for one in found] == ["3g.40gb", "1g.10gb"]
    assert found[1].display_name == "NVIDIA A100-SXM4-80GB, MIG 1g.10gb, 10 GB"
    best, whole = best_gpu(found), device("A100 80GB")
    assert best is not None
    # Three of seven parts of the arithmetic, 40 of 80 GB of the memory and of the paths to it.
    assert (best.name, best.memory_gb) == ("A100 80GB, MIG 3g.40gb", 40.0)
    assert best.tflops == pytest.approx(whole.tflops * 3 / 7)
    assert best.bandwidth_gb_s == pytest.approx(whole.bandwidth_gb_s / 2)
    (one,) = gpus(tmp_path, saying(DIVIDED, DIVIDED_PARTS), "MIG-53864714-0a66-5df2-9007-9268e30d9a72")
    assert one.part == "1g.10gb"


def test_a_part_alone_is_known_without_the_cards_memory(tmp_path: Path) -> None:
    (found,) = gpus(tmp_path, saying(INSIDE, INSIDE_PARTS))
    assert (found.memory_gb, found.part) == (None, "1g.18gb")
    best = best_gpu([found])
    assert best is not None
    assert (best.name, best.memory_gb) == ("H200 SXM, MIG 1g.18gb", 18.0)


@pytest.mark.parametrize("said", BROKEN)
def test_a_broken_driver_says_nothing(said: str, tmp_path: Path) -> None:
    assert gpus(tmp_path, saying(said, said, said)) == ()


def test_amds_cards_have_their_names_from_rocm(tmp_path: Path) -> None:
    (card,) = gpus(tmp_path, saying(amd=ROCM))
    best = best_gpu([card])
    assert best is not None
    assert best.name == "RX 7900 XTX"
    (newer,) = gpus(tmp_path, saying(amd=ROCM_NEW))
    assert newer.name == "AMD Radeon RX 7800 XT"
    assert catalog_entry(newer) == device("RX 7800 XT")


@pytest.mark.parametrize("said", ["", "{", "no JSON", "[1]", '{"card0": 3}', '{"card0": {"Card Series": "x"}}'])
def test_without_rocm_amds_cards_are_nameless(said: str, tmp_path: Path) -> None:
    for number, size in ((0, 16 * 2**30), (1, 2**29)):
        card = tmp_path / f"sys/class/drm/card{number}/device"
        card.mkdir(parents=True)
        (card / "mem_info_vram_total").write_text(f"{size}\n")
    assert gpus(tmp_path, saying(amd=said)) == (Gpu(name="AMD GPU", memory_gb=16 * 2**30 / 1e9),)


@pytest.mark.parametrize(
    ("name", "memory_mib", "expected"),
    [
        ("Tesla T4", 15_360, "T4"),
        ("Tesla V100-SXM2-32GB", 32_768, "V100 32GB"),
        ("NVIDIA L4", 23_034, "L4"),
        ("NVIDIA L40S", 46_068, "L40S"),
        ("NVIDIA RTX A6000", 49_140, "RTX A6000"),
        ("NVIDIA A100-SXM4-40GB", 40_960, "A100 40GB"),
        ("NVIDIA A100-SXM4-80GB", 81_920, "A100 80GB"),
        ("NVIDIA A100 80GB PCIe", 81_920, "A100 80GB"),
        ("NVIDIA H200", 143_771, "H200 SXM"),
        ("NVIDIA GeForce RTX 4090", 24_564, "RTX 4090"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", 16_376, "RTX 4070 Ti SUPER"),
        ("NVIDIA GeForce RTX 3080", 10_240, "RTX 3080 10GB"),
        # What is not the same is not taken for it.
        ("NVIDIA GeForce RTX 3080", 12_288, None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16_376, None),
        ("NVIDIA GeForce RTX 4060 Ti", 8_188, None),
        ("NVIDIA H100 PCIe", 81_559, None),
        ("AMD INSTINCT MI250 (MCM) OAM AC MBA", 65_520, None),
        ("", 81_559, None),
    ],
)
def test_drivers_names_find_the_catalogues(name: str, memory_mib: int, expected: str | None) -> None:
    found = catalog_entry(Gpu(name=name, memory_gb=memory_mib * 2**20 / 1e9))
    assert (None if found is None else found.name) == expected


def test_a_program_that_is_missing_or_fails_says_nothing() -> None:
    assert ask(["no-such-program-here"]) == ""
    assert ask(["false"]) == ""
    assert ask(["echo", "yes"]) == "yes\n"
