"""Pages beside the Temporal UI, behind its sign-in: the saved views of a person, and the way to a case's details."""

import json
from collections.abc import Awaitable, Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.complaints.cases import Cases
from api.edge.browsers import page
from api.edge.language import reads_chinese
from api.edge.limits import Limits
from api.edge.problems import ProblemError
from api.incidents.routes import NUMBER, Incidents, no_incident
from api.parameters import not_found, number_in
from api.routing import CurrentCatalogue, StrictRoute, from_backend, require_role
from api.sign_in.sessions import Session, Sessions
from api.temporal.client import EntityClient
from api.temporal_ui.dangerous import GRANT, DangerousRequests
from api.temporal_ui.rules import UI_PATH
from domain.calendar.work_calendar import on_the_wall
from domain.case.lifecycle import AT_WORK, BEFORE_REPLY, ENDED, TO_DISPATCH, State
from domain.rights.rights import READ_CASES, READ_INCIDENTS
from domain.shared.actors import Actor, Role

MOST_VIEWS = 50
"""Saved views that the UI keeps for a namespace."""
VIEW_COLUMNS = (
    "Headline",
    "Workflow ID",
    "NextDueAt",
    "Sla",
    "Owner",
    "Department",
    "Incident",
    "Priority",
    "Flags",
    "State",
    "Service",
    "District",
)
"""Columns of the list of workflows: words first, as a screen of 1,366 pixels does not show all."""
CASES = 'WorkflowType = "ComplaintWorkflow"'
RUNNING = f'{CASES} AND ExecutionStatus = "Running"'
OPEN_CASES = " AND ".join([RUNNING, *(f'State != "{state}"' for state in State if state in ENDED - {State.REFUSED})])
"""Closed and withdrawn cases run on for as long as they can be reopened or reinstated; refused ones do not."""
INCIDENTS = 'WorkflowType = "IncidentWorkflow" AND ExecutionStatus = "Running"'
# A case that waits for an approval or a part, or whose work is done, is not settled with its incident.
_OWN = {State.AWAITING_APPROVAL, State.PENDING_REPLY}


def _state_in(states: AbstractSet[State]) -> str:
    listed = ", ".join(f'"{state}"' for state in State if state in states)
    return f"State IN ({listed})"


class View(NamedTuple):
    """A saved list of workflows."""

    name: str
    name_zh: str
    query: str
    meaning: str

    @property
    def title(self) -> str:
        return f"{self.name_zh} {self.name}"


def _among(cases: str, condition: str, name: str, name_zh: str, meaning: str) -> View:
    return View(name, name_zh, f"{cases} AND {condition}", meaning)


def _flagged(flag: str, name: str, name_zh: str, meaning: str, among: str = OPEN_CASES) -> View:
    return _among(among, f'Flags = "{flag}"', name, name_zh, meaning)


def _in(state: State, name: str, name_zh: str, meaning: str) -> View:
    return _among(RUNNING, f'State = "{state}"', name, name_zh, meaning)


_MISSED = "A promise of the present cycle is missed and the case is open."
_FOR_INCIDENT = (
    f"Incident IS NOT NULL AND {_state_in(BEFORE_REPLY - _OWN)} AND Involved IS NULL"
    ' AND Flags != "reworked" AND Flags != "reopened"'
)
_SETTLED = "Linked cases that are settled with their incident; none with a part, approval or rework."
_REPEATED = "Open cases of callers with an earlier case within 30 days."
_NOTICED = "Late cases with a notice of urging or public criticism."
_ASSESSMENTS = "Assessments of months, with their scores and objections in the details."
_REPORTS = "Reports of days and months, which are readable in the details."
VIEWS = (
    _among(OPEN_CASES, 'Sla = "missed"', "Breached now", "已超时", _MISSED),
    View("Incidents", "突发事件", INCIDENTS, "Suspected and open incidents, with their progress."),
    _among(RUNNING, _FOR_INCIDENT, "Waiting for an incident", "并案待结", _SETTLED),
    _among(RUNNING, 'Sla = "at_risk"', "At risk", "临期工单", "75 % of a clock's budget are used."),
    _flagged("credit_waits", "Credits to approve", "待批补偿", "A credit waits for management's decision.", RUNNING),
    _among(OPEN_CASES, 'Priority = "P1"', "Emergencies", "紧急工单", "Open cases of priority P1."),
    _among(RUNNING, _state_in(TO_DISPATCH), "To be dispatched", "待派单", "No department has the case."),
    _in(State.DISPATCHED, "Not signed for", "待签收", "The department has not signed for it."),
    _in(State.SUSPENDED, "Waiting for the caller", "等待来电人", "Suspended cases."),
    _in(State.AWAITING_APPROVAL, "Awaiting approval", "待审批", "Management has to decide."),
    _in(State.PENDING_REPLY, "To be replied to", "待回复", "The work is done; the owner has to reply."),
    _in(State.PENDING_FOLLOW_UP, "Follow-ups", "待回访", "The follow-up has to be made."),
    _flagged("hardship", "Hardship", "困难户", "Open cases of hardship households."),
    _flagged("repeat_caller", "Repeat callers", "重复来电", _REPEATED),
    _flagged("possible_duplicate", "Possible duplicates", "疑似重复", "Another case may be about the same matter."),
    _among(RUNNING, "Involved IS NOT NULL", "Several departments", "部门联动", "A further department has a part."),
    _flagged("reworked", "Reworked", "重办", "The caller was dissatisfied, and the work is done again."),
    _flagged("supervised", "Supervised", "督办", "A supervisor watches the case."),
    _flagged("extended", "Extended", "已延期", "An extension was granted; a second one is not possible."),
    _flagged("noticed", "Notices and criticism", "催办通知书和通报批评", _NOTICED),
    _flagged("undelivered", "Not delivered", "未送达", "A notification was not delivered: call instead.", RUNNING),
    View("Thanks", "表扬", f'{CASES} AND Service = "thanks"', "Thanks, for as long as Temporal keeps the workflows."),
    View("Assessments", "月度考核", 'WorkflowType = "AssessmentWorkflow"', _ASSESSMENTS),
    View("Reports", "日报月报", 'WorkflowType = "ReportWorkflow"', _REPORTS),
    View(
        "Catalogue rollouts",
        "服务目录启用",
        'WorkflowType = "CatalogueRolloutWorkflow"',
        "Rollouts of catalogues, running and ended.",
    ),
)


