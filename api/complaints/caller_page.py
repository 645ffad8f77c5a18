"""Caller's page: a link opens it; it tells how a case stands and what comes next, and the caller acts by its forms."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from activities.sealing.keys import Link, Links
from api.complaints.caller_words import STATE_FOR_CALLERS, Speaker
from api.complaints.cases import Cases
from api.edge.browsers import form_of, is_from_another_site, page
from api.edge.language import keep_language, reads_chinese
from api.edge.limits import Limits
from api.edge.problems import ProblemError
from api.routing import CurrentCatalogue, StrictRoute, from_backend
from api.sign_in.security import digest_of
from domain.case.actions import COMMANDS
from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.case.lifecycle import BEFORE_REPLY, State
from domain.case.progress import Satisfaction
from domain.case.views import CaseView
from domain.kit.event import ActionBody, Command
from domain.rights.rights import mask_words
from domain.shared.actors import CALLER
from readmodel import incidents
from readmodel.cases.search_terms import phone_term

PAGE_HEADERS = {"X-Robots-Tag": "noindex"}
INCOMPLETE = frozenset({"words", "answers"})
"""Problems of forms that the caller has to complete."""
QUESTIONS = ("contacted", "solved", "satisfaction")
_YES_OR_NO = {"true": True, "false": False}
_ACTS = ("follow_up", "reopen", "comment", "urge", "unsubscribe", "subscribe")
BUTTONS = dict.fromkeys(_ACTS, "note") | {"reopen": "reason"}
"""Actions of the caller, with the fields of their bodies that take the caller's words."""


def _body(act: str, form: Mapping[str, str]) -> ActionBody:
    """Body of what the caller has chosen and typed. Raises ValidationError.

    A caller whom nobody has contacted is not asked the other two questions.
    """
    asked = QUESTIONS[:1] if form.get("contacted") == "false" else QUESTIONS
    given: dict[str, object] = {BUTTONS[act]: _words(form) or None}
    for name in asked if act == "follow_up" else ():
        given[name] = _YES_OR_NO.get(answer := form.get(name, ""), answer or None)
    return COMMANDS[act].body.model_validate(given)


