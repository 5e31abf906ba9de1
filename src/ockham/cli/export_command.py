"""`ockham export`: a tuned or prompted language model for another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli.options import PATH

if TYPE_CHECKING:
    from ockham.bundles.export import Form


@click.command("export")
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.option("--to", "form", type=click.Choice(["gguf", "peft", "ollama"]), required=True, help="What to write.")
@click.option("--out", "-o", type=PATH, required=True, metavar="FOLDER", help="A new folder for it.")
@click.option("--rung", metavar="NAME", help="A candidate of the run; the one that was chosen otherwise.")
def command(*, bundle: Path, form: Form, out: Path, rung: str | None) -> None:
    """Take a language model out of a bundle.

    BUNDLE is a run's folder or a bundle. gguf writes the weights for llama.cpp and the orders that stand before every
    text, ollama the same with a Modelfile, peft the LoRA adapter that was tuned. An answer that is held to labels or a
    schema is so only by `ockham`: elsewhere the model writes freely.
    """
    from ockham.bundles.export import export
    from ockham.cli import output

    output.lines(*(str(path) for path in export(bundle, form, out, rung=rung)))
