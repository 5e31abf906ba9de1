"""Tuning a decoder: the loss of the answers alone, what is computed once, kills, and the adapter as PEFT reads it."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load
from tests import tiny_decoder

from ockham.convert import checkpoint_folder
from ockham.errors import ModelError
from ockham.records import Precision
from ockham.store import save_bytes
from ockham.tuning import decoder_tuning, loop
from ockham.tuning.adapter_files import Adapter
from ockham.tuning.decoder_tuning import DecoderRow, DecoderTrainingData
from ockham.tuning.grammar import Grammar
from ockham.tuning.precision import torch_dtype
from ockham.tuning.recompute import is_needed
from ockham.tuning.tune_spec import TuneSpec

pytestmark = pytest.mark.tune

SPEC = TuneSpec(epochs=2, batch=6, rank=2, alpha=4.0, workers=2, part=2, patience=9)

UNIT = 2.0**-8
"""What bfloat16 rounds by, relative to a number; processors without instructions for it round the same in software."""
LOSS: dict[Precision, float] = {"float32": 1e-5, "bfloat16": UNIT}
"""How far two ways to the same loss may be apart, relative to it.

In 32 bits only the order of sums differs. In 16 bits each logit is rounded (by at most 2**-9 of it), and a loss is the
difference of two of them that are no larger than itself here: the models are random, and a right token is no likelier
than any other.
"""
SLOPES: dict[Precision, float] = {"float32": 1e-5, "bfloat16": 16 * UNIT}
"""How far two ways to the same gradient may be apart, relative to the largest number of its tensor.

In 16 bits every layer rounds four times forward and backward, and there are 2 to 6 layers: roundings add up like the
root of their number, some 7, of which the largest of a thousand numbers shows about twice the mean. A gradient that was
computed from another question is off by its own size.
"""


def rows(count: int = 9, shared: int = 20, seed: int = 0) -> list[DecoderRow]:
    """Questions that begin alike, of several lengths, with answers of one to three tokens."""
    draw = random.Random(seed)

    def some(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw.randrange(3, 300) for _ in range(draw.randint(least, most)))

    beginning = some(shared, shared)
    return [DecoderRow(question=beginning + some(2, 9), answer=some(1, 3)) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder.llama(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(params=get_args(Precision))
def precision(request: pytest.FixtureRequest) -> Precision:
    """Both, on every machine, whatever its processor would choose."""
    found: Precision = request.param
    return found


def lesson(folder: Path, precision: Precision, spec: TuneSpec = SPEC) -> Any:
    """Make a lesson whose adapter already does something: a fresh one's second half is zero."""
    made = decoder_tuning._lesson(
        DecoderTrainingData(
            folder=folder, train=rows(), valid=rows(4, seed=9), judge=lambda _: 0.0, precision=precision
        ),
        spec,
    )
    assert computed_in(made) == ({torch_dtype(precision)}, {torch.float32})
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in made.parameters().values():
            tensor.add_(0.05 * torch.randn(tensor.shape, generator=draw))
    return made


def computed_in(made: Any) -> tuple[set[torch.dtype], set[torch.dtype]]:
    """Give the types of the frozen weights and of the adapter's."""
    every = list(made.model.parameters())
    return {part.dtype for part in every if not part.requires_grad}, {
        part.dtype for part in every if part.requires_grad
    }


def gradients(made: Any) -> tuple[float, list[torch.Tensor]]:
    loss, _ = made.loss(range(len(made.data.train)))
    return float(loss.detach()), list(torch.autograd.grad(loss, list(made.parameters().values())))


