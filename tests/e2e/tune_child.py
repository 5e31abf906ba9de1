"""A process that tunes a tiny encoder, or a tagger, with its checkpoint in a run folder: it tells its steps."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import rungs, store
from ockham.evals import judging, metrics
from ockham.models import json_schema, reading, sentence
from ockham.models import tagger as models_tagger
from ockham.models.sentence import Sentence
from ockham.records import Example
from ockham.rungs import Checkpoint
from ockham.tune import align, encoder, heads, loop, tagger
from ockham.tune.spec import TuneSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tell = Callable[[int, int], None]
SPEC = TuneSpec(epochs=4, batch=4, rank=2, learning_rate=0.01, patience=9)

TEXTS = ("my parcel is late", "where is the invoice", "card paid twice", "the pump is broken") * 6


def main(source: str, folder: str, what: str) -> None:
    found = sentence.find(source)
    vars(loop)["CHECKPOINT_SECONDS"] = -1.0

    def tell(done: int, _total: int) -> None:
        sys.stdout.write(f"step {done}\n")
        sys.stdout.flush()

    with store.open_run(Path(folder), {"of": "a test"}) as run:
        place = rungs.Checkpoint(run, "tuning-test")
        digest = hashlib.sha256()
        for part in (tuned_tagger if what == "tagger" else tuned_encoder)(found, place, tell):
            digest.update(part)
    sys.stdout.write(f"digest {digest.hexdigest()}\n")


def tuned_encoder(found: Sentence, place: Checkpoint, tell: Tell) -> Iterator[bytes]:
    import numpy as np

    pick = np.random.default_rng(0)
    targets = ["a", "b", "c"] * 8
    rows = encoder.Rows(tokens=[[0, *pick.integers(4, 20, 6).tolist(), 2] for _ in targets], targets=targets)
    head = heads.solve(pick.normal(size=(24, found.hidden)).astype(np.float32), targets, 1.0)
    material = encoder.Material(sentence=found, head=head, train=rows, valid=rows)
    tuned = encoder.tune(material, SPEC, lambda t, a: metrics.point("accuracy", t, a), place, tell)
    yield from (repr(tuned.points).encode(), tuned.head.weight.tobytes(), tuned.head.bias.tobytes())
    yield from named(tuned.weights)


def tuned_tagger(found: Sentence, place: Checkpoint, tell: Tell) -> Iterator[bytes]:
    rows = [
        Example(id=str(number), input=text, target=json.dumps({"last": text.split()[-1]}))
        for number, text in enumerate(TEXTS)
    ]
    schema = json.dumps(json_schema.infer([row.target for row in rows]))
    writer = models_tagger.writer(models_tagger.TaggerSettings(schema=schema, paths=(("last",),), temperature=1.0))
    readings = reading.reader(found).read([row.input for row in rows])
    side = tagger.rows_of(rows, readings, align.align(rows, writer.fields))
    material = tagger.Material(sentence=found, train=side, valid=side, writer=writer)
    tuned = tagger.tune(material, SPEC, lambda t, a: judging.point("extract", "f1_micro", t, a), place, tell)
    yield from (repr((tuned.points, tuned.answers)).encode(), tuned.weight.tobytes(), tuned.bias.tobytes())
    yield from named(tuned.weights)


def named(weights: Mapping[str, NDArray[np.float32]]) -> Iterator[bytes]:
    for name, array in sorted(weights.items()):
        yield name.encode() + array.tobytes()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
