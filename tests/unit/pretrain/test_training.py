"""Training: the loss is right, a killed run ends as a straight one byte for byte, and something is learnt."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from pretrain import copying, evaluation, model, muon, packing, training
from pretrain.model import Portion, Shape
from pretrain.packing import Stretch
from pretrain.training import Bound, Decay, Lesson, Phase, Point, Spec, State
from torch import Tensor

from ockham.errors import ModelError
from ockham.records import Progress

pytestmark = pytest.mark.tune

TINY = Shape(vocabulary=64, hidden=32, layers=2, heads=4, kv_heads=2, ffn=64, context=16)
SPEC = Spec(seed=3, batch=6, part=2, warmup=4, judge_every=5)
TEXT = np.array([(7 * i + i // 3 % 2) % 61 for i in range(2_000)], dtype=np.uint16)


def silent(_: Progress) -> None:
    pass


def lesson(spec: Spec = SPEC) -> Lesson:
    count = packing.windows(TEXT, TINY.context)
    judged = torch.from_numpy(packing.window(TEXT, [0, 5, 9], TINY.context))

    def batch(step: int) -> Portion:
        chosen = packing.batch(step, spec.batch, (count, 0), None, spec.seed)
        rows, periods = copying.repeat(packing.window(TEXT, chosen, TINY.context), 2, np.random.default_rng(step))
        return Portion(tokens=torch.from_numpy(rows), periods=torch.from_numpy(periods), guidance=0.5)

    def valid(weights: Mapping[str, Tensor]) -> float:
        return float(model.losses(weights, TINY, judged, torch.float32).mean())

    return Lesson(batch=batch, valid=valid)


def fresh(spec: Spec = SPEC) -> State:
    return training.begin(TINY, spec, model.start(TINY, spec.seed))


def run(state: State, steps: int, path: Path, workers: int = 2) -> bytes:
    training.run(state, lesson(state.spec), Bound(step=steps), path, silent, workers)
    return path.read_bytes()


def test_a_run_that_was_killed_ends_as_a_straight_one_byte_for_byte(tmp_path: Path) -> None:
    straight = run(fresh(), 23, tmp_path / "straight")
    path = tmp_path / "halting"
    for stop in (1, 7, 8, 23):
        state = training.load(path, "cpu") if path.exists() else fresh()
        halting = run(state, stop, path)
    assert halting == straight
    assert training.load(path, "cpu").tokens == 23 * 6 * 16


def test_a_run_that_breaks_off_goes_on_from_its_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = run(fresh(), 12, tmp_path / "straight")
    whole, path = lesson(), tmp_path / "broken"
    saves: list[int] = []
    save = training.save

    def every_fifth(state: State, to: Path) -> None:
        saves.append(state.step)
        if state.step % 5 == 0:
            save(state, to)

    def batch(step: int) -> Portion:
        if step == 8:
            raise KeyboardInterrupt
        return whole.batch(step)

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(training, "save", every_fifth)
    with pytest.raises(KeyboardInterrupt):
        training.run(fresh(), Lesson(batch=batch, valid=whole.valid), Bound(step=12), path, silent, 2)
    monkeypatch.undo()
    assert saves == list(range(1, 9))
    state = training.load(path, "cpu")
    assert state.step == 5  # three steps are lost, and taken again
    assert run(state, 12, path) == straight


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    assert run(fresh(), 6, tmp_path / "one", workers=1) == run(fresh(), 6, tmp_path / "three", workers=3)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    other = dataclasses.replace(SPEC, seed=4)
    assert run(fresh(other), 2, tmp_path / "a") != run(fresh(), 2, tmp_path / "b")


def test_training_learns_and_a_decay_from_a_checkpoint_goes_on_with_its_data(tmp_path: Path) -> None:
    run(fresh(), 60, tmp_path / "stable")
    state = training.load(tmp_path / "stable", "cpu")
    first, last = state.points[0], state.points[-1]
    assert [point.step for point in state.points] == list(range(5, 61, 5))
    assert first.train > 2.5  # log 61 = 4.1 is guessing
    assert last.train < 0.5 * first.train
    assert last.valid < 0.5 * first.valid
    state.decay = Decay(start=60, steps=15)
    run(state, 75, tmp_path / "decay")
    assert state.points[-1].valid < last.valid
    assert training.load(tmp_path / "decay", "cpu").decay == Decay(start=60, steps=15)


def test_the_rate_warms_up_stays_and_falls_to_nothing() -> None:
    spec = Spec(warmup=4, phases=())
    assert [training.rate(spec, step, None) for step in (0, 1, 3, 4, 10_000)] == [0.25, 0.5, 1.0, 1.0, 1.0]
    fall = [training.rate(spec, step, Decay(start=100, steps=16)) for step in (99, 100, 104, 109, 115, 116)]
    assert fall == pytest.approx([1.0, 1.0, 0.5, 0.25, 1 - math.sqrt(15 / 16), 0.0])


def test_the_rate_is_a_share_of_itself_from_each_drop_on() -> None:
    spec = Spec(warmup=4, phases=(Phase(since=10, rate=0.5), Phase(since=20, rate=0.25)))
    found = [training.rate(spec, step, None) for step in (0, 9, 10, 19, 20, 10_000)]
    assert found == [0.25, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert training.rate(spec, 104, Decay(start=100, steps=16)) == pytest.approx(0.125)


def test_a_run_ends_at_its_step_or_its_time_and_says_how_long_that_is() -> None:
    state = fresh()
    state.step = 30
    assert Bound(step=40).left(state, 5.0, 96.0) == pytest.approx(10.0)  # a step has 6 windows of 16 tokens
    assert Bound(step=40, seconds=12.0).left(state, 5.0, 96.0) == pytest.approx(7.0)
    assert Bound(step=30).left(state, 0.0, 96.0) == 0.0
    assert Bound(seconds=4.0).left(state, 5.0, 96.0) == 0.0
    assert math.isinf(Bound().left(state, 5.0, 96.0))


def test_a_loss_that_is_no_number_ends_the_run_and_says_so(tmp_path: Path) -> None:
    state = fresh()
    state.weights[model.LAST_NORM].fill_(float("nan"))
    with pytest.raises(ModelError, match="no longer a number"):
        run(state, 10, tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_what_is_no_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no state here"):
        training.load(tmp_path / "missing", "cpu")
    saved = run(fresh(), 1, tmp_path / "whole")
    (tmp_path / "cut").write_bytes(saved[:-10])
    (tmp_path / "junk").write_bytes(b"not a state")
    for name in ("cut", "junk"):
        with pytest.raises(ModelError, match="not a saved state"):
            training.load(tmp_path / name, "cpu")


def test_muon_moves_along_an_orthogonal_matrix() -> None:
    torch.manual_seed(0)
    for rows, columns in ((8, 8), (8, 20), (20, 8)):
        turned = muon.orthogonal(torch.randn(3, rows, columns))
        values = torch.linalg.svdvals(turned)
        # The five steps aim at 1 and stop near it: Jordan et al. give .7 to 1.2.
        assert values.min() > 0.5
        assert values.max() < 1.3


def test_muon_and_adam_take_their_first_step_as_the_formulas_say() -> None:
    weights = {"matrix": torch.zeros(4, 2), "other": torch.zeros(3)}
    optimizer = muon.Optimizer(weights, ["matrix"], decay=0.0)
    gradients = {"matrix": torch.tensor([[3.0, 0], [0, 2], [0, 0], [0, 0]]), "other": torch.tensor([5.0, -1.0, 0.0])}
    with ThreadPoolExecutor(1) as pool:
        optimizer.step(gradients, (0.1, 0.01), 1, pool)
    # Adam's first step is the sign of the gradient times the rate; Muon's the nearest orthogonal matrix, times the
    # root of rows over columns.
    assert weights["other"].tolist() == pytest.approx([-0.01, 0.01, 0.0], abs=1e-6)
    expected = -0.1 * 2**0.5 * torch.eye(4, 2)
    assert torch.allclose(weights["matrix"], expected, atol=0.05)
    assert weights["matrix"][2:].abs().max() == 0


def test_each_window_comes_once_in_a_pass_and_in_another_order_in_the_next() -> None:
    count, size = 11, 4
    taken = np.concatenate([packing.batch(step, size, (count, 0), None, seed=1) for step in range(11)])
    passes = taken.reshape(4, count)
    for one in passes:
        assert sorted(one) == list(range(count))
    assert passes[0].tolist() != passes[1].tolist()
    assert packing.batch(7, size, (count, 0), None, seed=1).tolist() == taken[28:32].tolist()


def test_windows_overlap_by_the_token_that_is_foretold() -> None:
    rows = packing.window(np.arange(33, dtype=np.uint16), [0, 1], 16)
    assert rows.shape == (2, 17)
    assert rows[0, -1] == rows[1, 0] == 16
    assert packing.windows(np.arange(33, dtype=np.uint16), 16) == 2
    assert packing.windows(np.arange(32, dtype=np.uint16), 16) == 1


def test_cut_windows_foretell_the_same_tokens() -> None:
    rows = packing.window(np.arange(33, dtype=np.uint16), [0, 1], 16)
    cut = packing.cut(rows, 2)
    assert cut.tolist() == [[*range(9)], [*range(16, 25)], [*range(8, 17)], [*range(24, 33)]]
    assert sorted(cut[:, 1:].ravel()) == sorted(rows[:, 1:].ravel())
    assert packing.cut(rows, 1).tolist() == rows.tolist()


def test_held_out_nats_are_those_of_a_window_with_half_a_context_before_it() -> None:
    weights = model.start(TINY, 1)
    for name in model.matrices(TINY):  # blocks start as nothing: give them something to do
        weights[name] = 0.3 * torch.randn(weights[name].shape, generator=torch.Generator().manual_seed(1))
    stream = TEXT[:53]
    found = evaluation.nats(weights, TINY, stream, workers=2)
    assert len(found) == 52
    tokens = torch.from_numpy(stream.astype(np.int64))[None]
    for place in (0, 5, 15, 16, 23, 24, 40, 51):  # the nats of token place + 1
        start = 0 if place < 16 else (place // 8 - 1) * 8
        alone = model.losses(weights, TINY, tokens[:, start : place + 2], torch.float32)[0, -1]
        assert found[place] == pytest.approx(float(alone), rel=1e-4), place


def test_nats_are_summed_by_source() -> None:
    stretches = (
        Stretch(source="a", documents=1, tokens=3, size=10),
        Stretch(source="b", documents=2, tokens=2, size=4),
    )
    first, second, whole = evaluation.by_source(np.array([1.0, 2.0, 4.0, 8.0]), stretches)
    assert (first.tokens, first.nats, first.size) == (2, 3.0, 10)  # the first token has nothing before it
    assert (second.tokens, second.nats) == (2, 12.0)
    assert (whole.source, whole.tokens, whole.nats, whole.size) == ("all", 4, 15.0, 14)
    assert second.perplexity == pytest.approx(math.exp(6))
    assert second.bits_per_byte == pytest.approx(12 / math.log(2) / 4)


def test_points_are_kept_with_the_state(tmp_path: Path) -> None:
    run(fresh(), 12, tmp_path / "state")
    points = training.load(tmp_path / "state", "cpu").points
    assert [type(point) for point in points] == [Point, Point]
    assert points[1].tokens == 10 * 6 * 16
