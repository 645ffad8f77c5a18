"""Call-backs (待回电) on the desk: whom to call back, with the way to the intake, and how a try ended."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.calls import CallBackItem
from api.desk.intake import OWN
from api.desk.kit import DESK, DeskPages, blank
from api.routing import StrictRoute, from_backend, require_role
from api.sign_in.sessions import Session
from domain.rights.rights import CALL_BACK
from readmodel.calls.call_backs import list_call_backs

CALL_BACKS = f"{DESK}/call-backs"
MOST = 40
"""Call-backs on a page, whoever has waited longest first."""
REPORTS = {"": {}, "true": {"reached": True}, "false": {"reached": False}}
"""Bodies of a report by the value of its button: to take the call-back, the caller was reached, or was not."""


@dataclass(frozen=True)
class CallBackDesk(DeskPages):
    """Call-backs for people who call back."""

    async def show(self, request: Request, session: Session) -> Response:
        """Page of the open ones, or again with the reason for which nothing was done. Raises ProblemError."""
        actor, refused, status = session.actor, "", int(HTTPStatus.OK)
        require_role(CALL_BACK, actor)
        if request.method == "POST":
            given = await self.typed(request, session)
            path = f"/v1/calls/{quote(given.get('call_id', [''])[0], safe='')}/call-back"
            report = REPORTS.get(given.get("reached", [""])[0], {})
            answer = await self.send(request, actor, path, report, given["key"][0])
            if not answer.refused:
                return RedirectResponse(CALL_BACKS, HTTPStatus.SEE_OTHER)
            refused, status = answer.refused, answer.status
        now = self.backend.now
        cursor = request.query_params.get("cursor")
        page = await self.backend.reader.ask(list_call_backs, None, now, cursor, MOST)
        items = [(CallBackItem.of(each, now), self._name(each.call_back.person)) for each in page.items]
        more = page.next_cursor and urlencode({"cursor": page.next_cursor})
        fields = {"items": items, "refused": refused, "more": more, "own": OWN, "key": lambda: blank()["key"][0]}
        return self.page(request, "call_backs", actor, status, **fields)

    def _name(self, person: str | None) -> str:
        known = self.backend.people.get(person) if person else None
        return known.name if known else person or ""


TheCallBackDesk = Annotated[CallBackDesk, from_backend("call_back_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.api_route(CALL_BACKS, methods=["GET", "POST"])
async def call_back(request: Request, desk: TheCallBackDesk) -> Response:
    return await desk.shown(request, lambda session: desk.show(request, session))
