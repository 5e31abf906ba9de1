"""`ockham export`: the model of a bundle for another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, progress, run_names
from ockham.cli.help import Command, section
from ockham.cli.options import PATH
from ockham.errors import ConfigError
from ockham.printable import printable

if TYPE_CHECKING:
    from ockham.bundles.export import Form


EXAMPLES = (
    "ockham export runs/tickets --to onnx -o tickets-onnx",
    "ockham export runs/orders --rung decoder-tuned:ockham-nano --to ollama -o orders-ollama",
)


@click.command("export", cls=Command, examples=EXAMPLES)
@click.argument("bundle", type=PATH, metavar="RUN_OR_BUNDLE")
@section(
    "Output",
    click.option(
        "--to",
        "form",
        type=click.Choice(["onnx", "sklearn", "gguf", "ollama", "peft"]),
        required=True,
        help="Format to write.",
    ),
    click.option("--out", "-o", type=PATH, required=True, metavar="FOLDER", help="New folder for the files."),
    click.option(
        "--rung",
        metavar="NAME",
        shell_complete=run_names.complete_candidates,
        help="Candidate to export [default: the chosen one].",
    ),
)
@options.quiet
def command(*, bundle: Path, form: Form, out: Path, rung: str | None, quiet: bool) -> None:
    """Export a model for use without ockham.

    RUN_OR_BUNDLE is the folder of a run or of its bundle. onnx writes a classifier or a tagger (linear, encoder,
    linear+encoder, encoder-tuned, encoder-tagger) and a program, predict.py, that needs only onnxruntime, tokenizers
    and numpy and gives the bundle's answers. sklearn writes a linear model as a scikit-learn pipeline (skops, no
    pickle). For a language model, gguf writes the weights for llama.cpp and the system prompt, ollama the same with a
    Modelfile. peft writes the LoRA adapter of a tuned encoder or language model. Programs other than ockham restrict a
    language model's answers to the labels or fields only if they are given schema.json with each request.
    """
    run_names.check(bundle)
    if out.exists():
        raise ConfigError("E_CONFIG", f"{printable(out)} already exists", fix="name a new folder: -o FOLDER")
    from ockham.bundles.export import export
    from ockham.cli import output

    with progress.progress_display(quiet=quiet) as on_progress:
        written = export(bundle, form, out, rung=rung, on_progress=on_progress)
    output.lines(*map(str, written))
