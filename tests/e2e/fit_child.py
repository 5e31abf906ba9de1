"""A process that climbs for whoever asks, each time in a process of its own, and says what it is about to do.

A request is one line of JSON: data, run folder, rungs, models, passes, and how the line begins behind which the process
kills itself. The answer is a line for each message and each thing that is to be kept or published, and the verdict.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import fork_server
from tests.fork_server import serve

from ockham.ladder.fit import FitSpec, fit
from ockham.records import Progress, plain
from ockham.reporting import page
from ockham.store import Run
from ockham.tuning import loop, precision

DEATH = {"behind": ""}
"""How the line begins behind which this process is killed; "" where it is not."""
ANNOUNCED = ("save", "commit_artifact", "publish", "publish_folder", "append")


def main() -> None:
    """Answer requests, one after the other."""
    import numpy as np  # noqa: F401 - once, for all that are forked
    import sklearn.linear_model  # noqa: F401

    if len(sys.argv) > 1:
        announce_merging()
    assert page
    vars(precision)["bfloat16_gain"] = lambda: 1.0
    vars(loop)["CHECKPOINT_SECONDS"] = -1.0
    for name in ANNOUNCED:
        setattr(Run, name, announced(getattr(Run, name), name))
    serve(lambda line: climb(json.loads(line)))


def say(words: str) -> None:
    fork_server.say(words)
    if DEATH["behind"] and words.startswith(DEATH["behind"]):
        os.kill(os.getpid(), signal.SIGKILL)


def announced(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Say a change of the run before it is made, with its kind or name."""

    def change(run: Run, what: str, *rest: Any, **named: Any) -> Any:
        say(f"{name} {what}")
        return method(run, what, *rest, **named)

    return change


def announce_merging() -> None:
    """Say when half of the merged weights are written."""
    import transformers

    save = transformers.PreTrainedModel.save_pretrained

    def save_in_halves(model: Any, folder: Path, *rest: Any, **named: Any) -> None:
        save(model, folder, *rest, **named)
        (weights,) = folder.glob("*.safetensors")
        written = weights.read_bytes()
        weights.write_bytes(written[: len(written) // 2])
        say("merge: half is written")
        weights.write_bytes(written)

    setattr(transformers.PreTrainedModel, "save_pretrained", save_in_halves)  # noqa: B010 - mypy would not let it be assigned


def climb(request: dict[str, Any]) -> None:
    DEATH["behind"] = request["kill"]

    def on_progress(progress: Progress) -> None:
        say(f"{progress.stage}: {progress.message}")

    spec = FitSpec(
        inputs=("text",),
        target="label",
        rungs=tuple(request["rungs"]),
        models=tuple(request["models"]),
        all=True,
        epochs=request["epochs"],
        rank=2,
        precision="float32",
    )
    verdict = fit(request["data"], spec, out=Path(request["out"]), on_progress=on_progress)
    say(f"verdict {json.dumps(plain(verdict))}")


if __name__ == "__main__":
    main()