def test_the_loss_is_that_of_transformers_over_the_answers_alone(folder: Path, precision: Precision) -> None:
    made = lesson(folder, precision)
    found, right = made.loss(range(9))
    wanted, hits = 0.0, 0
    for row in made.data.train:
        ids = torch.tensor([[*row.question, *row.answer]])
        labels = torch.tensor([[*[-100] * len(row.question), *row.answer]])
        with torch.no_grad():
            out = made.model(input_ids=ids, labels=labels)
        wanted += float(out.loss)
        hits += out.logits[0, len(row.question) - 1 : -1].argmax(dim=-1).tolist() == list(row.answer)
    assert float(found.detach()) == pytest.approx(wanted, rel=LOSS[precision])
    assert right == hits


def test_precisions_differ_by_their_rounding_and_by_no_more(folder: Path) -> None:
    losses = {each: gradients(lesson(folder, each))[0] for each in get_args(Precision)}
    assert losses["bfloat16"] != losses["float32"], "both are computed as they are called"
    # The two layers' roundings are added to that of the logits.
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=2 * LOSS["bfloat16"])


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(tiny_decoder.FAMILIES))
def test_a_shared_beginning_changes_neither_loss_nor_gradients(
    family: str, precision: Precision, tmp_path: Path
) -> None:
    made = lesson(tiny_decoder.family(family, tmp_path), precision)
    before = [part.clone() for part in made.model.parameters()]
    made.check_sharing()
    assert all(map(torch.equal, before, made.model.parameters())), "trying it leaves every weight as it was"
    assert computed_in(made) == ({torch_dtype(precision)}, {torch.float32})
    assert made.shared == (family != "lfm2"), "LFM2's own cache cannot be divided; it is tuned without"
    if not made.shared:
        return
    loss, slopes = gradients(made)
    made.shared = False
    plain, wanted = gradients(made)
    assert loss == pytest.approx(plain, rel=LOSS[precision])
    for slope, other in zip(slopes, wanted, strict=True):
        assert torch.allclose(slope, other, rtol=0, atol=SLOPES[precision] * float(other.abs().max()) + 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(tiny_decoder.FAMILIES))
def test_a_lean_tuning_computes_the_same_numbers_and_keeps_less(
    family: str, precision: Precision, tmp_path: Path
) -> None:
    place = tiny_decoder.family(family, tmp_path)
    plain, lean = (
        lesson(place, precision, dataclasses.replace(SPEC, recompute_activations=lean)) for lean in (False, True)
    )
    kept = [0, 0]
    found = []
    for which, made in enumerate((plain, lean)):
        made.check_sharing()

        def keep(tensor: torch.Tensor, which: int = which) -> torch.Tensor:
            kept[which] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss, _ = made.loss(range(len(made.data.train)))
        found.append((loss.detach(), torch.autograd.grad(loss, list(made.parameters().values()))))
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.equal(one, other) for one, other in zip(found[0][1], found[1][1], strict=True))
    assert kept[1] < 0.8 * kept[0]


def test_models_that_are_large_for_a_machine_are_tuned_lean() -> None:
    assert not is_needed(stored_gb=0.27, memory_gb=25), "SmolLM2-135M beside 25 GB"
    assert is_needed(stored_gb=0.27, memory_gb=16)
    assert not is_needed(stored_gb=0.016, memory_gb=8), "ockham-nano on any machine"


