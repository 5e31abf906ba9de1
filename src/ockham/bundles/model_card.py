"""The model card of an exported folder: what it is, how to use it, what was measured, its limits and its licence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ockham import catalog
from ockham.bundles.export_source import ExportSource, base_in_catalogue
from ockham.records import Estimate
from ockham.records.quantities import QUANTITIES
from ockham.verdict.sentences import estimated_share

FILE = "README.md"
_MOST_LABELS = 50
_WHAT = {
    "linear": "A linear classifier on TF-IDF features of words, word pairs and characters within words.",
    "pattern": "Rules that find the fields of a text by shapes, label words and position.",
    "field-blend": "Several extractors, each of which answers the fields that it is best at.",
    "linear-tagger": "A chain CRF that marks the fields of a text by its words and their layout.",
    "encoder": "A sentence encoder with a linear classifier on its vectors.",
    "blend": "Several classifiers as one, whose log-probabilities are added with weights.",
    "tagger": "A sentence encoder that marks the fields of a text token by token.",
    "gguf": "A language model.",
}
_PIPELINE = {"classify": "text-classification", "extract": "token-classification"}


def write_card(source: ExportSource, form: str, usage: str, notes: Sequence[str] = ()) -> str:
    """Return a model card as Markdown.

    ``usage`` is Markdown that says how the folder is used; ``notes`` are limits of this form beside those that every
    exported model has.
    """
    manifest = source.manifest
    sections = [
        _front_matter(source),
        f"# {source.name}, exported as {form}",
        f"{_what(source)} Exported by Ockham {manifest.ockham} from a bundle of the task `{manifest.task}`.",
        _answers(source),
        f"## Use\n\n{usage.strip()}",
        f"## Measured quality\n\n{_quality(source)}",
        f"## Training data\n\nDigest of the cleaned rows: `{manifest.dataset}`. {_rows(source)}".rstrip(),
        "## Limits\n\n" + "\n".join(f"- {note}" for note in (*_limits(source), *notes)),
        f"## Licence\n\n{_licence(source)}",
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(source: ExportSource) -> str:
    base = base_in_catalogue(source.base)
    fields: dict[str, object] = {}
    if base is not None:
        fields["license"] = base.licence.lower() if base.licence in ("Apache-2.0", "MIT") else "other"
        fields["base_model"] = base.hub or base.name
    if source.manifest.task in _PIPELINE and source.manifest.kind != "gguf":
        fields["pipeline_tag"] = _PIPELINE[source.manifest.task]
    fields["tags"] = ["ockham"]
    # JSON is YAML, so nothing of a name needs quoting of its own.
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in fields.items()), "---"])


def _what(source: ExportSource) -> str:
    what = _WHAT.get(source.manifest.kind, "A model.")
    tuned = "rank" in source.manifest.candidate.settings
    if source.base is None:
        return what
    return f"{what} {'Tuned with LoRA from' if tuned else 'Made from'} {source.base}."


def _answers(source: ExportSource) -> str:
    manifest = source.manifest
    read = ", ".join(f"`{name}`" for name in manifest.inputs)
    text = f"It reads the text of {read}"
    if len(manifest.inputs) > 1 and manifest.inputs != ("messages",):
        shown = "\\n".join(f"{name}: …" for name in manifest.inputs)
        text += f', written as `"{shown}"` without the empty ones,'
    text += f" and answers with `{manifest.target}`."
    if manifest.labels:
        shown = ", ".join(f"`{label}`" for label in manifest.labels[:_MOST_LABELS])
        more = len(manifest.labels) - _MOST_LABELS
        text += f" Labels: {shown}{f' and {more} more' if more > 0 else ''}."
    return text


def _quality(source: ExportSource) -> str:
    report = source.report
    if report is None:
        return "Not known here: the bundle was exported without the run that measured it (`ockham eval` measures it)."
    lines = ["| metric | on the test rows, with its 95 % interval |", "|---|---|"]
    lines += [
        f"| {QUANTITIES[name].words} | {estimated_share(value)} |" for name, value in _shares(report.metrics).items()
    ]
    lines.append("")
    lines.append("The test rows were put aside before training and were not used to choose anything.")
    return "\n".join(lines)


def _shares(metrics: Mapping[str, Estimate]) -> dict[str, Estimate]:
    return {name: value for name, value in metrics.items() if name in QUANTITIES}


def _rows(source: ExportSource) -> str:
    if source.result is None:
        return ""
    rows = source.result.verdict.dataset
    return f"{rows.train:,} rows to train, {rows.valid:,} to validate, {rows.test:,} to test."


def _limits(source: ExportSource) -> list[str]:
    limits = ["The numbers hold for texts like the test rows; measure again on texts of another kind."]
    if source.manifest.labels:
        limits.append("It knows these labels alone, and answers every text with one of them, however strange the text.")
    if source.manifest.kind == "linear":
        limits.append("Its list of terms consists of words and parts of words of the training rows.")
    if source.base is not None and (words := catalog.download_limits(source.base)):
        limits.append(f"Its base model, {source.base}: {words}.")
    return limits


def _licence(source: ExportSource) -> str:
    if source.base is None:
        return "It was made from your rows alone, and is yours."
    base = base_in_catalogue(source.base)
    if base is None:
        return f"The licence of the base model {source.base} applies; Ockham does not know it."
    return f"The base model {base.hub or base.name} is under the licence {base.licence}: it applies to this model too."
