"""Incidents (突发事件): one cause behind many calls, declared or suspected, handled once."""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from operator import attrgetter
from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, Field
from starlette.responses import Response

from api import examples, render
from api.backend import Backend
from api.codes import BY_NAME
from api.edge.limits import too_soon
from api.edge.problems import (
    BEHIND_SQL,
    INVALID_REQUEST,
    OTHER_DEPARTMENT,
    OUT_OF_TURN,
    UNKNOWN,
    WORKFLOW_LOST,
    ProblemError,
    declare,
    workflow_lost,
)
from api.incidents import CandidatePage, IncidentItem, IncidentPage, IncidentTimeline, NewIncident
from api.openapi import Operations
from api.routes.action_routes import ActionRoutes
from api.routes.parameters import LIST_ERRORS, POST_ERRORS, IdempotencyKey, Paging, TimelinePaging, after_seq
from api.sign_in.security import RequestActor, digest_of, request_key
from api.sql.reader import INVALID_CURSOR, READ_MODEL_UNAVAILABLE
from api.temporal.client import TEMPORAL_ERRORS
from api.temporal.incidents import INCIDENT_CLOSED, UNKNOWN_INCIDENT
from api.versions import etag
from domain.case.lifecycle import BEFORE_REPLY
from domain.incident.actions import INCIDENT_COMMANDS
from domain.incident.actions.confirm import Confirm
from domain.incident.actions.dispatch import DispatchIncident
from domain.incident.actions.merge import Merge
from domain.incident.batch import IncidentBatch
from domain.incident.incident import Incident
from domain.incident.state import IncidentState, Opening
from domain.kit.event import ActionBody
from domain.rights.rights import READ_CANDIDATES, READ_INCIDENTS, RIGHT_TO_DECLARE
from domain.shared.actors import Actor, Role
from domain.shared.codes import UnknownCode
from readmodel.incidents import candidates as incident_candidates
from readmodel.incidents import incidents
from readmodel.timelines import incident_timeline
from workflows.clients.start import Request
from workflows.incident.messages import IncidentOutcome
from workflows.kit.messages import CatalogueNames