def test_a_beginning_is_shared_only_where_that_was_seen_to_change_nothing(
    folder: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lesson(folder, precision)
    made.check_sharing()
    assert made.shared
    read = decoder_tuning._Lesson._read
    monkeypatch.setattr(
        decoder_tuning._Lesson, "_read", lambda self, beginning, times: read(self, beginning[::-1], times)
    )
    made.check_sharing()
    assert not made.shared, "a cache that was filled otherwise is noticed"


def test_what_questions_have_in_common_leaves_a_token_of_each() -> None:
    assert decoder_tuning._common([(1, 2, 3), (1, 2, 4, 5)]) == 2
    assert decoder_tuning._common([(1, 2, 3), (1, 2, 3, 4)]) == 2, "one token of the shorter one is left to read"
    assert decoder_tuning._common([(1, 2, 3)]) == 2
    assert decoder_tuning._common([(5,), (6, 7)]) == 0


def test_smaller_models_take_larger_steps() -> None:
    assert decoder_tuning.rate_for(135_000_000) == pytest.approx(1e-3)
    assert decoder_tuning.rate_for(540_000_000) == pytest.approx(5e-4)
    assert decoder_tuning.rate_for(8_000_000) == 3e-3
    assert decoder_tuning.rate_for(70_000_000_000) == 1e-4


@dataclass
class Kept:
    """A checkpoint in memory that raises behind its n-th save."""

    state: bytes | None = None
    left: int = -1

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.state = state
        self.left -= 1
        if self.left == 0:
            raise InterruptedError


@dataclass
class Judge:
    """Scores that follow from the adapter alone, so that a run that goes on hears what a straight one heard."""

    heard: list[float] = field(default_factory=list)

    def __call__(self, adapter: Adapter) -> float:
        self.heard.append(sum(float(tensor.double().sum()) for tensor in load(adapter.weights).values()))
        return self.heard[-1]


def tuned(
    folder: Path, checkpoint: Kept, killed: int | None = None, spec: TuneSpec = SPEC, precision: Precision = "float32"
) -> decoder_tuning.TunedDecoder:
    steps: Iterator[int] = iter(range(1_000))

    def on_progress(_done: int, _total: int) -> None:
        if next(steps) == killed:
            raise InterruptedError

    data = DecoderTrainingData(folder=folder, train=rows(24), valid=rows(4, seed=9), judge=Judge(), precision=precision)
    return decoder_tuning.tune(data, spec, checkpoint, on_progress)


def test_a_run_killed_at_any_step_ends_with_the_same_adapter(
    folder: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ockham.tuning import loop

    straight = tuned(folder, Kept(), precision=precision).adapter
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)  # a state is saved behind every step
    draw = random.Random(5)
    for _ in range(5):
        kept = Kept()
        for killed in (draw.randrange(4), draw.randrange(4)):
            with pytest.raises(InterruptedError):
                tuned(folder, kept, killed, precision=precision)
        assert tuned(folder, kept, precision=precision).adapter == straight
    lean = dataclasses.replace(SPEC, recompute_activations=True)
    kept = Kept()
    with pytest.raises(InterruptedError):
        tuned(folder, kept, 2, lean, precision)
    assert tuned(folder, kept, spec=lean, precision=precision).adapter == straight, "the same bits, computed twice"


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_peft_reads_the_adapter_and_the_merged_folder_is_the_same_model(
    folder: Path, precision: Precision, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    taught = lesson(folder, precision)
    learnt = taught.adapter()
    made = decoder_tuning.TunedDecoder(taught, ())
    assert made.adapter == learnt, "the adapter is what was tuned, to the last bit"
    # Whatever it was tuned in, it is the weights as they are stored that the adapter goes onto: one tolerance for both.
    assert computed_in(made._lesson) == ({torch.float32}, {torch.float32})
    (tmp_path / "adapter").mkdir()
    save_bytes(tmp_path / "adapter" / "adapter_config.json", made.adapter.config)
    save_bytes(tmp_path / "adapter" / "adapter_model.safetensors", made.adapter.weights)
    checkpoint_folder.check_adapter(tmp_path / "adapter")
    ids = torch.tensor([rows()[0].question])
    with torch.no_grad():
        wanted = made._lesson.model(input_ids=ids).logits
        theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), str(tmp_path / "adapter"))
        assert torch.allclose(theirs(input_ids=ids).logits, wanted, atol=1e-5)
        made.merge_adapter(tmp_path / "merged")
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
        assert torch.allclose(merged(input_ids=ids).logits, wanted, atol=1e-3)
    config = json.loads(made.adapter.config)
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (2, 4, folder.name)


