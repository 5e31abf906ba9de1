"""Extract fields from texts with the model of this folder: python predict.py "a text", or one text a line on stdin.

Needs onnxruntime, tokenizers and numpy. From Python: predict.load().answer("a text").
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when onnxruntime is imported

import bio_tags
import chain_crf
import json_fields
import numpy as np
import onnxruntime
import span_shares
import value_forms
from tokenizers import Tokenizer


class Extractor:
    """The model of a folder, loaded."""

    def __init__(self, folder: Path) -> None:
        """Read the model, its tokenizer and the schema of its answers."""
        self.schema, self.settings = (
            json.loads((folder / f"{name}.json").read_bytes()) for name in ("schema", "settings")
        )
        by_path = {field.path: field for field in json_fields.of_schema(self.schema)}
        self.fields = [by_path[tuple(path)] for path in self.settings["paths"]]
        self.shared = self.settings["shared_tokens"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.settings["max_tokens"], stride=self.shared)
        options = onnxruntime.SessionOptions()
        # Higher levels are slower for these graphs, and their answers differ in the last digits.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])

    def answer(self, text: str) -> dict[str, Any]:
        """Return the fields of a text as a JSON object, and the probability that all of them are right."""
        texts: dict[tuple[str, ...], list[str]] = {}
        confidence = 1.0
        choices = self.choose(text)
        for number, (field, rule) in enumerate(zip(self.fields, self.settings["rules"], strict=True)):
            values = choices.get(number, [])
            given = [value for value in values if value.share >= rule["least"]]
            if given:
                kept = given if field.repeated else given[:1]
                texts[field.path] = [str(self.write(text, value)) for value in kept]
                confidence *= math.prod(sure(rule, value.share) for value in kept)
            elif rule["empty"] is not None:
                confidence *= rule["empty"]
            else:
                confidence *= math.prod(1 - sure(rule, value.share) for value in values)
        return {"answer": json_fields.object_of(self.schema, texts), "confidence": confidence}

    def choose(self, text: str) -> dict[int, list[Any]]:
        """Return what may be said of each field, by its number: of one that has several values all."""
        spans = [span for span in self.spans(text) if self.write(text, span) is not None]
        out: dict[int, list[Any]] = {}
        for value in span_shares.field_values(text, [span for span in spans if not self.fields[span.field].repeated]):
            out.setdefault(value.field, []).append(value)
        for number, values in out.items():
            out[number] = span_shares.expect_value(values, self.settings["rules"][number]["presence"])
        several = [span for span in spans if self.fields[span.field].repeated]
        for span in span_shares.without_overlaps(several, span_shares.LEAST):
            out.setdefault(span.field, []).append(span)
        return out

    def spans(self, text: str) -> list[Any]:
        """Return the parts of a text that may be values, with their shares."""
        places, margins = self.read(text)
        if not len(margins):
            return []
        free = bio_tags.free(text, places, self.settings["closed"])
        scores, words = bio_tags.join_tokens(margins, places, free)
        moves = chain_crf.legal_moves(len(self.fields))
        emissions = np.exp(scores - scores.max(axis=1, keepdims=True))[None]
        lattice, _ = chain_crf.run_lattice(emissions, moves, np.array([len(words)]))
        onward = chain_crf.onward_shares(lattice, moves)
        return list(span_shares.span_shares(lattice.marginals()[0], onward, words))

    def write(self, text: str, span: Any) -> str | None:  # noqa: ANN401 - a SpanShare
        """Return what a part of a text says in the form of its field; ``None`` where the field cannot hold it."""
        value = value_forms.write_as(self.settings["rules"][span.field]["form"], text[span.start : span.end])
        return value if value and json_fields.fits(self.fields[span.field], value) else None

    def read(self, text: str) -> tuple[list[tuple[int, int]], np.ndarray]:
        """Return where the tokens of a text stand in it, and their margins (tokens, tags)."""
        encoding = self.tokenizer.encode((self.settings["prefix"] + text).encode("utf-8", "replace").decode())
        parts, places, rows = [encoding, *encoding.overflowing], list[tuple[int, int]](), []
        for number, part in enumerate(parts):
            margins = self.session.run(["margins"], {"ids": np.array([part.ids], np.int64)})[0][0]
            inner = [index for index, special in enumerate(part.special_tokens_mask) if not special]
            # Neighbouring windows share tokens; each counts where it stands farther from the edge.
            first = self.shared // 2 if number else 0
            last = len(inner) - (self.shared - self.shared // 2 if number < len(parts) - 1 else 0)
            offsets = part.offsets  # made anew whenever it is asked for
            for index in inner[first:last]:
                start, end = self.trim(text, offsets[index])
                if start < end:
                    places.append((start, end))
                    rows.append(margins[index])
        return whole(text, places), np.array(rows, np.float32)

    def trim(self, text: str, offsets: tuple[int, int]) -> tuple[int, int]:
        """Return a token's place in the text without the prefix, and without space at its ends."""
        start, end = (max(0, offset - len(self.settings["prefix"])) for offset in offsets)
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        return start, end


def sure(rule: dict[str, Any], share: float) -> float:
    """Return how sure a value of such a share is."""
    inner = min(max(share, 1e-6), 1 - 1e-6)
    return 1 / (1 + math.exp(-(rule["slope"] * math.log(inner / (1 - inner)) + rule["offset"])))


def whole(text: str, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return each token with the accents that stand behind it."""
    out = []
    for (start, end), (limit, _) in zip(places, [*places[1:], (len(text), 0)], strict=False):
        last = end
        while last < limit and bio_tags.continues(text[last]):
            last += 1
        out.append((start, last))
    return out


def load() -> Extractor:
    """Load the model that lies beside this file."""
    return Extractor(Path(__file__).resolve().parent)


if __name__ == "__main__":
    model = load()
    for line in sys.argv[1:] or sys.stdin:
        sys.stdout.write(json.dumps(model.answer(line.rstrip("\n")), ensure_ascii=False) + "\n")
