"""What a client is told when its request cannot be answered: in the form of the OpenAI API, never with its own text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    504: "server_error",
}
"""The ``type`` of an error by its status; of all others it is ``invalid_request_error``."""


class ApiError(Exception):
    """A request that is refused or failed: its HTTP status, what happened, and which parameter is to blame."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take what the response holds; ``headers`` are added to it."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the error as a client of the OpenAI API expects it."""
        kind = TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def unknown_model(name: str, names: list[str]) -> ApiError:
    """Return the refusal of a model that is not served; the answer never comes from another one."""
    shown = name if len(name) <= 64 and name.isprintable() else "of this name"
    message = f"The model {shown} is not served here; the models are: {', '.join(names)}"
    return ApiError(404, message, code="model_not_found", param="model")