def test_torch_writes_the_likeliest_tokens_within_what_is_allowed(folder: Path, precision: Precision) -> None:
    made = decoder_tuning.TunedDecoder(lesson(folder, precision), ())
    question = list(rows()[0].question)
    model = made._lesson.model
    free: list[int] = []
    for _ in range(5):
        with torch.no_grad():
            free.append(int(model(input_ids=torch.tensor([[*question, *free]])).logits[0, -1].argmax()))
    assert made.write(question, end=1_000, limit=5) == free
    assert made.write(question, end=free[2], limit=5) == free[: free.index(free[2])]
    held = made.write(question, end=9, limit=5, allowed=lambda taken: [7, 8] if len(taken) < 2 else [9])
    assert len(held) == 2
    assert set(held) <= {7, 8}


def test_a_draft_changes_nothing_but_the_time_it_takes(
    folder: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = decoder_tuning.TunedDecoder(lesson(folder, precision), ())
    question = list(rows()[0].question)

    def odd(taken: Sequence[int]) -> list[int]:
        return [5 + len(taken), 7 + len(taken), 40 + len(taken)]

    monkeypatch.setattr(decoder_tuning, "_DRAFT", 4)  # a draft is read in parts
    for allowed in (None, odd):
        free = made.write(question, 1_000, 6, allowed)
        assert len(free) == 6
        for same in range(7):
            guess = [*free[:same], *(token + 1 for token in free[same:])]
            for draft in (guess, guess[: same + 1], [*guess, 9, 9]):
                assert made.write(question, 1_000, 6, allowed, draft) == free
                assert made.write(question, free[4], 6, allowed, draft) == free[: free.index(free[4])]
    free = made.write(question, 1_000, 6)
    monkeypatch.setattr(made._lesson.model, "generate", lambda **_: pytest.fail("what was guessed is written again"))
    assert made.write(question, 1_000, 6, None, [*free, 1_000]) == free
    assert made.write(question, free[-1], 6, None, free) == free[: free.index(free[-1])]


def test_a_grammar_allows_what_the_schema_allows(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
        "x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
    }
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    grammar = Grammar(folder, json.dumps(schema), end)
    assert {tokenizer.decode([token])[:1] for token in grammar.after([])} == {"{"}
    taken: list[int] = []
    for token in tokenizer.encode('{"city": "Graz"}'):
        assert token in grammar.after(taken)
        taken.append(token)
    assert grammar.after(taken) == [end]
    bad = tokenizer.encode('{"city": 5')
    assert grammar.after(bad) == [end], "what cannot be gone on with ends"


def test_without_the_libraries_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match="torch, transformers and peft") as caught:
        lesson(folder, "float32")
    assert caught.value.fix == "pip install 'ockham-slm[tune]'"
    monkeypatch.setitem(sys.modules, "llguidance.hf", None)
    with pytest.raises(ModelError, match="llguidance"):
        Grammar(folder, "{}", 0)


def test_every_pass_through_the_model_keeps_to_one_core_for_a_thread(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two threads inside one small product wait for each other wherever another program has a core.
    seen: dict[str, set[int]] = {}
    scores = decoder_tuning._Lesson._scores

    def counting(self: Any, batch: Any) -> Any:
        seen.setdefault(stage, set()).add(torch.get_num_threads())
        return scores(self, batch)

    monkeypatch.setattr(decoder_tuning._Lesson, "_scores", counting)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        stage = "sharing"
        made = lesson(folder, "float32", dataclasses.replace(SPEC, epochs=1))
        made.check_sharing()
        stage = "passes, the start included"
        loop.train(made, made.spec, decoder_tuning._Nowhere(), lambda *_: None)
        stage = "nats"
        made.nats()
        assert torch.get_num_threads() == 2, "what others compute is left alone"
    finally:
        torch.set_num_threads(before)
    assert seen == {name: {1} for name in ("sharing", "passes, the start included", "nats")}
