"""What the routes share: the models by name, the account of what waits, who may ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ockham.models.sure_fields import keep_sure_fields
from ockham.server.access import Access
from ockham.server.admission import Admission
from ockham.server.api_error import ApiError, unknown_model
from ockham.server.console_reader import ConsoleReader
from ockham.server.decision_answers import Decided, LabelQuestions
from ockham.server.model_service import ModelService
from ockham.server.report_tickets import ReportTickets
from ockham.server.request_log import RequestLog
from ockham.server.served_bundle import may_leave
from ockham.server.server_metrics import Metrics

FRESH_SECONDS = 10.0
PROBE = "ready"
DIGEST_HEADER = "x-model-digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """Everything a route needs; ``min_confidence`` is that below which a model declines to answer.

    ``replace`` takes up the bundle that stands in a model's folder now, and says whether it did.
    """

    services: Mapping[str, ModelService]
    access: Access
    admission: Admission
    metrics: Metrics
    answer_seconds: float = 300.0
    min_confidence: float | None = None
    replace: Callable[[str], Awaitable[bool]] | None = None
    tickets: ReportTickets = field(default_factory=ReportTickets)
    log: RequestLog = field(default_factory=RequestLog)
    console: ConsoleReader = field(default_factory=ConsoleReader)

    def text_of(self, decided: Decided) -> str | None:
        """Return what a model answered as text; ``None`` where it gives no answer, or one that is in doubt.

        Of an object whose fields have confidences, the fields in doubt are left empty.
        """
        answer, least = decided.answer, self.min_confidence
        if least is not None and answer.fields is not None:
            return keep_sure_fields(answer, least)[0].value
        is_doubtful = least is not None and answer.confidence is not None and answer.confidence < least
        return None if is_doubtful else answer.value

    def service(self, name: str) -> ModelService:
        """Return the model of this name. Raises `ApiError` (404) where there is none, never another."""
        service = self.services.get(name)
        if service is None:
            raise unknown_model(name, sorted(self.services))
        return service

    def classifier(self, service: ModelService) -> LabelQuestions:
        """Return the labels of a model. Raises `ApiError` (400) for one that answers with texts."""
        manifest = service.bundle.manifest
        if manifest.task != "classify":
            message = f"The model {service.bundle.name} does not answer with labels; ask it by chat"
            raise ApiError(400, message, code="wrong_task", param="model")
        return LabelQuestions(labels=manifest.labels, min_confidence=self.min_confidence)

    async def is_ready(self) -> bool:
        """Whether a model has answered within the last ten seconds; where nobody asked one, it is asked now."""
        loaded = [service for service in self.services.values() if service.is_loaded]
        if not loaded or self.admission.is_closed:
            return False
        newest = max(loaded, key=lambda service: service.last_answer)
        if time.monotonic() - newest.last_answer <= FRESH_SECONDS or may_leave(newest.bundle):
            return True  # a question to an API costs money
        try:
            await asyncio.wait_for(newest.ask([PROBE], "probe"), FRESH_SECONDS)
        except (asyncio.TimeoutError, ApiError):
            return False
        return True


def headers_of(service: ModelService) -> dict[str, str]:
    """Return the headers that say what answered."""
    return {DIGEST_HEADER: service.bundle.digest}


def now() -> int:
    """Return the seconds since 1970."""
    return int(time.time())
