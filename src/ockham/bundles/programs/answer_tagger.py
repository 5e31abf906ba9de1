"""Extract fields from texts with the model of this folder: python predict.py "a text", or one text a line on stdin.

Needs onnxruntime, tokenizers and numpy. From Python: predict.load().answer("a text").
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when onnxruntime is imported

import bio_tags
import json_fields
import numpy as np
import onnxruntime
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
        """Return the fields of a text as a JSON object, and the probability of all its tags together."""
        places, margins = self.read(text)
        free = bio_tags.free(text, places, self.settings["closed"])
        path = bio_tags.likeliest(margins, free)
        by_path: dict[tuple[str, ...], list[tuple[float, str]]] = {}
        for span, tokens in bio_tags.decode(path.tags, places):
            field, part = self.fields[span.field], text[span.start : span.end]
            if json_fields.fits(field, part):
                sure = sum(path.logs[token] for token in tokens) / len(tokens)
                by_path.setdefault(field.path, []).append((sure, part))
        once = {field.path for field in self.fields if not field.repeated}
        texts = {
            path: [max(parts, key=lambda part: part[0])[1]] if path in once else [part for _, part in parts]
            for path, parts in by_path.items()
        }
        return {"answer": json_fields.object_of(self.schema, texts), "confidence": path.probability}

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
            for index in inner[first:last]:
                start, end = self.trim(text, part.offsets[index])
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
