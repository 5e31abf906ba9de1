"""The verbs of the command line, each with the first sentence of its help, known before any of them is imported.

The file of a verb is ``ockham.cli.VERB_command``, and its table in ``ockham.toml`` has its name.
"""

from __future__ import annotations

from typing import Final

VERBS: Final = {
    "curate": "Clean documents or labelled rows of any size.",
    "decide": "Advise whether a small model is the right choice, and how to find out.",
    "doctor": "Show what this machine has and which rungs it can run.",
    "eval": "Measure a bundle or a model on labelled rows.",
    "export": "Export a model for use without ockham.",
    "fit": "Find the smallest model that does the job.",
    "models": "List, download or remove models.",
    "plan": "Predict memory, speed and cost of models before you download any.",
    "predict": "Answer texts, lines of standard input, or the rows of a file.",
    "report": "Write the report of a run again.",
    "serve": "Serve bundles over HTTP to clients of the OpenAI API.",
    "tune": "Fine-tune one model on labelled rows with LoRA, and measure it.",
    "verify": "Check that a run or a bundle was not changed.",
}
"""A test compares the sentences with the commands."""
