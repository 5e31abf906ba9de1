"""What the steps of pre-training share: the answers that are counted, the chats and their windows, and the script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pretrain import bpe, card, finish, instruct, sampling, steps
from pretrain.evaluation import Held
from pretrain.model import Shape
from pretrain.sources import Document

from ockham.errors import InputError
from ockham.llm import prompts

pytestmark = pytest.mark.tune

TINY = Shape(vocabulary=8192, hidden=32, layers=1, heads=2, kv_heads=1, ffn=32, context=512)


def test_answers_are_read_as_the_rungs_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    chats = [
        [*prompts.messages(["a", "b"], "", [], "x"), {"role": "assistant", "content": real}] for real in ("a", "b", "b")
    ]
    written = iter([" A", "a", "neither"])

    def answers(*given: Any, limit: int) -> list[sampling.Sample]:
        assert limit < 64
        real = given[3][0][1][-1]["content"]
        return [sampling.Sample(kind="", prompt="", written=next(written), real=real)]

    monkeypatch.setattr(sampling, "answers", answers)
    found = sampling.obedience({}, TINY, bpe.train(["a"], 300), chats)
    assert found == sampling.Obedience(chats=3, listed=2, right=1, chance=1.5)


def test_a_model_beats_the_5_gram_clearly_from_a_twentieth_on() -> None:
    def held(nats: float) -> tuple[Held, ...]:
        return (Held(source="all", tokens=100, size=400, nats=nats),)

    assert card.beats({"nano": held(95.0), "5-gram": held(100.0)})
    assert not card.beats({"nano": held(95.1), "5-gram": held(100.0)})


def test_chats_come_in_turn_and_hold_the_words_of_the_rungs() -> None:
    def row(i: int, source: str, answer: str) -> Document:
        return Document(source=source, text=f"{i}", key=f"{i}", ask=f"question {i}", answer=answer)

    rows = {
        "hwu64": [
            Document(
                source="hwu64", text=f"{i}", key=f"{i}", ask=f"question {i}: buy a ball in Linz", answer=f"{i % 4}"
            )
            for i in range(40)
        ],
        "tldr_commands": [row(i, "tldr_commands", f"ls {i}") for i in range(5)],
        "medical": [row(i, "medical", "Short. " + "Long sentence here. " * 60) for i in range(5)],
        "dialogues": [Document(source="dialogues", text="User: Tea\nUser: now\nAssistant: Yes.\nUser: Bye", key="k")],
    }
    found = [chat for chat, _ in zip(instruct.chats(rows, seed=0), range(8), strict=False)]
    again = [chat for chat, _ in zip(instruct.chats(rows, seed=0), range(8), strict=False)]
    assert found == again
    labelled, command, answer, dialogue, fields = found[:5]
    assert labelled[0]["content"].startswith("You label texts.")
    listed = json.loads(labelled[0]["content"].split("\n")[1])
    assert labelled[-1]["content"] in listed
    assert json.loads(labelled[-2]["content"])["text"].startswith("question ")
    assert {turn["content"] for turn in labelled[2::2]} <= set(listed)
    assert command[0]["content"].endswith(f"About the task: {instruct.COMMAND}")
    assert json.loads(command[-2]["content"])["text"].startswith("question ")
    assert command[-1]["content"].startswith("ls ")
    assert len(answer[-1]["content"]) <= instruct.ANSWER_CHARACTERS + 20
    assert answer[-1]["content"].endswith("here.")
    assert [turn["role"] for turn in dialogue] == ["user", "user", "assistant"]
    assert isinstance(json.loads(fields[-1]["content"]), dict)
    assert found[6] != labelled


def test_windows_hold_whole_chats_and_only_their_answers_count() -> None:
    tokenizer = bpe.train(["question answer one two three four " * 3], 300)
    chats = [
        [{"role": "user", "content": f"question {i}"}, {"role": "assistant", "content": f"answer {i}"}]
        for i in range(9)
    ]
    too_long = [{"role": "user", "content": "one two " * 40}, {"role": "assistant", "content": "never"}]
    made = instruct.pack(tokenizer, iter([chats[0], too_long, *chats[1:]]), 3, 48)
    assert made.tokens.shape == (3, 49)
    told = [tokenizer.decode(row.tolist(), skip_special_tokens=False) for row in made.tokens]
    assert all(text.startswith(f"{bpe.END}<|user|>") for text in told)
    assert "never" not in "".join(told)
    counted = "".join(
        tokenizer.decode(row[1:][kept > 0].tolist(), skip_special_tokens=False)
        for row, kept in zip(made.tokens, made.counts, strict=True)
    )
    seen = counted.split("<|end|>")[:-1]
    assert len(seen) >= 6
    assert seen == [f"answer {i}" for i in range(len(seen))]


def test_the_script_runs_from_any_folder(tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "scripts" / "pretrain"
    environment = {**os.environ, "PYTHON": sys.executable}
    run = partial(subprocess.run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    done = run([script, "--help"])
    assert done.returncode == 0, done.stderr
    assert "{prepare,train,decay,instruct,score,card,package}" in done.stdout
    done = run([script, "decay", "--state", "here"])
    assert done.returncode == 2
    assert "E_MODEL_MISSING" in done.stderr
    assert (tmp_path / "here").is_dir()


def test_a_card_cannot_be_written_without_scores(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished decay"):
        finish.write_card(steps.Recipe(state=tmp_path, data=tmp_path), lambda _: None)
