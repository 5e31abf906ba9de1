"""The parity gate finds each cause in the base model that comes with the package too, tuned and converted for real.

The tests are those of tests/golden/test_parity_gate.py, in another world.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tests.golden import test_parity_gate as gate
from tests.golden.test_parity_gate import (
    test_a_damaged_file_is_found,
    test_a_start_token_that_stands_twice_is_found,
    test_a_wrong_chat_template_is_found,
    test_an_adapter_on_another_base_is_found,
    test_torch_and_the_engine_agree_on_an_adapter_apart,
)

from ockham import catalog
from ockham.convert.gguf_export import Converter

__all__ = [
    "test_a_damaged_file_is_found",
    "test_a_start_token_that_stands_twice_is_found",
    "test_a_wrong_chat_template_is_found",
    "test_an_adapter_on_another_base_is_found",
    "test_torch_and_the_engine_agree_on_an_adapter_apart",
]

pytestmark = [pytest.mark.tune, pytest.mark.slow]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, converter: Converter) -> gate.World:
    root = tmp_path_factory.mktemp("gate")
    folder = Path(shutil.copytree(catalog.shipped_folder("ockham-nano") or "", root / "nano"))
    other = shaken(Path(shutil.copytree(folder, root / "other")))
    template = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
    return gate.inhabit(root, (folder, other), template, converter, real=True)


def shaken(folder: Path) -> Path:
    """Move the weights of a folder by a tenth of their spread: a model that was trained a little longer, say."""
    from safetensors.torch import load_file, save_file

    path, draw = folder / "model.safetensors", torch.Generator().manual_seed(3)
    weights = load_file(path)
    for name, tensor in weights.items():
        noise = torch.randn(tensor.shape, generator=draw) * 0.1 * tensor.float().std()
        weights[name] = (tensor.float() + noise.nan_to_num()).to(tensor.dtype)
    save_file(weights, path, metadata={"format": "pt"})
    return folder
