"""Intake of complaints (受理): owner, terms, what is known of the caller, and the number.

A registration is known by its request's key, from which the number is drawn: sent again, it finds the very case that
it made. That holds on the day of the first use (in the catalogue's time zone) and on the following one.
"""

import asyncio
import logging
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, NamedTuple

from api.complaints.cases import NewComplaint
from api.directory import FoundPerson
from api.edge.problems import ProblemError, declare, unavailable
from api.routing import BackendParts, from_backend
from api.sql import ProjectionWriter, Reader
from api.temporal.client import ComplaintClient
from api.temporal.errors import RETRY_SECONDS, TEMPORAL_UNAVAILABLE, request_of
from api.temporal.server import Backlog
from domain.case.actions.register import Registration
from domain.case.automatic.internal_updates import Recognised
from domain.case.case import Case
from domain.case.intake import Contact, Intake
from domain.case.lifecycle import Event
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Terms
from domain.shared.actors import Actor, Role
from domain.shared.codes import UnknownCode
from domain.shared.numbers import days_around, local_day, number_of, time_to_settle, time_to_start
from readmodel.callers import UNKNOWN_CALLER, UNRECOGNISED_PAGE, unrecognised
from readmodel.cases.queries import get_case
from workflows.clients.start import Request

log = logging.getLogger("hotline.api")

PAUSES = (1.0, 5.0, 25.0, 125.0, 600.0)
"""Seconds before each try: most of what is slow is over by then, and an outage of ten minutes."""
EVERY_SECONDS = 15.0
"""Time between two rounds of corrected callers. A correction over HTTP begins one at once."""
AGAIN_SECONDS = 0.1
"""Time after which what was cancelled, and goes on, is cancelled again."""
_UNKNOWN = "SQL did not tell who called about %s: the flags of the case, and the class of its credits, may be wrong"


