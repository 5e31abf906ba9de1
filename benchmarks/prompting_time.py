"""How long prompting takes, predicted and measured: ``scripts/bench prompting_time``.

The prediction that decides whether a model nobody named is prompted, beside the processor's time of the same answers:
both for one thread, and in time that other programs do not count in.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks import prompt_forms, table
from ockham import catalog, machine
from ockham.convert.gguf_repack import repacked_file
from ockham.models import causal_lm
from ockham.planning.this_machine import processor
from ockham.rungs import prompting_time
from ockham.rungs.decoder_prompted import SHOTS
from ockham.rungs.decoder_weights import QUANTIZATION, find_model, gguf_of

SETS = ("bitext_support", "clinc150", "sms_spam")


def answer_seconds(name: str, shots: int, rows: int, weights: Path, folder: Path) -> float:
    """Return the processor's seconds for each of so many answers, behind one that is not timed."""
    pool, test = prompt_forms.draw(name, rows + 1)
    spec = causal_lm.GgufSpec(shots=shots, context=4096, slots=1, threads=1)
    folder.mkdir()
    causal_lm.fit(pool, folder, causal_lm.Base(weights=weights, copy=False), spec)
    model = causal_lm.load(folder)
    try:
        model.answer([test[0].input])
        began = time.process_time()
        model.answer([row.input for row in test[1:]])
        return (time.process_time() - began) / rows
    finally:
        model.close()


def predicted_seconds(name: str, shots: int, rows: int, model: str) -> float:
    """Return the seconds that are predicted for one answer, on one thread."""
    pool, _ = prompt_forms.draw(name, rows + 1)
    config = SimpleNamespace(task="classify", instructions="")
    context: Any = SimpleNamespace(side={"train": pool}.__getitem__, config=config)
    device = processor(machine.cache(), dt.datetime.now(dt.timezone.utc), time.process_time, threads=1)
    return prompting_time.answer_seconds(catalog.find_architecture(model), context, shots, device)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every set with and without examples, and write the table."""
    parser = argparse.ArgumentParser(description="Seconds of a prompted answer, predicted and measured.")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--model", default="SmolLM2-135M-Instruct", help="a model that is here as a GGUF file")
    args = parser.parse_args(argv)
    source = gguf_of(find_model(args.model))
    if source is None:
        raise SystemExit(f"{args.model} is not here as a GGUF file")
    weights = repacked_file(source, QUANTIZATION) or source
    record, body = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.sets:
            for shots in SHOTS:
                table.say(f"{name}, {shots} examples")
                measured = answer_seconds(name, shots, args.rows, weights, Path(scratch) / f"{name}-{shots}")
                predicted = predicted_seconds(name, shots, args.rows, args.model)
                record.append({"set": name, "shots": shots, "measured": measured, "predicted": predicted})
                body.append([name, str(shots), f"{measured:.2f}", f"{predicted:.2f}", f"{predicted / measured:.2f}"])
    head = ["set", "examples", "measured, s", "predicted, s", "predicted / measured"]
    note = f"{args.model}, {weights.name}, one thread, {args.rows} answers each; processor's time."
    table.publish("prompting_time", f"{table.markdown(head, body)}\n\n{note}", {"rows": record})


if __name__ == "__main__":
    main()
