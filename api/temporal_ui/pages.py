"""Pages beside the Temporal UI, behind its sign-in: the saved views of a person, and the way to a case's details."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from activities.names import complaint_id
from api.codes import CatalogueInForce
from api.complaints.cases import Cases
from api.dependencies import part
from api.edge.browsers import page
from api.edge.limits import Limits
from api.edge.problems import ProblemError
from api.parameters import INVALID_NUMBER, not_found
from api.rights import require_role
from api.routing import OnceRoute
from api.sign_in.sessions import Session, Sessions
from api.temporal_ui.dangerous import GRANT, Dangerous
from api.temporal_ui.rules import PREFIX
from api.temporal_ui.saved_views import COLUMNS, VIEWS, of_today, personal
from domain.rights.rights import READ_CASES
from domain.shared.actors import Actor, Role
from domain.shared.numbers import NumberError, parse_number


def not_shown(refusal: ProblemError, number: str | None = None) -> Response:
    """Return the page of a refusal, which asks for the case's number again if one was given."""
    problem = refusal.problem
    return page("not_shown.html", problem.status, refusal.headers, problem=problem, number=number)


@dataclass(frozen=True)
class TemporalPages:
    """Pages for people who have signed in, and may read cases."""

    cases: Cases
    sessions: Sessions
    limits: Limits
    in_force: CatalogueInForce

    async def shown(
        self, request: Request, show: Callable[[Session], Awaitable[Response]], number: str | None = None
    ) -> Response:
        """Return a page for the person of the session; else the sign-in page, or why there is none."""
        session = self.sessions.open(request)
        if session is None:
            return self.sessions.sign_in_page(request)
        try:
            self.limits.asked(request, session.actor.id, session.actor.role)
            require_role(READ_CASES, session.actor)
            return await show(session)
        except ProblemError as refused:
            return not_shown(refused, number)

    async def details(self, actor: Actor, text: str) -> Response:
        """Return the redirection to the details of a case's present run. Raises ProblemError."""
        try:
            number = parse_number(text)
        except NumberError as error:
            raise ProblemError(INVALID_NUMBER, str(error)) from None
        await self.cases.get(number, actor, READ_CASES)
        run = await self.cases.client.present_run(number)
        if run is None:
            raise not_found(number)
        details = f"{self._address()}/{complaint_id(number)}/{run}/user-metadata"
        return RedirectResponse(details, HTTPStatus.SEE_OTHER)

    def _address(self) -> str:
        return f"{PREFIX}/namespaces/{quote(self.cases.client.namespace, safe='')}/workflows"

    async def views(self, actor: Actor) -> Response:
        """Return the page that installs the views of this person, with the dates of today, in the browser."""
        # No case is a crew's own.
        me = None if actor.role is Role.CREW else actor.id
        today = of_today(self.cases.clock(), self.in_force.catalogue.calendar.timezone)
        views = [*personal(me, actor.department), *today, *VIEWS]
        stored = [
            {"id": f"hotline-{view.name}", "name": view.title, "query": view.query, "type": "user"} for view in views
        ]
        columns = [{"label": label} for label in COLUMNS]
        content = {"namespace": self.cases.client.namespace, "views": stored, "columns": columns}
        # Readable by the script, and with nothing that ends its element.
        installed = json.dumps(content).replace("<", "\\u003c")
        return page("views.html", actor=actor, cases=self._address(), views=views, installed=installed)


ThePages = Annotated[TemporalPages, part("temporal_pages")]
router = APIRouter(route_class=OnceRoute, include_in_schema=False)


@router.get("/views")
async def views(request: Request, pages: ThePages) -> Response:
    return await pages.shown(request, lambda session: pages.views(session.actor))


@router.get("/case")
@router.get("/case/{number}")
async def case(request: Request, pages: ThePages) -> Response:
    number = request.path_params.get("number") or request.query_params.get("number", "")
    return await pages.shown(request, lambda session: pages.details(session.actor, number), number)


@router.api_route(GRANT, methods=["GET", "POST"])
async def grant(request: Request, pages: ThePages, dangerous: Annotated[Dangerous, part("dangerous")]) -> Response:
    return await pages.shown(request, lambda session: dangerous.show(request, session))
