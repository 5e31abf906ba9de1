"""A LoRA adapter as PEFT keeps it: two files that PEFT, transformers and sentence-transformers open."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ockham.store import save_bytes

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A LoRA adapter as PEFT's two files: ``adapter_config.json`` and ``adapter_model.safetensors``."""

    config: bytes
    weights: bytes

    def with_base(self, name: str, revision: str | None) -> Adapter:
        """Return the same adapter, whose base is found under another name: a hub id, or a folder."""
        config = json.loads(self.config) | {"base_model_name_or_path": name, "revision": revision}
        return dataclasses.replace(self, config=write_config(config))

    def save(self, folder: Path) -> None:
        """Write both files into a folder, which is made where it is not there."""
        folder.mkdir(exist_ok=True)
        save_bytes(folder / CONFIG, self.config)
        save_bytes(folder / WEIGHTS, self.weights)


def write_config(config: Mapping[str, Any]) -> bytes:
    """Return the settings of an adapter as JSON, sets as sorted lists."""
    plain = {name: sorted(value) if isinstance(value, set) else value for name, value in config.items()}
    return json.dumps(plain, indent=1, sort_keys=True, default=str).encode() + b"\n"
