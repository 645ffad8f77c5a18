"""Pages beside the Temporal UI, behind its sign-in: the saved views of a person, and the way to a case's details."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.backend import Backend, not_found
from api.html import page
from api.problems import ProblemError
from api.rights import require_role
from api.routes.parameters import INVALID_NUMBER
from api.temporal_ui.rules import PREFIX
from api.temporal_ui.saved_views import COLUMNS, VIEWS, View, of_today, personal
from domain.rights.rights import READ_CASES
from domain.shared.actors import Actor, Role
from domain.shared.numbers import NumberError, parse_number
from workflows.presentation.complaint import workflow_id


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the pages."""

    @router.get("/views", include_in_schema=False)
    async def views(request: Request) -> Response:
        async def show(actor: Actor) -> Response:
            return _views_page(backend, actor)

        return await _shown(backend, request, show)

    @router.get("/case", include_in_schema=False)
    @router.get("/case/{number}", include_in_schema=False)
    async def case(request: Request) -> Response:
        number = request.path_params.get("number") or request.query_params.get("number", "")

        async def show(actor: Actor) -> Response:
            return RedirectResponse(await _details(backend, actor, number), HTTPStatus.SEE_OTHER)

        return await _shown(backend, request, show, number)


async def _shown(
    backend: Backend, request: Request, show: Callable[[Actor], Awaitable[Response]], number: str | None = None
) -> Response:
    """Return a page for the person of the session, who may read cases; else the sign-in page, or why there is none."""
    session = backend.sessions.open(request)
    if session is None:
        return backend.sessions.sign_in_page(request)
    actor = session.actor
    try:
        backend.limits.asked(request, actor.id, actor.role)
        require_role(READ_CASES, actor)
        return await show(actor)
    except ProblemError as refused:
        problem = refused.problem
        return page("not_shown.html", problem.status, refused.headers, problem=problem, number=number)


async def _details(backend: Backend, actor: Actor, text: str) -> str:
    """Return the address of the details of a case's present run. Raises ProblemError."""
    try:
        number = parse_number(text)
    except NumberError as error:
        raise ProblemError(INVALID_NUMBER, str(error)) from None
    await backend.case(number, actor, READ_CASES)
    run = await backend.complaints.present_run(number)
    if run is None:
        raise not_found(number)
    return f"{_cases(backend)}/{workflow_id(number)}/{run}/user-metadata"


def _cases(backend: Backend) -> str:
    """Return the address of the list of cases."""
    return f"{PREFIX}/namespaces/{quote(backend.complaints.namespace, safe='')}/workflows"


def _views_page(backend: Backend, actor: Actor) -> Response:
    """Return the page that installs the views of this person, with the dates of today, in the browser."""
    # No case is a crew's own.
    me = None if actor.role is Role.CREW else actor.id
    today = of_today(backend.clock(), backend.catalogue.calendar.timezone)
    views = [*personal(me, actor.department), *today, *VIEWS]
    # Readable by the script, and with nothing that ends its element.
    installed = json.dumps(_installed(views, backend.complaints.namespace)).replace("<", "\\u003c")
    return page("views.html", actor=actor, cases=_cases(backend), views=views, installed=installed)


def _installed(views: list[View], namespace: str) -> dict[str, Any]:
    """Return what the script writes into the browser's storage."""
    return {
        "namespace": namespace,
        "views": [
            {"id": f"hotline-{view.name}", "name": view.title, "query": view.query, "type": "user"} for view in views
        ],
        "columns": [{"label": label} for label in COLUMNS],
    }
