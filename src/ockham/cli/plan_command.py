"""`ockham plan`: fit, speed and cost, before any download."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, settings
from ockham.cli.options import PATH, together

MODEL = together(
    click.argument("models", nargs=-1, metavar="[MODEL]..."),
    click.option("--quant", multiple=True, metavar="FORMAT", help="f16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0, int8, …"),
    click.option("--context", type=int, metavar="TOKENS", help="Context to reserve; prompt and answer if not set."),
    click.option("--concurrency", type=int, metavar="N", help="Answers worked on at a time (1 if not set)."),
    click.option("--input-tokens", type=int, metavar="N", help="Tokens of a prompt (200 if not set)."),
    click.option("--output-tokens", type=int, metavar="N", help="Tokens of an answer (20 if not set)."),
    click.option("--max-p95-ms", type=float, metavar="MS", help="Greatest time of an answer."),
)
DEVICE = together(
    click.option("--device", "--gpu", metavar="NAME", help='A device of the catalogue, as in "RTX 4090".'),
    click.option("--count", type=int, metavar="N", help="How many of them (1 if not set)."),
    click.option("--memory-gb", type=float, metavar="GB", help="Memory to plan with instead of the device's."),
    click.option("--threads", type=int, metavar="N", help="Threads on this machine; found by measuring otherwise."),
    click.option("--measure", is_flag=True, help="Measure this machine anew (a few seconds)."),
)
TUNING = together(
    click.option("--for", "purpose", metavar="PURPOSE", help="serving (if not set) or tuning."),
    click.option("--rows", type=int, metavar="N", help="Rows to tune on (1,000 if not set)."),
    click.option("--epochs", type=float, metavar="N", help="Passes over them (3 if not set)."),
    click.option("--batch", type=int, metavar="N", help="Rows per step (8 if not set)."),
    click.option("--rank", type=int, metavar="N", help="Rank of the LoRA adapter (16 if not set)."),
    click.option("--checkpointing", is_flag=True, default=None, help="Compute activations twice to save memory."),
)
COST = together(
    click.option("--requests-per-day", type=float, metavar="N", help="Traffic; asks for costs."),
    click.option("--api", multiple=True, metavar="NAME", help="Only this API; give it once per API."),
    click.option("--years", type=float, metavar="N", help="Years over which a bought device is paid off (3)."),
    click.option("--prices", metavar="FILE", help="Price table of your own (TOML)."),
)
if TYPE_CHECKING:
    from ockham.plan import PlanSpec

# One word on the command line and in ockham.toml, the record's own word in the record.
_NAMES = {"model": "models", "quant": "quantizations", "api": "apis", "for": "purpose", "gpu": "device"}
_LISTS = ("models", "quantizations", "apis")


@click.command("plan")
@MODEL
@DEVICE
@TUNING
@COST
@click.option("--report", type=PATH, metavar="FILE", help="Write a page with pictures.")
@options.configuration
@options.as_json
def command(
    *, config: Path | None, measure: bool, report: Path | None, as_json: bool, prices: str | None, **flags: object
) -> None:
    """Predict fit, speed and cost of models before any download.

    MODEL is a name of the catalogue, as in Qwen2.5-1.5B, or a folder or GGUF file that is here; without one the whole
    catalogue is listed. Without --device
    the plan is for this machine, whose memory and arithmetic are measured once a day. Nothing is downloaded or
    sent.
    """
    from ockham import catalog, machine
    from ockham.cli import output, plan_output
    from ockham.plan import plan
    from ockham.plan.this_machine import detect_machine

    values = settings.collect("plan", config, {"prices": prices, **flags})
    table = settings.text(values, "prices")
    spec = _spec(values)
    price_table = catalog.prices(None if table is None else Path(table))
    now = dt.datetime.now(dt.timezone.utc)
    target = None
    if spec.device is None:
        target = detect_machine(machine.cache(), now, time.process_time, threads=spec.threads, anew=measure)
    planned = plan(spec, price_table, now.date(), target)
    if report is not None:
        from ockham.report import render_plan
        from ockham.store import save_text

        save_text(report, render_plan(planned))
    if as_json:
        output.record(planned)
    else:
        output.lines(*plan_output.plan_lines(planned), *([] if report is None else ["", f"Report: {report}"]))


def _spec(values: dict[str, object]) -> PlanSpec:
    """Make the record from settings; formats and purpose may be written in capitals."""
    from ockham.config import build
    from ockham.plan import PlanSpec

    fields: dict[str, object] = {}
    for name, value in values.items():
        word = _NAMES.get(name, name)
        listed = [value] if word in _LISTS and isinstance(value, str) else value
        if word == "quantizations" and isinstance(listed, (list, tuple)):
            listed = tuple(quant.casefold() if isinstance(quant, str) else quant for quant in listed)
        fields[word] = listed
    return build(PlanSpec, fields, "settings")
