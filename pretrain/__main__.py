"""The command: ``scripts/pretrain [STEP]``; with no step, all of them in order."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ockham.errors import OckhamError
from ockham.records import Progress
from pretrain import finish, model, steps
from pretrain.steps import Recipe
from pretrain.training import Spec

DATA = Path(__file__).parents[2] / "shared" / "data"

STEPS: dict[str, Callable[[Recipe, steps.Tell], None]] = {
    "prepare": steps.prepare,
    "train": steps.train,
    "decay": steps.decay,
    "instruct": finish.teach,
    "score": finish.score,
    "card": finish.write_card,
    "package": finish.package,
}


def main(arguments: list[str]) -> int:
    """Run the steps that were named; 2 for bad input, as `ockham` does."""
    asked = _parser().parse_args(arguments)
    recipe = Recipe(
        state=asked.state,
        data=asked.data,
        shape=asked.shape,
        spec=Spec(seed=asked.seed, batch=asked.batch, part=min(asked.part, asked.batch)),
        tokens=asked.tokens,
        hours=asked.hours,
        decay=asked.decay,
        taught=asked.taught,
        workers=asked.workers,
        device=asked.device,
    )
    try:
        for name in [asked.step] if asked.step else STEPS:
            _tell(Progress(stage=name, message="begins"))
            STEPS[name](recipe, _tell)
    except OckhamError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command goes on from the last saved state\n")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    spec = Spec()
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    parser = argparse.ArgumentParser(prog="scripts/pretrain", description="Make the base model, from data to package.")
    parser.add_argument("step", nargs="?", choices=list(STEPS), help="one step alone; without: all, in this order")
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps tokens, states and results")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the sources")
    parser.add_argument("--shape", choices=list(model.SHAPES), default=defaults["shape"])
    parser.add_argument("--seed", type=int, default=spec.seed)
    parser.add_argument("--batch", type=int, default=spec.batch, help="windows in a step")
    parser.add_argument("--part", type=int, default=spec.part, help="windows that one thread works on at a time")
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--tokens", type=int, default=defaults["tokens"], help="end of the stable phase")
    bound.add_argument("--hours", type=float, help="work for so long on the stable phase instead")
    parser.add_argument("--decay", type=float, default=defaults["decay"], help="share of the stable phase's steps")
    parser.add_argument("--taught", type=int, default=defaults["taught"], help="tokens of the supervised phase")
    parser.add_argument("--workers", type=int, default=defaults["workers"], help="threads, on a CPU")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=defaults["device"])
    return parser


def _tell(progress: Progress) -> None:
    share = f" ({progress.done / progress.total:.0%})" if progress.done and progress.total else ""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {progress.stage}: {progress.message}{share}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
