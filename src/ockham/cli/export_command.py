"""`ockham export`: the model of a bundle for another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli.options import PATH

if TYPE_CHECKING:
    from ockham.bundles.export import Form


@click.command("export")
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.option(
    "--to",
    "form",
    type=click.Choice(["onnx", "sklearn", "gguf", "ollama", "peft"]),
    required=True,
    help="What to write.",
)
@click.option("--out", "-o", type=PATH, required=True, metavar="FOLDER", help="A new folder for it.")
@click.option("--rung", metavar="NAME", help="A candidate of the run; the one that was chosen otherwise.")
def command(*, bundle: Path, form: Form, out: Path, rung: str | None) -> None:
    """Export a model for use without ockham.

    BUNDLE is a run's folder or a bundle. onnx writes a classifier or a tagger (linear, encoder, encoder-tuned,
    encoder-tagger) as a folder with a program, predict.py, that needs only onnxruntime, tokenizers and numpy and
    answers as the bundle does. sklearn writes a linear one as a scikit-learn pipeline (skops, no pickle). Of a language
    model, gguf writes the weights for llama.cpp and its system prompt, ollama the same with a Modelfile, peft the LoRA
    adapter that was tuned. An answer that is held to labels or a schema is so only by `ockham`: elsewhere a language
    model writes freely.
    """
    from ockham.bundles.export import export
    from ockham.cli import output

    output.lines(*(str(path) for path in export(bundle, form, out, rung=rung)))
