"""Pre-training from data to package on a small made-up corpus: every step, stopping and going on, and the refusal."""

from __future__ import annotations

import csv
import json
import lzma
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from pretrain import finish, model, steps, training
from pretrain.__main__ import main
from pretrain.model import Shape
from pretrain.sources import SOURCES

pytestmark = pytest.mark.tune

TINY = Shape(vocabulary=8192, hidden=32, layers=1, heads=2, kv_heads=1, ffn=32, context=512)
NOUNS = ("river", "garden", "letter", "window", "market", "winter", "teacher", "bottle", "engine", "village")
VERBS = ("opens", "crosses", "forgets", "paints", "carries", "follows", "repairs", "watches")


def prose(seed: int, sentences: int) -> str:
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(sentences):
        one, other, verb = rng.choice(NOUNS), rng.choice(NOUNS), rng.choice(VERBS)
        parts.append(f"The {one} {verb} the {other} number {rng.integers(1000)}.")
    return " ".join(parts)


def packed(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(lzma.compress("".join(json.dumps({"text": text}) + "\n" for text in texts).encode()))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each source, with made-up text of its form."""
    place = tmp_path_factory.mktemp("data")
    header = "# Title: A\n\n## Author: B\n\n## Year: 1900\n\n-------\n"
    for source in SOURCES:
        path = place / source.path
        path.parent.mkdir(exist_ok=True)
        if source.name == "books":
            packed(path, [f"{header}\n{prose(i, 60)}" for i in range(200)])
        elif source.name == "technical":
            packed(
                path, [f"PEP: {i}\nTitle: {prose(i, 1)}\nStatus: Final\n\n{prose(i + 500, 25)}\n" for i in range(200)]
            )
        elif source.name == "medical":
            packed(path, [f"Question: What is {prose(i, 1)[:-1]} ?\nAnswer: {prose(i + 900, 4)}" for i in range(400)])
        elif source.name == "dialogues":
            turns = [f"User: {prose(i, 2)}\nAssistant: {prose(i + 50_000, 1)}" for i in range(400)]
            packed(path, turns)
        else:
            for half, seed in ((path, 0), (place / (source.test or ""), 10_000)):
                _rows(half, source.only, seed + 1_000 * len(source.name), 300 if seed == 0 else 20)
    packed(place / "medquad" / "test.jsonl", [])
    (place / "medquad" / "test.jsonl").write_text('{"input": "Unseen ?", "target": "No."}\n', encoding="utf-8")
    return place


def _rows(path: Path, prefix: str, seed: int, count: int) -> None:
    rows = [(f"{prefix}{prose(seed + i, 2)}", ("alpha", "beta", "gamma")[i % 3]) for i in range(count)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        if path.suffix == ".csv":
            csv.writer(stream).writerows([("text", "label"), *rows])
        else:
            stream.writelines(json.dumps({"input": ask, "target": {"Disease": [label]}}) + "\n" for ask, label in rows)


@pytest.mark.slow
def test_from_data_to_package(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(model.SHAPES, "8m", TINY)
    monkeypatch.setattr(finish, "_ASKED", 3)  # a model that never ends an answer takes its time
    state = tmp_path / "state"
    common = ["--state", str(state), "--data", str(data), "--taught", "40000", "--batch", "2"]

    assert main(["train", *common]) == 2  # nothing prepared
    assert "scripts/pretrain prepare" in capsys.readouterr().err

    assert main(["prepare", *common]) == 0
    about = json.loads((state / "corpus.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in about["sources"]] == [source.name for source in SOURCES]
    stream = steps.tokens_of(steps.Recipe(state=state, data=data), "train")
    assert sum(one["tokens"] for one in about["train"]) == len(stream)
    assert min(one["documents"] for one in about["held"]) >= 1
    prepared = (state / "train.tokens").stat().st_mtime_ns

    with steps.alone(state, "train"):
        assert main(["train", *common, "--tokens", "20000"]) == 2
    assert "is in use by process" in capsys.readouterr().err
    assert main(["train", *common, "--tokens", "20000"]) == 0
    assert main(["train", *common, "--tokens", "40000"]) == 0  # goes on
    stable = training.load(state / "stable.safetensors", "cpu")
    assert stable.tokens == 40 * 2 * 512  # the first whole step at or above what was asked
    assert main(["train", *common, "--seed", "1"]) == 2
    assert "begun with another shape or spec" in capsys.readouterr().err

    assert main(["score", *common]) == 2
    assert "scripts/pretrain decay" in capsys.readouterr().err
    assert main(["decay", *common]) == 0
    branch = training.load(state / f"decay-{stable.step:07d}.safetensors", "cpu")
    assert branch.step == stable.step + round(stable.step / 4)
    assert main(["instruct", *common]) == 0
    taught = training.load(state / f"instruct-{stable.step:07d}.safetensors", "cpu")
    assert any(not torch.equal(taught.weights[name], branch.weights[name]) for name in taught.weights)
    assert main(["score", *common]) == 0
    scores = json.loads((state / "scores.json").read_text(encoding="utf-8"))
    assert list(scores) == ["nano", "before the supervised phase", "5-gram", "unigram"]
    # After 40,000 tokens it is far from the 5-gram, and nothing of that kind may ship.
    assert main(["card", *common]) == 0
    text = (state / "card" / "README.md").read_text(encoding="utf-8")
    assert "does **not** clearly beat" in text
    assert all(source.name in text for source in SOURCES)
    assert text.count("GIVEN:") >= len(SOURCES) + 2
    assert re.search(r"Asked [123] times for one of three to seven labels", text)
    assert main(["package", *common]) == 2
    assert "do not clearly beat the 5-gram" in capsys.readouterr().err
    assert not (state / "package").exists()

    for held in scores["nano"]:
        held["nats"] = 0.5 * scores["5-gram"][-1]["nats"] * held["tokens"] / scores["5-gram"][-1]["tokens"]
    (state / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    assert main(["package", *common]) == 0
    assert (state / "train.tokens").stat().st_mtime_ns == prepared
    _loads(state / "package", taught)


def _loads(place: Path, taught: training.State) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(place)
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "river"}], return_tensors="pt", return_dict=False)
    with torch.no_grad():
        wanted = model.logits(taught.weights, TINY, ids)
        assert torch.allclose(theirs(ids).logits, wanted, atol=0.05)  # the package has 16 bits
    assert {path.name for path in place.iterdir()} >= {"README.md", "loss.svg", "model.safetensors", "config.json"}
