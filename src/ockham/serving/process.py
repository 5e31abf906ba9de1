"""Ask a bundle as it will be served: in a process of its own that does nothing else.

Latency, throughput and memory measured in the process that trained would be those of another program.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ockham import errors, store
from ockham.api.consent import Destination
from ockham.errors import Defect, OckhamError
from ockham.models import backend
from ockham.records import Answer, Profile
from ockham.sealed import connector, switches

if TYPE_CHECKING:
    from typing_extensions import Self

_PATIENCE_S = 2.0
"""How long a process that is asked to end may take; by itself it gives up an answer in hand after half of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSpec:
    """How long to measure: single answers for ``seconds`` or ``most`` of them, then ``rounds`` over all inputs."""

    seconds: float = 4.0
    most: int = 400
    rounds: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCommand:
    """How the process that serves a bundle is started; ``inherited`` are the descriptors that it needs."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    inherited: tuple[int, ...]


def worker_command(bundles: Sequence[Path], scratch: Path, endpoint: Destination | None = None) -> WorkerCommand:
    """Return how to start the process that serves bundles, measured or asked by clients: it is the same one.

    There is one, or several that share a base. ``scratch`` is its own temporary folder, which it removes in the end.
    """
    permitted = ("", "") if endpoint is None else (endpoint.url, endpoint.key_env or "")
    asks = any(map(_may_ask, bundles))
    environment = switches.worker_environment(os.environ, asks=asks) | {"TMPDIR": str(scratch)}
    folders = map(str, bundles)
    return WorkerCommand(
        arguments=(sys.executable, "-m", "ockham.serving.worker", str(scratch), *permitted, *folders),
        environment=environment,
        inherited=tuple(connector.control()),
    )


def told_error(error: Sequence[str]) -> OckhamError:
    """Return the error that a worker told of."""
    kind, code, text, fix = error
    error_class: type[OckhamError] = getattr(errors, kind, OckhamError)
    return error_class(code, text, fix=fix)


def _may_ask(bundle: Path) -> bool:
    """Return whether a bundle's model may ask over a network: an endpoint, or a plug of a package of the user's own."""
    try:
        kind = json.loads((bundle / "bundle.json").read_bytes())["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return False  # the worker says what is wrong with it
    return backend.may_ask(kind)


class ServingProcess:
    """A serving process; use it in a ``with`` block."""

    def __init__(self, bundle: Path, endpoint: Destination | None = None) -> None:
        """Start the process and wait until the bundle is loaded.

        An endpoint's bundle is loaded only where ``endpoint`` is what it would ask. Raises the `OckhamError` that
        loading met, `Defect` where the process died without a word.
        """
        self._held = contextlib.ExitStack()
        try:
            self._process = self._held.enter_context(_worker(bundle, endpoint))
            self.load_seconds = float(self._receive()["loaded"])
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> Self:
        """Return the process itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._held.close()

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer inputs, in order."""
        return [Answer(**answer) for answer in self._ask({"do": "answer", "inputs": list(inputs)})["answers"]]

    def probabilities(self, inputs: Sequence[str]) -> tuple[list[str], list[list[float]]] | None:
        """Return the model's labels and their probabilities for each input; ``None`` where it knows none."""
        reply = self._ask({"do": "probabilities", "inputs": list(inputs)})
        return None if reply["labels"] is None else (reply["labels"], reply["probabilities"])

    def profile(self, inputs: Sequence[str], spec: BenchmarkSpec) -> Profile:
        """Measure latency at batch 1, throughput, and the peak resident memory of the process so far."""
        from ockham.evals import intervals  # with scipy, which the process that speaks HTTP has no use for

        request = {"do": "profile", "inputs": list(inputs), "seconds": spec.seconds, "most": spec.most}
        reply = self._ask({**request, "rounds": spec.rounds})
        times, memory = reply["latency"], reply["memory_mb"]
        if memory is None:
            raise Defect(
                "E_DEFECT", "this system does not report how much memory a process uses", fix="please report this"
            )
        return Profile(
            p50_ms=intervals.quantile(times, 0.50),
            p95_ms=intervals.quantile(times, 0.95),
            p99_ms=intervals.quantile(times, 0.99),
            throughput_per_s=intervals.rate(reply["rounds"] or [1000 / (sum(times) / len(times))]),
            memory_mb=memory,
            load_seconds=self.load_seconds,
            times_ms=tuple(times),
            contention=reply["lost"],
            **reply["tokens"],
        )

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        stream = self._process.stdin
        if stream is None:
            raise self._death_error()
        try:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
        except BrokenPipeError:
            raise self._death_error() from None
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        stream = self._process.stdout
        line = stream.readline() if stream is not None else ""
        if not line:
            raise self._death_error()
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise told_error(message["error"])
        return message

    def _death_error(self) -> Defect:
        status = self._process.wait()
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        fix = "check whether memory ran out (dmesg); if not, please report this"
        return Defect("E_DEFECT", f"the serving process {how}", fix=fix)


@contextlib.contextmanager
def _worker(bundle: Path, endpoint: Destination | None) -> Iterator[subprocess.Popen[str]]:
    """Lend a process that serves a bundle; in the end it is gone, with all it left in its temporary folder."""
    with store.scratch_folder() as scratch:
        command = worker_command([bundle], scratch, endpoint)
        process = subprocess.Popen(
            command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=command.environment,
            pass_fds=command.inherited,
            # A Ctrl-C at the terminal stops the climb, which then ends its workers itself.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a process to end, by closing its input, and end it if it does not."""
    try:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                # What was not yet written to a process that is gone must not hide why it went.
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
    finally:
        process.kill()
        process.wait()
