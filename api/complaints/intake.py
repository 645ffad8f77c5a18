"""Intake of complaints (受理): owner, terms, what is known of the caller, and the number.

A registration is known by its request's key, from which the number is drawn: sent again, it finds the very case that
it made. That holds on the day of the first use (in the catalogue's time zone) and on the following one.
"""

import asyncio
import math
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, NamedTuple

from api.complaints.answers import NewComplaint
from api.complaints.recognition import Recognition
from api.dependencies import CatalogueInForce, part
from api.directory import Naming, PersonMeant
from api.edge.problems import ProblemError, declare, unavailable
from api.sign_in.security import digest_of, request_key
from api.sql import ProjectionWriter, Reader
from api.temporal.client import ComplaintClient
from api.temporal.errors import RETRY_SECONDS, TEMPORAL_UNAVAILABLE
from api.temporal.server import Backlog
from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Contact, Intake
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Terms
from domain.shared.actors import Actor, Role
from domain.shared.codes import UnknownCode
from domain.shared.numbers import days_around, local_day, number_of, time_to_settle, time_to_start
from readmodel.callers import UNKNOWN_CALLER
from readmodel.cases.queries import get_case
from workflows.clients.start import Request

OTHER_OWNER = declare("other-owner", HTTPStatus.FORBIDDEN, "Cases of another owner")
EMERGENCY = "P1"
"""Priority of the cases that never wait for the backlog; Temporal gives their tasks to workers first."""
MOST_DRAWS = 20
"""Candidates for a number. With 10,000 cases a day, one is taken with a chance of 1 %; twenty never are."""


class NewlyRegistered(NamedTuple):
    """A durable case, with its first event. `case` is None if an earlier request with the same key made it."""

    number: str
    case: Case | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class IntakeService:
    """Registration of complaints."""

    complaints: ComplaintClient
    backlog: Backlog
    in_force: CatalogueInForce
    reader: Reader
    projection: ProjectionWriter
    recognition: Recognition
    naming: Naming
    clock: Callable[[], datetime]

    async def register(self, actor: Actor, body: NewComplaint, idempotency_key: str | None) -> NewlyRegistered:
        """Make a case, or find the one that the same request made. Raises ProblemError and UnknownCode."""
        at = self.clock()
        zone = self.in_force.catalogue.calendar.timezone
        sent = idempotency_key is not None
        request = Request(
            key=request_key(actor, idempotency_key) if sent else uuid.uuid4().hex,
            digest=digest_of(body.model_dump_json()),
        )
        try:
            owner, terms = self._owner(actor, body), self._terms(body, body.location.district, at)
        except (ProblemError, UnknownCode):
            if sent and (number := await self._made(request, local_day(at, zone), *days_around(at, zone))):
                return NewlyRegistered(number)
            raise
        if terms.priority != EMERGENCY:
            await self.backlog.ease()
        if sent:
            # As long as the same request may be under way under the number of yesterday.
            await asyncio.sleep(time_to_settle(at, zone).total_seconds())
        given = {name: getattr(body, name) for name in Intake.model_fields}
        thanked = self.naming.known(body.thanked) if body.thanked else None
        intake = Intake.model_construct(**given | {"thanked": thanked and thanked.id})
        # SQL is asked about the caller while Temporal is asked about the day before; it raises nothing, and ends soon.
        looking = asyncio.ensure_future(self.reader.known(intake, at))
        if sent and (number := await self._made(request, *days_around(at, zone))):
            return NewlyRegistered(number)
        known = await looking
        facts, contact = known or UNKNOWN_CALLER
        said = intake
        intake, filled = said.filled_in(in_catalogue(self.in_force.catalogue, contact)) if body.fill else (said, ())
        if intake.location.district != said.location.district:
            terms = self._terms(body, intake.location.district, at)
        draft = Registration(
            number="",
            at=at,
            actor=actor,
            owner=owner.id,
            people=owner.people | (thanked.people if thanked else {}),
            intake=intake,
            terms=terms,
            incident=await self.reader.incident_covering(intake.service_code, intake.location),
            filled=filled,
            **facts._asdict(),
        )
        registered = await self._start(draft, request, sent=sent)
        if known is None and registered.case:
            self.recognition.begin(registered.number, said, at)
        return registered

    async def write(self, made: NewlyRegistered) -> tuple[Case, bool]:
        """Write what was registered; return the case, and True once SQL has it.

        One that an earlier request made is returned as it is now, or as it began if SQL does not have it: the sender
        of that request may have died before it wrote. Raises ProblemError.
        """
        if made.case:
            return made.case, await self.projection.register(made.case, made.events)
        with suppress(ProblemError):
            if known := await self.reader.ask(get_case, made.number):
                return known, True
        case, events = await self.complaints.started_as(made.number)
        return case, bool(events) and await self.projection.register(case, events)

    async def _start(self, draft: Registration, request: Request, *, sent: bool) -> NewlyRegistered:
        """Start the case under the first number of the request that is free. Raises ProblemError.

        One whose key the client `sent` is started before the number of the next day may be (`domain.shared.numbers`).
        """
        zone = self.in_force.catalogue.calendar.timezone
        day = local_day(draft.at, zone)
        for number in _numbers(day, request):
            registration = draft.model_copy(update={"number": number})
            case, events = Case.register(registration)
            seconds = time_to_start(day, self.clock(), zone).total_seconds() if sent else math.inf
            if await self.complaints.start(registration, case, request, seconds):
                return NewlyRegistered(number, case, events)
            if await self.complaints.registered_by(request, [number]):
                return NewlyRegistered(number)
        raise unavailable(TEMPORAL_UNAVAILABLE, "No free number was found; send the same again.", RETRY_SECONDS)

    async def _made(self, request: Request, *days: date) -> str | None:
        """Return the number that this request got on one of these days; None if it made no case then."""
        for day in days:
            if number := await self.complaints.registered_by(request, _numbers(day, request)):
                return number
        return None

    def _owner(self, actor: Actor, body: NewComplaint) -> PersonMeant:
        """Return the owner: the agent of first contact (首问责任制), unless an administrator names another."""
        if body.owner is None or body.owner in (actor.id, actor.name):
            return PersonMeant(actor.id, actor.name)
        if actor.role is not Role.ADMIN:
            detail = (
                f"The agent who takes the call owns the case: {actor.id}. A supervisor may hand it over afterwards."
            )
            raise ProblemError(OTHER_OWNER, detail, accepted=["no owner", actor.id])
        return self.naming.first_owner(body.owner)

    def _terms(self, body: NewComplaint, district: str | None, at: datetime) -> Terms:
        """Return the terms of the catalogue in force, with the priority that was given. Raises UnknownCode."""
        terms = self.in_force.catalogue.terms(body.service_code, district, at)
        by_hand = {"priority": body.priority, "priority_by_hand": True} if body.priority else {}
        return terms.model_copy(update=by_hand)


def _numbers(day: date, request: Request) -> Iterator[str]:
    return (number_of(day, request.key, draw) for draw in range(MOST_DRAWS))


def in_catalogue(catalogue: Catalogue, contact: Contact) -> Contact:
    """Return the contact without a district that the catalogue does not have."""
    is_known = contact.district in {each.code for each in catalogue.districts}
    return contact if is_known else contact._replace(district=None)


TheIntake = Annotated[IntakeService, part("intake")]
