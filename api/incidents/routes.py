"""Incidents (突发事件): one cause behind many calls, declared or suspected, handled once."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, Field
from starlette.responses import Response

from api.actions import add_actions
from api.dependencies import TheReader
from api.edge.problems import BEHIND_SQL, OTHER_DEPARTMENT, OUT_OF_TURN, UNKNOWN, WORKFLOW_LOST
from api.incidents.answers import Candidate, IncidentItem, IncidentTimeline, NewIncident
from api.incidents.incidents import CASES_OVER, TOO_MANY_INCIDENTS, UNKNOWN_CASES, TheIncidents, no_incident
from api.parameters import POST_ERRORS, Paging, RequestKey, TimelinePaging, after_seq
from api.responses import Page, also, answer_page, describe, problems, timeline_item
from api.routing import BY_NAME, OnceRoute, needs
from api.temporal.client import INCIDENT_CLOSED, UNKNOWN_INCIDENT
from api.temporal.errors import TEMPORAL_ERRORS, request_of
from domain.incident.actions import INCIDENT_COMMANDS
from domain.incident.state import IncidentState
from domain.rights.rights import READ_CANDIDATES, READ_INCIDENTS, RIGHT_TO_DECLARE
from domain.shared.actors import Actor
from readmodel import incidents as stored
from readmodel.incidents import IncidentCounts, incident_timeline

PREFIX = "/v1/incidents/{number}"
UNKNOWN_SCOPE = (UNKNOWN["service"], UNKNOWN["district"])
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
    responses=also(202, IncidentItem) | problems(*POST_ERRORS, *UNKNOWN_SCOPE, TOO_MANY_INCIDENTS),
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
    wanted: Annotated[IncidentListing, Query()], actor: Annotated[Actor, needs(READ_INCIDENTS)], reader: TheReader
) -> Page[IncidentItem]:
    """List incidents, the latest first; of the states that are given."""
    page = await reader.ask(stored.page, wanted.state, wanted.cursor, wanted.limit)
    items = [IncidentItem.of(each.incident, actor, IncidentCounts(outcomes=each.outcomes)) for each in page.items]
    return Page[IncidentItem](items=items, next_cursor=page.next_cursor)


@router.get(PREFIX, summary="Read one incident, and how far it is with its cases", responses=problems(*TEMPORAL_ERRORS))
async def get_incident(
    number: IncidentNumber, actor: Annotated[Actor, needs(READ_INCIDENTS)], incidents: TheIncidents, response: Response
) -> IncidentItem:
    """Read one incident, with its cases counted by state. The cases are `GET /v1/complaints?incident=...`."""
    item = await incidents.item(await incidents.found(number, actor), actor)
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
) -> Page[Candidate]:
    """List cases that the incident does not take by itself, the newest first, each with the reasons.

    Link one with `link_incident` of the case, or with `cases` of `confirm`.
    """
    incident = await incidents.found(number, actor)
    page = await reader.ask(stored.candidates, incident, paging.cursor, paging.limit)
    items = [Candidate.of(each, actor) for each in page.items]
    return Page[Candidate](items=items, next_cursor=page.next_cursor)


add_actions(
    router,
    f"{PREFIX}/actions",
    INCIDENT_COMMANDS,
    TheIncidents,
    number=IncidentNumber,
    states=IncidentState,
    model=IncidentItem,
    noun="incident",
    summary="{} {}: an incident",
    errors=(*POST_ERRORS, *UNKNOWN_SCOPE, OUT_OF_TURN, OTHER_DEPARTMENT, BEHIND_SQL, WORKFLOW_LOST),
    checked={"merge": (UNKNOWN_INCIDENT, INCIDENT_CLOSED), "confirm": (UNKNOWN_CASES, CASES_OVER)},
)
