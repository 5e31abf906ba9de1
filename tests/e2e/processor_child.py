"""A process that computes something and prints it as one JSON object, with what its libraries chose for the processor.

Whoever calls it may force a choice through the environment: libraries look at the processor once, when they are loaded.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args


def curate(source: str, folder: str) -> dict[str, Any]:
    """Curate a file; give the digests of all that is written, and the processor that numba compiles for."""
    from numba.core.registry import cpu_target

    from ockham.curation.curate import CurateSpec, curate

    out = Path(folder)
    curate(source, CurateSpec(shard_mb=1), out=out)
    paths = [*out.glob("clean/*"), *out.glob("quarantine/*"), out / "report.json"]
    digests = {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return {"chose": cpu_target.target_context.codegen().magic_tuple()[1], "found": digests}


def solve(_source: str, _folder: str) -> dict[str, Any]:
    """Fit a head on vectors; give its weights and answers, and what BLAS and numpy compute with."""
    import numpy as np
    import scipy.linalg  # noqa: F401 - its BLAS is looked at
    from threadpoolctl import threadpool_info

    from ockham.tuning import linear_head

    core: Any = importlib.import_module("numpy._core._multiarray_umath")  # which has no types
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(5, 64))
    targets = [str(number % 5) for number in range(300)]
    vectors = (centres[np.arange(300) % 5] + 1.5 * draw.normal(size=(300, 64))).astype(np.float32)
    head = linear_head.solve(vectors[:200], targets[:200], 1.0)
    vector = [name for name, there in core.__cpu_features__.items() if there]
    blas = sorted({one["architecture"] for one in threadpool_info() if one["user_api"] == "blas"})
    margins = head.margins(vectors[200:]).tolist()
    return {"chose": {"blas": blas, "numpy": vector}, "found": margins, "answers": list(head.best(vectors[200:]))}


def tune(_source: str, folder: str) -> dict[str, Any]:
    """Compute the loss and the gradients of a decoder in both precisions; say what torch computes with."""
    import torch
    from tests import tiny_decoder

    from ockham.records import Precision
    from ockham.tuning import decoder_tuning
    from ockham.tuning.tune_spec import TuneSpec

    place = tiny_decoder.llama(Path(folder))
    rows = [
        decoder_tuning.DecoderRow(question=tuple(range(3, 23)) + tuple(range(i, 2 * i)), answer=(30 + i, 40 + i))
        for i in range(3, 9)
    ]
    found = {}
    for precision in get_args(Precision):
        material = decoder_tuning.DecoderTrainingData(
            folder=place, train=rows, valid=(), judge=lambda _: 0.0, precision=precision
        )
        made = decoder_tuning._lesson(material, TuneSpec(rank=2))
        draw = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for tensor in made.parameters().values():
                tensor.add_(0.05 * torch.randn(tensor.shape, generator=draw))
        loss, _ = made.loss(range(len(rows)))
        slopes = torch.autograd.grad(loss, list(made.parameters().values()))
        found[precision] = {"loss": float(loss.detach()), "slopes": torch.cat([s.flatten() for s in slopes]).tolist()}
    return {"chose": torch.backends.cpu.get_cpu_capability(), "found": found}


WORK: Mapping[str, Callable[[str, str], dict[str, Any]]] = {"curate": curate, "solve": solve, "tune": tune}

if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(WORK[sys.argv[1]](*sys.argv[2:]))}\n")
