"""The parity gate finds what went wrong between tuning and serving: each cause made for real, in files.

Each is made twice: here in a tiny model of random weights, and in the base model that comes with the package
(tests/golden/test_nano_parity.py).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tests import tiny_decoder

from ockham.convert.gguf_export import Converted, Converter
from ockham.errors import ModelError
from ockham.evals import tasks
from ockham.models import causal_lm
from ockham.models.causal_lm import Base, GgufSpec
from ockham.records import Answer, Example, Score
from ockham.rungs import parity_gate
from ockham.rungs.parity_gate import Question, Step
from ockham.store import save_bytes
from ockham.tuning import decoder_tuning
from ockham.tuning.decoder_tuning import DecoderRow, DecoderTrainingData
from ockham.tuning.tune_spec import TuneSpec

pytestmark = [pytest.mark.tune, pytest.mark.slow]

CITIES = ("Graz", "Linz", "Wels", "Steyr", "Ried", "Enns")
ROWS = tuple(
    Example(id=str(place), input=f"{draw} {' '.join(random.Random(place).sample(CITIES, 3))}", target=label)
    for place, (draw, label) in enumerate([("to", "go"), ("from", "come"), ("via", "pass"), ("no", "stay")] * 10)
)
START = "<|endoftext|>"
SPEC = GgufSpec(context=256, slots=2, threads=1, brief=True)


@dataclass(frozen=True)
class World:
    """A model with an adapter that matters, converted apart, another of its shape, and what it answers in torch."""

    folder: Path
    other: Path
    template: str
    base: Converted
    apart: Converted
    """The adapter."""
    converter: Converter
    learnt: Sequence[Question]
    answers: Sequence[str]


def served(base: Base, folder: Path) -> tuple[list[Question], list[str]]:
    folder.mkdir()
    causal_lm.fit(ROWS, folder, base, SPEC)
    model = causal_lm.load(folder)
    try:
        questions = [model.question(row.input).tokens for row in ROWS]
        return questions, [answer.value or "" for answer in model.answer([row.input for row in ROWS])]
    finally:
        model.close()


def scores(answers: Sequence[str]) -> tuple[Score, ...]:
    return tasks.score_answers("classify", ROWS, [Answer(value=answer) for answer in answers])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, converter: Converter) -> World:
    root = tmp_path_factory.mktemp("gate")
    folder, other = tiny_decoder.llama(root / "tiny"), tiny_decoder.llama(root / "other", seed=7)
    return inhabit(root, (folder, other), tiny_decoder.CHATML, converter, real=False)


def inhabit(root: Path, folders: tuple[Path, Path], template: str, converter: Converter, *, real: bool) -> World:
    """Put an adapter beside the first of two models, tuned if it is a real one, and convert both."""
    folder, other = folders
    templated(folder, START + template)
    base = converter.convert(folder, root / "base.gguf", "f16")
    learnt, answers = _tuned(root, folder, base, real=real)
    adapter = converter.convert_adapter(root / "adapter", folder, root / "adapter.gguf")
    return World(folder, other, template, base, adapter, converter, learnt, answers)


def _tuned(root: Path, folder: Path, base: Converted, *, real: bool) -> tuple[list[Question], list[str]]:
    """Write an adapter beside a model, and give the questions it is asked in torch, with the answers."""
    (root / "asked").mkdir()
    causal_lm.fit(ROWS, root / "asked", Base(weights=base.path, copy=False), SPEC)
    model = causal_lm.load(root / "asked")
    try:
        learnt = [model.question(row.input).tokens for row in ROWS]
        lessons = [model.lesson(row.input, row.target) for row in ROWS]
    finally:
        model.close()
    rows = [DecoderRow(question=question.tokens, answer=answer) for question, answer in lessons]
    passes = itertools.count()  # the last one is the best
    context = DecoderTrainingData(
        folder=folder, train=rows, valid=rows[:4], judge=lambda _: next(passes), precision="float32"
    )
    tuned = _adapted(context, real=real)
    trie = model.trie("")
    assert trie is not None
    answers = [trie.label(tuned.write(q, model.end_token, trie.longest, trie.after)) or "" for q in learnt]
    assert len(set(answers)) > 1, "a model that says one thing proves nothing"
    (root / "adapter").mkdir()
    save_bytes(root / "adapter" / "adapter_config.json", tuned.adapter.config)
    save_bytes(root / "adapter" / "adapter_model.safetensors", tuned.adapter.weights)
    return learnt, answers


def _adapted(context: DecoderTrainingData, *, real: bool) -> decoder_tuning.TunedDecoder:
    """Tune what can learn; give what is random an adapter that is random too."""
    if real:
        return decoder_tuning.tune(
            context,
            TuneSpec(rank=4, epochs=8, batch=8, learning_rate=3e-3),
            decoder_tuning._Nowhere(),
            lambda *_: None,
        )
    made = decoder_tuning._lesson(context, TuneSpec(rank=4))
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for tensor in made.parameters().values():
            tensor.add_(0.2 * torch.randn(tensor.shape, generator=draw))
    return decoder_tuning.TunedDecoder(made, ())


def apart(world: World, base: Converted, folder: Path) -> tuple[Step, list[str]]:
    """Serve a base with the world's adapter apart, as the rung does, but without the digests that would refuse it."""
    asked, answers = served(Base(weights=base.path, adapter=world.apart.path, copy=False), folder)
    step = Step(
        name="conversion with the adapter apart",
        exact=True,
        learnt=world.learnt,
        served_questions=asked,
        files=[(base.path, base.sha256)],
        bases=(world.apart.source, base.source),
    )
    return step, answers


