"""A process that tunes a tiny encoder with its checkpoint in a run folder: told where, it tells its steps."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from ockham import rungs, store
from ockham.evals import metrics
from ockham.models import sentence
from ockham.tune import encoder, heads, loop
from ockham.tune.spec import TuneSpec


def main(source: str, folder: str) -> None:
    import numpy as np

    found = sentence.find(source)
    pick = np.random.default_rng(0)
    targets = ["a", "b", "c"] * 8
    rows = encoder.Rows(tokens=[[0, *pick.integers(4, 20, 6).tolist(), 2] for _ in targets], targets=targets)
    head = heads.solve(pick.normal(size=(24, found.hidden)).astype(np.float32), targets, 1.0)
    material = encoder.Material(sentence=found, head=head, train=rows, valid=rows)
    spec = TuneSpec(epochs=4, batch=4, rank=2, learning_rate=0.01, patience=9)
    vars(loop)["CHECKPOINT_SECONDS"] = -1.0

    def tell(done: int, _total: int) -> None:
        sys.stdout.write(f"step {done}\n")
        sys.stdout.flush()

    with store.open_run(Path(folder), {"of": "a test"}) as run:
        place = rungs.Checkpoint(run, "tuning-test")
        tuned = encoder.tune(material, spec, lambda t, a: metrics.point("accuracy", t, a), place, tell)
    digest = hashlib.sha256(repr(tuned.points).encode() + tuned.head.weight.tobytes() + tuned.head.bias.tobytes())
    for name, array in sorted(tuned.weights.items()):
        digest.update(name.encode() + array.tobytes())
    sys.stdout.write(f"digest {digest.hexdigest()}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
