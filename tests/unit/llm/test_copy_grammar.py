"""Values that a language model can only copy: which fields are held to the text, and that the engine obeys."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

from tests import tiny_gguf

from ockham.llm import copy_grammar, json_schema
from ockham.llm.decoding import DecodingLimits
from ockham.llm.llamacpp import Engine, EngineSpec
from ockham.llm.prompt_builder import task_shown
from ockham.records import Example

TARGETS = [
    {"shop": f"Ah Lim {n}", "goods": ["tea", "rice"], "total": n, "kind": "invoice", "day": None} for n in range(8)
]
TEXTS = [f'"Ah\nLim" {n} Ah  Lim {n}\ntea \\ rice {n}' for n in range(8)]
PAIRS = [(text, json.dumps(target)) for text, target in zip(TEXTS, TARGETS, strict=True)]


def schema() -> dict[str, object]:
    return json_schema.ask_every_field(json_schema.infer([target for _, target in PAIRS]))


def test_fields_are_held_to_the_text_where_their_values_always_stand_in_it() -> None:
    known = json_schema.infer([target for _, target in PAIRS])
    assert copy_grammar.copied_fields(known, PAIRS) == ("shop", "goods")
    assert copy_grammar.copied_fields(known, PAIRS[:4]) == ("goods",), "four values are too few"
    strange = [(text, target.replace("Lim 7", "Lee 7")) for text, target in PAIRS]
    assert copy_grammar.copied_fields(known, strange) == ("goods",)


def test_only_a_prompted_task_that_asks_for_every_field_is_held_to_the_text() -> None:
    rows = [Example(id=str(n), input=text, target=target) for n, (text, target) in enumerate(PAIRS)]
    task = task_shown("extract", rows, "")
    assert task.with_copied_fields(rows).decoding_grammar(TEXTS[0]) is None
    asked = dataclasses.replace(task, every_field=True).with_copied_fields(rows)
    assert asked.copied == ("shop", "goods")
    assert asked.decoding_grammar(" \n") is None
    assert "substring_chunks" in str(asked.decoding_grammar(TEXTS[0]))


def test_a_model_of_random_weights_copies(tmp_path: Path) -> None:
    """In a process of its own, as engines serve: beside many others one has been seen to abort."""
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    command = [sys.executable, "-W", "error", "-m", "tests.unit.llm.test_copy_grammar", str(weights)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr


def check_copies(engine: Engine) -> None:
    """Whatever it prefers, values of copied fields are parts of the text, or null where the schema allows it."""
    draw = random.Random(0)
    ended = 0
    for text in (*TEXTS, "x", "東京 до́м 😀 \t{}"):
        grammar = copy_grammar.write_grammar(schema(), ("shop", "goods"), text)
        prompt = engine.tokens(f"{draw.random()} {text}", special=False)
        engine.begin(prompt, slot=0, whole=False, scales=())
        written = engine.write(prompt, DecodingLimits(tokens=300, grammar=grammar), slot=0)
        if not written.ended:
            continue
        ended += 1
        value = json.loads(written.text)
        assert list(value) == ["shop", "goods", "total", "kind", "day"]
        folded = " ".join(text.split())
        assert all(" ".join(part.split()) in folded for part in [value["shop"], *value["goods"]])
        assert isinstance(value["total"], int)
    assert ended


if __name__ == "__main__":
    loaded = Engine(Path(sys.argv[1]), EngineSpec(context=1024, slots=1, threads=1))
    check_copies(loaded)
    loaded.close()
