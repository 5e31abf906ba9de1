"""What the server counts of itself, in Prometheus' form: times, numbers and names of models, nothing of a request.

Names of OpenTelemetry's conventions for generative AI where there are some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from ockham.server.model_service import ModelService

OPERATIONS = {
    "/v1/decisions": "decide",
    "/v1/systemone": "decide",
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/api/chat": "chat",
    "/api/generate": "text_completion",
    "/api/embed": "embeddings",
}
"""The operation of each route, in the words of the conventions; they have none for decisions."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FIRST_ERROR = 400
_ABANDONED = (0, 499)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The counters of one server."""

    def __init__(self, services: Mapping[str, ModelService]) -> None:
        """Begin with nothing; what the models say of themselves is read when it is asked for."""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ockham_requests",
            "Requests by route, status and model.",
            ("route", "status", "model"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time from a request's arrival to the end of its response.",
            ("gen_ai_operation_name", "gen_ai_request_model", "gen_ai_response_model", "error_type"),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._children: dict[tuple[str, int, str], tuple[Counter, Histogram | None]] = {}
        self._registry.register(_ModelCollector(services))
        self.account = {"accepted": 0, "answered": 0, "refused": 0, "abandoned": 0}
        """What became of the requests that were accepted, once they are over: the first is the sum of the others."""

    def accept(self) -> None:
        """Count a request that has come."""
        self.account["accepted"] += 1

    def count(self, route: str, status: int, model: str, seconds: float) -> None:
        """Count a request that is over; ``status`` is 0 where no response was begun."""
        self.account["abandoned" if status in _ABANDONED else "answered" if status < _FIRST_ERROR else "refused"] += 1
        key = (route, status, model)
        if key not in self._children:
            operation = OPERATIONS.get(route)
            kind = "" if status < _FIRST_ERROR else str(status)
            timer = self._seconds.labels(operation, model, model, kind) if operation and model else None
            self._children[key] = (self._requests.labels(route, str(status), model), timer)
        counter, timer = self._children[key]
        counter.inc()
        if timer is not None:
            timer.observe(seconds)

    def page(self) -> bytes:
        """Return all of them as Prometheus reads them."""
        return generate_latest(self._registry)


class _ModelCollector(Collector):
    """Reads how the models are when it is asked."""

    def __init__(self, services: Mapping[str, ModelService]) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Return a gauge for each thing that is known of the models."""
        gauges = (
            ("ockham_model_loaded", "1 where the model's process runs.", _is_loaded),
            ("ockham_model_waiting", "Texts that wait or are in hand.", _waiting_count),
            ("ockham_worker_deaths", "How often the model's process has died.", _death_count),
        )
        for name, words, value in gauges:
            family = GaugeMetricFamily(name, words, labels=("model",))
            for model, service in self._services.items():
                family.add_metric((model,), value(service))
            yield family


def _is_loaded(service: ModelService) -> float:
    return float(service.is_loaded)


def _waiting_count(service: ModelService) -> float:
    return float(service.waiting)


def _death_count(service: ModelService) -> float:
    return float(service.deaths)
