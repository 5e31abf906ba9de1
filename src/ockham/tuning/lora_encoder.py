"""A sentence encoder with LoRA adapters in its upper layers (Hu et al. 2021), whatever head stands on it.

Where the spec says so, all weights of these layers are tuned instead; the embeddings never are.

Rows of like length stand together in a batch, so hardly any padding is computed. The layers below the tuned ones are
the same in every pass: the rows go through them once, and what comes out is kept, in half precision, where it fits.
"""

from __future__ import annotations

import copy
import importlib.util
import re
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.records import Precision
from ockham.tuning.adapter_files import Adapter, write_config
from ockham.tuning.precision import torch_dtype
from ockham.tuning.tune_spec import TuneSpec
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

TARGETS = {
    "distilbert": ("q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"),
}
_BERT_TARGETS = ("query", "key", "value", "dense")
PRECISION: Precision = "float32"
"""What an encoder is tuned in, however its weights are stored and whatever the processor."""
_EVAL_ROWS = 64
_NUMBER = re.compile(r"layer\.(\d+)\.")
_KEPT_BYTES = 600e6

Tokens = Sequence[Sequence[int]]
"""Rows of token numbers."""


@dataclass(slots=True)
class LoraEncoder:
    """An encoder's body with an adapter."""

    sentence: SentenceEncoder
    lower: Any
    """The embeddings and the layers that are not tuned."""
    upper: Any
    """The tuned layers with their adapter; takes what ``lower`` gives."""
    first: int
    """The number of the first tuned layer."""
    workers: int
    """Threads that share what is not trained on."""
    has_adapter: bool = True
    lower_outputs: dict[int, torch.Tensor] = field(default_factory=dict)
    """What ``lower`` gave for a row, by the identity of its tokens (they live as long as the training data)."""

    def parameters(self, head: torch.nn.Linear) -> dict[str, torch.nn.Parameter]:
        """Name the adapter's tensors, or the weights that are tuned, and those of the head that stands on the body."""
        own = {name: tensor for name, tensor in self.upper.named_parameters() if tensor.requires_grad}
        return own | {f"head.{name}": tensor for name, tensor in head.named_parameters()}

    def read(self, rows: Tokens, on_rows: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        """Take every row through the lower layers once, if there is room to keep what comes out.

        ``on_rows`` hears (rows read, rows in all).
        """
        if 2 * self.sentence.hidden * sum(len(row) for row in rows) > _KEPT_BYTES:
            return
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        for start in range(0, len(order), _EVAL_ROWS):
            batch = [rows[index] for index in order[start : start + _EVAL_ROWS]]
            for row, hidden in zip(batch, self._lower_layers(batch), strict=True):
                self.lower_outputs[id(row)] = hidden[: len(row)].half()
            on_rows(start + len(batch), len(order))

    def hidden_states(self, rows: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Run some rows, padded to the longest of them.

        Gives the tokens' states (rows, tokens, hidden), and where there are tokens, as booleans (rows, tokens).
        """
        import torch

        mask = _mask(rows)
        if self.lower_outputs:
            entering = torch.zeros((*mask.shape, self.sentence.hidden))
            for index, row in enumerate(rows):
                entering[index, : len(row)] = self.lower_outputs[id(row)]
        else:
            entering = self._lower_layers(rows)
        return self.upper(inputs_embeds=entering, attention_mask=mask).last_hidden_state, mask

    def each(self, rows: Tokens, compute: Callable[[Tokens], torch.Tensor]) -> list[NDArray[np.float32]]:
        """Compute something of every row without gradients; ``compute`` gives it for some rows, one each in order."""
        import torch

        def run_batch(indices: Sequence[int]) -> NDArray[np.float32]:
            with torch.no_grad():  # holds for this thread alone
                values: NDArray[np.float32] = compute([rows[index] for index in indices]).numpy()
            return values

        outputs: dict[int, NDArray[np.float32]] = {}
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        batches = [order[start : start + _EVAL_ROWS] for start in range(0, len(order), _EVAL_ROWS)]
        with ThreadPoolExecutor(self.workers) as pool:
            for batch, values in zip(batches, pool.map(run_batch, batches), strict=True):
                outputs.update(zip(batch, values, strict=True))
        return [outputs[index] for index in range(len(rows))]

    def adapter(self) -> Adapter:
        """Write the adapter as PEFT's files, for the whole body: its layers have their numbers there."""
        from peft import get_peft_model_state_dict
        from safetensors.torch import save

        tensors = {
            _NUMBER.sub(lambda match: f"layer.{int(match[1]) + self.first}.", name): tensor.detach().contiguous()
            for name, tensor in get_peft_model_state_dict(self.upper).items()
        }
        config = self.upper.peft_config["default"].to_dict() | {
            "base_model_name_or_path": self.sentence.name,
            "inference_mode": True,
            "layers_pattern": "layer",
            "layers_to_transform": list(range(self.first, self.sentence.layers)),
            "task_type": "FEATURE_EXTRACTION",
        }
        return Adapter(config=write_config(config), weights=save(tensors, metadata={"format": "pt"}))

    def merge_adapter(self) -> dict[str, NDArray[np.float32]]:
        """Put the tuned layers in the place of the encoder's own, under their original names; ends the adapter."""
        whole = self.upper.merge_and_unload() if self.has_adapter else self.upper
        weights = self.sentence.weights()
        for name, tensor in whole.state_dict().items():
            head, mark, rest = name.partition("layer.")
            if not mark:
                continue
            number, _, part = rest.partition(".")
            weights[f"{head}layer.{int(number) + self.first}.{part}"] = tensor.detach().float().numpy()
        return weights

    def _lower_layers(self, rows: Tokens) -> torch.Tensor:
        import torch

        mask = _mask(rows)
        ids = torch.tensor([[*row, *[0] * (mask.shape[1] - len(row))] for row in rows])
        with torch.no_grad():
            hidden: torch.Tensor = self.lower(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden


def add_lora(sentence: SentenceEncoder, spec: TuneSpec) -> LoraEncoder:
    """Put a fresh adapter into the upper layers of an encoder: it changes nothing until it is trained.

    Raises `ModelError` (``E_MODEL_MISSING``) where torch, transformers or peft is not installed.
    """
    ready()
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    torch.manual_seed(spec.seed)
    body = AutoModel.from_pretrained(
        str(sentence.folder), local_files_only=True, trust_remote_code=False, dtype=torch_dtype(PRECISION)
    )
    first = min(sentence.layers - 1, round(sentence.layers * (1 - spec.depth)))
    lower, upper = body, copy.deepcopy(body)
    _keep_layers(lower, slice(None, first))
    _keep_layers(upper, slice(first, None))
    upper.embeddings = _as_given(torch.nn.Module)
    upper.pooler = None  # BERT's own pooling over the first token, which sentence encoders do not use
    if spec.all_weights:
        return LoraEncoder(sentence, lower.eval(), upper.eval(), first, spec.workers, has_adapter=False)
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=int(spec.alpha),
        lora_dropout=0.0,
        target_modules=list(TARGETS.get(sentence.family, _BERT_TARGETS)),
    )
    # Without dropout: a few low-rank weights do not need it, and every pass is then the same for a given seed.
    with warnings.catch_warnings():
        # peft asks transformers by an older name; the user can do nothing about it.
        warnings.simplefilter("ignore", FutureWarning)
        adapter = get_peft_model(upper, config).eval()
    return LoraEncoder(sentence, lower.eval(), adapter, first, spec.workers)


def _mask(rows: Tokens) -> torch.Tensor:
    """Say where the tokens of some rows stand when padded: (rows, tokens) of booleans."""
    import torch

    lengths = torch.tensor([len(row) for row in rows])
    return torch.arange(int(lengths.max()))[None, :] < lengths[:, None]


def _keep_layers(body: Any, part: slice) -> None:  # noqa: ANN401 - a transformers model
    """Leave only some layers in a body."""
    stack = body.transformer if hasattr(body, "transformer") else body.encoder
    stack.layer = stack.layer[part]


def _as_given(module: type[torch.nn.Module]) -> torch.nn.Module:
    """Make a stand-in for the embeddings that passes on what it is given."""

    class AsGiven(module):  # type: ignore[misc]  # the base class is known at run time only
        def forward(self, *args: torch.Tensor | None, **named: torch.Tensor | None) -> torch.Tensor:
            # The families call their embeddings by name or by place; only what we give has three axes.
            return next(x for x in (*args, *named.values()) if x is not None and x.ndim == 3)

    return AsGiven()


NEEDED = ("torch", "transformers", "peft")


def ready() -> None:
    """Check that the libraries are here, and keep transformers from talking while it loads a model.

    Raises `ModelError` (``E_MODEL_MISSING``) where one is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        message = f"{', '.join(NEEDED[:-1])} and {NEEDED[-1]} are needed for tuning"
        raise ModelError("E_MODEL_MISSING", message, fix=install_command("tune"))
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
