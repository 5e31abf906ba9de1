"""`ockham curate`: clean documents of any size."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from ockham.cli import options, progress, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH
from ockham.curation.curate_spec import CurateSpec
from ockham.records.curation import CurationReport, Step

if TYPE_CHECKING:
    from ockham.curation.executors import RayCluster

_SEVERAL = {"step": "steps", "language": "languages", "filter": "filters"}
_EFFORT = ("out", "chunk_mb", "workers", "engine", "address")
ROWS = section(
    "Data",
    click.option(
        "--input", multiple=True, metavar="COLUMN", help="Column with the text; repeat it for several columns."
    ),
    click.option("--target", metavar="COLUMN", help="Column with the label or answer, for labelled rows."),
    options.encoding,
)
CHOICES = section(
    "Rules",
    click.option("--step", multiple=True, type=click.Choice(get_args(Step)), help="Run only this step; repeatable."),
    click.option("--skip", multiple=True, type=click.Choice(get_args(Step)), help="Skip this step; repeatable."),
    click.option("--language", multiple=True, metavar="CODE", help="Keep only this language (such as en); repeatable."),
    click.option("--min-words", type=int, metavar="N", help="Minimum words of a document [default: 50]."),
    click.option("--max-words", type=int, metavar="N", help="Maximum words of a document [default: 100,000]."),
    click.option(
        "--similarity",
        type=float,
        metavar="SHARE",
        help="Similarity from which rows are near-duplicates [default: 0.8].",
    ),
    click.option("--survivor", type=click.Choice(["first", "longest"]), help="The near-duplicate to keep."),
    click.option(
        "--test",
        multiple=True,
        type=options.NAME,
        metavar="FILE",
        help="Drop rows that contain rows of this test file.",
    ),
    click.option("--containment", type=float, metavar="SHARE", help="Share of a test row that counts as a leak."),
    click.option("--personal", type=click.Choice(["report", "redact", "drop"]), help="What to do with personal data."),
    click.option("--doubts", type=click.Choice(["off", "report", "drop"]), help="What to do with doubtful labels."),
    click.option("--filter", multiple=True, metavar="NAME[:KEY=VALUE,...]", help="Also apply this filter; repeatable."),
)
OUTPUT = section(
    "Output",
    click.option("--out", "-o", type=PATH, metavar="FOLDER", help="Folder for the clean rows and the report."),
    click.option("--dry-run", is_flag=True, help="Try the first rows only, and estimate the result, time and disk."),
    click.option("--restart", is_flag=True, help="Replace a curation of other data or settings in FOLDER, once done."),
    click.option(
        "--format",
        type=click.Choice(["jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet"]),
        help="Format of the clean rows [default: jsonl].",
    ),
    click.option("--shard-mb", type=int, metavar="MB", help="Size of each file of clean rows [default: 64]."),
)
ENGINE = section(
    "Engine",
    click.option("--workers", type=int, metavar="N", help="Processes or cluster tasks [default: one per core]."),
    click.option("--chunk-mb", type=int, metavar="MB", help="Text that a process reads at a time [default: 8]."),
    click.option("--engine", type=click.Choice(["local", "ray"]), help="Where to run [default: local]."),
    click.option("--address", metavar="HOST:PORT", help="Address of a Ray cluster [default: start one here]."),
)
EXAMPLES = (
    "ockham curate mails.jsonl -o clean/mails --personal redact",
    "ockham curate corpus/ --language en --test test.jsonl --dry-run",
)


@click.command("curate", cls=Command, examples=EXAMPLES)
@click.argument("data", nargs=-1, required=True, type=options.NAME, metavar="DATA...")
@ROWS
@CHOICES
@OUTPUT
@options.as_json
@options.quiet
@ENGINE
@options.configuration
@options.unsealed_option(recorded=True)
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

    DATA names files (JSONL, JSON, CSV, TSV, Parquet, text; gzip and zstd too), folders or patterns. FOLDER receives
    clean/ (the rows that are kept, in their order), quarantine/ (every dropped row, with the rule, its score and its
    limit), report.html and report.json. Nothing is lost: rows in = kept + changed + quarantined.

    To resume a run that was stopped, give the same command again. The first run of a new version compiles its kernels,
    which takes about half a minute.
    """
    from ockham.errors import ConfigError

    restart = flags.pop("restart")
    values = settings.collect("curate", config, flags)
    settings.check_cluster(config, flags, values)
    if values.get("out") is None and not dry_run:
        raise ConfigError("E_CONFIG", "no output folder is named", fix="add -o FOLDER, or --dry-run for a preview")
    settings.spec(CurateSpec, _spec_values(values))
    folders = (str(values["out"]),) if values.get("out") and not dry_run else ()
    if values.get("engine") == "ray" and not unsealed:
        _refuse_own_filters(
            [*sealed_commands.list_items(values.get("filter")), *sealed_commands.list_items(values.get("filters"))]
        )
    sealed_commands.enter("curate", {**values, "data": data}, folders, unsealed=unsealed)
    from ockham.cli import output
    from ockham.curation import curate

    out, chunk = values.get("out"), values.get("chunk_mb")
    number, crew = _workers(values)
    spec = settings.spec(CurateSpec, _spec_values(values))
    with progress.progress_display(quiet=quiet, resumes=not dry_run) as on_progress:
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


