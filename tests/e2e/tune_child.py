"""A process that tunes an encoder, a tagger or a decoder for whoever asks, each time in a process of its own.

A request is a line: what to tune, the folder of the model, the run folder. The answer is the number of the process, its
steps, and the digest of what it made; libraries are loaded once, before anything is computed.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fork_server import say, serve

from ockham import store
from ockham.evals import metrics, tasks
from ockham.llm import json_schema
from ockham.models import sentence_encoder, token_windows
from ockham.models import tagger as models_tagger
from ockham.records import Example
from ockham.rungs import rung
from ockham.rungs.rung import RunCheckpoint
from ockham.tuning import decoder_tuning, encoder_tuning, linear_head, loop, span_alignment, tagger_tuning
from ockham.tuning.adapter_files import Adapter
from ockham.tuning.tune_spec import TuneSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tell = Callable[[int, int], None]
SPEC = TuneSpec(epochs=4, batch=4, rank=2, learning_rate=0.01, patience=9)

TEXTS = ("my parcel is late", "where is the invoice", "card paid twice", "the pump is broken") * 6


def main() -> None:
    """Answer requests, one after the other."""
    import peft  # noqa: F401 - once, for all that are forked
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401

    vars(loop)["CHECKPOINT_SECONDS"] = -1.0
    serve(lambda line: tune(*line.split()))


def tune(what: str, source: str, folder: str) -> None:
    def on_progress(done: int, _total: int) -> None:
        say(f"step {done}")

    with store.open_run(Path(folder), {"of": "a test"}) as run:
        place = rung.RunCheckpoint(run, "tuning-test")
        digest = hashlib.sha256()
        for part in TUNED[what](source, place, on_progress):
            digest.update(part)
    say(f"digest {digest.hexdigest()}")


def tuned_encoder(source: str, place: RunCheckpoint, on_progress: Tell) -> Iterator[bytes]:
    import numpy as np

    found = sentence_encoder.find(source)
    pick = np.random.default_rng(0)
    targets = ["a", "b", "c"] * 8
    rows = encoder_tuning.EncoderRows(
        tokens=[[0, *pick.integers(4, 20, 6).tolist(), 2] for _ in targets], targets=targets
    )
    head = linear_head.solve(pick.normal(size=(24, found.hidden)).astype(np.float32), targets, 1.0)
    material = encoder_tuning.EncoderTrainingData(sentence=found, head=head, train=rows, valid=rows)
    tuned = encoder_tuning.tune(material, SPEC, metrics.share_right, place, on_progress)
    yield from (repr(tuned.points).encode(), tuned.head.weight.tobytes(), tuned.head.bias.tobytes())
    yield from named(tuned.weights)


def tuned_tagger(source: str, place: RunCheckpoint, on_progress: Tell) -> Iterator[bytes]:
    found = sentence_encoder.find(source)
    rows = [
        Example(id=str(number), input=text, target=json.dumps({"last": text.split()[-1]}))
        for number, text in enumerate(TEXTS)
    ]
    schema = json.dumps(json_schema.infer([row.target for row in rows]))
    writer = models_tagger.writer(models_tagger.TaggerSettings(schema=schema, paths=(("last",),), temperature=1.0))
    readings = token_windows.reader(found).read([row.input for row in rows])
    side = tagger_tuning.rows_of(rows, readings, span_alignment.align(rows, writer.fields))
    material = tagger_tuning.TaggerTrainingData(sentence=found, train=side, valid=side, writer=writer)
    tuned = tagger_tuning.tune(
        material, SPEC, lambda t, a: tasks.metric_value("extract", "f1_micro", t, a), place, on_progress
    )
    yield from (repr((tuned.points, tuned.answers)).encode(), tuned.weight.tobytes(), tuned.bias.tobytes())
    yield from named(tuned.weights)


def tuned_decoder(source: str, place: RunCheckpoint, on_progress: Tell) -> Iterator[bytes]:
    draw = random.Random(0)
    rows = [
        decoder_tuning.DecoderRow(
            question=tuple(range(3, 15)) + tuple(draw.randrange(3, 300) for _ in range(draw.randint(2, 9))),
            answer=tuple(draw.randrange(3, 300) for _ in range(draw.randint(1, 3))),
        )
        for _ in range(24)
    ]

    def judge(adapter: Adapter) -> float:
        """Score an adapter by its own bytes, so that each pass has another score."""
        return int(hashlib.sha256(adapter.weights).hexdigest()[:8], 16) / 2**32

    material = decoder_tuning.DecoderTrainingData(
        folder=Path(source), train=rows, valid=rows[:4], judge=judge, precision="float32"
    )
    tuned = decoder_tuning.tune(material, SPEC, place, on_progress)
    yield from (repr(tuned.points).encode(), tuned.adapter.config, tuned.adapter.weights)


def named(weights: Mapping[str, NDArray[np.float32]]) -> Iterator[bytes]:
    for name, array in sorted(weights.items()):
        yield name.encode() + array.tobytes()


TUNED: Mapping[str, Callable[[str, RunCheckpoint, Tell], Iterator[bytes]]] = {
    "encoder": tuned_encoder,
    "tagger": tuned_tagger,
    "decoder": tuned_decoder,
}

if __name__ == "__main__":
    main()
