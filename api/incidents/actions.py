"""The actions on incidents: one operation for each action of their table."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from api.actions import Actions, add_actions
from api.codes import CatalogueInForce
from api.complaints.cases import Cases
from api.dependencies import part
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
from api.incidents.answers import IncidentItem
from api.incidents.incidents import Incidents, check_scope, no_incident
from api.incidents.routes import IncidentNumber
from api.naming import Naming
from api.parameters import POST_ERRORS
from api.routing import OnceRoute
from api.temporal.incidents import INCIDENT_CLOSED, UNKNOWN_INCIDENT, IncidentClient
from domain.case.lifecycle import BEFORE_REPLY
from domain.incident.actions import INCIDENT_COMMANDS
from domain.incident.actions.confirm import Confirm
from domain.incident.actions.dispatch import DispatchIncident
from domain.incident.actions.merge import Merge
from domain.incident.batch import IncidentBatch
from domain.incident.state import IncidentState
from domain.kit.event import ActionBody
from domain.shared.actors import Actor
from readmodel.incidents import incidents as stored
from workflows.incident.messages import IncidentOutcome

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

    async def answer(self, _: str, outcome: IncidentOutcome, actor: Actor) -> Response:
        batch = None
        if outcome.events:
            batch = IncidentBatch(incident=outcome.incident, events=outcome.events, counts=outcome.counts)
        return await self.incidents.answer(outcome.incident, actor, HTTPStatus.OK, batch)

    async def gone(self, number: str, name: str, _: Actor) -> ProblemError:
        incident = await self.incidents.reader.ask(stored.get, number)
        if incident is None:
            return no_incident(number)
        if not incident.over and await self.client.is_lost(number):
            return workflow_lost(number, incident.state, incident.version)
        detail = f"The incident {number} is {incident.state} and over; {name} is not possible any more."
        return ProblemError(OUT_OF_TURN, detail, accepted=[], version=incident.version)


router = APIRouter(tags=["incidents"], route_class=OnceRoute)
add_actions(
    router,
    "/v1/incidents/{number}/actions",
    INCIDENT_COMMANDS,
    Annotated[IncidentActions, part("incident_actions")],
    number=IncidentNumber,
    states=IncidentState,
    model=IncidentItem,
    name="incident_{}",
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
