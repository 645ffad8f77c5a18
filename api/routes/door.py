"""The caller's own door: one page by a signed link, to see how a case stands and to answer the follow-up (回访)."""

import hashlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from activities.notifications.caller_links import Link, LinkError
from api import openapi, render
from api.backend import Backend
from api.problems import ProblemError
from api.routes.parameters import NumberText, not_found, number_in
from api.schemas import CallersLink
from api.security import actor_of, only_for
from domain.case.commands import Command, FollowUp
from domain.case.intake import Actor
from domain.case.lifecycle import Role, State
from domain.case.views import CaseView
from hotline.keyring import Key

log = logging.getLogger("hotline.api")

MAKERS = (Role.AGENT, Role.FOLLOW_UP, Role.SUPERVISOR, Role.ADMIN)
"""Who makes links by hand. Not those who do the work: by the link they could answer for the caller."""
VISITOR = Key(
    id="",
    name="来电人 caller",
    role=Role.FOLLOW_UP,
    department=None,
    created_at=datetime.min.replace(tzinfo=UTC),
    revoked_at=None,
    secret_sha256="",
)
"""Who answers by a link: the caller, in the place of the follow-up staff."""
HEADERS = {
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
}
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "pages"), undefined=StrictUndefined, autoescape=True
)
STATE_FOR_CALLERS = {
    State.REGISTERED: ("已受理", "registered"),
    State.DISPATCHED: ("已通知处理部门", "the department has been told"),
    State.PENDING_REDISPATCH: ("正在转交其他部门", "being passed to another department"),
    State.IN_PROGRESS: ("处理中", "in progress"),
    State.SUSPENDED: ("暂缓处理", "on hold"),
    State.AWAITING_APPROVAL: ("公司审批中", "awaiting approval"),
    State.PENDING_REPLY: ("已处理，即将答复您", "handled, we will tell you about it"),
    State.PENDING_FOLLOW_UP: ("已处理，等待您的评价", "handled, waiting for your answer"),
    State.CLOSED: ("已办结", "closed"),
    State.REFUSED: ("不属于受理范围", "not a matter of the company"),
    State.WITHDRAWN: ("已撤销", "withdrawn"),
}
"""The states in words that need no knowledge of the trade, Chinese and English."""


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the making of links, and the page that they open."""
    _add_make(router, backend)
    _add_page(router, backend)


def _add_make(router: APIRouter, backend: Backend) -> None:
    @router.post(
        "/v1/complaints/{number}/link",
        tags=["callers"],
        operation_id="make_link",
        summary="Make a link for the caller 来电人链接",
        status_code=HTTPStatus.CREATED,
        response_model=CallersLink,
        dependencies=[Depends(only_for(backend.bearer, *MAKERS))],
        responses={
            201: openapi.example("Send it to the caller, and to nobody else.", "link"),
            **openapi.errors(
                "unauthorized",
                "malformed-key",
                "wrong-role",
                "complaint-not-found",
                "invalid-number",
                "read-model-unavailable",
                "temporal-unavailable",
                "no-answer-in-time",
            ),
        },
    )
    async def make_link(number: NumberText, key: Annotated[Key, Depends(backend.bearer)]) -> Response:
        """It shows how the case stands for 14 days, and takes one answer to the follow-up of the present cycle.

        The log says who made it, and so does the timeline, as actor of an answer that comes by it.
        """
        wanted = number_in(number)
        view = await backend.find(wanted, key)
        if view is None:
            raise not_found(wanted)
        text, expires_at = backend.links.make(wanted, view.cycle, backend.clock(), made_by=key.name)
        log.info("a link to case %s was made by %s", wanted, key.name)
        link = CallersLink(url=f"{backend.settings.public_url}/c/{text}", expires_at=expires_at)
        return render.answer(link.model_dump_json().encode(), HTTPStatus.CREATED)


def _add_page(router: APIRouter, backend: Backend) -> None:
    @router.get("/c/{link}", include_in_schema=False)
    async def look(link: str, request: Request) -> Response:
        return await _page(backend, link, request)

    @router.post("/c/{link}", include_in_schema=False)
    async def answer(link: str, request: Request) -> Response:
        said = parse_qs((await request.body()).decode("utf-8", errors="replace"), keep_blank_values=False)
        return await _page(backend, link, request, {name: values[0] for name, values in said.items()})


async def _page(backend: Backend, text: str, request: Request, said: Mapping[str, str] | None = None) -> Response:
    """How the case stands, after what the caller has said, if he has."""
    zh = not request.headers.get("accept-language", "zh").lower().startswith("en")
    words, problem = (said or {}).get("words", "").strip(), None
    try:
        link = backend.links.read(text, backend.clock())
        view = await (backend.find(link.number, VISITOR) if said is None else _alive(backend, link))
        if said is not None and view is not None and _asked(view, link):
            body = _understood(said, words)
            problem = None if body else "words"
            view = await _take(backend, link, text, body) if body else view
    except LinkError as error:
        status = HTTPStatus.GONE if error.expired else HTTPStatus.NOT_FOUND
        return _html(status, zh=zh, problem="expired" if error.expired else "unknown")
    except ProblemError as error:
        # What was typed stays on the page. Whether it has arrived, nobody can tell: sent again it counts once.
        told = {"problem": "away", "asked": said is not None, "words": words}
        return _html(HTTPStatus(error.problem.status), error.headers, zh=zh, **told)
    if view is None:
        return _html(HTTPStatus.NOT_FOUND, zh=zh, problem="unknown")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    return _html(status, zh=zh, problem=problem, words=words, **_shown(backend, view, link))


async def _alive(backend: Backend, link: Link) -> CaseView | None:
    """The case as its workflow has it, for an answer that SQL, down or behind, must not stop or lose.

    A case that no workflow carries any more is closed for good, and SQL has it. Raises ProblemError with us away.
    """
    view = await backend.complaints.case(link.number, actor_of(VISITOR))
    return view if view is not None else await backend.find(link.number, VISITOR)


def _understood(said: Mapping[str, str], words: str) -> FollowUp | None:
    """What the caller says of how it went; None where that cannot be made out."""
    try:
        body = FollowUp.model_validate({"outcome": said.get("outcome"), "note": words or None})
    except ValidationError:
        return None
    return None if body.outcome == "unreachable" else body


async def _take(backend: Backend, link: Link, text: str, body: FollowUp) -> CaseView | None:
    """The case after this answer, which counts once: by this link, by another or by telephone. Raises ProblemError."""
    key = "link-" + hashlib.sha256(text.encode()).hexdigest()[:32]
    digest = hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]
    command = Command[FollowUp](actor=_by(link), body=body, key=key, digest=digest)
    try:
        outcome = await backend.complaints.act(link.number, command)
    except ProblemError as error:
        if error.problem.status == HTTPStatus.CONFLICT:
            return await _alive(backend, link)
        raise
    if outcome is None:
        return await _alive(backend, link)
    # Whoever reloads the page shall find it as it was. With SQL down this ends at once.
    await backend.shown(link.number, outcome.case.version)
    return outcome.case


def _by(link: Link) -> Actor:
    """Who answers, and who made the link where a person did: he could have opened it himself."""
    visitor = actor_of(VISITOR)
    return (
        visitor.model_copy(update={"name": f"{visitor.name}, link by {link.made_by}"[:80]}) if link.made_by else visitor
    )


def _asked(view: CaseView, link: Link) -> bool:
    return view.state is State.PENDING_FOLLOW_UP and view.cycle == link.cycle


def _shown(backend: Backend, view: CaseView, link: Link) -> dict[str, Any]:
    """What the page tells: nothing that a stranger who finds the telephone could not see anyway."""
    services = (service for service in backend.catalogue.services if service.code == view.service_code)
    return {
        "case": view,
        # The operator may have taken the service out of the catalogue since the call.
        "service": next(services, None),
        "registered_on": str(backend.catalogue.calendar.local_date(view.registered_at)),
        "state": STATE_FOR_CALLERS[view.state],
        "asked": _asked(view, link),
        "answered": link.cycle in view.answered_cycles,
        "asked_anew": view.state is State.PENDING_FOLLOW_UP and view.cycle > link.cycle,
    }


def _html(status: HTTPStatus, more: Mapping[str, str] | None = None, **values: Any) -> Response:  # noqa: ANN401 - whatever the page takes
    page = _PAGES.get_template("door.html").render(**values)
    return HTMLResponse(page, status, headers={**HEADERS, **(more or {})})
