"""Incidents (突发事件): one cause behind many calls, declared or suspected, handled once."""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.responses import Response

from api import examples, openapi, render
from api.backend import Backend
from api.problems import ProblemError
from api.routes.action_routes import ActionRoutes
from api.routes.complaints import POSTED, after_seq, bad_cursor
from api.routes.parameters import IdempotencyKey, Paging
from api.schemas import IncidentItem, IncidentPage, IncidentTimeline, NewIncident
from api.security import Key, actor_of, only_for, request_key, staff_only
from domain.incident.actions import INCIDENT_COMMANDS
from domain.incident.actions.confirm import Confirm
from domain.incident.actions.dispatch import DispatchIncident
from domain.incident.actions.merge import Merge
from domain.incident.incident import Incident
from domain.incident.lifecycle import INCIDENT_STATE_ZH, IncidentState
from domain.incident.opening import Opening, Scope
from domain.shared.actors import Role
from domain.shared.codes import UnknownCode
from domain.shared.event import ActionBody
from readmodel.paging import BadCursorError
from workflows.messages import IncidentOutcome, Names
from workflows.start import Request

Endpoint = Callable[..., Awaitable[Response]]
TAGS: list[str | Enum] = ["incidents"]
_KEY = ("unauthorized", "malformed-key", "wrong-role", "invalid-request")
_READ = (*_KEY, "read-model-unavailable")
_POSTED = (*POSTED, "unknown-service", "unknown-district")
_CHECKED_HERE = {"merge": ("unknown-incident", "incident-closed")}
"""Problems that the incident cannot know of (`_check`)."""
PREFIX = "/v1/incidents/{number}"
IncidentNumberText = Annotated[
    str,
    Path(
        alias="number",
        pattern=r"^[iI][0-9]{11}$",
        description="The incident's number (事件号): i and eleven digits.",
        examples=[examples.INCIDENT_NUMBER],
    ),
]


class IncidentListing(Paging):
    """Filters of a list of incidents."""

    state: tuple[IncidentState, ...] = Field(
        default=(), description="Where it stands; repeat it for several states.", examples=[["suspected"]]
    )


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations on incidents."""
    _add_declare(router, backend)
    _add_list(router, backend)
    _add_get(router, backend)
    _add_timeline(router, backend)
    routes = ActionRoutes(
        backend=backend,
        client=backend.incidents,
        prefix=f"{PREFIX}/actions",
        tags=TAGS,
        operation_id="incident_{}",
        summary="{} {}: an incident",
        number=IncidentNumberText,
        number_in=str.lower,
        states_zh=INCIDENT_STATE_ZH,
        model=IncidentItem,
        example="incident",
        done="Done: the incident as it stands now.",
        reused="This Idempotency-Key has done something else to this incident: {}.",
        errors=(*_POSTED, "incident-not-found", "out-of-turn", "other-department"),
        check=_check,
        gone=_gone,
        answer=_acted,
    )
    for name, action in INCIDENT_COMMANDS.items():
        routes.add(router, action, _CHECKED_HERE.get(name, ()))


def _add_declare(router: APIRouter, backend: Backend) -> None:
    @router.post(
        "/v1/incidents",
        tags=TAGS,
        operation_id="declare_incident",
        summary="上报 declare: an incident that is known before the telephone tells",
        status_code=HTTPStatus.CREATED,
        response_model=IncidentItem,
        responses={
            201: openapi.example("Durable, and lists show it.", "incident"),
            202: {**openapi.accepted("incident"), "model": IncidentItem},
            **openapi.errors(*_POSTED),
        },
    )
    async def declare_incident(
        body: Annotated[NewIncident, backend.by_name],
        key: Annotated[Key, Depends(only_for(backend.bearer, Role.DISPATCHER, Role.SUPERVISOR, Role.ADMIN))],
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Declare an incident. New cases of its scope are linked to it, and recent ones that wait for their reply."""
        at = backend.clock()
        request = None
        if idempotency_key is not None:
            digest = hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]
            request = Request(key=request_key(key, idempotency_key), digest=digest)
        try:
            _check_scope(backend, body.services, body.districts)
        except (ProblemError, UnknownCode):
            if request is None or (number := await backend.incidents.started_by(request, at)) is None:
                raise
            return await _answer(backend, await _found(backend, number, key), key, HTTPStatus.CREATED)
        rules = [rule for rule in backend.catalogue.surge_rules() if {*rule.services} & {*body.services}]
        window = max((rule.window_seconds for rule in rules), default=0)
        opening = Opening(
            at=at,
            actor=actor_of(key),
            title=body.title,
            scope=Scope(services=body.services, districts=body.districts),
            since=body.since or at - timedelta(seconds=window),
            follow_up_percent=max((rule.follow_up_percent for rule in rules), default=100),
            timezone=backend.catalogue.calendar.timezone,
        )
        incident, again = await backend.incidents.start(opening, request, Names.of(backend.catalogue))
        if again:
            with suppress(ProblemError):  # if neither SQL nor a worker answers, it is shown as it began
                incident = await _found(backend, incident.number, key)
        return await _answer(backend, incident, key, HTTPStatus.CREATED)


