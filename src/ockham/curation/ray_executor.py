"""A Ray cluster as a pool: tasks are made again where a process or machine died, which changes nothing they write."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from ockham.curation.executor import Executor
from ockham.errors import ConfigError, Defect, ModelError
from ockham.sealed import switches
from ockham.version import install_command

_RETRIES = 8
"""How often a task is made again whose process died."""


class _Task:
    """One task of the cluster."""

    def __init__(self, reference: Any) -> None:  # noqa: ANN401 - a class of Ray's
        self._reference = reference

    def result(self) -> Any:  # noqa: ANN401 - whatever the function gives
        """Wait for the outcome."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            return ray.get(self._reference)
        except RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, Exception) else error) from None
        except RayError as error:
            fix = "run the same command again once the cluster works; finished work is kept"
            raise Defect("E_DEFECT", f"the Ray cluster gave up a task ({type(error).__name__})", fix=fix) from error

    def cancel(self) -> object:
        """Cancel the task."""
        import ray

        return ray.cancel(self._reference, force=False)


class _RayPool:
    """Functions as tasks; what is large and comes again and again is put into the cluster once."""

    def __init__(self) -> None:
        import ray

        self._run = ray.remote(max_retries=_RETRIES, num_cpus=1)(_call)
        self._put: dict[int, tuple[object, Any]] = {}

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> _Task:  # noqa: ANN401 - those of the function
        """Begin a task."""
        return _Task(self._run.remote(function, *map(self._once, arguments)))

    def _once(self, value: Any) -> Any:  # noqa: ANN401 - an argument
        import ray

        from ockham.curation.steps.examine import StepConfig

        if not isinstance(value, StepConfig):
            return value
        if id(value) not in self._put:
            self._put[id(value)] = value, ray.put(value)
        return self._put[id(value)][1]


def _call(function: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - those of the function
    return function(*arguments)


def _knock(address: str | None) -> None:
    """Raise OSError or ValueError where nothing listens at an address: Ray itself waits for minutes."""
    if address is not None and ":" in address:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _no_way_out() -> Iterator[None]:
    """Start processes meanwhile whose HTTP requests end on this machine.

    Ray asks three clouds' metadata services where it runs, also where its reports are switched off (2.60:
    ``UsageStatsHead.run`` looks before it asks whether it may). Its own processes speak gRPC, past any proxy.
    """
    proxies = {name: os.environ.get(name) for name in switches.NOWHERE}
    os.environ.update(switches.NOWHERE)
    try:
        yield
    finally:
        for name, value in proxies.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def ray_crew(address: str | None, tasks: int | None) -> Iterator[Executor]:
    """Lend a cluster, started here where no address is given; what was started or joined is left in the end.

    Raises `ModelError` (``E_MODEL_MISSING``) where Ray is not installed, `ConfigError` where no cluster answers.
    """
    switches.apply(os.environ)  # the cluster's processes inherit them
    try:
        import ray
    except ImportError as error:
        message = "a Ray cluster needs the package ray"
        raise ModelError("E_MODEL_MISSING", message, fix=install_command("ray")) from error
    joined = ray.is_initialized()
    if not joined:
        try:
            _knock(address)
            stop = signal.getsignal(signal.SIGTERM)
            with _no_way_out() if address is None else nullcontext():
                ray.init(
                    address=address or "local",
                    num_cpus=tasks if address is None else None,
                    include_dashboard=False if address is None else None,
                    log_to_driver=False,
                    configure_logging=False,
                )
            # Ray lets SIGTERM leave with status 15; whoever called decides what it does.
            if stop is not None and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, stop)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            message = f"no Ray cluster answers ({type(error).__name__})"
            fix = "check the address, as in --address ray-head:6379, or leave it out to start one here"
            raise ConfigError("E_CONFIG", message, fix=fix) from error
    try:
        resources: Any = ray.cluster_resources  # has no types
        yield Executor(pool=_RayPool(), size=tasks or max(1, int(resources().get("CPU", 1))), apart=True)
    finally:
        if not joined:
            ray.shutdown()
