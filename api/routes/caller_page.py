"""Caller's page: a signed link opens it; it shows the state of a case and takes the answer to the follow-up (回访)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from activities.notifications.caller_links import Link, LinkError
from api import openapi, render
from api.backend import Backend
from api.problems import ProblemError
from api.routes.parameters import FIND_ERRORS, CaseNumber
from api.schemas import CallersLink
from api.security import digest_of
from domain.case.actions.follow_up import ACTION as FOLLOW_UP
from domain.case.actions.follow_up import FollowUp
from domain.case.lifecycle import State
from domain.case.views import CaseView
from domain.shared.actors import Actor, Role
from domain.shared.command import Command

log = logging.getLogger("hotline.api")

MAKERS = (Role.AGENT, Role.FOLLOW_UP, Role.SUPERVISOR, Role.ADMIN)
"""Roles that make links by hand. The crew is not among them: with a link it could answer for the caller."""
CALLER = Actor(id="来电人 caller", role=Role.FOLLOW_UP, department=None)
"""Caller who answers by a link, with the rights of the follow-up staff."""
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
"""The states in plain words, Chinese and English."""


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operation that makes links, and the page that they open."""
    operations = openapi.Operations(router, backend.bearer, "callers")

    @operations.post(
        "/v1/complaints/{number}/link",
        "Make a link for the caller 来电人链接",
        CallersLink,
        {201: "link"},
        FIND_ERRORS,
        MAKERS,
    )
    async def make_link(number: CaseNumber, actor: Annotated[Actor, Depends(backend.bearer)]) -> Response:
        """Make a link that shows the state of the case for 14 days and takes one answer to this cycle's follow-up.

        The log names the person who made it, and so does the timeline, as actor of an answer that comes by it.
        """
        view = await backend.case(number, actor)
        text, expires_at = backend.links.make(number, view.cycle, backend.clock(), made_by=actor.id)
        log.info("a link to case %s was made by %s", number, actor.id)
        link = CallersLink(url=f"{backend.public_url}/c/{text}", expires_at=expires_at)
        return render.model(link, HTTPStatus.CREATED)

    @router.api_route("/c/{link}", methods=["GET", "POST"], include_in_schema=False)
    async def show(link: str, request: Request) -> Response:
        return await _page(backend, link, request)


async def _page(backend: Backend, text: str, request: Request) -> Response:
    """Return the page, after the caller's answer was taken if a form was sent that holds one."""
    form = dict(parse_qsl((await request.body()).decode(errors="replace"))) if request.method == "POST" else None
    zh = not request.headers.get("accept-language", "zh").lower().startswith("en")
    words, problem = (form or {}).get("words", "").strip(), None
    try:
        link = backend.links.read(text, backend.clock())
        view = await (backend.find(link.number, CALLER) if form is None else _current(backend, link))
        if form is not None and view is not None and _asked(view, link):
            body = _parse(form, words)
            problem = None if body else "words"
            view = await _take(backend, link, text, body) if body else view
    except LinkError as error:
        status = HTTPStatus.GONE if error.expired else HTTPStatus.NOT_FOUND
        if many := None if error.expired else _too_many(backend, request):
            return _html(HTTPStatus.TOO_MANY_REQUESTS, many.headers, zh=zh, problem="away", asked=False, words="")
        return _html(status, zh=zh, problem="expired" if error.expired else "unknown")
    except ProblemError as error:
        # The text stays on the page. The answer may have arrived: sent again it counts once.
        fields = {"problem": "away", "asked": form is not None, "words": words}
        return _html(HTTPStatus(error.problem.status), error.headers, zh=zh, **fields)
    if view is None:
        return _html(HTTPStatus.NOT_FOUND, zh=zh, problem="unknown")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    return _html(status, zh=zh, problem=problem, words=words, **_fields(backend, view, link))


def _too_many(backend: Backend, request: Request) -> ProblemError | None:
    """Count a link that this service has not made; return the problem of an address that has sent many."""
    try:
        backend.limits.guessed(request, "unknown links")
    except ProblemError as many:
        return many
    return None


async def _current(backend: Backend, link: Link) -> CaseView | None:
    """Return the case from its workflow, as SQL may be down or behind; from SQL if the workflow has ended.

    Raises ProblemError if neither answers.
    """
    view = await backend.complaints.case(link.number, CALLER)
    return view if view is not None else await backend.find(link.number, CALLER)


def _parse(form: Mapping[str, str], words: str) -> FollowUp | None:
    """Return the caller's answer; None if the form holds none that is valid."""
    try:
        body = FollowUp.model_validate({"outcome": form.get("outcome"), "note": words or None})
    except ValidationError:
        return None
    return None if body.outcome == "unreachable" else body


async def _take(backend: Backend, link: Link, text: str, body: FollowUp) -> CaseView | None:
    """Return the case after this answer, which counts once, by any link or telephone. Raises ProblemError."""
    key = f"link-{digest_of(text)}"
    digest = digest_of(body.model_dump_json())
    command = Command[FollowUp](actor=_actor(link), body=body, key=key, digest=digest)
    try:
        outcome = await backend.complaints.act(link.number, FOLLOW_UP.name, command)
    except ProblemError as error:
        if error.problem.status == HTTPStatus.CONFLICT:
            return await _current(backend, link)
        raise
    if outcome is None:
        return await _current(backend, link)
    view, _ = await backend.projected(link.number, outcome, CALLER)
    return view


def _actor(link: Link) -> Actor:
    """Return the caller as actor, with the name of the person who made the link and could have used it."""
    if not link.made_by:
        return CALLER
    return CALLER.model_copy(update={"id": f"{CALLER.id}, link by {link.made_by}"[:80]})


def _asked(view: CaseView, link: Link) -> bool:
    return view.state is State.PENDING_FOLLOW_UP and view.cycle == link.cycle


def _fields(backend: Backend, view: CaseView, link: Link) -> dict[str, Any]:
    """Return the fields of the page, none of them personal: a stranger may find the telephone."""
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


def _html(status: HTTPStatus, more: Mapping[str, str] | None = None, **values: Any) -> Response:  # noqa: ANN401 - fields of the page
    page = _PAGES.get_template("caller_page.html").render(**values)
    return HTMLResponse(page, status, headers={**HEADERS, **(more or {})})