INCIDENT_NOT_FOUND = declare("incident-not-found", HTTPStatus.NOT_FOUND, "Incident not found")
TOO_MANY_INCIDENTS = declare("too-many-incidents", HTTPStatus.TOO_MANY_REQUESTS, "Too many incidents of one person")
HOUR = timedelta(hours=1)
_READ = (INVALID_REQUEST, READ_MODEL_UNAVAILABLE, INCIDENT_NOT_FOUND)
_POSTED = (*POST_ERRORS, UNKNOWN["service"], UNKNOWN["district"])
UNKNOWN_CASES = declare("unknown-cases", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown cases")
CASES_OVER = declare("cases-over", HTTPStatus.CONFLICT, "Cases already replied to")
_CHECKED_HERE = {"merge": (UNKNOWN_INCIDENT, INCIDENT_CLOSED), "confirm": (UNKNOWN_CASES, CASES_OVER)}
"""Problems that `_check` raises, by action."""
PREFIX = "/v1/incidents/{number}"
IncidentNumber = Annotated[
    str,
    Path(
        alias="number",
        pattern=r"^[iI][0-9]{11}$",
        description="The incident's number (事件号): i and eleven digits.",
        examples=[examples.INCIDENT_NUMBER],
    ),
    AfterValidator(str.lower),
]


class IncidentListing(Paging):
    """Filters of a list of incidents."""

    state: tuple[IncidentState, ...] = Field(
        default=(), description="Where it stands; repeat it for several states.", examples=[["suspected"]]
    )


operations = Operations("incidents")


@operations.post(
    "/v1/incidents",
    "上报 declare: an incident that is known before the telephone tells",
    RIGHT_TO_DECLARE,
    IncidentItem,
    {201: "incident", 202: "incident"},
    (*_POSTED, TOO_MANY_INCIDENTS),
)
async def declare_incident(
    backend: Backend, body: Annotated[NewIncident, BY_NAME], actor: RequestActor, idempotency_key: IdempotencyKey = None
) -> Response:
    """Declare an incident. New cases of its scope are linked to it, and recent ones that wait for their reply."""
    at = backend.clock()
    request = None
    if idempotency_key is not None:
        request = Request(key=request_key(actor, idempotency_key), digest=digest_of(body.model_dump_json()))
    is_counted = _is_counted(backend, actor)
    async with backend.turns.of("declare", actor.id) if is_counted else nullcontext():
        return await _declared(backend, body, actor, request, at)


async def _declared(
    backend: Backend, body: NewIncident, actor: Actor, request: Request | None, at: datetime
) -> Response:
    """Declare an incident, or answer again what the same request declared."""
    try:
        await _check_declared(backend, actor, at)
        _check_scope(backend, body.services, body.districts)
    except (ProblemError, UnknownCode):
        if request is None or (number := await backend.incidents.started_by(request, at)) is None:
            raise
        return await _answer(backend, await _found(backend, number, actor), actor, HTTPStatus.CREATED)
    rules = [rule for rule in backend.catalogue.surge_rules() if {*rule.services} & {*body.services}]
    window = max((rule.window_seconds for rule in rules), default=0)
    opening = Opening(
        at=at,
        actor=actor,
        title=body.title,
        scope=body.scope,
        since=body.since or at - timedelta(seconds=window),
        follow_up_percent=max((rule.follow_up_percent for rule in rules), default=100),
        timezone=backend.catalogue.calendar.timezone,
    )
    incident, event, again = await backend.incidents.start(opening, request, CatalogueNames.of(backend.catalogue))
    if again:
        with suppress(ProblemError):  # if neither SQL nor a worker answers, it is shown as it began
            incident = await _found(backend, incident.number, actor)
        return await _answer(backend, incident, actor, HTTPStatus.CREATED)
    batch = IncidentBatch(incident=incident, events=(event,))
    return await _answer(backend, incident, actor, HTTPStatus.CREATED, batch)


def _is_counted(backend: Backend, actor: Actor) -> bool:
    return backend.incidents_per_hour > 0 and actor.role is not Role.ADMIN


async def _check_declared(backend: Backend, actor: Actor, at: datetime) -> None:
    """Raise ProblemError 429 if the person has declared as many incidents as they may within an hour.

    While SQL is down nothing is counted: an incident must not wait for it.
    """
    most = backend.incidents_per_hour
    if not _is_counted(backend, actor):
        return
    declared: list[datetime] = []
    with suppress(ProblemError):
        declared = await backend.reader.ask(incidents.declared_by, actor.id, at - HOUR)
    if len(declared) < most:
        return
    rule = f"A person declares {most} incidents at most within an hour."
    raise too_soon(TOO_MANY_INCIDENTS, rule, at, declared[-most] + HOUR, backend.catalogue.calendar.timezone)


@operations.get("/v1/incidents", "List incidents", READ_INCIDENTS, IncidentPage, "incidents", LIST_ERRORS)
async def list_incidents(
    backend: Backend, wanted: Annotated[IncidentListing, Query()], actor: RequestActor
) -> Response:
    """List incidents, the latest first; of the states that are given."""
    page = await backend.reader.ask(incidents.page, wanted.state, wanted.cursor, wanted.limit)
    shown = (render.incident(each.incident, {}, each.outcomes, actor) for each in page.items)
    return render.page(shown, page.next_cursor)


@operations.get(
    PREFIX,
    "Read one incident, and how far it is with its cases",
    READ_INCIDENTS,
    IncidentItem,
    "incident",
    (*_READ, *TEMPORAL_ERRORS),
)
async def get_incident(backend: Backend, number: IncidentNumber, actor: RequestActor) -> Response:
    """Read one incident, with its cases counted by state. The cases are `GET /v1/complaints?incident=...`."""
    incident = await _found(backend, number, actor)
    shown = render.incident(incident, *await _counts(backend, number), actor)
    return render.answer(shown, headers=etag(incident.version))


@operations.get(
    f"{PREFIX}/timeline",
    "Read what happened to an incident",
    READ_INCIDENTS,
    IncidentTimeline,
    "incident_timeline",
    (*_READ, INVALID_CURSOR),
)
async def get_incident_timeline(
    backend: Backend, number: IncidentNumber, paging: Annotated[TimelinePaging, Query()], actor: RequestActor
) -> Response:
    """List the events of an incident, the oldest first; those of the system have the actor `system`."""
    after = after_seq(paging.cursor)
    if not await backend.reader.ask(incidents.standing, [number]):
        raise _not_found(number)
    page = await backend.reader.ask(incident_timeline, number, after, paging.limit)
    return render.page((render.timeline_item(event, actor) for event in page.items), page.next_seq)


@operations.get(
    f"{PREFIX}/candidates",
    "List cases that match the scope, and are linked by name only 待并工单",
    READ_CANDIDATES,
    CandidatePage,
    "candidates",
    (*_READ, *TEMPORAL_ERRORS, INVALID_CURSOR),
)
async def list_candidates(
    backend: Backend, number: IncidentNumber, paging: Annotated[Paging, Query()], actor: RequestActor
) -> Response:
    """List cases that the incident does not take by itself, the newest first, each with the reasons.

    Link one with `link_incident` of the case, or with `cases` of `confirm`.
    """
    incident = await _found(backend, number, actor)
    page = await backend.reader.ask(incident_candidates.candidates, incident, paging.cursor, paging.limit)
    return render.page((render.candidate(each, actor) for each in page.items), page.next_cursor)


async def _check(backend: Backend, _: str, body: ActionBody, actor: Actor) -> None:
    """Check what the incident cannot know: codes of the catalogue, cases, and the state of another incident."""
    match body:
        case DispatchIncident():
            backend.catalogue.department(body.department)
        case Confirm():
            _check_scope(backend, body.services, body.districts)
            await _check_cases(backend, body.cases, actor)
        case Merge():
            await backend.incidents.require_open(body.into, actor)


def _check_scope(backend: Backend, services: tuple[str, ...], districts: tuple[str, ...]) -> None:
    for service in services:
        backend.catalogue.service(service)
    for district in districts:
        backend.catalogue.district(district)


async def _check_cases(backend: Backend, numbers: Sequence[str], actor: Actor) -> None:
    """Raise ProblemError if one of the cases does not exist, or has been replied to."""
    unknown, over = list[str](), list[str]()
    for number in dict.fromkeys(numbers):
        view = await backend.find(number, actor)
        if view is None:
            unknown.append(number)
        elif view.state not in BEFORE_REPLY:
            over.append(f"{number} ({view.state})")
    if unknown:
        raise ProblemError(UNKNOWN_CASES, f"There are no cases {', '.join(unknown)}.", accepted=["numbers of cases"])
    if over:
        detail = f"No incident takes cases that were replied to or have ended: {', '.join(over)}."
        raise ProblemError(CASES_OVER, detail, accepted=sorted(BEFORE_REPLY))


async def _acted(backend: Backend, _: str, outcome: IncidentOutcome, actor: Actor) -> Response:
    batch = None
    if outcome.events:
        batch = IncidentBatch(incident=outcome.incident, events=outcome.events, counts=outcome.counts)
    return await _answer(backend, outcome.incident, actor, HTTPStatus.OK, batch)


async def _answer(
    backend: Backend, incident: Incident, actor: Actor, status: HTTPStatus, batch: IncidentBatch | None = None
) -> Response:
    """Write the batch, and return the incident; 202 if lists do not show it yet."""
    shown = await (backend.projection.write_incident(batch) if batch else _is_in_sql(backend, incident))
    if shown:  # a repeated action has the incident as it was the first time
        with suppress(ProblemError):
            there = await backend.reader.ask(incidents.get, incident.number)
            incident = max(there or incident, incident, key=attrgetter("version"))
    body = render.incident(incident, *await _counts(backend, incident.number), actor)
    location = {"Location": f"/v1/incidents/{incident.number}"} if status is HTTPStatus.CREATED else {}
    return render.answer(body, status if shown else HTTPStatus.ACCEPTED, location | etag(incident.version))


async def _is_in_sql(backend: Backend, incident: Incident) -> bool:
    with suppress(ProblemError):
        found = (await backend.reader.ask(incidents.standing, [incident.number])).get(incident.number)
        return found is not None and found.version >= incident.version
    return False


async def _counts(backend: Backend, number: str) -> incidents.IncidentCounts:
    """Return the numbers of its cases; none if SQL does not answer, as the action is done."""
    try:
        return await backend.reader.ask(incidents.case_counts, number)
    except ProblemError:
        return incidents.IncidentCounts()


async def _found(backend: Backend, number: str, actor: Actor) -> Incident:
    """Return the incident from SQL, or from its workflow. Raises ProblemError."""
    try:
        incident = await backend.reader.ask(incidents.get, number)
    except ProblemError:
        incident = None
    incident = incident or await backend.incidents.incident(number, actor)
    if incident is None:
        raise _not_found(number)
    return incident


def _not_found(number: str) -> ProblemError:
    return ProblemError(INCIDENT_NOT_FOUND, f"There is no incident with the number {number}.")


async def _gone(backend: Backend, number: str, action: str, _: Actor) -> ProblemError:
    incident = await backend.reader.ask(incidents.get, number)
    if incident is None:
        return _not_found(number)
    if not incident.over and await backend.incidents.is_lost(number):
        return workflow_lost(number, incident.state, incident.version)
    detail = f"The incident {number} is {incident.state} and over; {action} is not possible any more."
    return ProblemError(OUT_OF_TURN, detail, accepted=[], version=incident.version)


_ROUTES = ActionRoutes(
    client=attrgetter("incidents"),
    prefix=f"{PREFIX}/actions",
    operations=operations,
    operation_id="incident_{}",
    summary="{} {}: an incident",
    number=IncidentNumber,
    states=IncidentState,
    model=IncidentItem,
    example="incident",
    errors=(*_POSTED, INCIDENT_NOT_FOUND, OUT_OF_TURN, OTHER_DEPARTMENT, BEHIND_SQL, WORKFLOW_LOST),
    check=_check,
    gone=_gone,
    answer=_acted,
)
for _name, _action in INCIDENT_COMMANDS.items():
    _ROUTES.add(_action, _CHECKED_HERE.get(_name, ()))
