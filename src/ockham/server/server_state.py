"""What the routes share: the models by name, the account of what waits, who may ask."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ockham.server.access import Access
from ockham.server.admission import Admission
from ockham.server.api_error import ApiError, unknown_model
from ockham.server.decision_answers import LabelQuestions
from ockham.server.model_service import ModelService
from ockham.server.report_tickets import ReportTickets

DIGEST_HEADER = "x-model-digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """Everything a route needs; ``min_confidence`` is that below which a model declines to answer."""

    services: Mapping[str, ModelService]
    access: Access
    admission: Admission
    answer_seconds: float = 300.0
    min_confidence: float | None = None
    tickets: ReportTickets = field(default_factory=ReportTickets)

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

    def is_ready(self) -> bool:
        """Whether a model is loaded and answers."""
        return any(service.is_loaded for service in self.services.values()) and not self.admission.is_closed


def headers_of(service: ModelService) -> dict[str, str]:
    """Return the headers that say what answered."""
    return {DIGEST_HEADER: service.bundle.digest}


def now() -> int:
    """Return the seconds since 1970."""
    return int(time.time())
