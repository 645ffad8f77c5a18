"""Pages of the desk (工作台): lists by tab, a case, and the form of an action. They need no script."""

import re
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.complaints.actions import UNKNOWN_ACTION
from api.complaints.cases import Complaint
from api.desk import words
from api.desk.caller_texts import CallerTexts
from api.desk.case_page import case_page
from api.desk.effects import effects_of
from api.desk.forms import NOTHING, body_of, edited, present
from api.desk.kit import DESK, Form, blank, order_of
from api.desk.lists import CaseLists
from api.desk.timeline import Entry, entry_of, is_by_time, meanwhile
from api.desk.words import Names
from api.edge.language import LANGUAGES, keep_language
from api.edge.problems import NOT_FOUND, ProblemError
from api.parameters import number_in
from api.routing import StrictRoute, department_within, from_backend
from api.sign_in.sessions import Session, local, takes_pages
from domain.case.actions import (
    COMMANDS,
    correct,
    decide_approval,
    decide_extension,
    link_incident,
    request_approval,
    request_extension,
    revoke_links,
    send_link,
    sign_for,
)
from domain.case.actions.correct import CorrectedFacts
from domain.case.case import Case
from domain.case.lifecycle import OPEN
from domain.case.views import CaseView
from domain.kit.event import NotPossible
from domain.rights.rights import READ_CALLERS, READ_CASES, right_to
from domain.shared.actors import Actor
from domain.shared.numbers import is_incident, is_number
from domain.shared.value import Phrase
from readmodel.case_record import case_record, latest_event
from readmodel.cases.queries import timeline

MOST_ENTRIES = 100
"""Most entries of a timeline on the page of a case; earlier ones have pages of their own."""
DECIDES_ON = {
    decide_approval.ACTION.name: request_approval.ACTION.name,
    decide_extension.ACTION.name: request_extension.ACTION.name,
}
"""Action that asks for a decision, by the action that takes it."""
LONGEST_NUMBER = 9
"""Most digits of a number in an address."""


@dataclass(frozen=True)
class Desk(CaseLists):
    """Lists of cases, a case, and the forms of its actions."""

    texts: CallerTexts

    async def case(
        self, request: Request, actor: Actor, number: str, refused: str = "", status: int = HTTPStatus.OK
    ) -> Response:
        """Page of a case, and why an action on it was refused. Raises ProblemError."""
        found, complaint = await self._case(number, actor)
        complaint = self._with_links(complaint)
        area_code, department = self.backend.catalogue.area_code, department_within(READ_CALLERS, actor, None)
        latest = found.version + 1
        before = min(max(positive(request.query_params.get("before", "")) or latest, 2), latest)
        skipped = positive(request.query_params.get("skipped", "")) or 0
        bounds = before, MOST_ENTRIES, skipped, self.backend.now
        record = await self.backend.reader.ask(case_record, found, *bounds, area_code, department)
        shown = case_page(found, complaint, record, actor, self.names(request), self.texts)
        is_latest = before == latest
        return self.page(
            request,
            "case",
            actor,
            status,
            here=f"{DESK}/cases/{found.number}" if refused else "",
            case=complaint,
            shown=shown,
            refused=refused,
            is_latest=is_latest,
            no_link=self._no_link(found, actor),
            skipped=skipped,
            deciders=self.deciders(complaint.approval, self.names(request)) if complaint.approval else "",
        )

    def _with_links(self, case: Complaint) -> Complaint:
        """Leave out the links of a case that can have none: they are in texts, and on work orders of departments."""
        if self.texts.is_sent:
            return case
        none = {send_link.ACTION.name, *(() if case.department else (revoke_links.ACTION.name,))}
        offered = tuple(name for name in case.available_actions if name not in none)
        return case.model_copy(update={"available_actions": offered})

    def _no_link(self, case: Case, actor: Actor) -> Phrase | None:
        """Return why the caller of an open case can get no link, to those who may send it; None if one can be sent."""
        if case.state not in OPEN or actor.role not in right_to(send_link.ACTION).reach:
            return None
        if not self.texts.is_sent:
            return "未开通短信渠道", "No channel leads to callers' telephones"
        bar = send_link.guard(case, actor, self.backend.now)
        return (bar.problem.zh, bar.problem.title) if isinstance(bar, NotPossible) else None

    async def _case(self, number: str, actor: Actor) -> tuple[Case, Complaint]:
        cases = self.pages.cases
        found = await cases.in_sql(number_in(number), actor, READ_CASES)
        return found, Complaint.of(cases.view(found, actor), actor)

    async def act(self, request: Request, session: Session, number: str, name: str) -> Response:
        """Form of an action, or what came of it: the case, or the form again with the reason. Raises ProblemError."""
        actor, names = session.actor, self.names(request)
        found, case = await self._case(number, actor)
        if name not in COMMANDS:
            known = map(words.of_action, case.available_actions)
            raise self.unknown(request, ("操作", "Action"), name, known, UNKNOWN_ACTION)
        form = await self._form_of(request, actor, found, case, name)
        if request.method == "GET":
            reason = ("", HTTPStatus.OK) if form.possible else self.why_not(found, COMMANDS[name], actor, names)
            leaves = (
                {"incident": [NOTHING]} if _undoes(request, case, name) and name == link_incident.ACTION.name else {}
            )
            return self.form(request, actor, form, blank() | leaves, *reason)
        given = edited(await self.typed(request, session))
        body, path = body_of(form.fields, given, self.backend.zone.key), f"/v1/complaints/{case.number}/actions/{name}"
        send = partial(self.send_form, request, actor, path, form, body, given)
        version, told = positive(given.get("version", [""])[0]), list[Entry]()
        answer = await send(version)
        if answer.status == HTTPStatus.PRECONDITION_FAILED:
            events = (await self.backend.reader.ask(timeline, case.number, version or 0)).items
            if events and all(is_by_time(event) for event in events):
                answer = await send(events[-1].seq)
            # Whoever holds a work order sees no timeline, and chooses the version that the form names.
            elif events and not order_of(request):
                told = [entry_of(found, event, names, actor) for event in events if not is_by_time(event)]
        if not answer.refused:
            told_of = "" if form.back == form.page else case.number
            return done(form.back, name, words.left_by(name, case, body), told_of)
        form = await self._form_of(request, actor, *await self._case(number, actor), name)
        refused = meanwhile(told, names, possible=form.possible) if told else answer.refused
        return self.form(request, actor, form, given, refused, answer.status)

    async def _form_of(self, request: Request, actor: Actor, found: Case, case: Complaint, name: str) -> Form:
        """Form of an action on the case as it is now."""
        names, place = self.names(request), case.location
        order = order_of(request)
        back = page = order or f"{DESK}/cases/{case.number}"
        if order is None and request.query_params.get("from") == "crew":
            back = f"{DESK}/crew"
        possible = name in case.available_actions
        fields, shown = self.inputs(COMMANDS[name].body, actor), dict[str, str]()
        if name == correct.ACTION.name:
            shown = present(fields, case.model_dump(include={*CorrectedFacts.model_fields}))
        elif name == sign_for.ACTION.name and actor.department:
            shown = {"assignee": actor.id}
        elif name == link_incident.ACTION.name:
            leaving = ((NOTHING, words.UNDO[name]),) if case.incident else ()
            fields = await self.among_incidents(fields, actor, case.incident, *leaving)
        return Form(
            words.UNDO[name] if _undoes(request, case, name) else words.on_case(name, case),
            fields,
            back,
            case.number,
            f"{names.service(case.service_code)} · {names.say(words.of_code(case.state))} · "
            f"{names.district(place.district)} {place.address or ''}",
            words.EFFECTS[name] if name in words.takes_back(case) else words.HINTS.get(name),
            asked=await self._request(found, actor, name, names) if possible else None,
            version=case.version,
            shown=shown,
            page=page,
            case=case if back == page and not order else None,
            effects=effects_of(found, name, fields, actor, self.backend.now, names) if possible else (),
            possible=possible,
        )

    async def _request(self, case: Case, actor: Actor, name: str, names: Names) -> Entry | None:
        """Request that an action decides on, as the timeline shows it; None for an action without one."""
        if name not in DECIDES_ON:
            return None
        event = await self.backend.reader.ask(latest_event, case.number, DECIDES_ON[name])
        return entry_of(case, event, names, actor) if event else None


