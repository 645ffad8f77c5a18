"""Page of a crew on a telephone: its work in the order of the due times, each case with its next actions."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain
from operator import itemgetter
from typing import Annotated, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from activities.sealing.keys import LINK_VALID, Links
from api.complaints.actions import UNKNOWN_ACTION
from api.complaints.cases import Complaint
from api.desk import words
from api.desk.briefing import BRIEFING, briefing
from api.desk.desk import Desk
from api.desk.kit import DESK, ORDERS
from api.desk.timeline import Entry
from api.desk.work_order import MINE, ON_THE_ROAD, holder, is_at_work
from api.edge.problems import WRONG_ROLE, ProblemError, declare
from api.parameters import Filters
from api.routing import StrictRoute, from_backend
from api.sign_in.sessions import Session
from api.temporal_ui.pages import not_shown
from domain.case.case import Case
from domain.case.lifecycle import PART_AT_WORK, State
from domain.case.views import ClockView
from domain.incident.incident import Incident
from domain.incident.state import IncidentState
from domain.shared.actors import Actor
from domain.shared.value import Phrase
from readmodel.case_record import events_of
from readmodel.cases.queries import list_cases, list_parts
from readmodel.cases.search import CaseFilters, Sort

MOST = 25
"""Cases on the page, so that it stays small on a slow network."""
STEPS = ("sign_for", "arrive", "complete", "suspend", "resume", "return")
"""Actions of a crew on the road, in their order; the case's page has all."""
STEPS_BY_ORDER = ("arrive", "complete", "return")
"""Steps that a work order is enough for: who signs for a case works on it from then on, so that takes a person."""
ORDER_OVER = declare("work-order-over", HTTPStatus.GONE, "Link of a work order opens nothing")
_NEVER = datetime.max.replace(tzinfo=UTC)


class Job(NamedTuple):
    """Case that a person works on, the promise that is due next, and the task if it is a part of the department.

    `arrived_at` is when the department that has the case now arrived, late or not; it `arrives` if it has promised to,
    and has not yet. `waits` for an open incident. `told` is what the crew has to know.
    """

    case: Complaint
    promise: Phrase | None
    task: str
    arrived_at: datetime | None
    arrives: bool
    waits: bool
    told: Sequence[Entry] = ()


