"""Which build of llama.cpp computes here, and with which of the processor's instructions.

Builds for other instructions add up numbers in another order: most answers stay the same, some change. So a bundle
remembers the build that it was measured with. What a build uses is fixed when it is compiled, and the library tells.
"""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from importlib import metadata
from pathlib import Path

SETTING = "engine"
_FEATURES = (
    "avx", "avx2", "avx_vnni", "avx512", "avx512_vbmi", "avx512_vnni", "avx512_bf16", "amx_int8", "fma", "f16c",
    "neon", "dotprod", "matmul_int8", "fp16_va", "sve", "sme",
)  # fmt: skip


@cache
def engine_build() -> str | None:
    """Return package, version and instructions of the engine: ``xllamacpp 2026.10 (avx, avx2, fma, f16c)``.

    ``None`` where it is not installed.
    """
    spec = importlib.util.find_spec("xllamacpp")
    library = next(Path(spec.origin).parent.glob("xllamacpp*.so"), None) if spec and spec.origin else None
    if spec is None:
        return None
    name = f"xllamacpp {metadata.version('xllamacpp')}"
    features = [] if library is None else _features(library)
    return f"{name} ({', '.join(features)})" if features else name


def describe_change(measured: object) -> str | None:
    """Say that a bundle was measured with another build than the one here, or nothing where it was not, or is unknown.

    ``measured`` is what the bundle's settings hold under `SETTING`.
    """
    here = engine_build()
    if not isinstance(measured, str) or not measured.startswith("xllamacpp ") or here in (None, measured):
        return None
    return (
        f"the bundle was measured with {measured} and is served with {here}: answers may differ from those that were "
        "measured (`ockham eval` measures it here)"
    )


def _features(library: Path) -> list[str]:
    try:
        functions = ctypes.CDLL(str(library))
        return [name for name in _FEATURES if getattr(functions, f"ggml_cpu_has_{name}")()]
    except (OSError, AttributeError):
        return []
