"""Pages beside the Temporal UI, behind its sign-in: the saved views of a person, and the way to a case's details."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from activities.names import complaint_id
from api.backend import Backend
from api.complaints.cases import Cases
from api.edge.browsers import page
from api.edge.problems import ProblemError
from api.parameters import INVALID_NUMBER, not_found
from api.rights import require_role
from api.sign_in.sessions import Session
from api.temporal_ui.dangerous import GRANT, Dangerous
from api.temporal_ui.rules import PREFIX
from api.temporal_ui.saved_views import COLUMNS, VIEWS, of_today, personal
from domain.rights.rights import READ_CASES
from domain.shared.actors import Actor, Role
from domain.shared.numbers import NumberError, parse_number


def add_routes(router: APIRouter, backend: Backend) -> None:
    dangerous = Dangerous(backend)

    @router.get("/views", include_in_schema=False)
    async def views(request: Request) -> Response:
        return await _shown(backend, request, lambda session: _views_page(backend, session.actor))

    @router.get("/case", include_in_schema=False)
    @router.get("/case/{number}", include_in_schema=False)
    async def case(request: Request) -> Response:
        number = request.path_params.get("number") or request.query_params.get("number", "")
        return await _shown(backend, request, lambda session: _details(backend.cases, session.actor, number), number)

    @router.api_route(GRANT, methods=["GET", "POST"], include_in_schema=False)
    async def grant(request: Request) -> Response:
        return await _shown(backend, request, lambda session: dangerous.show(request, session))


async def _shown(
    backend: Backend, request: Request, show: Callable[[Session], Awaitable[Response]], number: str | None = None
) -> Response:
    """Return a page for the person of the session, who may read cases; else the sign-in page, or why there is none."""
    session = backend.sessions.open(request)
    if session is None:
        return backend.sessions.sign_in_page(request)
    try:
        backend.limits.asked(request, session.actor.id, session.actor.role)
        require_role(READ_CASES, session.actor)
        return await show(session)
    except ProblemError as refused:
        return not_shown(refused, number)


def not_shown(refusal: ProblemError, number: str | None = None) -> Response:
    """Return the page of a refusal, which asks for the case's number again if one was given."""
    problem = refusal.problem
    return page("not_shown.html", problem.status, refusal.headers, problem=problem, number=number)


async def _details(cases: Cases, actor: Actor, text: str) -> Response:
    """Return the redirection to the details of a case's present run. Raises ProblemError."""
    try:
        number = parse_number(text)
    except NumberError as error:
        raise ProblemError(INVALID_NUMBER, str(error)) from None
    await cases.get(number, actor, READ_CASES)
    run = await cases.client.present_run(number)
    if run is None:
        raise not_found(number)
    details = f"{_list_of(cases.client.namespace)}/{complaint_id(number)}/{run}/user-metadata"
    return RedirectResponse(details, HTTPStatus.SEE_OTHER)


def _list_of(namespace: str) -> str:
    return f"{PREFIX}/namespaces/{quote(namespace, safe='')}/workflows"


async def _views_page(backend: Backend, actor: Actor) -> Response:
    """Return the page that installs the views of this person, with the dates of today, in the browser."""
    # No case is a crew's own.
    me = None if actor.role is Role.CREW else actor.id
    today = of_today(backend.clock(), backend.catalogue.calendar.timezone)
    views = [*personal(me, actor.department), *today, *VIEWS]
    stored = [{"id": f"hotline-{view.name}", "name": view.title, "query": view.query, "type": "user"} for view in views]
    columns = [{"label": label} for label in COLUMNS]
    namespace = backend.complaints.namespace
    content = {"namespace": namespace, "views": stored, "columns": columns}
    # Readable by the script, and with nothing that ends its element.
    installed = json.dumps(content).replace("<", "\\u003c")
    return page("views.html", actor=actor, cases=_list_of(namespace), views=views, installed=installed)
