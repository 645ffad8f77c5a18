"""Pages that the proxy of the Temporal UI adds: saved views for one person, and the way to the details of a case."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from api import html
from api.temporal_ui.saved_views import COLUMNS, NAMESPACE, VIEWS, View, of_today, personal
from domain.catalogue.catalogue import Catalogue
from domain.shared.numbers import NumberError, parse_number
from workflows.presentation.complaint import workflow_id

LONGEST_ID = 200
"""Characters of a person's id that a query takes."""
_PAGES = Environment(
    loader=FileSystemLoader([Path(__file__).parent / "pages", html.FOLDER]), undefined=StrictUndefined, autoescape=True
)


def routes(ui: str, transport: httpx.AsyncBaseTransport, catalogue: Callable[[], Catalogue]) -> list[Route]:
    """Return the routes of the pages, before a UI at this address.

    Args:
        ui: address of the UI.
        transport: asks the UI.
        catalogue: returns the catalogue in force.
    """

    async def views(request: Request) -> Response:
        return _views_page(catalogue(), request.query_params.get("me"), request.query_params.get("department"))

    async def case(request: Request) -> Response:
        number = request.path_params.get("number") or request.query_params.get("number", "")
        return await _case_page(ui, transport, number)

    return [Route("/ui/views", views), Route("/ui/case", case), Route("/ui/case/{number}", case)]


def _views_page(catalogue: Catalogue, me: str | None, department: str | None) -> Response:
    """Return the page that installs the views of this person, with the dates of today, in the browser."""
    person = (me or "").strip()[:LONGEST_ID]
    chosen = department if department in {each.code for each in catalogue.departments} else None
    views = [*personal(person, chosen), *of_today(datetime.now(UTC), catalogue.calendar.timezone), *VIEWS]
    return _html(
        "views.html",
        views=views,
        # Readable by the script, and with nothing that ends its element.
        installed=json.dumps(_installed(views, person, chosen)).replace("<", "\\u003c"),
        me=person,
        chosen=chosen,
        departments=catalogue.departments,
        namespace=NAMESPACE,
    )


def _installed(views: list[View], person: str, department: str | None) -> dict[str, Any]:
    """Return what the script writes into the browser's storage."""
    return {
        "namespace": NAMESPACE,
        "me": person,
        "department": department or "",
        "views": [
            {"id": f"hotline-{view.name}", "name": view.title, "query": view.query, "type": "user"} for view in views
        ],
        "columns": [{"label": label} for label in COLUMNS],
    }


async def _case_page(ui: str, transport: httpx.AsyncBaseTransport, text: str) -> Response:
    """Return a redirection to the details of the case's present run, or the page or text of why there is none."""
    try:
        number = parse_number(text)
    except NumberError as error:
        return _html("no_case.html", HTTPStatus.UNPROCESSABLE_ENTITY, number=text, why=str(error))
    workflow = f"/namespaces/{NAMESPACE}/workflows/{workflow_id(number)}"
    try:
        answer = await transport.handle_async_request(httpx.Request("GET", f"{ui}/api/v1{workflow}"))
        body = await answer.aread()
    except httpx.TransportError as error:
        return PlainTextResponse(f"The Temporal UI does not answer ({error!r}).", HTTPStatus.SERVICE_UNAVAILABLE)
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return _html("no_case.html", HTTPStatus.NOT_FOUND, number=number, why=None)
    if not answer.is_success:
        return PlainTextResponse(f"The Temporal UI answers {answer.status_code}.", HTTPStatus.SERVICE_UNAVAILABLE)
    run = json.loads(body)["workflowExecutionInfo"]["execution"]["runId"]
    return RedirectResponse(f"{workflow}/{run}/user-metadata", HTTPStatus.SEE_OTHER)


def _html(name: str, status: HTTPStatus = HTTPStatus.OK, **fields: Any) -> Response:  # noqa: ANN401 - of a template
    """Return a page that runs and shows nothing but what it contains."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return html.page(name, status, headers, _PAGES, **fields)
