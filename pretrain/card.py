"""The model card: what went in, how it was trained, what it scores beside n-grams, and what it says, unpicked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ockham.reporting import line_chart
from ockham.reporting.scales import write_plain
from ockham.reporting.svg import standalone
from pretrain import model
from pretrain.evaluation import Held
from pretrain.model import Shape
from pretrain.sampling import Obedience, Sample
from pretrain.sources import LEFT_OUT
from pretrain.training import Point, Spec

CURVE = "loss.svg"
_POINTS = 16
_MARGIN = 0.95
"""The model beats the 5-gram clearly if its bits per byte are at most this share of the 5-gram's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the card says. ``scores`` are held-out scores by model, with those of the whole text last."""

    shape: Shape
    spec: Spec
    accounts: Sequence[Mapping[str, Any]]
    curve: Sequence[Point]
    stable_tokens: int
    scores: Mapping[str, Sequence[Held]]
    samples: Sequence[Sample]
    chats: Sequence[Sample]
    labels: Obedience


def beats(scores: Mapping[str, Sequence[Held]], name: str = "nano") -> bool:
    """Tell whether the model beats the 5-gram clearly: by 5 % of its bits per byte, over the whole held-out text."""
    return scores[name][-1].bits_per_byte <= _MARGIN * scores["5-gram"][-1].bits_per_byte


def write(facts: Facts) -> str:
    """Write the card in Markdown."""
    whole = {name: scores[-1] for name, scores in facts.scores.items()}
    size = model.parameters(facts.shape)
    parts = [
        "---\nlicense: apache-2.0\nlanguage: en\nlibrary_name: transformers\npipeline_tag: text-generation\n---",
        "# ockham-nano",
        f"A Llama of {size / 1e6:.1f} million parameters, trained from nothing by `scripts/pretrain` on text that is "
        "in the public domain or CC BY. It is here so that the decoder rungs work, can be tested and can be tuned on a "
        "machine without a network. It knows very little.",
        _verdict(whole),
        "## What it can and cannot do",
        "It goes on with a text in the manner of the text, and takes a LoRA adapter. It does not know facts, cannot "
        "reason, add or translate, and what it says about health is worth nothing. Do not use its answers untuned; the "
        "samples below were not picked.",
        f"Asked {facts.labels.chats} times for one of three to seven labels, with three to five examples, about rows "
        f"that it has never seen, it answered {facts.labels.listed} times with a label of the list and "
        f"{facts.labels.right} times with the right one; choosing blindly gives {facts.labels.chance:.0f}.",
        "## Held-out text",
        "One document in a hundred, by the digest of its content, stood aside from the start. Perplexity is per token "
        f"of the model's own vocabulary of {facts.shape.vocabulary:,}; the n-grams learnt from the same tokens. The "
        f"model sees at least {facts.shape.context // 2} tokens before each, the first ones apart.",
        _scores(facts.scores),
        "## Size",
        _table(("", ""), _sizes(facts.shape)),
        "## Training",
        f"Seed {facts.spec.seed}; {facts.spec.batch} windows of {facts.shape.context} tokens a step, cut into "
        f"{facts.spec.pieces} until the decay; Muon for the matrices at {facts.spec.muon_rate:g}, Adam for embeddings, "
        f"output and gains at {facts.spec.adam_rate:g}; warm-up over {facts.spec.warmup} steps; "
        f"{facts.stable_tokens:,} tokens in the phases below, a decay to nothing, and the supervised phase on chats in "
        "the rungs' own words. The recipe and its reasons: docs/design/006-nano.md.",
        _phases(facts.spec),
        f"![Loss on training and held-out text]({CURVE})",
        _curve(facts.curve),
        "## Data",
        _sources(facts.accounts),
        "Left out: " + "; ".join(f"{name} ({why})" for name, why in LEFT_OUT.items()) + ".",
        "## Samples",
        "The first held-out document of each source: 48 tokens given, 48 written, always the most likely one.",
        *map(_sample, facts.samples),
        "The first held-out chat of each kind, after the supervised phase.",
        *map(_sample, facts.chats),
    ]
    return "\n\n".join(parts) + "\n"