def refused(step: Step, before: Sequence[str], after: Sequence[str]) -> str:
    with pytest.raises(ModelError) as caught:
        parity_gate.compare_step(step, scores(before), scores(after), "accuracy")
    assert caught.value.code == "E_PARITY"
    return caught.value.message


def test_torch_and_the_engine_agree_on_an_adapter_apart(world: World, tmp_path: Path) -> None:
    step, answers = apart(world, world.base, tmp_path / "apart")
    found = parity_gate.compare_step(step, scores(world.answers), scores(answers), "accuracy")
    assert found.agreement.value >= 0.95
    assert found.agreement.n == len(ROWS)


def test_an_adapter_on_another_base_is_found(world: World, tmp_path: Path) -> None:
    base = world.converter.convert(world.other, tmp_path / "other.gguf", "f16")
    step, answers = apart(world, base, tmp_path / "apart")
    assert "trained on another base" in refused(step, world.answers, answers)


def test_a_damaged_file_is_found(world: World, tmp_path: Path) -> None:
    path = tmp_path / "damaged.gguf"
    shutil.copyfile(world.base.path, path)
    step, _ = apart(
        world, Converted(path=path, sha256=world.base.sha256, nbytes=0, source=world.base.source), tmp_path / "a"
    )
    data = bytearray(path.read_bytes())
    data[-60_000:] = random.Random(0).randbytes(60_000)
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        causal_lm.load(tmp_path / "a")
    assert caught.value.code == "E_MODEL_DIGEST", "it is not even loaded once it stands in a bundle"
    changed = ["stay" if answer != "stay" else "go" for answer in world.answers]
    assert "damaged.gguf is damaged" in refused(step, world.answers, changed)


def templated(folder: Path, template: str) -> Path:
    """Give a folder another chat template."""
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def otherwise(world: World, folder: Path, template: str) -> tuple[Step, list[str]]:
    """Serve the world's weights with another template."""
    templated(Path(shutil.copytree(world.folder, folder)), template)
    base = world.converter.convert(folder, folder.with_suffix(".gguf"), "f16")
    step, answers = apart(world, base, folder.with_name("apart"))
    return dataclasses.replace(step, bases=None), answers  # the folder's digest would tell, too


def test_a_wrong_chat_template_is_found(world: World, tmp_path: Path) -> None:
    other = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant] "
    step, answers = otherwise(world, tmp_path / "other", other)
    assert "the chat template is not the one" in refused(step, world.answers, answers)


def test_a_start_token_that_stands_twice_is_found(world: World, tmp_path: Path) -> None:
    step, answers = otherwise(world, tmp_path / "twice", START + START + world.template)
    assert "the start token (BOS) stands twice" in refused(step, world.answers, answers)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((0, 0, 5, 6), "stands twice"),
        ((5, 6), "is missing"),
        ((0, 5), "the question's end"),
        ((0, 5, 6, 9), "the question's end"),
        ((0, 7, 6), "the chat template"),
    ],
)
def test_the_cause_is_read_off_the_tokens(asked: Question, said: str) -> None:
    found = parity_gate.cause(Step(name="merging", exact=True, learnt=[(0, 5, 6)], served_questions=[asked]))
    assert said in (found or "")


@pytest.mark.parametrize(("exact", "said"), [(True, "computes something else"), (False, "quantizing loses too much")])
def test_what_is_left_is_the_step_itself(exact: bool, said: str) -> None:
    step = Step(name="a step", exact=exact, learnt=[(1,)] * len(ROWS), served_questions=[(1,)] * len(ROWS))
    right = [row.target for row in ROWS]
    assert said in refused(step, right, ["stay"] * len(ROWS))
    assert parity_gate.compare_step(step, scores(right), scores(right), "accuracy").agreement.value == 1
