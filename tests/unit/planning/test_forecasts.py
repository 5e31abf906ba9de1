"""Speed: the roofline against published and own measurements, and the order it must keep."""

from __future__ import annotations

import dataclasses

import pytest

from ockham.catalog import Device, device, devices, engine, find_architecture
from ockham.planning import PlanSpec
from ockham.planning.forecasts import (
    USES,
    context_of,
    fast_enough_for,
    forecast,
    judge,
    largest,
    largest_per_device,
    supports_task,
)
from ockham.planning.speed import prefill_seconds, speed, step_seconds
from ockham.records.plan import Quantization, Speed

# One core with 25.5 GB/s and about 172 GFLOP/s, on which the engine was measured first.
CORE = Device(
    name="a core", kind="cpu", memory_gb=8, bandwidth_gb_s=25.5, fp32_tflops=0.172, date="2026-11-22", source="-"
)

# tokens a second writing and reading 512: XiongjieDai/GPU-Benchmarks-on-LLM-Inference, README.md.
SEEN: list[tuple[str, str, Quantization, float, float]] = [
    ("RTX 4090", "Llama-3.1-8B", "q4_k_m", 130.6, 7139),
    ("RTX 4090", "Llama-3.1-8B", "f16", 54.8, 9382),
    ("RTX 3090", "Llama-3.1-8B", "f16", 47.4, 4445),
    ("RTX 3070", "Llama-3.1-8B", "q4_k_m", 72.8, 2402),
    ("A100 80GB", "Llama-2-70B", "q4_0", 25.7, 612),
    ("Apple M1", "Llama-3.1-8B", "q4_k_m", 10.2, 94),
    ("Apple M1 Max", "Llama-3.1-8B", "q4_k_m", 35.7, 408),
    ("Apple M2 Ultra", "Llama-3.1-8B", "q4_k_m", 78.8, 994),
]


@pytest.mark.parametrize(("where", "what", "quantization", "writing", "reading"), SEEN)
def test_published_measurements_lie_within_the_spread(
    where: str, what: str, quantization: Quantization, writing: float, reading: float
) -> None:
    at, one = device(where), find_architecture(what)
    how = engine(at.kind, encoders=False)
    told = 1 / step_seconds(one, quantization, 256, 1, at, how)
    read = 512 / prefill_seconds(one, quantization, 512, at, how)
    assert writing / how.spread <= told <= writing * how.spread
    assert reading / how.spread <= read <= reading * how.spread


@pytest.mark.parametrize(
    ("what", "reading", "one_answer", "eight"), [("SmolLM2-135M", 324, 123, 156), ("Qwen2.5-1.5B", 38, 17.4, 21)]
)
def test_the_cpu_engine_comes_out_as_it_was_measured(
    what: str, reading: float, one_answer: float, eight: float
) -> None:
    one, how = find_architecture(what), engine("cpu", encoders=False)
    assert 512 / prefill_seconds(one, "q4_0", 512, CORE, how) == pytest.approx(reading, rel=0.4)
    assert 1 / step_seconds(one, "q4_0", 128, 1, CORE, how) == pytest.approx(one_answer, rel=0.25)
    assert 8 / step_seconds(one, "q4_0", 128, 8, CORE, how) == pytest.approx(eight, rel=how.spread - 1)


def test_writing_is_bound_by_memory_until_answers_are_many() -> None:
    card, one = device("RTX 4090"), find_architecture("Qwen2.5-7B")
    how = engine("gpu", encoders=False)
    alone, eight = (step_seconds(one, "f16", 512, n, card, how) for n in (1, 8))
    # 15.2 GB at 0.7 x 1,008 GB/s: 21.6 ms, whether one answer shares the weights or eight do.
    assert alone == pytest.approx(0.0213, rel=0.05)
    assert eight == pytest.approx(alone, rel=0.05)
    many = step_seconds(one, "f16", 512, 512, card, how)
    assert many > 3 * alone


def test_experts_that_no_answer_needs_are_not_read() -> None:
    card, one, how = device("H100 SXM"), find_architecture("Mixtral-8x7B"), engine("server-gpu", encoders=False)
    alone, many = step_seconds(one, "q4_0", 128, 1, card, how), step_seconds(one, "q4_0", 128, 16, card, how)
    # 2 of 8 experts for one answer, 8 (1 - (3/4)^16) = 7.9 of them for sixteen.
    assert 2.5 < many / alone < 4.0


def test_prompts_wait_for_each_other_and_tokens_are_written_together() -> None:
    card, one, how = device("RTX 4090"), find_architecture("Qwen2.5-7B"), engine("gpu", encoders=False)
    alone, eight = (speed(one, "q4_k_m", (500, 100), n, card, how) for n in (1, 8))
    step = 1 / (eight.tokens_per_s or 1)
    assert eight.answer_ms == pytest.approx(8 * eight.first_token_ms + 99_000 * step)
    assert eight.answers_per_s == pytest.approx(8000 / eight.answer_ms)
    assert eight.answers_per_s > 4 * alone.answers_per_s


