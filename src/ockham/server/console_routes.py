"""The page at ``/``: files that anybody may see, and what it shows of a model to those who have the key."""

from __future__ import annotations

from importlib import resources

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ockham.server.api_error import ApiError
from ockham.server.console_reader import read_report
from ockham.server.json_response import json_response
from ockham.server.server_state import ServerState, headers_of

FILES = {
    "/": ("console.html", "text/html; charset=utf-8"),
    "/console.css": ("console.css", "text/css; charset=utf-8"),
    "/console.js": ("console.js", "text/javascript; charset=utf-8"),
}
_SAFE = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store"}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "sandbox allow-scripts allow-downloads allow-popups"
)
"""The report is one file with its script inside. The sandbox gives it an origin of its own: it cannot see the key."""


async def show_file(state: ServerState, request: Request) -> Response:  # noqa: ARG001 - the routes' signature
    """Return a file of the page; it holds nothing of the models."""
    name, media_type = FILES[request.url.path]
    data = (resources.files("ockham.server") / "console" / name).read_bytes()
    return Response(data, headers={**_SAFE, "content-security-policy": PAGE_POLICY}, media_type=media_type)


async def show_facts(state: ServerState, request: Request) -> Response:
    """Return what the page shows of a model."""
    service = state.service(request.path_params["name"])
    facts = await state.console.facts_of(service.bundle)
    return Response(facts, headers=headers_of(service), media_type="application/json")


async def issue_ticket(state: ServerState, request: Request) -> Response:
    """Return a link to a model's report that is good once."""
    service = state.service(request.path_params["name"])
    return json_response({"path": f"/report?ticket={state.tickets.issue(service.bundle.name)}"})


async def show_report(state: ServerState, request: Request) -> Response:
    """Return a report to a browser with a good ticket. Raises `ApiError` (404) for any other."""
    name = state.tickets.redeem(request.query_params.get("ticket", ""))
    run = None if name is None else state.service(name).bundle.run
    page = None if run is None else await run_in_threadpool(read_report, run)
    if page is None:
        raise ApiError(404, "The link to the report is no longer good: open it from the page again", code="not_found")
    headers = {**_SAFE, "content-security-policy": REPORT_POLICY}
    return Response(page, headers=headers, media_type="text/html; charset=utf-8")
