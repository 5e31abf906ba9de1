"""How long ``ockham --help`` and ``import ockham`` take, beside an empty Python: ``scripts/bench startup``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import table

HEAVY = ("numpy", "onnxruntime", "pandas", "pyarrow", "pydantic", "scipy", "sklearn", "torch", "transformers")


def main() -> None:
    """Take turns, twenty of each, and say which heavy libraries got loaded."""
    parser = argparse.ArgumentParser(description="Measure start-up.")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--cores", help="hold everything to these cores, as in 0,1")
    args = parser.parse_args()
    cores = table.pin(args.cores)
    commands: dict[str, list[str | Path]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import ockham": [sys.executable, "-c", "import ockham"],
        "ockham --help": [table.OCKHAM, "--help"],
    }
    for command in commands.values():  # once for the disk cache and the compiled files
        table.need(table.run(command), command)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(args.repeats):
        for name, command in commands.items():
            times[name].append(1000 * table.need(table.run(command), command).wall)

    code = f"import json, sys, ockham; print(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))"
    loaded = json.loads(table.run([sys.executable, "-c", code]).output)
    rows = [[f"`{name}`", table.spread(values)] for name, values in times.items()]
    foot = f"\n\nHeavy libraries that `import ockham` loads: {', '.join(loaded) or 'none'}."
    text = table.markdown(["command", f"milliseconds, median of {args.repeats} (least to greatest)"], rows) + foot
    table.publish("startup", text, {"milliseconds": times, "heavy": loaded, "cores": cores})


if __name__ == "__main__":
    main()
