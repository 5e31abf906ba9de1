"""Whether a LoRA adapter's GGUF file fits the base it is to change, checked before the engine is asked to try."""

from __future__ import annotations

from typing import NoReturn

from ockham.errors import ModelError
from ockham.llm.gguf_file import GgufHeader


def check(adapter: GgufHeader, base: GgufHeader, name: str) -> None:
    """Check that a LoRA adapter fits a base: the architecture, and every pair of matrices against its tensor.

    Raises `ModelError` (``E_MODEL_FORMAT``). An adapter of another base with the same shapes passes here; the base's
    digest, kept beside the adapter, tells those apart.
    """

    def refuse(what: str) -> NoReturn:
        fix = "use the base this adapter was trained on, or tune again"
        raise ModelError("E_MODEL_FORMAT", f"{name}: {what}", fix=fix)

    if not adapter.is_adapter:
        refuse("is not a LoRA adapter")
    if adapter.architecture != base.architecture:
        refuse(f"is an adapter for {adapter.architecture!a}, the base is {base.architecture!a}")
    halves = {half for half in adapter.tensors if half.endswith((".lora_a", ".lora_b"))}
    targets = {half.rsplit(".", 1)[0] for half in halves}
    if not targets or halves != set(adapter.tensors):
        refuse("does not hold pairs of matrices")
    for target in sorted(targets):
        down, up = (adapter.tensors.get(f"{target}.{half}") for half in ("lora_a", "lora_b"))
        onto = base.tensors.get(target)
        if down is None or up is None or onto is None:
            refuse(f"has no pair for {target!a}" if onto is not None else f"changes {target!a}, which the base lacks")
        shapes = (down.shape, up.shape, onto.shape)
        if any(len(shape) != 2 for shape in shapes) or not _chains(*shapes, embedding=target.startswith("token_embd")):
            refuse(f"the shapes of {target!a} do not fit the base")


def _chains(down: tuple[int, ...], up: tuple[int, ...], onto: tuple[int, ...], *, embedding: bool) -> bool:
    if embedding and down[0] == onto[1]:  # an embedding's first matrix is stored the other way round
        return up[1] == onto[0] and down[1] == up[0]
    return down[1] == up[0] and down[0] == onto[0] and up[1] == onto[1]
