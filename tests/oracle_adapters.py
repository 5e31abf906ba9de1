"""Adapters on one base, served together and swapped while they are asked: each answer must be its own adapter's.

What an adapter says was found out in an engine that had no other. A full run: ``scripts/adapters``.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests import tiny_gguf
from tests.served import Served, seal
from tests.written import ROWS

from ockham import store
from ockham.models import causal_lm

ADMIN = "admin-key-of-the-oracles"
TEXTS = ("text 1", "text 2 is longer", "text 1 goes on")
_SPEC = causal_lm.GgufSpec(threads=1, context=512, slots=2, max_output_tokens=6)
_TRIES = 5
Oracle = dict[str, str]


@dataclass(slots=True)
class Outcome:
    """How often each status came, how many answers were another adapter's, and how many swaps were made."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: int = 0
    swaps: int = 0
    models: set[str] = field(default_factory=set)


class Adapters:
    """Bundles on one base, in a live folder and a spare one for each, and what each says by its digest."""

    def __init__(self, folder: Path, count: int) -> None:
        """Write a base, and two versions of so many bundles with an adapter of their own each."""
        self.folder = folder
        self.names = [f"a{number}" for number in range(count)]
        self.answers: dict[str, Oracle] = {}
        weights = tiny_gguf.write(folder / "base.gguf")
        first = tiny_gguf.write_adapter(folder / "first.gguf", 0)
        (folder / "first").mkdir()
        base = causal_lm.Base(weights=weights, adapter=first, copy=False)
        causal_lm.fit(ROWS, folder / "first", base, _SPEC, task="generate")
        seeds = itertools.count(1)
        for side, name in itertools.product(("live", "spare"), self.names):
            self._add(folder / side / name, next(seeds))

    def _add(self, bundle: Path, seed: int) -> None:
        """Write a bundle, and ask it alone."""
        shutil.copytree(self.folder / "first", bundle)
        adapter = tiny_gguf.write_adapter(bundle / causal_lm.ADAPTER, seed)
        record = json.loads((bundle / causal_lm.FILE).read_bytes())
        record["adapter"] = {"path": causal_lm.ADAPTER, "sha256": store.file_digest(adapter)}
        (bundle / causal_lm.FILE).write_text(json.dumps(record))
        seal(bundle, "gguf", (), task="generate")
        model = causal_lm.load(bundle)
        said = [str(answer.value) for answer in model.answer(TEXTS)]
        model.close()
        self.answers[store.bundle_digest(bundle)] = dict(zip(TEXTS, said, strict=True))

    def swap(self, name: str) -> None:
        """Put the other version of a bundle into its place."""
        live, spare, aside = self.folder / "live" / name, self.folder / "spare" / name, self.folder / "aside"
        live.rename(aside)
        spare.rename(live)
        aside.rename(spare)

    def serve_words(self) -> list[str]:
        """Return what ``ockham serve`` is told."""
        return [f"{name}={self.folder / 'live' / name}" for name in self.names]


def ask_and_swap(adapters: Adapters, served: Served, requests: int, swaps: int, clients: int = 4) -> Outcome:
    """Ask models at random from several clients while one bundle after the other is swapped."""
    outcome, lock = Outcome(), threading.Lock()
    every = [random.Random(place) for place in range(clients)]

    def ask(pick: random.Random) -> None:
        with httpx.Client(headers=served.headers, timeout=120) as client:
            for _ in range(requests // clients):
                name, text = pick.choice(adapters.names), pick.choice(TEXTS)
                body = {"model": name, "messages": [{"role": "user", "content": text}]}
                reply = client.post(f"{served.address}/v1/chat/completions", json=body)
                with lock:
                    outcome.statuses[reply.status_code] += 1
                    if reply.status_code == 200:
                        outcome.models.add(name)
                        said = reply.json()["choices"][0]["message"]["content"]
                        outcome.wrong += said != adapters.answers[reply.headers["x-model-digest"]][text]

    def swap() -> None:
        pick = random.Random(0)
        for _ in range(swaps):
            name = pick.choice(adapters.names)
            adapters.swap(name)
            headers = {"authorization": f"Bearer {ADMIN}"}
            url = f"{served.address}/admin/models/{name}/reload"
            # It is refused where the server is taking up what has just been swapped.
            replies = (httpx.post(url, headers=headers, timeout=120).status_code for _ in range(_TRIES))
            outcome.swaps += any(status == 200 for status in replies)

    with ThreadPoolExecutor(clients + 1) as threads:
        work = [threads.submit(ask, pick) for pick in every] + [threads.submit(swap)]
        for one in work:
            one.result()
    return outcome
