"""Windows that repeat themselves, and attention led to what followed the last time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pretrain import copying, model, packing
from pretrain.model import Portion, Shape
from pretrain.training import Phase, Spec

pytestmark = pytest.mark.tune

TINY = Shape(vocabulary=64, hidden=32, layers=3, heads=4, kv_heads=2, ffn=64, context=16)


def test_rows_repeat_with_the_period_that_is_told_and_the_others_stay() -> None:
    rows = np.arange(8 * 257).reshape(8, 257)
    repeated, periods = copying.repeat(rows, 3, np.random.default_rng(0))
    assert (periods > 0).sum() == 3
    assert rows.tolist() == np.arange(8 * 257).reshape(8, 257).tolist()
    for before, after, period in zip(rows, repeated, periods, strict=True):
        if period == 0:
            assert after.tolist() == before.tolist()
        else:
            assert 8 <= period <= 128
            assert after[period:].tolist() == after[:-period].tolist()
            assert len(set(after)) == period
            assert set(after) <= set(before)


def test_guidance_is_the_nats_of_attention_beside_what_followed_before() -> None:
    """Against a sum written out token by token."""
    generator = torch.Generator().manual_seed(0)
    queries, keys = (torch.randn(2, heads, 9, 8, generator=generator) for heads in (4, 2))
    wanted = 0.0
    for head in range(4):
        for i in range(9):
            scores = [float(queries[1, head, i] @ keys[1, head // 2, j]) / 8**0.5 for j in range(i + 1)]
            right = [j for j in range(i) if (i - j + 1) % 3 == 0]
            if right:
                mass = sum(math.exp(score) for score in scores)
                wanted -= math.log(sum(math.exp(scores[j]) for j in right) / mass) / 4
    queries.requires_grad_()
    found = copying.guidance(queries, keys, torch.tensor([0, 3]))
    assert float(found.detach()) == pytest.approx(wanted, rel=1e-5)
    found.backward()
    assert queries.grad is not None
    assert bool(queries.grad.isfinite().all())
    assert float(queries.grad[0].abs().sum()) == 0
    assert float(copying.guidance(queries, keys, torch.tensor([0, 0]))) == 0


def test_guidance_leads_one_layer_and_is_not_counted_as_loss() -> None:
    weights = model.start(TINY, 0)
    weights = {name: torch.nn.Parameter(tensor + 0.01) for name, tensor in weights.items()}
    tokens = torch.arange(17).remainder(5)[None]
    portion = Portion(tokens=tokens, periods=torch.tensor([5]), guidance=2.0)
    plain, alone = model.loss(weights, TINY, Portion(tokens=tokens), torch.float32)
    nats, descended = model.loss(weights, TINY, portion, torch.float32)
    assert float(nats) == float(plain) == float(alone.detach())
    assert float(descended.detach()) > float(nats)
    (descended - nats).backward()
    given = weights["model.layers.1.self_attn.q_proj.weight"].grad
    assert copying.guided(TINY.layers) == 1
    assert given is not None
    assert float(given.abs().sum()) > 0


def test_heads_that_are_led_learn_to_look_where_they_should() -> None:
    generator = torch.Generator().manual_seed(1)
    queries = torch.zeros(1, 1, 12, 8, requires_grad=True)
    keys = torch.randn(1, 1, 12, 8, generator=generator)
    before = float(copying.guidance(queries, keys, torch.tensor([4])).detach())
    for _ in range(50):
        (slope,) = torch.autograd.grad(copying.guidance(queries, keys, torch.tensor([4])), queries)
        queries = (queries - slope).detach().requires_grad_()
    assert float(copying.guidance(queries, keys, torch.tensor([4])).detach()) < before / 2


def test_a_share_of_windows_that_are_not_books_has_passes_of_its_own() -> None:
    steps = [packing.batch(step, 8, (50, 9), 0.375, seed=1) for step in range(9)]
    for chosen in steps:
        assert (chosen[:5] < 50).all()
        assert (chosen[5:] >= 50).all()
    others = np.concatenate([chosen[5:] for chosen in steps])
    for one in others.reshape(3, 9):
        assert sorted(one) == list(range(50, 59))


def test_a_phase_holds_from_its_step_on_and_what_is_to_come_may_change() -> None:
    spec = Spec(phases=(Phase(), Phase(since=10, rate=0.5), Phase(since=20, rate=0.25)))
    assert [spec.at(step).rate for step in (0, 9, 10, 19, 20, 99)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert Spec(phases=()).at(3) == Phase()
    other = Spec(phases=(*spec.phases[:2], Phase(since=20, rate=0.1)))
    assert spec.until(20) == other.until(20)
    assert spec.until(21) != other.until(21)
