"""The optimizers: Muon for the matrices inside the blocks, Adam for embeddings and gains.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/) replaces the momentum of a matrix by the nearest
orthogonal matrix, found by five Newton-Schulz steps; Liu et al. (2025, arXiv:2502.16982) measured about half the
tokens of AdamW for the same loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315
_STEPS = 5
_MOMENTUM = 0.95
_BETAS = (0.9, 0.95)
_EPSILON = 1e-8


class Optimizer:
    """Moments for named weights, changed in place; the same gradients always give the same weights."""

    def __init__(self, weights: Mapping[str, Tensor], matrices: Iterable[str], decay: float) -> None:
        """Take the weights to change; those named in ``matrices`` go to Muon, with weight ``decay``."""
        self._weights = weights
        self._decay = decay
        inside = set(matrices)
        self._groups = _by_size({name: weights[name] for name in weights if name in inside})
        self._others = [name for name in weights if name not in inside]
        self.state: dict[str, Tensor] = {f"momentum/{n}": torch.zeros_like(weights[n]) for n in weights if n in inside}
        for name in self._others:
            self.state[f"first/{name}"] = torch.zeros_like(weights[name])
            self.state[f"second/{name}"] = torch.zeros_like(weights[name])

    def step(self, gradients: Mapping[str, Tensor], rates: tuple[float, float], number: int, pool: Executor) -> None:
        """Take step ``number`` (from 1) with the rates of Muon and of Adam, in as many threads as the pool has."""
        jobs: list[Callable[[], None]] = [partial(self._muon, group, gradients, rates[0]) for group in self._groups]
        jobs.append(partial(self._adam, gradients, rates[1], number))
        list(pool.map(_without_gradients, jobs))

    def _muon(self, names: Sequence[str], gradients: Mapping[str, Tensor], rate: float) -> None:
        ahead = []
        for name in names:
            momentum = self.state[f"momentum/{name}"]
            momentum.lerp_(gradients[name], 1 - _MOMENTUM)
            ahead.append(gradients[name].lerp(momentum, _MOMENTUM))
        rows, columns = ahead[0].shape
        scale = rate * max(1.0, rows / columns) ** 0.5
        for name, turned in zip(names, orthogonal(torch.stack(ahead)), strict=True):
            weight = self._weights[name]
            weight.mul_(1 - rate * self._decay)
            weight.add_(turned.to(weight.dtype), alpha=-scale)

    def _adam(self, gradients: Mapping[str, Tensor], rate: float, number: int) -> None:
        """Adam (Kingma and Ba, 2015), without weight decay: nothing here should shrink."""
        for name in self._others:
            first, second = self.state[f"first/{name}"], self.state[f"second/{name}"]
            first.lerp_(gradients[name], 1 - _BETAS[0])
            second.lerp_(gradients[name].square(), 1 - _BETAS[1])
            size = (second / (1 - _BETAS[1] ** number)).sqrt_().add_(_EPSILON)
            self._weights[name].addcdiv_(first, size, value=-rate / (1 - _BETAS[0] ** number))


def orthogonal(stack: Tensor) -> Tensor:
    """Bring the singular values of each matrix of a stack (n, rows, columns) near 1, by a polynomial of degree 5."""
    x = stack.bfloat16() if stack.is_cuda else stack
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.mT
        x = _A * x + (_B * square + _C * (square @ square)) @ x
    return x.mT if tall else x


def _without_gradients(job: Callable[[], None]) -> None:
    with torch.no_grad():  # holds for this thread alone
        job()


def _by_size(weights: Mapping[str, Tensor]) -> list[list[str]]:
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, tensor in weights.items():
        groups.setdefault(tuple(tensor.shape), []).append(name)
    return list(groups.values())
