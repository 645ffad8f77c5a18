"""Incidents (突发事件): one cause behind many calls, declared or suspected, handled once."""

import re
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from operator import attrgetter
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, Field
from starlette.responses import Response

from api.actions import Actions, add_actions
from api.complaints.cases import Cases
from api.edge.limits import too_soon
from api.edge.problems import (
    BEHIND_SQL,
    OTHER_DEPARTMENT,
    OUT_OF_TURN,
    UNKNOWN,
    WORKFLOW_LOST,
    ProblemError,
    declare,
    workflow_lost,
)
from api.incidents.answers import Candidate, IncidentItem, IncidentTimeline, NewIncident
from api.parameters import POST_ERRORS, Paging, RequestKey, TimelinePaging, after_seq
from api.responses import Page, also, answer_page, describe, problems, timeline_item
from api.routing import BY_NAME, BackendParts, StrictRoute, TheBackend, from_backend, needs
from api.temporal.client import INCIDENT_CLOSED, UNKNOWN_INCIDENT, IncidentClient
from api.temporal.errors import TEMPORAL_ERRORS, request_of
from domain.case.lifecycle import BEFORE_REPLY
from domain.incident.actions import INCIDENT_COMMANDS, Confirm, DispatchIncident, Merge
from domain.incident.incident import Incident, IncidentBatch
from domain.incident.state import IncidentState, Opening
from domain.kit.event import ActionBody
from domain.rights.rights import READ_CANDIDATES, READ_INCIDENTS, RIGHT_TO_DECLARE
from domain.shared.actors import Actor, Role
from domain.shared.codes import UnknownCode
from readmodel import incidents as stored
from workflows.clients.start import Request
from workflows.incident.messages import IncidentOutcome
from workflows.kit.words import CatalogueNames

