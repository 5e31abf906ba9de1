"""What reading a prompt in steps of so many tokens costs and gains: ``scripts/bench prompt_steps WEIGHTS.gguf``.

For each step: how long a prompt takes, how long a request goes on that nobody wants any more, and how many prompts get
other log-probabilities than by steps of 16. The last of these is looked for where a step ends one token before the
prompt does, so that the token is computed alone, and elsewhere.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import table
from ockham.llm import llamacpp
from ockham.llm.decoding import DecodingLimits, Piece, StoppedError
from ockham.llm.llamacpp import Engine, EngineSpec

STEPS = (16, 32, 64, 256)
PROMPT = 700
_TOP = 50
_STOPS = 5
_ALONE, _TOGETHER = (33, 49, 65), (34, 40, 48, 50, 64)
"""Lengths of prompts whose last token steps of 16 compute alone, and others."""
_SENTENCE = (
    "The customer writes that the parcel has not come yet, and that the invoice names an amount she never agreed to. "
    "Please tell me where it is, or send my money back by Friday at the latest! "
)


def main() -> None:
    """Take turns, and write the table."""
    parser = argparse.ArgumentParser(description="Measure steps of a prompt.")
    parser.add_argument("weights", type=Path, help="a GGUF file")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--offsets", type=int, default=15, help="prompts of each length that are compared")
    parser.add_argument("--cores", help="hold everything to these cores, as in 0,1; one thread is used")
    args = parser.parse_args()
    cores = table.pin(args.cores)
    read: dict[int, list[float]] = {step: [] for step in STEPS}
    left: dict[int, list[float]] = {step: [] for step in STEPS}
    for _ in range(args.turns):
        for step in STEPS:
            with engine_of(args.weights, step) as engine:
                read[step].append(reading_seconds(engine))
                left[step] += [1000 * leaving_seconds(engine, read[step][-1] * stop / _STOPS) for stop in range(_STOPS)]
    found = {step: log_probabilities(args.weights, step, args.offsets) for step in STEPS}
    rows = [
        [
            str(step),
            table.spread(read[step], 2),
            f"{max(left[step]):.0f}",
            *(differing(found[step], found[STEPS[0]], lengths) for lengths in (_ALONE, _TOGETHER)),
        ]
        for step in STEPS
    ]
    head = ["tokens a step", f"seconds for {PROMPT} tokens, median (least to greatest)", "longest ms behind a stop"]
    head += ["other numbers, last token alone", "other numbers, elsewhere"]
    stored = {"weights": args.weights.name, "seconds": read, "stop_ms": left, "cores": cores}
    table.publish("prompt_steps", table.markdown(head, rows), stored)


@contextlib.contextmanager
def engine_of(weights: Path, step: int) -> Iterator[Engine]:
    """Load the engine with such steps, and let it go."""
    vars(llamacpp)["STEP"] = step
    engine = Engine(weights, EngineSpec(context=2048, slots=1, threads=1))
    try:
        yield engine
    finally:
        engine.close()


def prompt_of(engine: Engine, offset: int, length: int) -> list[int]:
    """Return so many tokens of a text, from a place on."""
    return engine.tokens(_SENTENCE * 40, special=True)[offset : offset + length]


def reading_seconds(engine: Engine) -> float:
    """Return how long a prompt of which nothing stands in the cache takes, with one token behind it."""
    prompt = prompt_of(engine, 3, PROMPT)
    engine.begin(prompt, slot=0, whole=True)
    began = time.perf_counter()
    engine.write(prompt, DecodingLimits(tokens=1), slot=0)
    return time.perf_counter() - began


def leaving_seconds(engine: Engine, stop: float) -> float:
    """Return how long a request goes on behind the moment, in seconds from its begin, when nobody wants it any more."""
    prompt = prompt_of(engine, 5, PROMPT)
    engine.begin(prompt, slot=0, whole=True)
    began = time.perf_counter()

    def is_unwanted(_piece: Piece) -> bool:
        return time.perf_counter() - began >= stop

    with engine.listen(0, is_unwanted), contextlib.suppress(StoppedError):
        engine.write(prompt, DecodingLimits(tokens=1), slot=0)
    return time.perf_counter() - began - stop


def log_probabilities(weights: Path, step: int, offsets: int) -> dict[tuple[int, int], dict[int, float]]:
    """Return the log-probabilities of the next tokens of each prompt, by its length and offset."""
    with engine_of(weights, step) as engine:
        found = {}
        for length in (*_ALONE, *_TOGETHER):
            for offset in range(offsets):
                prompt = prompt_of(engine, 13 * offset, length)
                engine.begin(prompt, slot=0, whole=True)
                found[length, offset] = engine.top(prompt, _TOP)
        return found


def differing(
    found: dict[tuple[int, int], dict[int, float]],
    first: dict[tuple[int, int], dict[int, float]],
    lengths: tuple[int, ...],
) -> str:
    """Count the prompts of these lengths that have other log-probabilities."""
    keys = [key for key in found if key[0] in lengths]
    return f"{sum(found[key] != first[key] for key in keys)} of {len(keys)}"


if __name__ == "__main__":
    main()