@dataclass(frozen=True)
class CallerPage:
    """Page that a link opens; `secure`: browsers reach the service by HTTPS."""

    cases: Cases
    in_force: CurrentCatalogue
    links: Links
    limits: Limits
    secure: bool

    async def answer(self, text: str, request: Request) -> Response:
        """Show the page, after the case has taken what a form says if one was sent."""
        form = await form_of(request) if request.method == "POST" else None
        if form is not None and is_from_another_site(request.headers, secure=self.secure):
            return self._html(request, HTTPStatus.FORBIDDEN, "elsewhere")
        link = self.links.read(text)
        if link is None or link.has_expired(self.cases.clock()):
            return self._no_link(request, link)
        try:
            view = await self._current(link, must_be_live=form is not None)
            if view is None:
                return self._html(request, HTTPStatus.NOT_FOUND, "unknown")
            if view.links_revoked_at is not None and link.made_at <= view.links_revoked_at:
                return self._html(request, HTTPStatus.GONE, "revoked")
            problem, done = None, None
            if form is not None:
                view, problem = await self._take(view, link, form)
                done = None if problem else form["act"]
        except ProblemError as error:
            # The text stays on the page. It may have arrived: sent again it counts once.
            again = form or {}
            fields = {"offers": [again.get("act")], "version": again.get("version"), "answered": False, **_typed(again)}
            return self._html(request, HTTPStatus(error.problem.status), "away", error.headers, **fields)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if problem in INCOMPLETE else HTTPStatus.OK
        typed = _typed(form if form and problem else _said(view))
        fields = self._fields(view, link) | await self._told(view, self._speaker(request))
        return self._html(request, status, problem, done=done, **typed, **fields)

    def _no_link(self, request: Request, expired: Link | None) -> Response:
        """Answer for a link that has expired, or for one that this service has not made, which is counted."""
        if expired:
            return self._html(request, HTTPStatus.GONE, "expired")
        try:
            self.limits.count_guess(request, "unknown links")
        except ProblemError as many:
            return self._html(request, HTTPStatus.TOO_MANY_REQUESTS, "away", many.headers, offers=[])
        return self._html(request, HTTPStatus.NOT_FOUND, "unknown")

    async def _current(self, link: Link, *, must_be_live: bool) -> CaseView | None:
        """Case from its workflow, as SQL may be down or behind; from SQL if the workflow has ended.

        Raises ProblemError if neither answers, or if the workflow does not and the case `must_be_live`.
        """
        try:
            view = await self.cases.client.case(link.number, CALLER)
        except ProblemError:
            if must_be_live:
                raise
            view = None
        return view if view is not None else await self.cases.find(link.number, CALLER)

    async def _take(self, view: CaseView, link: Link, form: Mapping[str, str]) -> tuple[CaseView, str | None]:
        """Case after what this form says, and the problem if it was not taken. Raises ProblemError."""
        if (act := form.get("act", "")) not in BUTTONS:
            return view, "words"
        try:
            command = self._command(act, form, view.cycle)
        except ValidationError as error:
            asked = act == "follow_up" and all("note" not in fault["loc"] for fault in error.errors())
            return view, "answers" if asked else "words"
        if act == "follow_up" and not _may_answer(view, link):
            return view, "answered"
        try:
            outcome = await self.cases.client.act(link.number, act, command)
        except ProblemError as error:
            if error.problem.status not in (HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN):
                raise
            outcome = None
        if outcome is None:
            current = await self._current(link, must_be_live=True)
            return current or view, "answered" if act == "follow_up" else "moved"
        after, _ = await self.cases.write(link.number, outcome, CALLER)
        return after, None if outcome.digest == command.digest else act

    def _command(self, act: str, form: Mapping[str, str], cycle: int) -> Command[Any]:
        """Command of a form. Its key makes it count once, however often it is sent. Raises ValidationError.

        An urging counts once a day, and so does in each cycle that nobody has called.
        """
        body = _body(act, form)
        digest = digest_of(body.model_dump_json())
        today = self.in_force.catalogue.calendar.local_date(self.cases.clock())
        once = form.get("version", "") + digest
        if act == "urge":
            once = str(today)
        elif act == "follow_up" and form["contacted"] == "false":
            once = f"{today} {cycle}"
        return Command(actor=CALLER, body=body, key=f"link-{digest_of(f'{act} {once}')}", digest=digest)

    def _fields(self, view: CaseView, link: Link) -> dict[str, Any]:
        """None of the fields is personal: a stranger may find the telephone."""
        services = (service for service in self.in_force.catalogue.services if service.code == view.service_code)
        may_answer = _may_answer(view, link)
        # Nobody who is asked has to urge.
        without = {"follow_up": not may_answer, "urge": may_answer and view.state is State.PENDING_FOLLOW_UP}
        offers = [name for name in BUTTONS if name in view.available_actions and not without.get(name)]
        return {
            "case": view,
            "version": view.version,
            # The operator may have taken the service out of the catalogue since the call.
            "service": next(services, None),
            "registered_on": str(self.in_force.catalogue.calendar.local_date(view.registered_at)),
            "state": STATE_FOR_CALLERS[view.state],
            "offers": offers,
            "unsubscribed": UNSUBSCRIBED in view.flags,
            "answered": link.cycle in view.answered_cycles,
            "asked_anew": view.state is State.PENDING_FOLLOW_UP and view.cycle > link.cycle,
        }

    async def _told(self, view: CaseView, speaker: Speaker) -> dict[str, Any]:
        """Words on what happens next, why a case is on hold, the news of its incident, and the last reply.

        Mobile numbers in what people wrote are masked, as a stranger may find the telephone. Without SQL the page
        goes without news.
        """
        waits = view.incident is not None and view.state in BEFORE_REPLY
        steps = [*speaker.next_steps(view, waits=waits)]
        with suppress(ProblemError):
            steps += await self._news(view, speaker) if waits else ()
        reason = view.suspended_for if view.state is State.SUSPENDED else None
        return {"steps_ahead": steps, "reason": mask_words(reason or ""), "reply": mask_words(view.reply or "")}

    async def _news(self, view: CaseView, speaker: Speaker) -> list[str]:
        """Last news of the incident, and when it is expected to end. Raises ProblemError."""
        incident = await self.cases.reader.ask(incidents.get, str(view.incident))
        if incident is None:
            return []
        said = [mask_words(speaker.say((news, incident.news_en or news)))] if (news := incident.news) else []
        if incident.expected_at:
            said.append(speaker.at(("预计 {at} 恢复。", "Expected back: {at}."), incident.expected_at))
        return said

    def _speaker(self, request: Request) -> Speaker:
        return Speaker(reads_chinese(request), self.in_force.catalogue.calendar.timezone, self.cases.clock())

    def _html(
        self,
        request: Request,
        status: HTTPStatus,
        problem: str | None,
        more: Mapping[str, str] | None = None,
        **values: Any,  # noqa: ANN401 - fields of the page
    ) -> Response:
        catalogue, zh = self.in_force.catalogue, reads_chinese(request)
        shared = {
            "zh": zh,
            "company": catalogue.name_zh if zh else catalogue.name,
            "hotline": catalogue.hotline,
            "dialled": phone_term(catalogue.hotline, catalogue.area_code),
            "here": request.url.path,
        }
        headers = {**PAGE_HEADERS, **(more or {})}
        return page("caller_page.html", status, headers, problem=problem, steps=Satisfaction, **shared, **values)


def _words(form: Mapping[str, str]) -> str:
    return form.get("words", "").strip()


def _may_answer(view: CaseView, link: Link) -> bool:
    """Return True for a link of the cycle that the caller is asked about, or whose answer may be changed."""
    asked = view.cycle if view.state is State.PENDING_FOLLOW_UP else max(view.answered_cycles, default=None)
    return "follow_up" in view.available_actions and link.cycle == asked


def _said(view: CaseView) -> dict[str, str]:
    """Return the answer that may be changed, as a form has it."""
    may_change = view.answer is not None and view.answer.contacted and view.state is not State.PENDING_FOLLOW_UP
    return {name: str(getattr(view.answer, name)).lower() for name in QUESTIONS} if may_change else {}


def _typed(form: Mapping[str, str]) -> dict[str, Any]:
    """Fields that stay on a page whose form was not taken."""
    return {"words": _words(form), "chosen": {name: form.get(name) for name in QUESTIONS}}


router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.api_route("/c/{link}", methods=["GET", "POST"])
async def show_to_caller(
    link: str, request: Request, page: Annotated[CallerPage, from_backend("caller_page")]
) -> Response:
    return await page.answer(link, request)


@router.get("/c/{link}/{language}")
async def choose_language_of_page(link: str, language: str) -> Response:
    return keep_language(language, f"/c/{quote(link, safe='')}")