def _add_list(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/incidents",
        tags=TAGS,
        operation_id="list_incidents",
        summary="List incidents",
        response_model=IncidentPage,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: openapi.example("A page, the latest first.", "incidents"),
            **openapi.errors(*_READ, "invalid-cursor"),
        },
    )
    async def list_incidents(
        wanted: Annotated[IncidentListing, Query()], key: Annotated[Key, Depends(backend.bearer)]
    ) -> Response:
        """List incidents, the latest first; of the states that are given."""
        try:
            page = await backend.reader.incident_page(wanted.state, wanted.cursor, wanted.limit)
        except BadCursorError as error:
            raise bad_cursor(str(error)) from None
        actor = actor_of(key)
        shown = (render.incident(each, {}, each.available_actions(actor)) for each in page.items)
        return render.page(shown, page.next_cursor)


def _add_get(router: APIRouter, backend: Backend) -> None:
    @router.get(
        PREFIX,
        tags=TAGS,
        operation_id="get_incident",
        summary="Read one incident, and how far it is with its cases",
        response_model=IncidentItem,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: openapi.example("The incident, as you see it.", "incident"),
            **openapi.errors(*_READ, "incident-not-found", "temporal-unavailable", "no-answer-in-time"),
        },
    )
    async def get_incident(number: IncidentNumberText, key: Annotated[Key, Depends(backend.bearer)]) -> Response:
        """Read one incident, with its cases counted by state. The cases are `GET /v1/complaints?incident=...`."""
        incident = await _found(backend, number.lower(), key)
        available = incident.available_actions(actor_of(key))
        return render.answer(render.incident(incident, await _counts(backend, incident.number), available))


def _add_timeline(router: APIRouter, backend: Backend) -> None:
    @router.get(
        f"{PREFIX}/timeline",
        tags=TAGS,
        operation_id="get_incident_timeline",
        summary="Read what happened to an incident",
        response_model=IncidentTimeline,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: openapi.example("A page, the oldest first.", "incident_timeline"),
            **openapi.errors(*_READ, "incident-not-found", "invalid-cursor"),
        },
    )
    async def get_incident_timeline(number: IncidentNumberText, paging: Annotated[Paging, Query()]) -> Response:
        """List the events of an incident, the oldest first; those of the system have the actor `system`."""
        wanted = number.lower()
        page = await backend.reader.incident_timeline(wanted, after_seq(paging.cursor), paging.limit)
        if page is None:
            raise _not_found(wanted)
        items = (render.incident_event(event) for event in page.items)
        return render.page(items, None if page.next_seq is None else str(page.next_seq))


async def _check(backend: Backend, _: str, body: ActionBody, key: Key) -> None:
    """Check what the incident cannot know: departments, services, districts, and the state of another incident."""
    match body:
        case DispatchIncident():
            backend.catalogue.department(body.department)
        case Confirm():
            _check_scope(backend, body.services, body.districts)
        case Merge():
            await backend.incidents.require_open(body.into, actor_of(key))


def _check_scope(backend: Backend, services: tuple[str, ...], districts: tuple[str, ...]) -> None:
    for service in services:
        backend.catalogue.service(service)
    for district in districts:
        backend.catalogue.district(district)


async def _acted(backend: Backend, outcome: IncidentOutcome, key: Key) -> Response:
    return await _answer(backend, outcome.incident, key, HTTPStatus.OK)


async def _answer(backend: Backend, incident: Incident, key: Key, status: HTTPStatus) -> Response:
    """Return the incident as it is now; 202 if lists do not show it yet."""
    wait = backend.config.sql_wait_seconds
    shown = await backend.incident_visibility.shows(incident.number, incident.version, wait)
    available = incident.available_actions(actor_of(key))
    body = render.incident(incident, await _counts(backend, incident.number), available)
    location = {"Location": f"/v1/incidents/{incident.number}"} if status is HTTPStatus.CREATED else None
    return render.answer(body, status if shown else HTTPStatus.ACCEPTED, location)


async def _counts(backend: Backend, number: str) -> dict[str, int]:
    """Return the number of its cases in each state; none if SQL does not answer, as the action is done."""
    try:
        return await backend.reader.incident_counts(number)
    except ProblemError:
        return {}


async def _found(backend: Backend, number: str, key: Key) -> Incident:
    """Return the incident from SQL, or from its workflow. Raises ProblemError."""
    try:
        incident = await backend.reader.incident(number)
    except ProblemError:
        incident = None
    if incident is None:
        live = await backend.incidents.incident(number, actor_of(key))
        if live is None:
            raise _not_found(number)
        incident = live.incident
    return incident


def _not_found(number: str) -> ProblemError:
    return ProblemError("incident-not-found", f"There is no incident with the number {number}.")


async def _gone(backend: Backend, number: str, action: str, _: Key) -> ProblemError:
    incident = await backend.reader.incident(number)
    if incident is None:
        return _not_found(number)
    detail = f"The incident {number} is {incident.state} and over; {action} is not possible any more."
    return ProblemError("out-of-turn", detail, accepted=[], version=incident.version)
