"""`ockham export`: a tuned or prompted language model for another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli.help import Command
from ockham.cli.options import PATH

if TYPE_CHECKING:
    from ockham.bundles.export import Form


EXAMPLES = (
    "ockham export runs/orders --to ollama -o orders-ollama",
    "ockham export runs/orders --rung decoder-tuned:ockham-nano --to peft -o orders-adapter",
)


@click.command("export", cls=Command, examples=EXAMPLES)
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.option("--to", "form", type=click.Choice(["gguf", "peft", "ollama"]), required=True, help="Format to write.")
@click.option("--out", "-o", type=PATH, required=True, metavar="FOLDER", help="New folder for the files.")
@click.option("--rung", metavar="NAME", help="Candidate to export [default: the chosen one].")
def command(*, bundle: Path, form: Form, out: Path, rung: str | None) -> None:
    """Export a language model from a bundle for other programs.

    BUNDLE is the folder of a run or of a bundle. gguf writes the weights for llama.cpp and the system prompt, ollama
    the same with a Modelfile, peft the LoRA adapter that was trained. Only ockham restricts answers to the labels or
    the schema: in other programs the model writes freely.
    """
    from ockham.bundles.export import export
    from ockham.cli import output

    output.lines(*(str(path) for path in export(bundle, form, out, rung=rung)))
