"""A day of the demo against the pure domain: its plan, and a stage on which one call after the other is played."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from api.reference import services
from demo.__main__ import CATALOGUE
from demo.calls import Call
from demo.day import plan_day
from demo.people import Person, Staff
from demo.plans import WOKEN, District, Offer, Plan, Step, Wait, offered
from demo.play import WAKES_AFTER
from domain.case.actions import COMMANDS
from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.clocks import Clock
from domain.case.intake import Intake
from domain.case.lifecycle import Event
from domain.case.views import view_case
from domain.catalogue.catalogue import Catalogue
from domain.kit.event import Command
from domain.shared.actors import Actor, Role
from hotline.files.catalogue import load_catalogue

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
STEP = timedelta(seconds=0.5)
INCIDENT = "i26030247119"


@cache
def catalogue() -> Catalogue:
    return load_catalogue(CATALOGUE)


@cache
def _offered() -> tuple[list[Offer], list[District]]:
    return offered(services(catalogue()).model_dump(mode="json"))


def offers() -> tuple[Offer, ...]:
    return tuple(_offered()[0])


def districts() -> tuple[District, ...]:
    return tuple(_offered()[1])


@cache
def day(seed: int = 1) -> tuple[Call, ...]:
    return plan_day(320, seed, offers(), districts())


@cache
def staff() -> Staff:
    return Staff(offer.department for offer in offers())


class Stage:
    """Plays one call against the pure domain, at a step every half second."""

    def __init__(self, call: Call, by: Person | None = None) -> None:
        self._call = call
        self._by = by
        self.now = MONDAY
        body = call.intake_of("test")
        registration = Registration(
            number="2603020000001",
            at=MONDAY,
            actor=self._actor(staff().who(Role.OWNER, owner=call.owner)),
            owner=call.owner,
            intake=Intake.model_validate({key: body[key] for key in body.keys() - {"owner", "priority"}}),
            terms=catalogue().terms(body["service_code"], body["location"]["district"], MONDAY),
        )
        self.case, events = Case.register(registration)
        self.events: list[Event] = [*events]

    def play(self, plan: Plan) -> None:
        for move in plan.moves:
            self.now += STEP
            if isinstance(move, Wait):
                self.pause(move)
            else:
                self.events += self.case.apply(self.command(move), self.now)

    def pause(self, until: Wait) -> None:
        """Wait for a time; what a plan waits for besides is there."""
        if until.percent:
            ends = self._clock(until).instant_of(until.percent, self.case.calendar)
        elif until.until == WOKEN:
            ends = self.case.wake_at
        else:
            return
        assert ends is not None
        self.wait(max(ends - self.now, timedelta()))

    def wait(self, so_long: timedelta) -> None:
        self.now += so_long
        self.events += self.case.advance(self.now)

    def _clock(self, until: Wait) -> Clock:
        [clock] = [clock for clock in self.case.clocks if clock.name == until.until]
        return clock

    def shown(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The case and its timeline, as HTTP shows them."""
        return view_case(self.case, self.now).model_dump(mode="json"), [item_of(event) for event in self.events]

    def command(self, step: Step) -> Command[Any]:
        known = {"owner": self.case.owner, "department": self.case.department}
        play = {"incident": INCIDENT, "wake_at": (MONDAY + WAKES_AFTER).isoformat()}
        person, body = self._call.request(step, staff(), known, **play)
        return Command(actor=self._actor(person), body=COMMANDS[step.action].body.model_validate(body))

    def _actor(self, person: Person) -> Actor:
        person = self._by or person
        return Actor(id=person.name, role=person.role, department=person.department)


def item_of(event: Event) -> dict[str, Any]:
    """Return an event as the timeline of the API has it."""
    shown = event.model_dump(mode="json", exclude={"from_state", "to_state"})
    return {
        **shown,
        "from": event.from_state,
        "to": event.to_state,
        "data": event.data.model_dump(mode="json", exclude={"terms"}),
    }
