"""Python runs this first in each process that a test starts: it times models over 20 answers, not for 4 seconds.

While the tests beside it take the processor, the command would even time each model twice. No test looks at those
times but that of the timing itself, which says how long. `tests/conftest.py` has this file found.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_MODULE = "ockham.ladder.measure"


class _ShortTiming:
    """Finds one module as it is found anyhow, and changes its benchmark once it is executed."""

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        if name != _MODULE:
            return None
        sys.meta_path.remove(cls)
        spec = PathFinder.find_spec(name, path, target)
        if isinstance(spec, ModuleSpec) and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_shorten(module: ModuleType) -> None:
                execute(module)
                module._FREE = type(module._FREE)(seconds=0, most=20, rounds=1)  # type: ignore[attr-defined]

            spec.loader.exec_module = execute_and_shorten  # type: ignore[method-assign]
        return spec


if _MODULE not in sys.modules:
    sys.meta_path.insert(0, _ShortTiming)
