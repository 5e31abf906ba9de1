"""The catalogue of models, devices and engines: whole, dated, and right where it can be checked."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from ockham.catalog import architectures, device, devices, engine, engines, find_architecture, prices, revision
from ockham.catalog.loader import entries
from ockham.errors import ConfigError, Defect

# Parameters as the hub counts them in the published safetensors files: every shape is right to the last weight.
PUBLISHED = {
    "all-MiniLM-L6-v2": 22_713_216,
    "gpt2": 124_439_808,
    "ockham-nano": 8_129_280,
    "pythia-70m": 70_426_624,
    "pythia-410m": 405_334_016,
    "SmolLM2-135M": 134_515_008,
    "SmolLM2-360M": 361_821_120,
    "Qwen2.5-0.5B": 494_032_768,
    "Qwen2.5-1.5B": 1_543_714_304,
    "Qwen2.5-3B": 3_085_938_688,
    "Qwen2.5-7B": 7_615_616_512,
    "Qwen2.5-14B": 14_770_033_664,
    "Qwen2.5-32B": 32_763_876_352,
    "Qwen2.5-72B": 72_706_203_648,
    "Llama-3.2-1B": 1_235_814_400,
    "Llama-3.2-3B": 3_212_749_824,
    "Llama-3.1-8B": 8_030_261_248,
    "Llama-3.1-70B": 70_553_706_496,
    "TinyLlama-1.1B": 1_100_048_384,
    "Mistral-7B-v0.3": 7_248_023_552,
    "Mixtral-8x7B": 46_702_792_704,
    "Phi-3.5-mini": 3_821_079_552,
    "Phi-4-mini": 3_836_021_760,
    "phi-4": 14_659_507_200,
    "starcoder2-7b": 7_173_923_840,
    "Falcon3-10B": 10_305_653_760,
}
# Their extra norms (of queries and keys, or after each block) are not counted: less than a ten-thousandth.
NEARLY = {"Qwen3-0.6B": 596_049_920, "Qwen3-30B-A3B": 30_532_122_624, "gemma-2-9b": 9_241_705_984}


def test_the_catalogue_is_as_large_as_promised_and_dated() -> None:
    assert len(architectures()) >= 40
    assert len(devices()) >= 30
    assert len(prices().apis) >= 10
    assert architectures()[0].parameters < 23e6 < 70e9 < architectures()[-1].parameters
    assert {one.kind for one in devices()} == {"server-gpu", "gpu", "apple", "cpu", "phone"}
    today = dt.date(2026, 11, 30)
    said = [(one.date, one.source) for one in architectures()]
    said += [(one.date, one.source) for one in devices()]
    said += [(one.date, one.source) for one in engines()]
    for date, source in said:
        assert dt.date(2020, 1, 1) <= dt.date.fromisoformat(date) <= today
        assert len(source) > 15
    for names in ([one.name for one in architectures()], [one.name for one in devices()]):
        assert len(set(names)) == len(names)


def test_most_models_are_fetched_at_a_known_commit() -> None:
    known = [one for one in architectures() if one.revision is not None]
    assert len(known) >= 25
    assert len({one.revision for one in known}) == len(known)
    assert revision("qwen/qwen2.5-0.5B") == find_architecture("Qwen2.5-0.5B").revision
    # A revision is a commit of one repository, not of its relatives.
    assert revision("Qwen/Qwen2.5-0.5B-Instruct") is None
    with pytest.raises(Defect):
        dataclasses.replace(known[0], revision="main")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_parameters_are_those_of_the_published_files(name: str) -> None:
    assert find_architecture(name).parameters == PUBLISHED[name]


@pytest.mark.parametrize("name", NEARLY)
def test_small_norms_aside_the_parameters_are_right(name: str) -> None:
    assert find_architecture(name).parameters == pytest.approx(NEARLY[name], rel=1e-4)


def test_experts_count_once_for_memory_and_by_use_for_work() -> None:
    mixtral = find_architecture("Mixtral-8x7B")
    # Published: 46.7 billion, of which a token uses 12.9.
    assert mixtral.parameters == pytest.approx(46.7e9, rel=0.002)
    assert mixtral.matrices_used + 2 * mixtral.table == pytest.approx(12.9e9, rel=0.01)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("qwen2.5-1.5b", "Qwen2.5-1.5B"),
        ("Qwen/Qwen2.5-1.5B-Instruct", "Qwen2.5-1.5B"),
        ("HuggingFaceTB/SmolLM2-135M", "SmolLM2-135M"),
        ("google/gemma-3-1b-it", "gemma-3-1b"),
        ("llama 3.1 8b", "Llama-3.1-8B"),
    ],
)
def test_a_model_is_found_by_the_names_people_use(asked: str, found: str) -> None:
    assert find_architecture(asked).name == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("rtx4090", "RTX 4090"),
        ("H100", "H100 SXM"),
        ("m2 pro", "Apple M2 Pro"),
    ],
)
def test_a_device_is_found_with_or_without_its_maker(asked: str, found: str) -> None:
    assert device(asked).name == found


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"has no model 'Qwen2\.5-8B'") as caught:
        find_architecture("Qwen2.5-8B")
    assert "Qwen2.5-7B" in caught.value.fix
    with pytest.raises(ConfigError) as caught:
        device("A100")
    assert "A100 40GB" in caught.value.fix
    assert "A100 80GB" in caught.value.fix
    with pytest.raises(ConfigError, match="…'"):
        find_architecture("x" * 500)


def test_every_device_has_an_engine_for_both_kinds_of_model() -> None:
    for one in devices():
        assert one.tflops > 0
        for encoders in (True, False):
            assert engine(one.kind, encoders=encoders).spread >= 1


def test_rents_and_purchases_are_of_known_devices() -> None:
    names = {one.name for one in devices()}
    table = prices()
    assert {one.device for one in table.rents} <= names
    assert {one.device for one in table.purchases} <= names
    assert table.rent("rtx 4090") is not None
    assert table.purchase("none such") is None


def test_a_wrong_entry_is_refused() -> None:
    with pytest.raises(ConfigError, match="holds something else"):
        entries(type(find_architecture("gpt2")), "models.toml", "device")
    with pytest.raises(Defect, match="contradict"):
        dataclasses.replace(find_architecture("gpt2"), kv_heads=5)
