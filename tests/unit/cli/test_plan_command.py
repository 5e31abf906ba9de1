"""`ockham plan` and `ockham decide` as they are called: tables at any width, JSON, a page, and errors with status 2."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from ockham.catalog import Device
from ockham.cli import commands, error_report
from ockham.errors import ConfigError
from ockham.planning import PlanTarget, this_machine

CORE = Device(
    name="two cores", kind="cpu", memory_gb=16, bandwidth_gb_s=25, fp32_tflops=0.15, date="2026-11-22", source="test"
)
PLACE = PlanTarget(device=CORE, free_gb=12, threads=2, features=("avx2",), gpus=("Voodoo 2, 0 GB",))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with known rates, an empty folder to stand in, and a cache of its own."""
    monkeypatch.setattr(this_machine, "detect_machine", lambda *_, **__: PLACE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert commands.run(args) == 0
    return capsys.readouterr().out


def record(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(capsys, *args, "--json"))
    return found


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_every_line_fits_and_the_important_columns_stay(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = said(capsys, "plan", "--requests-per-day", "10000", "--max-p95-ms", "500")
    lines = text.splitlines()
    # Two columns of a table are never left out; at 60 and more all tables fit.
    assert columns < 60 or max(map(len, lines)) <= columns
    head = next(line for line in lines if line.startswith("model"))
    assert "format" in head
    assert columns < 60 or ("fits" in head and "memory" in head)
    assert columns < 120 or ("weights" in head and "cache" in head)
    assert sum(line.startswith("Qwen2.5-") for line in lines) >= 7


def test_the_plan_for_this_machine_lists_the_catalogue(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    text = said(capsys, "plan")
    assert "two cores: 12.0 of 16.0 GB usable, 25 GB/s, 150 GFLOP/s with 2 threads (measured); avx2; Voodoo 2" in text
    assert re.search(r"^Llama-3\.1-70B +q4_k_m +no ", text, re.M)
    assert "Largest model that certainly answers within 200 ms, by device:" in text
    assert "No prediction has been checked against a measurement on this machine yet." in text


def test_a_model_on_a_machine_one_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--quant", "Q4_0", "--context", "8192", "--concurrency", "8", "--gpu", "RTX 4090")
    found = record(capsys, "plan", "Qwen2.5-7B", *flags)
    (one,) = found["forecasts"]
    assert (one["model"], one["quantization"], one["context"], one["fits"]) == ("Qwen2.5-7B", "q4_0", 8192, True)
    # 2 x 28 layers x 4 heads x 128 x 8,192 tokens x 2 bytes x 8 answers.
    assert one["memory"]["kv_cache_mb"] == pytest.approx(2 * 28 * 4 * 128 * 8192 * 2 * 8 / 1e6)
    assert found["device"]["name"] == "RTX 4090"
    assert found["device"]["measured"] is False


def test_several_formats_of_a_named_model_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    found = record(capsys, "plan", "SmolLM2-135M", "all-MiniLM-L6-v2")
    listed = [(one["model"], one["quantization"]) for one in found["forecasts"]]
    assert listed[:4] == [("SmolLM2-135M", q) for q in ("f16", "q8_0", "q4_k_m", "q4_0")]
    assert listed[4:] == [("all-MiniLM-L6-v2", "f32"), ("all-MiniLM-L6-v2", "int8")]


def test_tuning_is_planned_by_method(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "plan", "Qwen2.5-1.5B", "--for", "tuning", "--gpu", "RTX 4090", "--rows", "5000")
    assert [line.split()[1] for line in text.splitlines() if line.startswith("Qwen")] == ["lora", "qlora", "full"]
    assert "Hours of tuning assume 35 %" in text


def test_costs_are_in_the_table_and_the_page(capsys: pytest.CaptureFixture[str], machine: Path) -> None:
    flags = ("--requests-per-day", "10000", "--input-tokens", "500", "--output-tokens", "300")
    text = said(capsys, "plan", "Qwen2.5-7B", "--gpu", "RTX 3090", *flags, "--report", "plan.html")
    assert "Cost of 10,000 requests per day, on devices with Qwen2.5-7B, in USD:" in text
    assert re.search(r"^RTX 3090 +rented +9\.36 +3,416 ", text, re.M)
    assert "!: price more than 90 days old." in text.replace("\n", " ")
    page = (machine / "plan.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert text.rstrip().endswith("Report: plan.html")
    for title in (
        "Does it fit?",
        "Is it fast enough?",
        "What answers within 200 ms on each device?",
        "10,000 requests per day cost?",
    ):
        assert title in page
    assert page.count("<svg ") == 6
    assert re.findall(r"https?://[^\s\"'<]+", page) == []


def test_the_page_of_tuning_has_no_pictures(capsys: pytest.CaptureFixture[str], machine: Path) -> None:
    said(capsys, "plan", "gpt2", "--for", "tuning", "--report", "plan.html")
    page = (machine / "plan.html").read_text(encoding="utf-8")
    assert "Tuning on two cores" in page
    assert "<svg" not in page


def test_equal_plans_give_equal_pages(capsys: pytest.CaptureFixture[str], machine: Path) -> None:
    for name in ("a.html", "b.html"):
        said(capsys, "plan", "SmolLM2-135M", "gpt2", "--requests-per-day", "5", "--report", name)
    assert (machine / "a.html").read_bytes() == (machine / "b.html").read_bytes()


def test_settings_stand_in_a_file_and_flags_win(capsys: pytest.CaptureFixture[str], machine: Path) -> None:
    (machine / "ockham.toml").write_text('[plan]\nmodels = ["gpt2"]\nquant = "q8_0"\ngpu = "L4"\ninput_tokens = 50\n')
    found = record(capsys, "plan", "--input-tokens", "60")
    assert [one["quantization"] for one in found["forecasts"]] == ["q8_0"]
    assert (found["device"]["name"], found["input_tokens"]) == ("L4", 60)


@pytest.mark.parametrize(
    ("args", "message", "fix"),
    [
        (("Qwen2.5-8B",), "has no model 'Qwen2.5-8B'", "Qwen2.5-7B"),
        (("gpt2", "--gpu", "RTX 4900"), "has no device 'RTX 4900'", "RTX 4090"),
        (("gpt2", "--quant", "q4"), "quantizations[0] is not one of the choices", "did you mean"),
        (("gpt2", "--context", "2000"), "gpt2 was made for 1,024 tokens at most, not 2,000", "--context 1024"),
        (("--context", "100"), "cannot hold a prompt of 200 and an answer of 20", "--context 220"),
        (("--context", "1"), "context is out of range", "at least 2"),
        (("--concurrency", "0"), "concurrency is out of range", "at least 1"),
        (("--input-tokens", "-5"), "input_tokens is out of range", "at least 1"),
        (("--requests-per-day", "0"), "requests_per_day is out of range", "above 0"),
        (("--max-p95-ms", "nan"), "max_p95_ms is not finite", "ordinary"),
        (("--memory-gb", "-1"), "memory_gb is out of range", "above 0"),
        (("--count", "0"), "count is out of range", "at least 1"),
        (("--rank", "0"), "rank is out of range", "at least 1"),
        (("--for", "sale"), "purpose is not one of the choices", "serving, tuning"),
        (("gpt2", "--gpu", "Apple M2", "--requests-per-day", "5"), "no price of Apple M2", "[[rent]]"),
        (("--requests-per-day", "5", "--api", "gpt-4oo"), "has no API price 'gpt-4oo'", "gpt-4o"),
        (("--prices", "none.toml"), "none.toml cannot be read", "path"),
    ],
)
def test_bad_input_is_refused_with_the_way_out(args: tuple[str, ...], message: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        commands.run(["plan", *args])
    assert message in caught.value.message
    assert fix in caught.value.fix
    assert error_report.report_error(caught.value) == 2


def test_advice_is_given_as_prose_and_as_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    flags = (
        "--task",
        "classify",
        "--accuracy",
        "0.9",
        "--privacy",
        "inside",
        "--requests-per-day",
        "500",
        "--rows",
        "800",
    )
    text = said(capsys, "decide", *flags)
    assert text.startswith("Start with the baselines")
    assert "  ockham fit DATA --min-accuracy 0.9 --requests-per-day 500" in text
    assert record(capsys, "decide", *flags)["choice"] == "baseline"


def test_questions_that_are_not_answered_are_named() -> None:
    with pytest.raises(ConfigError, match="missing: --accuracy, --privacy, --requests-per-day, --rows"):
        commands.run(["decide", "--task", "classify"])
    flags = ["--accuracy", "0.9", "--privacy", "inside", "--requests-per-day", "500", "--rows", "8"]
    with pytest.raises(ConfigError) as caught:
        commands.run(["decide", "--task", "clasify", *flags])
    assert "did you mean classify?" in caught.value.fix
    with pytest.raises(ConfigError, match="accuracy is out of range"):
        commands.run(["decide", "--task", "classify", "--accuracy", "90", *flags[2:]])


def test_in_a_terminal_the_questions_are_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("mathematics\n0.8\n0\nanywhere\n100\n50\n"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert commands.run(["decide"]) == 0
    shown = capsys.readouterr()
    assert "Use a large model." in shown.out
    assert "What should the model do?" in shown.err