def test_an_encoder_answers_when_it_has_read() -> None:
    found = speed(find_architecture("all-MiniLM-L6-v2"), "int8", (100, 50), 1, CORE, engine("cpu", encoders=True))
    assert found.tokens_per_s is None
    assert found.answer_ms == found.first_token_ms
    # 2 x 10.6 million x 100 tokens = 2.1 G operations at 1.2 x 172 G a second: 10.3 ms.
    assert found.answer_ms == pytest.approx(10.5, rel=0.05)


def test_an_encoder_reads_a_text_on_one_core_and_texts_on_all() -> None:
    four = dataclasses.replace(CORE, cores=4)
    how, one = engine("cpu", encoders=True), find_architecture("all-MiniLM-L6-v2")
    alone, five = (speed(one, "int8", (100, 50), n, four, how) for n in (1, 5))
    assert alone.answer_ms == pytest.approx(4 * 10.5, rel=0.1)
    # Four at a time, then the fifth.
    assert five.answer_ms == pytest.approx(2 * alone.answer_ms)
    assert five.answers_per_s == pytest.approx(5 / 2 * alone.answers_per_s)
    assert all(cpu.cores for cpu in devices() if cpu.kind == "cpu")


def test_a_limit_is_met_surely_or_not_or_nobody_can_tell() -> None:
    assert judge(100, 1.5, 200) == "meets"
    assert judge(180, 1.5, 200) == "cannot tell"
    assert judge(301, 1.5, 200) == "misses"


def test_uses_look_at_the_first_token_or_at_the_whole() -> None:
    voice, games = USES[0], USES[1]
    quick = Speed(first_token_ms=100, tokens_per_s=20, answer_ms=3000, answers_per_s=1, spread=1.5)
    assert fast_enough_for(quick, voice)
    assert not fast_enough_for(quick, games)
    slow = dataclasses.replace(quick, tokens_per_s=6.0)
    assert not fast_enough_for(slow, voice)


def test_the_largest_is_found_and_its_finer_format() -> None:
    spec = PlanSpec(models=("Qwen2.5-7B",))
    card = device("RTX 4090")
    found = [forecast(find_architecture("Qwen2.5-7B"), q, spec, card, 21.6) for q in ("f16", "q8_0", "q4_k_m")]
    best = largest(found)
    assert best is not None
    assert best.quantization == "f16"
    assert largest([forecast(find_architecture("Llama-3.1-70B"), "f16", spec, card, 21.6)]) is None


def test_a_longer_limit_reaches_no_smaller_model() -> None:
    spec = PlanSpec(input_tokens=100, output_tokens=10)
    places = [("card", device("RTX 4060"), 7.2)]
    models = [find_architecture(name) for name in ("all-MiniLM-L6-v2", "SmolLM2-360M", "Qwen2.5-1.5B", "Qwen2.5-7B")]
    order = ["all-MiniLM-L6-v2", "SmolLM2-360M", "Qwen2.5-1.5B", "Qwen2.5-7B"]
    found = [largest_per_device(limit, models, spec, places)[0].model for limit in (20, 200, 2000, 20_000)]
    assert [order.index(name) if name else -1 for name in found] == sorted(
        order.index(name) if name else -1 for name in found
    )
    assert found[-1] == "Qwen2.5-7B"


def test_a_context_that_cannot_be_is_refused() -> None:
    from ockham.errors import ConfigError

    with pytest.raises(ConfigError, match="made for 8,192 tokens at most, not 9,000"):
        context_of(find_architecture("SmolLM2-135M"), PlanSpec(models=("SmolLM2-135M",), context=9000))
    with pytest.raises(ConfigError, match="cannot hold a prompt of 200"):
        context_of(find_architecture("SmolLM2-135M"), PlanSpec(context=100))
    assert context_of(find_architecture("SmolLM2-135M"), PlanSpec(input_tokens=100, output_tokens=10)) == 110


def test_an_encoder_is_no_choice_for_long_answers_unless_it_is_named() -> None:
    short, long = PlanSpec(output_tokens=20), PlanSpec(output_tokens=300)
    one = find_architecture("all-MiniLM-L6-v2")
    assert [supports_task(one, spec) for spec in (short, long)] == [True, False]
    assert supports_task(one, dataclasses.replace(long, models=("all-MiniLM-L6-v2",)))
    assert supports_task(find_architecture("gpt2"), long)
    places = [("card", device("RTX 4060"), 7.2)]
    assert largest_per_device(5000, [one], long, places)[0].model is None
    assert forecast(one, "int8", long, CORE, 7.2).good_for == ()
