"""`ockham plan`: fit, speed and cost, before any download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH

MODEL = section(
    "Workload",
    click.argument("models", nargs=-1, type=options.NAME, metavar="[MODEL]..."),
    click.option("--quant", multiple=True, metavar="FORMAT", help="f16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0, int8, …"),
    click.option("--context", type=int, metavar="TOKENS", help="Context to reserve [default: prompt and answer]."),
    click.option("--concurrency", type=int, metavar="N", help="Requests processed at a time [default: 1]."),
    click.option("--input-tokens", type=int, metavar="N", help="Tokens per prompt [default: 200]."),
    click.option("--output-tokens", type=int, metavar="N", help="Tokens per answer [default: 20]."),
    click.option("--max-p95-ms", type=float, metavar="MS", help="Maximum time per answer."),
)
DEVICE = section(
    "Device",
    click.option("--device", "--gpu", metavar="NAME", help='A device of the catalogue, such as "RTX 4090".'),
    click.option("--count", type=int, metavar="N", help="Number of devices [default: 1]."),
    click.option("--memory-gb", type=float, metavar="GB", help="Memory to plan with, instead of the device's."),
    click.option("--threads", type=int, metavar="N", help="Threads on this machine [default: measured]."),
    click.option("--measure", is_flag=True, help="Measure this machine again (a few seconds)."),
)
TUNING = section(
    "Tuning",
    click.option("--for", "purpose", metavar="PURPOSE", help="serving or tuning [default: serving]."),
    click.option("--rows", type=int, metavar="N", help="Rows to tune on [default: 1,000]."),
    click.option("--epochs", type=float, metavar="N", help="Epochs [default: 3]."),
    click.option("--batch", type=int, metavar="N", help="Batch size [default: 8]."),
    click.option("--rank", type=int, metavar="N", help="Rank of the LoRA adapter [default: 16]."),
    click.option("--checkpointing", is_flag=True, default=None, help="Recompute activations to save memory."),
)
COST = section(
    "Cost",
    click.option("--requests-per-day", type=float, metavar="N", help="Expected traffic; adds the costs."),
    click.option("--api", multiple=True, metavar="NAME", help="Compare with this API only; repeatable."),
    click.option("--years", type=float, metavar="N", help="Years over which a bought device is paid off [default: 3]."),
    click.option("--prices", type=options.NAME, metavar="FILE", help="Your own price table (TOML)."),
)
EXAMPLES = (
    "ockham plan --max-p95-ms 200",
    'ockham plan Qwen2.5-1.5B --gpu "RTX 4090" --quant q4_0 --requests-per-day 10000',
)
if TYPE_CHECKING:
    from ockham.planning import PlanSpec

# One word on the command line and in ockham.toml, the record's own word in the record.
_NAMES = {"model": "models", "quant": "quantizations", "api": "apis", "for": "purpose", "gpu": "device"}
_LISTS = ("models", "quantizations", "apis")


@click.command("plan", cls=Command, examples=EXAMPLES)
@MODEL
@DEVICE
@TUNING
@COST
@section("Output", click.option("--report", type=PATH, metavar="FILE", help="Also write an HTML page with charts."))
@options.as_json
@options.configuration
def command(
    *, config: Path | None, measure: bool, report: Path | None, as_json: bool, prices: str | None, **flags: object
) -> None:
    """Predict memory, speed and cost of models before you download any.

    MODEL is a name from the catalogue, such as Qwen2.5-1.5B, or a local folder or GGUF file; without one, the whole
    catalogue is listed. Without --device, the plan is for this machine, whose memory bandwidth and arithmetic are
    measured once a day. Nothing is downloaded or sent.
    """
    from ockham import verbs
    from ockham.cli import output, plan_output

    values = settings.collect("plan", config, {"prices": prices, **flags})
    table = settings.text(values, "prices")
    planned = verbs.plan(_spec(values), prices=table, measure=measure)
    if report is not None:
        from ockham.reporting import render_plan
        from ockham.store import save_text

        save_text(report, render_plan(planned))
    if as_json:
        output.record(planned)
    else:
        output.lines(*plan_output.plan_lines(planned), *([] if report is None else ["", f"Report: {report}"]))


def _spec(values: dict[str, object]) -> PlanSpec:
    """Make the record from settings; formats and purpose may be written in capitals."""
    from ockham.config import build
    from ockham.planning import PlanSpec

    fields: dict[str, object] = {}
    for name, value in values.items():
        word = _NAMES.get(name, name)
        listed = [value] if word in _LISTS and isinstance(value, str) else value
        if word == "quantizations" and isinstance(listed, (list, tuple)):
            listed = tuple(quant.casefold() if isinstance(quant, str) else quant for quant in listed)
        fields[word] = listed
    return build(PlanSpec, fields, "settings")