def _refuse_own_filters(requests: Sequence[object]) -> None:
    """Raise `SealError` (``E_SEALED``) where code of the user's own would judge rows on a cluster, where no wall is."""
    from ockham.curation.filters import FILTERS
    from ockham.errors import SealError

    names = [str(request.get("name") if isinstance(request, Mapping) else request) for request in requests]
    foreign = sorted({name.partition(":")[0] for name in names} - set(FILTERS.own))
    if foreign:
        what = f"nothing would keep the code of {' and '.join(foreign)} from the network on a Ray cluster"
        raise SealError("E_SEALED", what, fix="omit --engine ray, or add --unsealed, which the run records")


def _spec_values(values: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that say what is curated, by the names of the record: not where, nor by how many."""
    fields = {_SEVERAL.get(name, name): value for name, value in values.items() if name not in _EFFORT}
    limits = {name: fields.pop(name) for name in ("min_words", "max_words") if name in fields}
    if limits:
        table = fields.get("limits", {})
        fields["limits"] = {**(table if isinstance(table, dict) else {}), **limits}
    return fields


def _workers(values: Mapping[str, object]) -> tuple[int, int | RayCluster]:
    """Return how many processes work here, and who curates: these, or a Ray cluster."""
    from ockham.curation.executors import RayCluster
    from ockham.errors import ConfigError

    workers, engine, address = (values.get(name) for name in ("workers", "engine", "address"))
    number = workers if isinstance(workers, int) else min(16, os.cpu_count() or 1)
    if engine == "ray":
        tasks = workers if isinstance(workers, int) else None
        return number, RayCluster(address=None if address is None else str(address), tasks=tasks)
    if address is not None:
        raise ConfigError("E_CONFIG", "--address needs --engine ray", fix="add --engine ray")
    return number, number


def report_lines(report: CurationReport, out: str | None) -> list[str]:
    """Return the lines a person reads."""
    from ockham.cli.terminal import fill, table, width
    from ockham.plain_numbers import percent
    from ockham.reporting.curation_page import summary_sentence

    columns = width()
    lines = [*fill(summary_sentence(report), columns), ""]
    if report.left_out:
        body = [
            [name.replace("_", " "), f"{number:,}", percent(number / max(1, report.rows))]
            for name, number in report.left_out.items()
        ]
        lines += [*table(("dropped", "rows", "share"), body, columns), ""]
    for title, counts in (("Changed", report.changes), ("Personal data in rows", report.personal)):
        if counts:
            lines += fill(f"{title}: {', '.join(f'{name} {number:,}' for name, number in counts.items())}.", columns)
    for warning in report.warnings:
        lines += fill(f"Warning: {warning}.", columns)
    if report.estimate:
        lines += fill(
            f"All rows would take about {report.estimate['seconds']:,.0f} s and {report.estimate['disk_mb']:,.0f} MB "
            f"of temporary disk space, and yield {report.estimate['clean_mb']:,.0f} MB. The whole data will hold more "
            "duplicates.",
            columns,
        )
    if out is not None:
        lines += [f"Clean rows: {out}/clean", f"Report: {out}/report.html"]
    return lines