@dataclass(frozen=True)
class CrewDesk(Desk):
    """Page of people who have a department, and of whoever holds a printed work order."""

    links: Links

    async def work(self, request: Request, actor: Actor) -> Response:
        """Show what a person works on, and what the department has to sign for. Raises ProblemError."""
        if actor.department is None:
            raise ProblemError(WRONG_ROLE, "This page is for people with a department.", zh="本页仅供部门人员使用")
        cases = {case.number: (case, shown) for case, shown in await self._cases(actor, actor.department)}
        found = await self._incidents(actor, (IncidentState.DISPATCHED, IncidentState.IN_PROGRESS), actor.department)
        due: list[tuple[datetime, str, Job | tuple[Incident, int]]] = [
            (shown.next_due_at or _NEVER, number, job(case, shown, actor.department))
            for number, (case, shown) in cases.items()
        ]
        # An incident has no promise: it is due when water is expected back, and at once until somebody has said when.
        due += [(each.expected_at or each.opened_at, each.number, (each, calls)) for each, calls in found]
        return await self._shown(request, actor, [each for *_, each in sorted(due, key=itemgetter(0, 1))], STEPS)

    async def ordered(self, request: Request, text: str, name: str | None) -> Response:
        """Show the case of a work order while its department works on it, or act on it. Raises ProblemError.

        What was sent once and comes again is answered as the first time, also if the work is done by then.
        """
        link, now = self.links.read(text), self.backend.now
        if link is None:
            self.pages.limits.count_guess(request, "unknown links")
        if link is None or link.has_expired(now):
            raise _order_over()
        if name not in (None, *STEPS_BY_ORDER):
            raise ProblemError(UNKNOWN_ACTION, f"A work order is for {', '.join(STEPS_BY_ORDER)}.")
        actor = holder(self.backend.catalogue, link.number, link.department, link.made_by)
        self.pages.limits.count_request(request, actor.id, actor.role)
        try:
            found, case = await self._case(link.number, actor)
        except ProblemError as refused:
            raise (_order_over() if refused.problem.status == HTTPStatus.FORBIDDEN else refused) from None
        if case.cycle != link.cycle or (case.links_revoked_at and link.made_at <= case.links_revoked_at):
            raise _order_over()
        jobs = [job(found, case, link.department)] if is_at_work(case, link.department) else []
        if name and (jobs or request.method == "POST"):
            times = {"began_at": link.made_at, "ends_at": link.made_at + LINK_VALID}
            session = Session(actor=actor, scope="all", session_number=-1, **times)
            answer = await self.act(request, session, link.number, name)
            if jobs or answer.status_code == HTTPStatus.SEE_OTHER:
                return answer
        return await self._shown(request, actor, jobs, STEPS_BY_ORDER)

    async def _shown(
        self, request: Request, actor: Actor, jobs: Sequence[Job | tuple[Incident, int]], steps: Sequence[str]
    ) -> Response:
        """Answer with the first of them, each case with what the crew has to know of it."""
        shown, names = jobs[:MOST], self.names(request)
        numbers = [each.case.number for each in shown if isinstance(each, Job)]
        events = await self.backend.reader.ask(events_of, numbers, BRIEFING) if numbers else {}
        shown = [
            each._replace(told=briefing(events[each.case.number], each.case.state, actor, names))
            if isinstance(each, Job)
            else each
            for each in shown
        ]
        return self.page(request, "crew", actor, jobs=shown, steps=steps, more=len(jobs) > MOST, flags=ON_THE_ROAD)

    async def _cases(self, actor: Actor, department: str) -> Iterable[tuple[Case, Complaint]]:
        """Cases assigned to the person, and cases and parts of the department that nobody else works on."""
        ask, view = self.backend.reader.ask, self.pages.cases.view
        of_department = replace(self._narrowed(Filters(), actor), department=department)
        mine = replace(of_department, assignee=actor.id, state=MINE)
        unsigned = replace(of_department, state=(State.DISPATCHED,), with_incident=False)
        parts = await ask(list_parts, department, PART_AT_WORK, None, MOST)
        numbers = {each.number for each in parts.items if each.part.assignee in (None, actor.id)}
        lists = await asyncio.gather(*(self._first(each, actor.id) for each in (mine, unsigned)))
        of_parts = await asyncio.gather(*(self._case(number, actor) for number in numbers))
        return [*((case, Complaint.of(view(case, actor), actor)) for case in chain(*lists)), *of_parts]

    async def _first(self, filters: CaseFilters, person: str) -> list[Case]:
        """Return cases by due time that no colleague of the person is named for: enough to fill the page."""
        found, cursor = list[Case](), None
        while len(found) <= MOST:
            page = await self.backend.reader.ask(list_cases, filters, cursor, MOST + 1, Sort.DUE)
            found += [case for case in page.items if case.assignee in (None, person)]
            cursor = page.next_cursor
            if cursor is None:
                break
        return found


def job(case: Case, shown: Complaint, department: str) -> Job:
    """Return the case as it stands on the page of this department; `shown` is as its reader sees it."""
    due = (clock.name for clock in shown.clocks if clock.due_at == shown.next_due_at and clock.stopped_at is None)
    own = (part.task for part in shown.parts if part.department == department and part.state in PART_AT_WORK)
    name = next(due, None) if shown.next_due_at else None
    arrival = next((each for each in reversed(shown.clocks) if _is_arrival(each, shown.cycle)), None)
    arrived_at = arrival.stopped_at if arrival else None
    arrives = arrival is not None and arrived_at is None and shown.department == department
    return Job(shown, words.CLOCK.get(name or ""), next(own, ""), arrived_at, arrives, case.waits_for_incident)


def _is_arrival(clock: ClockView, cycle: int) -> bool:
    return (clock.name, clock.part, clock.cycle) == ("arrive", 0, cycle)


def _order_over() -> ProblemError:
    return ProblemError(ORDER_OVER, "The link has expired, or was revoked; print the work order again.")


TheCrewDesk = Annotated[CrewDesk, from_backend("crew_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(f"{DESK}/crew")
async def show_work(request: Request, desk: TheCrewDesk) -> Response:
    return await desk.shown(request, lambda session: desk.work(request, session.actor))


@router.get(f"{ORDERS}/{{order}}")
@router.api_route(f"{ORDERS}/{{order}}/actions/{{action}}", methods=["GET", "POST"])
async def show_order(request: Request, order: str, desk: TheCrewDesk) -> Response:
    try:
        return await desk.ordered(request, order, request.path_params.get("action"))
    except ProblemError as refused:
        return not_shown(refused)
