"""Incidents as the API reads, declares and writes them."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from operator import attrgetter
from typing import Annotated

from api.dependencies import CatalogueInForce, part
from api.edge.limits import Turns, too_soon
from api.edge.problems import ProblemError, declare
from api.incidents.answers import IncidentItem, NewIncident
from api.sql import ProjectionWriter, Reader
from api.temporal.client import IncidentClient
from domain.catalogue.catalogue import Catalogue
from domain.incident.incident import Incident, IncidentBatch
from domain.incident.state import Opening
from domain.shared.actors import Actor, Role
from domain.shared.codes import UnknownCode
from readmodel import incidents as stored
from workflows.clients.start import Request
from workflows.kit.words import CatalogueNames

INCIDENT_NOT_FOUND = declare("incident-not-found", HTTPStatus.NOT_FOUND, "Incident not found")
TOO_MANY_INCIDENTS = declare("too-many-incidents", HTTPStatus.TOO_MANY_REQUESTS, "Too many incidents of one person")
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Incidents:
    """Incidents.

    Args:
        per_hour: incidents that a person may declare within an hour; 0 for no limit.
        turns: held by the one request that declares an incident of a person.
    """

    client: IncidentClient
    reader: Reader
    projection: ProjectionWriter
    in_force: CatalogueInForce
    turns: Turns
    per_hour: int
    clock: Callable[[], datetime]

    async def found(self, number: str, actor: Actor) -> Incident:
        """Return the incident from SQL, or from its workflow. Raises ProblemError."""
        try:
            incident = await self.reader.ask(stored.get, number)
        except ProblemError:
            incident = None
        incident = incident or await self.client.incident(number, actor)
        if incident is None:
            raise no_incident(number)
        return incident

    async def counts(self, number: str) -> stored.IncidentCounts:
        """Return the numbers of its cases; none if SQL does not answer, as the action is done."""
        try:
            return await self.reader.ask(stored.case_counts, number)
        except ProblemError:
            return stored.IncidentCounts()

    async def declare(self, body: NewIncident, actor: Actor, request: Request | None) -> tuple[IncidentItem, bool]:
        """Declare an incident, or return again what the same request declared; as `answer` does."""
        at = self.clock()
        async with self.turns.of("declare", actor.id) if self._is_counted(actor) else nullcontext():
            return await self._declared(body, actor, request, at)

    async def _declared(
        self, body: NewIncident, actor: Actor, request: Request | None, at: datetime
    ) -> tuple[IncidentItem, bool]:
        try:
            await self._check_declared(actor, at)
            check_scope(self.in_force.catalogue, body.services, body.districts)
        except (ProblemError, UnknownCode):
            if request is None or (number := await self.client.started_by(request, at)) is None:
                raise
            return await self.answer(await self.found(number, actor), actor)
        rules = [rule for rule in self.in_force.catalogue.surge_rules() if {*rule.services} & {*body.services}]
        window = max((rule.window_seconds for rule in rules), default=0)
        opening = Opening(
            at=at,
            actor=actor,
            title=body.title,
            scope=body.scope,
            since=body.since or at - timedelta(seconds=window),
            follow_up_percent=max((rule.follow_up_percent for rule in rules), default=100),
            timezone=self.in_force.catalogue.calendar.timezone,
        )
        incident, event, again = await self.client.start(opening, request, CatalogueNames.of(self.in_force.catalogue))
        if again:
            with suppress(ProblemError):  # if neither SQL nor a worker answers, it is shown as it began
                incident = await self.found(incident.number, actor)
            return await self.answer(incident, actor)
        return await self.answer(incident, actor, IncidentBatch(incident=incident, events=(event,)))

    def _is_counted(self, actor: Actor) -> bool:
        return self.per_hour > 0 and actor.role is not Role.ADMIN

    async def _check_declared(self, actor: Actor, at: datetime) -> None:
        """Raise ProblemError 429 if the person has declared as many incidents as they may within an hour.

        While SQL is down nothing is counted: an incident must not wait for it.
        """
        most = self.per_hour
        if not self._is_counted(actor):
            return
        declared: list[datetime] = []
        with suppress(ProblemError):
            declared = await self.reader.ask(stored.declared_by, actor.id, at - HOUR)
        if len(declared) < most:
            return
        rule = f"A person declares {most} incidents at most within an hour."
        raise too_soon(TOO_MANY_INCIDENTS, rule, at, declared[-most] + HOUR, self.in_force.catalogue.calendar.timezone)

    async def answer(
        self, incident: Incident, actor: Actor, batch: IncidentBatch | None = None
    ) -> tuple[IncidentItem, bool]:
        """Write the batch; return the incident as the actor sees it, and True if lists show it."""
        shown = await (self.projection.write_incident(batch) if batch else self._is_in_sql(incident))
        if shown:  # a repeated action has the incident as it was the first time
            with suppress(ProblemError):
                there = await self.reader.ask(stored.get, incident.number)
                incident = max(there or incident, incident, key=attrgetter("version"))
        return IncidentItem.of(incident, actor, await self.counts(incident.number)), shown

    async def _is_in_sql(self, incident: Incident) -> bool:
        with suppress(ProblemError):
            found = (await self.reader.ask(stored.standing, [incident.number])).get(incident.number)
            return found is not None and found.version >= incident.version
        return False


def check_scope(catalogue: Catalogue, services: tuple[str, ...], districts: tuple[str, ...]) -> None:
    """Raise UnknownCode if the catalogue does not have all of them."""
    for service in services:
        catalogue.service(service)
    for district in districts:
        catalogue.district(district)


def no_incident(number: str) -> ProblemError:
    return ProblemError(INCIDENT_NOT_FOUND, f"There is no incident with the number {number}.")


TheIncidents = Annotated[Incidents, part("incidents")]