INCIDENT_NOT_FOUND = declare("incident-not-found", HTTPStatus.NOT_FOUND, "Incident not found")
TOO_MANY_INCIDENTS = declare("too-many-incidents", HTTPStatus.TOO_MANY_REQUESTS, "Too many incidents of one person")
SINCE_AHEAD = declare("since-ahead", HTTPStatus.UNPROCESSABLE_ENTITY, "Incident begins in the future")
UNKNOWN_CASES = declare("unknown-cases", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown cases")
CASES_OVER = declare("cases-over", HTTPStatus.CONFLICT, "Cases already replied to")
HOUR = timedelta(hours=1)
NUMBER = re.compile("[iI][0-9]{11}", re.ASCII)


@dataclass(frozen=True)
class Incidents(Actions[IncidentOutcome, IncidentItem]):
    """Incidents, and the actions on them. A person may declare `per_hour` of them within an hour; 0 is no limit."""

    client: IncidentClient
    backend: BackendParts
    cases: Cases
    per_hour: int

    async def found(self, number: str, actor: Actor) -> Incident:
        """Incident from SQL, or else from its workflow. Raises ProblemError if neither has it."""
        incident = await self._in_sql(number) or await self.client.incident(number, actor)
        if incident is None:
            raise no_incident(number)
        return incident

    async def _in_sql(self, number: str) -> Incident | None:
        """None if SQL has no such incident, or does not answer."""
        with suppress(ProblemError):
            return await self.backend.reader.ask(stored.get, number)
        return None

    async def item(self, incident: Incident, actor: Actor) -> IncidentItem:
        """Incident as the actor sees it; without numbers of its cases if SQL does not answer."""
        counts = stored.IncidentCounts()
        with suppress(ProblemError):
            counts = await self.backend.reader.ask(stored.case_counts, incident.number)
        return IncidentItem.of(incident, actor, counts)

    async def declare(self, body: NewIncident, actor: Actor, request: Request | None) -> tuple[IncidentItem, bool]:
        """Declare an incident, or find what the same request declared; return as `answer` does."""
        at = self.backend.now
        async with self.backend.locks.hold("declare", actor.id) if self._is_counted(actor) else nullcontext():
            return await self._declared(body, actor, request, at)

    async def _declared(
        self, body: NewIncident, actor: Actor, request: Request | None, at: datetime
    ) -> tuple[IncidentItem, bool]:
        catalogue = self.backend.catalogue
        try:
            await self._check_declared(actor, at)
            self._check_scope(body.services, body.districts)
        except (ProblemError, UnknownCode):
            if request is None or (number := await self.client.started_by(request, at)) is None:
                raise
            return await self._answer(await self.found(number, actor), actor)
        opening = self.opening(body, actor, at)
        incident, event, again = await self.client.start(opening, request, CatalogueNames.of(catalogue))
        if not again:
            return await self._answer(incident, actor, IncidentBatch(incident=incident, events=(event,)))
        with suppress(ProblemError):  # if neither SQL nor a worker answers, it is shown as it began
            incident = await self.found(incident.number, actor)
        return await self._answer(incident, actor)

    def opening(self, body: NewIncident, actor: Actor, at: datetime) -> Opening:
        """Values of a declared incident, with what the catalogue says of its services. Raises ProblemError."""
        if body.since and body.since > at:
            accepted = [("已过去的时间", "a time until now"), ("不填起算时间", "no since")]
            raise ProblemError(SINCE_AHEAD, "Cases are registered until now, and `since` is later.", accepted=accepted)
        catalogue = self.backend.catalogue
        rules = [rule for rule in catalogue.surge_rules() if {*rule.services} & {*body.services}]
        window = max((rule.window_seconds for rule in rules), default=0)
        return Opening(
            at=at,
            actor=actor,
            title=body.title,
            scope=body.scope,
            since=body.since or at - timedelta(seconds=window),
            follow_up_percent=max((rule.follow_up_percent for rule in rules), default=100),
            timezone=catalogue.calendar.timezone,
        )

    def _is_counted(self, actor: Actor) -> bool:
        return self.per_hour > 0 and actor.role is not Role.ADMIN

    async def _check_declared(self, actor: Actor, at: datetime) -> None:
        """Raise ProblemError 429 if the person has declared as many incidents as they may within an hour.

        While SQL is down nothing is counted: an incident must not wait for it.
        """
        if not self._is_counted(actor):
            return
        most, declared = self.per_hour, list[datetime]()
        with suppress(ProblemError):
            declared = await self.backend.reader.ask(stored.declared_by, actor.id, at - HOUR)
        if len(declared) >= most:
            rule = f"A person declares {most} incidents at most within an hour."
            calendar = self.backend.catalogue.calendar
            raise too_soon(TOO_MANY_INCIDENTS, rule, at, declared[-most] + HOUR, calendar.timezone)

    async def check(self, _: str, body: ActionBody, actor: Actor) -> None:
        """Check what the incident cannot know: codes of the catalogue, cases, and the state of another incident."""
        match body:
            case DispatchIncident():
                self.backend.catalogue.department(body.department)
            case Confirm():
                self._check_scope(body.services, body.districts)
                await self._check_cases(body.cases, actor)
            case Merge():
                await self.client.require_open(body.into, actor)

    def _check_scope(self, services: Sequence[str], districts: Sequence[str]) -> None:
        """Raise UnknownCode if the catalogue in force does not have all of them."""
        for service in services:
            self.backend.catalogue.service(service)
        for district in districts:
            self.backend.catalogue.district(district)

    async def _check_cases(self, numbers: Sequence[str], actor: Actor) -> None:
        """Raise ProblemError if one of the cases does not exist, or has been replied to."""
        views = {number: await self.cases.find(number, actor) for number in dict.fromkeys(numbers)}
        if unknown := [number for number, view in views.items() if view is None]:
            detail = f"There are no cases {', '.join(unknown)}."
            raise ProblemError(UNKNOWN_CASES, detail, accepted=[("现有工单的编号", "numbers of cases")])
        over = [f"{number} ({view.state})" for number, view in views.items() if view and view.state not in BEFORE_REPLY]
        if over:
            detail = f"No incident takes cases that were replied to or have ended: {', '.join(over)}."
            raise ProblemError(CASES_OVER, detail, accepted=[("未回复的工单", "cases before their reply")])

    async def gone(self, number: str, name: str, _: Actor) -> ProblemError:
        incident = await self.backend.reader.ask(stored.get, number)
        if incident is None:
            return no_incident(number)
        if not incident.over and await self.client.is_lost(number):
            return workflow_lost(number, incident.state, incident.version)
        detail = f"The incident {number} is {incident.state} and over; {name} is not possible any more."
        return ProblemError(OUT_OF_TURN, detail, accepted=[], version=incident.version)

    async def answer(self, _: str, outcome: IncidentOutcome, actor: Actor) -> tuple[IncidentItem, bool]:
        batch = None
        if outcome.events:
            batch = IncidentBatch(incident=outcome.incident, events=outcome.events, counts=outcome.counts)
        return await self._answer(outcome.incident, actor, batch)

    async def _answer(
        self, incident: Incident, actor: Actor, batch: IncidentBatch | None = None
    ) -> tuple[IncidentItem, bool]:
        """Write the batch, if there is one; return the incident as the actor sees it, and True if lists show it."""
        shown = False
        if batch:
            shown = await self.backend.projection.write_entity(batch)
        else:
            with suppress(ProblemError):
                found = (await self.backend.reader.ask(stored.incident_versions, [incident.number])).get(
                    incident.number
                )
                shown = found is not None and found.version >= incident.version
        if shown:  # a repeated action has the incident as it was the first time
            incident = max(await self._in_sql(incident.number) or incident, incident, key=attrgetter("version"))
        return await self.item(incident, actor), shown


def no_incident(number: str) -> ProblemError:
    return ProblemError(INCIDENT_NOT_FOUND, f"There is no incident with the number {number}.")


TheIncidents = Annotated[Incidents, from_backend("incidents")]


PATH = "/v1/incidents/{number}"
UNKNOWN_SCOPE = (UNKNOWN["service"], UNKNOWN["district"])
IncidentParam = Annotated[
    str,
    Path(
        alias="number",
        pattern=f"^{NUMBER.pattern}$",
        description="The incident's number (事件号): i and eleven digits.",
        examples=["i26080347119"],
    ),
    AfterValidator(str.lower),
]


class IncidentListing(Paging):
    """Filters of a list of incidents."""

    state: tuple[IncidentState, ...] = Field(
        (), description="Where it stands; repeat it for several states.", examples=[["suspected"]]
    )


router = APIRouter(tags=["incidents"], route_class=StrictRoute)


@router.post(
    "/v1/incidents",
    summary="上报 declare: an incident that is known before the telephone tells",
    status_code=201,
    responses=also(202, IncidentItem) | problems(*POST_ERRORS, *UNKNOWN_SCOPE, SINCE_AHEAD, TOO_MANY_INCIDENTS),
)
async def declare_incident(
    body: Annotated[NewIncident, BY_NAME],
    actor: Annotated[Actor, needs(RIGHT_TO_DECLARE)],
    key: RequestKey,
    incidents: TheIncidents,
    response: Response,
) -> IncidentItem:
    """Declare an incident. New cases of its scope are linked to it, and recent ones that wait for their reply."""
    item, shown = await incidents.declare(body, actor, request_of(key, body) if key else None)
    describe(response, item, shown=shown)
    response.headers["Location"] = item.links.self
    return item


@router.get("/v1/incidents", summary="List incidents")
async def list_incidents(
    wanted: Annotated[IncidentListing, Query()], actor: Annotated[Actor, needs(READ_INCIDENTS)], backend: TheBackend
) -> Page[IncidentItem]:
    """List incidents, the latest first; of the states that are given."""
    page = await backend.reader.ask(stored.page, wanted.state, wanted.cursor, wanted.limit)
    return Page[IncidentItem].of(page, lambda found: IncidentItem.of(found[0], actor, found[1]))


@router.get(PATH, summary="Read one incident, and how far it is with its cases", responses=problems(*TEMPORAL_ERRORS))
async def get_incident(
    number: IncidentParam, actor: Annotated[Actor, needs(READ_INCIDENTS)], incidents: TheIncidents, response: Response
) -> IncidentItem:
    """Read one incident, with its cases counted by state. The cases are `GET /v1/complaints?incident=...`."""
    item = await incidents.item(await incidents.found(number, actor), actor)
    describe(response, item, shown=True)
    return item


@router.get(f"{PATH}/timeline", summary="Read what happened to an incident", response_model=IncidentTimeline)
async def get_incident_timeline(
    number: IncidentParam,
    paging: Annotated[TimelinePaging, Query()],
    actor: Annotated[Actor, needs(READ_INCIDENTS)],
    backend: TheBackend,
) -> Response:
    """List the events of an incident, the oldest first; those of the system have the actor `system`."""
    after = after_seq(paging.cursor)
    if not await backend.reader.ask(stored.incident_versions, [number]):
        raise no_incident(number)
    page = await backend.reader.ask(stored.incident_timeline, number, after, paging.limit)
    return answer_page((timeline_item(event, actor) for event in page.items), page.next_seq)


@router.get(
    f"{PATH}/candidates",
    summary="List cases that match the scope, and are linked by name only 待并工单",
    responses=problems(*TEMPORAL_ERRORS),
)
async def list_candidates(
    number: IncidentParam,
    paging: Annotated[Paging, Query()],
    actor: Annotated[Actor, needs(READ_CANDIDATES)],
    incidents: TheIncidents,
) -> Page[Candidate]:
    """List cases that the incident does not take by itself, the newest first, each with the reasons.

    Link one with `link_incident` of the case, or with `cases` of `confirm`.
    """
    incident = await incidents.found(number, actor)
    page = await incidents.backend.reader.ask(stored.candidates, incident, paging.cursor, paging.limit)
    return Page[Candidate].of(page, partial(Candidate.of, reader=actor))


add_actions(
    router,
    f"{PATH}/actions",
    INCIDENT_COMMANDS,
    TheIncidents,
    number=IncidentParam,
    states=IncidentState,
    model=IncidentItem,
    noun="incident",
    summary="{} {}: an incident",
    errors=(*POST_ERRORS, *UNKNOWN_SCOPE, OUT_OF_TURN, OTHER_DEPARTMENT, BEHIND_SQL, WORKFLOW_LOST),
    checked={"merge": (UNKNOWN_INCIDENT, INCIDENT_CLOSED), "confirm": (UNKNOWN_CASES, CASES_OVER)},
)