def _undoes(request: Request, case: CaseView, name: str) -> bool:
    """Return True if the address asks for the form of an action where it takes something back."""
    return "undo" in request.query_params and name in words.UNDO and name in words.takes_back(case)


def done(place: str, action: str, left: str | None = None, number: str = "") -> Response:
    """Lead to a page of the desk, which says that the action is done, what the case has left by it, and which case."""
    more = {"done": action, "left": left, "case": number}
    return RedirectResponse(
        f"{place}?{urlencode({name: said for name, said in more.items() if said})}", HTTPStatus.SEE_OTHER
    )


def positive(text: str) -> int | None:
    """Return the number that somebody has typed into the address; None if it is none."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


TheDesk = Annotated[Desk, from_backend("desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get("/")
async def show_start(request: Request) -> Response:
    """Lead a browser to the desk; a program gets the problem of every unknown path."""
    if takes_pages(request):
        return RedirectResponse(DESK, HTTPStatus.SEE_OTHER)
    raise HTTPException(HTTPStatus.NOT_FOUND)


@router.get(DESK)
async def show_list(request: Request, desk: TheDesk) -> Response:
    return await desk.shown(request, lambda session: desk.tab(request, session.actor))


@router.get(f"{DESK}/counts")
async def show_counts(request: Request, desk: TheDesk) -> Response:
    return await desk.shown(request, lambda session: desk.counts(request, session.actor))


@router.get(f"{DESK}/cases")
@router.get(f"{DESK}/cases/{{number}}")
async def show_case(request: Request, desk: TheDesk) -> Response:
    asked = request.query_params.get("number", "").strip()
    number = request.path_params.get("number") or asked.lower()
    if is_incident(number):
        return RedirectResponse(f"{DESK}/incidents/{quote(number, safe='')}", HTTPStatus.SEE_OTHER)
    if asked and not is_number(re.sub(r"[\s-]", "", asked)):
        return RedirectResponse(f"{DESK}?tab=all&q={quote(asked, safe='')}", HTTPStatus.SEE_OTHER)
    return await desk.shown(request, lambda session: desk.case(request, session.actor, number), number)


@router.api_route(f"{DESK}/cases/{{number}}/actions/{{action}}", methods=["GET", "POST"])
async def act(request: Request, number: str, action: str, desk: TheDesk) -> Response:
    return await desk.shown(request, lambda session: desk.act(request, session, number, action), number)


@router.get(f"{DESK}/language/{{language}}")
async def choose_language(request: Request, language: str, desk: TheDesk) -> Response:
    """Keep the language in the browser, and go on where the reader was."""
    if language not in LANGUAGES:
        return await show_nothing(request, desk)
    return keep_language(language, local(request.query_params.get("to")))


@router.get(f"{DESK}/{{path:path}}")
async def show_nothing(request: Request, desk: TheDesk) -> Response:
    """Say that there is no such page: this router comes after all others of the desk."""

    async def refuse(_: Session) -> Response:
        raise ProblemError(NOT_FOUND, f"There is no page {request.url.path}.")

    return await desk.shown(request, refuse)
