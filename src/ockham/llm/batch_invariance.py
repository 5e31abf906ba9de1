"""Whether an engine's arithmetic is the same however its work is cut into batches: found out by trying.

llama.cpp computes what is not in its cache, together with what other requests need at that moment. Whether a number
then depends on how many came together is a matter of the processor's kernels: with weights in Q8_0 and Q4_0 and flash
attention off it did not, to the last bit, where this was written; with Q4_K, Q5_0 and 16 bits it did.
"""

from __future__ import annotations

from ockham.llm.llamacpp import Engine

PROBE = 40
KEPT = (39, 38, 37, 36, 29)
"""Tokens that are in the cache at each trial: 1, 2, 3, 4 and 11 are left to compute."""

TOP = 32


def is_batch_invariant(engine: Engine) -> bool:
    """Tell whether a prompt's next tokens have the same log-probabilities, bit by bit, whatever was in the cache."""
    vocabulary = max(2, engine.head.tokens)
    probe = [(7 * number + 1) % vocabulary for number in range(PROBE)]
    other = [(number + 2) % vocabulary for number in reversed(probe)]
    engine.top(other, 1)
    reference = engine.top(probe, TOP)
    for cached in KEPT:
        engine.top([*probe[:cached], *other[cached:]], 1)
        if engine.top(probe, TOP) != reference:
            return False
    return True