def personal(person: str | None, department: str | None) -> Iterator[View]:
    """Yield the views of one person, by id, and of one department, by code; none for None."""
    if person:
        query = f"{OPEN_CASES} AND Owner = {quoted(person)}"
        yield View("My cases", "我的工单", query, "Open cases of which you are the owner.")
    if department:
        code = quoted(department)
        at_work = f"Department = {code} AND {_state_in(AT_WORK)}"
        query = f"{RUNNING} AND (({at_work}) OR Involved = {code})"
        yield View("My department", "本部门工单", query, "What your department has to sign for or work on.")


def of_today(now: datetime, zone: str) -> Iterator[View]:
    """Yield the views of what was or is due before midnight in this time zone: the query language knows no today."""
    tomorrow = on_the_wall(now, zone).date() + timedelta(days=1)
    midnight = datetime.combine(tomorrow, time(), ZoneInfo(zone)).isoformat()
    due = f'{RUNNING} AND NextDueAt < "{midnight}"'
    yield View("Due today", "今日到期", due, "A promise was or is due before midnight, and is not kept.")
    follow_ups = f'{due} AND State = "{State.PENDING_FOLLOW_UP}"'
    yield View("Follow-ups due today", "今日到期回访", follow_ups, "The same, of follow-ups.")


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def not_shown(refusal: ProblemError, number: str | None = None, *, zh: bool | None = None) -> Response:
    """Page of a refusal in one language or both, which asks for the case's number again if one was given."""
    fields = {"problem": refusal.problem, "chinese": refusal.chinese(), "number": number, "zh": zh}
    return page("not_shown.html", refusal.problem.status, refusal.headers, **fields)


@dataclass(frozen=True)
class TemporalPages:
    """Pages for people who have signed in, and may read cases."""

    cases: Cases
    sessions: Sessions
    limits: Limits
    in_force: CurrentCatalogue
    incidents: Incidents

    async def shown(
        self,
        request: Request,
        show: Callable[[Session], Awaitable[Response]],
        number: str | None = None,
        *,
        on_board: bool = False,
    ) -> Response:
        """Show a page to the person of the session; else the sign-in page, or why there is none."""
        session = self.sessions.open(request, on_board=on_board)
        if session is None:
            return self.sessions.sign_in_page(request)
        try:
            self.limits.count_request(request, session.actor.id, session.actor.role)
            require_role(READ_CASES, session.actor)
            return await show(session)
        except ProblemError as refused:
            on_desk = request.url.path.startswith("/desk")
            return not_shown(refused, number, zh=reads_chinese(request) if on_desk else None)

    async def details(self, actor: Actor, text: str) -> Response:
        """Redirect to the details of the present run of a case or an incident. Raises ProblemError."""
        client: EntityClient[Any]
        if NUMBER.fullmatch(number := text.strip().lower()):
            require_role(READ_INCIDENTS, actor)
            client, missing = self.incidents.client, no_incident
        else:
            number = number_in(text)
            await self.cases.get(number, actor, READ_CASES)
            client, missing = self.cases.client, not_found
        run = await client.present_run(number)
        if run is None:
            raise missing(number)
        place = f"{self._address()}/{client.workflow_id(number)}/{run}/user-metadata"
        return RedirectResponse(place, HTTPStatus.SEE_OTHER)

    def _address(self) -> str:
        return f"{UI_PATH}/namespaces/{quote(self.cases.client.namespace, safe='')}/workflows"

    async def views(self, actor: Actor) -> Response:
        """Page that installs the views of this person, with the dates of today, in the browser."""
        # No case is a crew's own.
        me = None if actor.role is Role.CREW else actor.id
        today = of_today(self.cases.clock(), self.in_force.catalogue.calendar.timezone)
        views = [*personal(me, actor.department), *today, *VIEWS]
        stored = [
            {"id": f"hotline-{view.name}", "name": view.title, "query": view.query, "type": "user"} for view in views
        ]
        columns = [{"label": label} for label in VIEW_COLUMNS]
        content = {"namespace": self.cases.client.namespace, "views": stored, "columns": columns}
        # Readable by the script, and with nothing that ends its element.
        installed = json.dumps(content).replace("<", "\\u003c")
        return page("views.html", actor=actor, cases=self._address(), views=views, installed=installed)


ThePages = Annotated[TemporalPages, from_backend("temporal_pages")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get("/views")
async def views(request: Request, pages: ThePages) -> Response:
    return await pages.shown(request, lambda session: pages.views(session.actor))


@router.get("/case")
@router.get("/case/{number}")
async def case(request: Request, pages: ThePages) -> Response:
    number = request.path_params.get("number") or request.query_params.get("number", "")
    return await pages.shown(request, lambda session: pages.details(session.actor, number), number)


@router.api_route(GRANT, methods=["GET", "POST"])
async def grant(
    request: Request, pages: ThePages, dangerous: Annotated[DangerousRequests, from_backend("dangerous")]
) -> Response:
    return await pages.shown(request, lambda session: dangerous.show(request, session))
