"""Page of a crew on a telephone: its work in the order of the due times, each case with its next actions."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.complaints.cases import Complaint
from api.complaints.routes import page_of
from api.desk import words
from api.desk.desk import Desk
from api.desk.kit import DESK
from api.edge.problems import WRONG_ROLE, ProblemError
from api.parameters import Filters, Listing
from api.routing import StrictRoute, from_backend
from domain.case.lifecycle import AT_WORK, PART_AT_WORK, State
from domain.incident.incident import Incident
from domain.incident.state import IncidentState
from domain.shared.actors import Actor
from readmodel.cases.queries import list_parts
from readmodel.cases.search import Sort
from workflows.kit.words import Phrase

MOST = 25
"""Cases on the page, so that it stays small on a slow network."""
STEPS = ("sign_for", "arrive", "complete", "suspend", "resume", "return")
"""Actions of a crew on the road, in their order; the case's page has all."""
MINE = (*sorted(AT_WORK), State.SUSPENDED)
_NEVER = datetime.max.replace(tzinfo=UTC)


class Job(NamedTuple):
    """Case that a person works on, the promise that is due next, and the task if it is a part of the department."""

    case: Complaint
    promise: Phrase | None
    task: str


@dataclass(frozen=True)
class CrewDesk(Desk):
    """Page of people who have a department."""

    async def work(self, request: Request, actor: Actor) -> Response:
        """Show what a person works on, and what the department has to sign for. Raises ProblemError."""
        if actor.department is None:
            raise ProblemError(WRONG_ROLE, "This page is for people with a department.")
        cases = {case.number: case for case in await self._cases(actor, actor.department)}
        found = await self._incidents(actor, (IncidentState.DISPATCHED, IncidentState.IN_PROGRESS), actor.department)
        due: list[tuple[datetime, str, Job | tuple[Incident, int]]] = [
            (case.next_due_at or _NEVER, number, _job(case, actor.department)) for number, case in cases.items()
        ]
        # An incident has no promise: it is due when water is expected back, and at once until somebody has said when.
        due += [(each.expected_at or each.opened_at, each.number, (each, calls)) for each, calls in found]
        jobs = [job for *_, job in sorted(due, key=itemgetter(0, 1))]
        return self.page(request, "crew", actor, jobs=jobs[:MOST], steps=STEPS, more=len(jobs) > MOST)

    async def _cases(self, actor: Actor, department: str) -> Iterable[Complaint]:
        """Cases assigned to the person, and cases and parts of the department that nobody else works on."""
        cases, wanted = self.pages.cases, Listing(sort=Sort.DUE, limit=MOST + 1)
        of_department = replace(self._narrowed(Filters(), actor), department=department)
        mine = replace(of_department, assignee=actor.id, state=MINE)
        unsigned = replace(of_department, state=(State.DISPATCHED,))
        parts = await self.backend.reader.ask(list_parts, department, PART_AT_WORK, None, MOST)
        numbers = {each.number for each in parts.items if each.part.assignee in (None, actor.id)}
        lists = await asyncio.gather(*(page_of(cases, each, wanted, actor) for each in (mine, unsigned)))
        of_parts = await asyncio.gather(*(self._case(number, actor) for number in numbers))
        listed = (case for page in lists for case in page.items if case.assignee in (None, actor.id))
        return [*listed, *(complaint for _, complaint in of_parts)]


def _job(case: Complaint, department: str) -> Job:
    due = (clock.name for clock in case.clocks if clock.due_at == case.next_due_at and clock.stopped_at is None)
    own = (part.task for part in case.parts if part.department == department and part.state in PART_AT_WORK)
    name = next(due, None) if case.next_due_at else None
    return Job(case, words.CLOCK.get(name or ""), next(own, ""))


TheCrewDesk = Annotated[CrewDesk, from_backend("crew_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(f"{DESK}/crew")
async def show_work(request: Request, desk: TheCrewDesk) -> Response:
    return await desk.pages.shown(request, lambda session: desk.work(request, session.actor))