@dataclass(eq=False)
class Recognition:
    """Lookups that nobody waits for: of intakes that could not wait for them, and of corrected callers.

    Those of intakes are in memory only. Of corrected callers SQL tells which were not looked up yet, whoever corrected
    them and whichever API process has ended since.
    """

    _reader: Reader
    _complaints: ComplaintClient
    _projection: ProjectionWriter
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    corrected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once SQL has a corrected caller: a round begins soon."""
    _rounds: asyncio.Task[None] | None = None
    _after: str = ""

    def start(self) -> None:
        """Look corrected callers up until `close`."""
        self._rounds = asyncio.create_task(self._look_up_corrected())

    def begin(self, number: str, intake: Intake, at: datetime) -> None:
        """Look the caller of an intake up in the background, as known at this instant."""
        task = asyncio.create_task(self._look_up(number, intake, at), name=number)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel all lookups, and log whose are lost."""
        for task in self._tasks:
            log.warning(_UNKNOWN, task.get_name())
        ending = {*self._tasks, *([self._rounds] if self._rounds else [])}
        while ending:
            # Temporal's client makes an error of a cancellation, after which the next round would begin.
            for task in ending:
                task.cancel()
            _, ending = await asyncio.wait(ending, timeout=AGAIN_SECONDS)

    async def _look_up(self, number: str, intake: Intake, at: datetime) -> None:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            with suppress(ProblemError):
                await self._tell(number, intake, at)
                return
        log.warning(_UNKNOWN, number)

    async def _look_up_corrected(self) -> None:
        while True:
            # `wait_for` of Python 3.11 loses a cancellation that comes with the event, and `close` would wait for ever.
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self.corrected.wait()
            self.corrected.clear()
            await asyncio.sleep(PAUSES[0])
            try:
                # The next ones; those that failed come after all others.
                numbers = await self._reader.ask(unrecognised, self._after)
                self._after = numbers[-1] if len(numbers) == UNRECOGNISED_PAGE else ""
                for number in numbers:
                    await self._recognise(number)
            except ProblemError:
                continue  # SQL does not answer, which is logged
            except Exception:
                log.exception("corrected callers are not looked up; the next round tries again")

    async def _recognise(self, number: str) -> None:
        """Look up the corrected caller of a case. What fails is tried again by the next round."""
        try:
            if case := await self._reader.ask(get_case, number):
                await self._tell(number, case.intake, case.registered_at, case.caller_version)
                await self._projection.note_recognised(number, case.caller_version)
        except (ProblemError, ValueError) as error:
            log.warning("the corrected caller of %s is not looked up yet: %s", number, type(error).__name__)

    async def _tell(self, number: str, intake: Intake, at: datetime, caller_version: int = 1) -> None:
        """Tell the case what was known of its caller, whom it names since this version. Raises ProblemError."""
        known = (await self._reader.known_late(intake, at, number)).facts
        if known != UNKNOWN_CALLER.facts or caller_version > 1:
            recognised = Recognised(**known._asdict(), caller_version=caller_version)
            if batch := await self._complaints.recognise(number, recognised, f"recognise-{caller_version}"):
                await self._projection.write(batch)


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
    backend: BackendParts
    backlog: Backlog
    recognition: Recognition

    async def register(self, actor: Actor, body: NewComplaint, key: str) -> NewlyRegistered:
        """Make a case, or find the one that the request of this key made. Raises ProblemError and UnknownCode."""
        at = self.backend.now
        zone = self.backend.catalogue.calendar.timezone
        sent, request = bool(key), request_of(key, body)
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
        thanked = self.backend.person_finder.known(body.thanked) if body.thanked else None
        given = {name: getattr(body, name) for name in Intake.model_fields}
        stated = Intake.model_construct(**given | {"thanked": thanked and thanked.id})
        # SQL is asked about the caller while Temporal is asked about the day before; it raises nothing, and ends soon.
        looking = asyncio.ensure_future(self.backend.reader.known(stated, at))
        if sent and (number := await self._made(request, *days_around(at, zone))):
            return NewlyRegistered(number)
        known = await looking
        facts, contact = known or UNKNOWN_CALLER
        intake, filled = stated.filled_in(in_catalogue(self.backend.catalogue, contact)) if body.fill else (stated, ())
        if intake.location.district != stated.location.district:
            terms = self._terms(body, intake.location.district, at)
        incident = await self.backend.reader.incident_covering(intake.service_code, intake.location)
        people = owner.people | (thanked.people if thanked else {})
        found = {"terms": terms, "incident": incident, "filled": filled, **facts._asdict()}
        draft = Registration(number="", at=at, actor=actor, owner=owner.id, people=people, intake=intake, **found)
        registered = await self._start(draft, request, sent=sent)
        if known is None and registered.case:
            self.recognition.begin(registered.number, stated, at)
        return registered

    async def write(self, made: NewlyRegistered) -> tuple[Case, bool]:
        """Write what was registered; return the case, and True once SQL has it.

        One that an earlier request made is returned as it is now, or as it began if SQL does not have it: the sender
        of that request may have died before it wrote. Raises ProblemError.
        """
        if made.case:
            return made.case, await self.backend.projection.register(made.case, made.events)
        with suppress(ProblemError):
            if known := await self.backend.reader.ask(get_case, made.number):
                return known, True
        case, events = await self.complaints.started_as(made.number)
        return case, bool(events) and await self.backend.projection.register(case, events)

    async def _start(self, draft: Registration, request: Request, *, sent: bool) -> NewlyRegistered:
        """Start the case under the first number of the request that is free. Raises ProblemError.

        One whose key the client `sent` is started before the number of the next day may be (`domain.shared.numbers`).
        """
        zone = self.backend.catalogue.calendar.timezone
        day = local_day(draft.at, zone)
        for number in _numbers(day, request):
            registration = draft.model_copy(update={"number": number})
            case, events = Case.register(registration)
            seconds = time_to_start(day, self.backend.now, zone).total_seconds() if sent else math.inf
            if await self.complaints.start(registration, case, request, seconds):
                return NewlyRegistered(number, case, events)
            if await self.complaints.registered_by(request, [number]):
                return NewlyRegistered(number)
        raise unavailable(TEMPORAL_UNAVAILABLE, "No free number was found; send the same again.", RETRY_SECONDS)

    async def _made(self, request: Request, *days: date) -> str | None:
        """Find the number that the request got on one of these days; None if it made no case then."""
        for day in days:
            if number := await self.complaints.registered_by(request, _numbers(day, request)):
                return number
        return None

    def _owner(self, actor: Actor, body: NewComplaint) -> FoundPerson:
        """Take the agent of first contact (首问责任制), unless an administrator names another."""
        if body.owner is None or body.owner in (actor.id, actor.name):
            return FoundPerson(actor.id, actor.name)
        if actor.role is not Role.ADMIN:
            detail = (
                f"The agent who takes the call owns the case: {actor.id}. A supervisor may hand it over afterwards."
            )
            raise ProblemError(OTHER_OWNER, detail, accepted=[("不填责任人", "no owner"), actor.id])
        return self.backend.person_finder.owner(body.owner, at_registration=True)

    def _terms(self, body: NewComplaint, district: str | None, at: datetime) -> Terms:
        """Terms of the catalogue in force, with the priority that was given. Raises UnknownCode."""
        terms = self.backend.catalogue.terms(body.service_code, district, at)
        by_hand = {"priority": body.priority, "priority_by_hand": True} if body.priority else {}
        return terms.model_copy(update=by_hand)


def _numbers(day: date, request: Request) -> Iterator[str]:
    return (number_of(day, request.key, draw) for draw in range(MOST_DRAWS))


def in_catalogue(catalogue: Catalogue, contact: Contact) -> Contact:
    """Leave out a district that the catalogue does not have."""
    is_known = contact.district in {each.code for each in catalogue.districts}
    return contact if is_known else contact._replace(district=None)


TheIntake = Annotated[IntakeService, from_backend("intake")]
