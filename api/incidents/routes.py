"""Incidents (突发事件): one cause behind many calls, declared or suspected, handled once."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, Field
from starlette.responses import Response

from api.actions import Actions, add_actions
from api.complaints.cases import Cases
from api.dependencies import CatalogueInForce, TheReader, part
from api.directory import Naming
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
from api.incidents.answers import (
    Candidate,
    CandidatePage,
    IncidentItem,
    IncidentPage,
    IncidentTimeline,
    NewIncident,
)
from api.incidents.incidents import TOO_MANY_INCIDENTS, Incidents, TheIncidents, check_scope, no_incident
from api.parameters import POST_ERRORS, IdempotencyKey, Paging, TimelinePaging, after_seq
from api.responses import also, answer_page, describe, problems, timeline_item
from api.rights import needs
from api.routing import BY_NAME, OnceRoute
from api.sign_in.security import digest_of, request_key
from api.temporal.client import INCIDENT_CLOSED, UNKNOWN_INCIDENT, IncidentClient
from api.temporal.errors import TEMPORAL_ERRORS
from domain.case.lifecycle import BEFORE_REPLY
from domain.incident.actions import INCIDENT_COMMANDS
from domain.incident.actions.confirm import Confirm
from domain.incident.actions.dispatch import DispatchIncident
from domain.incident.actions.merge import Merge
from domain.incident.incident import IncidentBatch
from domain.incident.state import IncidentState
from domain.kit.event import ActionBody
from domain.rights.rights import READ_CANDIDATES, READ_INCIDENTS, RIGHT_TO_DECLARE
from domain.shared.actors import Actor
from readmodel import incidents as stored
from readmodel.incidents import IncidentCounts, incident_timeline
from workflows.clients.start import Request
from workflows.incident.messages import IncidentOutcome

PREFIX = "/v1/incidents/{number}"
IncidentNumber = Annotated[
    str,
    Path(
        alias="number",
        pattern=r"^[iI][0-9]{11}$",
        description="The incident's number (事件号): i and eleven digits.",
        examples=["i26080347119"],
    ),
    AfterValidator(str.lower),
]


class IncidentListing(Paging):
    """Filters of a list of incidents."""

    state: tuple[IncidentState, ...] = Field(
        default=(), description="Where it stands; repeat it for several states.", examples=[["suspected"]]
    )


router = APIRouter(tags=["incidents"], route_class=OnceRoute)


@router.post(
    "/v1/incidents",
    summary="上报 declare: an incident that is known before the telephone tells",
    status_code=201,
    responses=also(202, IncidentItem)
    | problems(*POST_ERRORS, UNKNOWN["service"], UNKNOWN["district"], TOO_MANY_INCIDENTS),
)
async def declare_incident(
    body: Annotated[NewIncident, BY_NAME],
    actor: Annotated[Actor, needs(RIGHT_TO_DECLARE)],
    incidents: TheIncidents,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> IncidentItem:
    """Declare an incident. New cases of its scope are linked to it, and recent ones that wait for their reply."""
    request = None
    if idempotency_key is not None:
        request = Request(key=request_key(actor, idempotency_key), digest=digest_of(body.model_dump_json()))
    item, shown = await incidents.declare(body, actor, request)
    describe(response, item, shown=shown)
    response.headers["Location"] = item.links.self
    return item


@router.get("/v1/incidents", summary="List incidents")
async def list_incidents(
    wanted: Annotated[IncidentListing, Query()], actor: Annotated[Actor, needs(READ_INCIDENTS)], reader: TheReader
) -> IncidentPage:
    """List incidents, the latest first; of the states that are given."""
    page = await reader.ask(stored.page, wanted.state, wanted.cursor, wanted.limit)
    items = [IncidentItem.of(each.incident, actor, IncidentCounts(outcomes=each.outcomes)) for each in page.items]
    return IncidentPage(items=items, next_cursor=page.next_cursor)


@router.get(
    PREFIX,
    summary="Read one incident, and how far it is with its cases",
    responses=problems(*TEMPORAL_ERRORS),
)
async def get_incident(
    number: IncidentNumber,
    actor: Annotated[Actor, needs(READ_INCIDENTS)],
    incidents: TheIncidents,
    response: Response,
) -> IncidentItem:
    """Read one incident, with its cases counted by state. The cases are `GET /v1/complaints?incident=...`."""
    incident = await incidents.found(number, actor)
    item = IncidentItem.of(incident, actor, await incidents.counts(number))
    describe(response, item, shown=True)
    return item


@router.get(f"{PREFIX}/timeline", summary="Read what happened to an incident", response_model=IncidentTimeline)
async def get_incident_timeline(
    number: IncidentNumber,
    paging: Annotated[TimelinePaging, Query()],
    actor: Annotated[Actor, needs(READ_INCIDENTS)],
    reader: TheReader,
) -> Response:
    """List the events of an incident, the oldest first; those of the system have the actor `system`."""
    after = after_seq(paging.cursor)
    if not await reader.ask(stored.standing, [number]):
        raise no_incident(number)
    page = await reader.ask(incident_timeline, number, after, paging.limit)
    return answer_page((timeline_item(event, actor) for event in page.items), page.next_seq)


@router.get(
    f"{PREFIX}/candidates",
    summary="List cases that match the scope, and are linked by name only 待并工单",
    responses=problems(*TEMPORAL_ERRORS),
)
async def list_candidates(
    number: IncidentNumber,
    paging: Annotated[Paging, Query()],
    actor: Annotated[Actor, needs(READ_CANDIDATES)],
    incidents: TheIncidents,
    reader: TheReader,
) -> CandidatePage:
    """List cases that the incident does not take by itself, the newest first, each with the reasons.

    Link one with `link_incident` of the case, or with `cases` of `confirm`.
    """
    incident = await incidents.found(number, actor)
    page = await reader.ask(stored.candidates, incident, paging.cursor, paging.limit)
    items = [Candidate.of(each, actor) for each in page.items]
    return CandidatePage(items=items, next_cursor=page.next_cursor)


UNKNOWN_CASES = declare("unknown-cases", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown cases")
CASES_OVER = declare("cases-over", HTTPStatus.CONFLICT, "Cases already replied to")
_CHECKED_HERE = {"merge": (UNKNOWN_INCIDENT, INCIDENT_CLOSED), "confirm": (UNKNOWN_CASES, CASES_OVER)}
"""Problems that `IncidentActions.check` raises, by action."""


@dataclass(frozen=True)
class IncidentActions(Actions[IncidentOutcome]):
    """Actions on incidents."""

    client: IncidentClient
    naming: Naming
    incidents: Incidents
    cases: Cases
    in_force: CatalogueInForce

    async def check(self, _: str, body: ActionBody, actor: Actor) -> None:
        """Check what the incident cannot know: codes of the catalogue, cases, and the state of another incident."""
        match body:
            case DispatchIncident():
                self.in_force.catalogue.department(body.department)
            case Confirm():
                check_scope(self.in_force.catalogue, body.services, body.districts)
                await self._check_cases(body.cases, actor)
            case Merge():
                await self.client.require_open(body.into, actor)

    async def _check_cases(self, numbers: Sequence[str], actor: Actor) -> None:
        """Raise ProblemError if one of the cases does not exist, or has been replied to."""
        unknown, over = list[str](), list[str]()
        for number in dict.fromkeys(numbers):
            view = await self.cases.find(number, actor)
            if view is None:
                unknown.append(number)
            elif view.state not in BEFORE_REPLY:
                over.append(f"{number} ({view.state})")
        if unknown:
            raise ProblemError(
                UNKNOWN_CASES, f"There are no cases {', '.join(unknown)}.", accepted=["numbers of cases"]
            )
        if over:
            detail = f"No incident takes cases that were replied to or have ended: {', '.join(over)}."
            raise ProblemError(CASES_OVER, detail, accepted=sorted(BEFORE_REPLY))

    async def answer(self, _: str, outcome: IncidentOutcome, actor: Actor) -> tuple[IncidentItem, bool]:
        batch = None
        if outcome.events:
            batch = IncidentBatch(incident=outcome.incident, events=outcome.events, counts=outcome.counts)
        return await self.incidents.answer(outcome.incident, actor, batch)

    async def gone(self, number: str, name: str, _: Actor) -> ProblemError:
        incident = await self.incidents.reader.ask(stored.get, number)
        if incident is None:
            return no_incident(number)
        if not incident.over and await self.client.is_lost(number):
            return workflow_lost(number, incident.state, incident.version)
        detail = f"The incident {number} is {incident.state} and over; {name} is not possible any more."
        return ProblemError(OUT_OF_TURN, detail, accepted=[], version=incident.version)


add_actions(
    router,
    f"{PREFIX}/actions",
    INCIDENT_COMMANDS,
    Annotated[IncidentActions, part("incident_actions")],
    number=IncidentNumber,
    states=IncidentState,
    model=IncidentItem,
    noun="incident",
    summary="{} {}: an incident",
    errors=(
        *POST_ERRORS,
        UNKNOWN["service"],
        UNKNOWN["district"],
        OUT_OF_TURN,
        OTHER_DEPARTMENT,
        BEHIND_SQL,
        WORKFLOW_LOST,
    ),
    checked=_CHECKED_HERE,
)
