"""Python runs this first in each process that a test starts: it times models and the processor only briefly.

Models are timed over 20 answers, not for 4 seconds; while the tests beside it take the processor, the command would
even time each model twice. The processor, which `ockham plan` knows by 25 passes over 268 MB, is timed over two, and
without the engine. No test looks at those times but those of the timing itself, which say how long. `tests/conftest.py`
has this file found.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


def _time_models_briefly(module: ModuleType) -> None:
    module._FREE = type(module._FREE)(seconds=0, most=20, rounds=1)  # type: ignore[attr-defined]


def _time_the_processor_briefly(module: ModuleType) -> None:
    module._PASSES = 2  # type: ignore[attr-defined]


def _leave_the_engine_out(module: ModuleType) -> None:
    module._PACKAGES = ("none_such",)  # type: ignore[attr-defined]


_CHANGES = {
    "ockham.ladder.measure": _time_models_briefly,
    "ockham.planning.calibrate": _time_the_processor_briefly,
    "ockham.planning.engine_probe": _leave_the_engine_out,
}


class _ShortTiming:
    """Finds some modules as they are found anyhow, and changes each once it is executed."""

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        change = _CHANGES.get(name)
        if change is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if isinstance(spec, ModuleSpec) and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                execute(module)
                change(module)

            spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


if not any(name in sys.modules for name in _CHANGES):
    sys.meta_path.insert(0, _ShortTiming)
