"""`ockham curate`: clean documents of any size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from ockham.cli import options, progress, sealed_commands, settings
from ockham.cli.options import PATH, together
from ockham.curation.curate_spec import CurateSpec
from ockham.records.curation import CurationReport, Step

if TYPE_CHECKING:
    from ockham.curation.executors import RayCluster

_SEVERAL = {"step": "steps", "language": "languages", "filter": "filters"}
CHOICES = together(
    click.option("--step", multiple=True, type=click.Choice(get_args(Step)), help="Take only this step; repeat it."),
    click.option("--skip", multiple=True, type=click.Choice(get_args(Step)), help="Leave this step out; repeat it."),
    click.option("--language", multiple=True, metavar="CODE", help="Keep this language (as in en); repeat it."),
    click.option("--similarity", type=float, metavar="SHARE", help="Near-duplicates share as much (0.8 if not set)."),
    click.option("--survivor", type=click.Choice(["first", "longest"]), help="Which near-duplicate stays."),
    click.option("--test", multiple=True, metavar="FILE", help="Rows of this file must not stand in the data."),
    click.option("--containment", type=float, metavar="SHARE", help="How much of a test row makes a leak."),
    click.option(
        "--personal", type=click.Choice(["report", "redact", "drop"]), help="What is done about personal data."
    ),
    click.option(
        "--filter",
        multiple=True,
        metavar="NAME[:KEY=VALUE,...]",
        help="Ask this filter too, with these settings; repeat it.",
    ),
    click.option("--doubts", type=click.Choice(["off", "report", "drop"]), help="What is done about labels in doubt."),
    click.option("--min-words", type=int, metavar="N", help="Fewest words of a document (50 if not set)."),
    click.option("--max-words", type=int, metavar="N", help="Most words of a document (100,000 if not set)."),
)
OUTPUT = together(
    click.option("--out", "-o", type=PATH, metavar="FOLDER", help="Where the rows and the report go."),
    click.option(
        "--format",
        type=click.Choice(["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet"]),
        help="Form of the clean rows (jsonl if not set).",
    ),
    click.option("--shard-mb", type=int, metavar="MB", help="Size of a file of clean rows (64 if not set)."),
    click.option(
        "--workers", type=int, metavar="N", help="Processes, or tasks of a cluster (as many as cores if not set)."
    ),
    click.option("--engine", type=click.Choice(["local", "ray"]), help="Who works (local if not set)."),
    click.option("--address", metavar="HOST:PORT", help="The Ray cluster (one is started here if not set)."),
    click.option("--chunk-mb", type=int, metavar="MB", help="Text that a process looks at at once (8 if not set)."),
    click.option("--restart", is_flag=True, help="Replace what FOLDER holds of other data or settings, once done."),
    click.option("--dry-run", is_flag=True, help="Try the first rows; say what all would take and lose."),
)


@click.command("curate")
@click.argument("data", nargs=-1, required=True, metavar="DATA...")
@click.option("--input", multiple=True, metavar="COLUMN", help="Column with the text; give it once per column.")
@click.option("--target", metavar="COLUMN", help="Column with the label or answer, of labelled rows.")
@options.encoding
@CHOICES
@OUTPUT
@options.configuration
@options.as_json
@options.quiet
@options.unsealed_option
def command(
    *,
    data: tuple[str, ...],
    config: Path | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    unsealed: bool,
    **flags: object,
) -> None:
    """Clean documents or labelled rows of any size.

    DATA are files (JSONL, CSV, TSV, Parquet, text; JSONL and CSV packed with gzip or zstd too), folders or patterns.
    FOLDER gets clean/ (the rows that stay, in their order), quarantine/ (every other row, with the rule, its score and
    its limit), report.html and report.json. Nothing is lost: rows in = kept + changed + quarantined.

    A run that was stopped goes on when the same command is given again; --restart begins one of other data or settings
    in the same folder. The first run of a version compiles its kernels, which takes about half a minute.
    """
    from ockham.errors import ConfigError

    restart = flags.pop("restart")
    values = settings.collect("curate", config, flags)
    folders = (str(values["out"]),) if values.get("out") and not dry_run else ()
    sealed_commands.enter("curate", {**values, "data": data}, folders, unsealed=unsealed)
    from ockham.cli import output
    from ockham.curation import curate

    values = {_SEVERAL.get(name, name): value for name, value in values.items()}
    limits = {name: values.pop(name) for name in ("min_words", "max_words") if name in values}
    if limits:
        table = values.get("limits", {})
        values["limits"] = {**(table if isinstance(table, dict) else {}), **limits}
    out, chunk = (values.pop(name, None) for name in ("out", "chunk_mb"))
    number, crew = _workers(values)
    spec = settings.spec(CurateSpec, values)
    if out is None and not dry_run:
        raise ConfigError("E_CONFIG", "no folder is named", fix="name it: -o FOLDER, or ask for a --dry-run")
    with progress.progress_display(quiet=quiet) as on_progress:
        if dry_run:
            report = curate.preview(data, spec, workers=number, on_progress=on_progress)
        else:
            size = chunk if isinstance(chunk, int) else 8
            verb = curate.restart if restart else curate.curate
            report = verb(data, spec, out=Path(str(out)), workers=crew, chunk_mb=size, on_progress=on_progress).report
            sealed_commands.record_unsealed(str(out))
    if as_json:
        output.record(report)
    else:
        output.lines(*report_lines(report, None if dry_run else str(out)))


def _workers(values: dict[str, object]) -> tuple[int, int | RayCluster]:
    """Take out of the settings how many processes work here, and who curates: these, or a Ray cluster."""
    from ockham.curation.executors import RayCluster
    from ockham.errors import ConfigError

    workers, engine, address = (values.pop(name, None) for name in ("workers", "engine", "address"))
    number = workers if isinstance(workers, int) else min(16, os.cpu_count() or 1)
    if engine == "ray":
        tasks = workers if isinstance(workers, int) else None
        return number, RayCluster(address=None if address is None else str(address), tasks=tasks)
    if address is not None:
        raise ConfigError("E_CONFIG", "an address is named, but not the engine", fix="add --engine ray")
    return number, number


def report_lines(report: CurationReport, out: str | None) -> list[str]:
    """Return the lines a person reads."""
    from ockham.cli.terminal import fill, table, width
    from ockham.report.curation_page import summary_sentence

    columns = width()
    lines = [*fill(summary_sentence(report), columns), ""]
    if report.left_out:
        body = [
            [name.replace("_", " "), f"{number:,}", f"{100 * number / max(1, report.rows):.1f} %"]
            for name, number in report.left_out.items()
        ]
        lines += [*table(("left out", "rows", "share"), body, columns), ""]
    for title, counts in (("Changed", report.changes), ("Personal data in rows", report.personal)):
        if counts:
            lines += fill(f"{title}: {', '.join(f'{name} {number:,}' for name, number in counts.items())}.", columns)
    for warning in report.warnings:
        lines += fill(f"Warning: {warning}.", columns)
    if report.estimate:
        lines += fill(
            f"All of it would take about {report.estimate['seconds']:,.0f} s and {report.estimate['disk_mb']:,.0f} MB "
            f"of disk on the way, and give {report.estimate['clean_mb']:,.0f} MB. More duplicates meet in all rows.",
            columns,
        )
    if out is not None:
        lines += [f"Clean rows: {out}/clean", f"Report: {out}/report.html"]
    return lines