def chart(points: Sequence[Point], width: int = 640) -> str:
    """Draw the loss curve as an SVG file."""
    lines = [
        line_chart.ChartLine(name=name, points=tuple((point.tokens / 1e6, nats, nats, nats) for point, nats in values))
        for name, values in (
            ("training", [(point, point.train) for point in points]),
            ("held out", [(point, point.valid) for point in points]),
        )
    ]
    axes = line_chart.Chart(
        x_title="million tokens", y_title="nats per token", write_x=write_plain, write_y=write_plain, joints=False
    )
    picture = line_chart.draw(lines, axes, width)
    return standalone(picture, "Loss on training and held-out text", line_chart.description(lines, axes))


def _verdict(whole: Mapping[str, Held]) -> str:
    nano, five, one = (whole[name].bits_per_byte for name in ("nano", "5-gram", "unigram"))
    word = "beats" if nano <= _MARGIN * five else "does **not** clearly beat"
    return (
        f"On held-out text it {word} a 5-gram model with Kneser-Ney smoothing: {nano:.3f} bits per byte against "
        f"{five:.3f} (unigrams: {one:.3f})."
    )


def _scores(scores: Mapping[str, Sequence[Held]]) -> str:
    names = list(scores)
    heads = ("source", "tokens", *(f"{name}: perplexity" for name in names), *(f"{name}: bits/byte" for name in names))
    rows = []
    for held in zip(*scores.values(), strict=True):
        first = held[0]
        perplexities = [f"{one.perplexity:,.1f}" for one in held]
        rows.append((first.source, f"{first.tokens:,}", *perplexities, *(f"{one.bits_per_byte:.3f}" for one in held)))
    return _table(heads, rows)


def _sizes(shape: Shape) -> list[tuple[str, str]]:
    return [
        ("parameters", f"{model.parameters(shape):,}"),
        ("layers, hidden, feed-forward", f"{shape.layers}, {shape.hidden}, {shape.ffn}"),
        ("heads, key-value heads", f"{shape.heads}, {shape.kv_heads}"),
        ("context, vocabulary", f"{shape.context}, {shape.vocabulary:,} (byte-level BPE)"),
    ]


def _phases(spec: Spec) -> str:
    rows = [
        (
            f"{phase.since:,}",
            f"{phase.rate:g}",
            "as they come" if phase.others is None else f"{phase.others:.1%}",
            f"{phase.copies:.1%}",
            f"{phase.guidance:g}",
        )
        for phase in spec.phases
    ]
    heads = ("from step", "of the rates", "windows not from books", "windows that repeat themselves", "guidance")
    return _table(heads, rows)


def _curve(points: Sequence[Point]) -> str:
    if len(points) > _POINTS:
        points = [points[round(i * (len(points) - 1) / (_POINTS - 1))] for i in range(_POINTS)]
    rows = [(f"{p.step:,}", f"{p.tokens / 1e6:.2f}", f"{p.train:.3f}", f"{p.valid:.3f}") for p in points]
    return _table(("step", "million tokens", "training, nats", "held out, nats"), rows)


def _sources(accounts: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in accounts:
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in one["dropped"].items()) or "none"
        rows.append(
            (
                one["name"],
                one["licence"],
                one["origin"],
                f"{one['documents']:,}, {one['size'] / 1e6:.1f} MB",
                f"{one['kept']:,}, {one['kept_size'] / 1e6:.1f} MB",
                f"{one['held']:,}",
                dropped,
            )
        )
    return _table(("source", "licence", "origin", "read", "learnt from", "held out", "left out"), rows)


def _sample(sample: Sample) -> str:
    def quoted(text: str) -> str:
        return text.replace("\n", "\n    ")

    return (
        f"**{sample.kind}**\n\n    GIVEN: {quoted(sample.prompt)}\n\n    WRITTEN: {quoted(sample.written)}\n\n"
        f"    REAL: {quoted(sample.real)}"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
