"""A month that is over, made from a seed: cases that went by the plans of a day, calls, roster, outside points."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from domain.calls.call import Call as ReportedCall
from domain.calls.duty import Duty
from domain.case.actions import COMMANDS
from domain.case.batch import ProjectionBatch
from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Intake, IntakeFlag, Registration
from domain.case.lifecycle import State
from domain.case.satisfaction import SATISFIED
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import ClockName
from domain.reports.period import month_bounds
from domain.shared.actors import Actor, Role
from domain.shared.command import Command
from domain.shared.errors import Refused
from domain.shared.instants import to_milliseconds
from domain.shared.numbers import number_of
from hotline.demo.calls import CALLS_BY_HOUR, CHANNELS, QUEUE, Call, facts_of, taken_down
from hotline.demo.offers import District, Offer, offers_in
from hotline.demo.people import AGENTS, Person, Staff
from hotline.demo.plans import ENDINGS, Plan, Step
from hotline.demo.texts import phone, words

CASES = 700
CALLS = 8000
"""Cases and calls of the month; the real hotline has 10,000 calls."""
_SERVICES = {
    "no_water": 22,
    "leak": 20,
    "billing": 18,
    "inquiry": 14,
    "low_pressure": 9,
    "water_quality": 6,
    "burst_main": 4,
    "service_complaint": 3,
    "secondary_supply": 3,
    "manhole_cover": 2,
    "thanks": 3,
    "waiver": 1,
}
"""Shares of the services; one that the catalogue lacks is left out."""
_CALLERS = 3_000
"""Households that may call: a few of them do so twice or more."""
_IN_TOWN = 4
"""So many calls from a district of the town for one from the outskirts."""
_ABANDONED = 0.045
"""Share of the callers who give up."""
_SHIFTS = ((0, 8, 1), (8, 16, 4), (16, 24, 3))
"""Shifts by hour, and the agents on duty."""
_PROMISED: dict[str, tuple[ClockName, ...]] = {
    "sign_for": ("acknowledge",),
    "return": ("acknowledge",),
    "arrive": ("arrive",),
    "complete": ("resolve", "reply"),
    "reply": ("reply",),
    "follow_up": ("follow_up",),
}
"""Promises that a step is to keep: the one that ends first."""
_MINUTES = {
    "dispatch": (1, 6),
    "answer": (1, 2),
    "resume": (120, 1800),
    "decide_approval": (20, 200),
    "reopen": (120, 3600),
}
"""Least and most minutes of other steps."""
_USUAL_MINUTES = (1, 10)
_ANSWERED = ("inquiry", "thanks")
"""Groups of services whose calls are mostly answered at once."""
_SATISFIED = (45, 35, 11)
"""Shares of the steps of satisfaction among callers who are satisfied."""
_LATE = 1.25
"""Part of a budget that is used where a promise is missed."""


class PastMonth(NamedTuple):
    """A month as SQL keeps it."""

    month: str
    batches: list[ProjectionBatch]
    calls: list[ReportedCall]
    duties: list[Duty]
    points: dict[str, float]


def plan_month(month: str, catalogue: Catalogue, seed: int, now: datetime) -> PastMonth:
    """Return the month, with the cases to which nothing can happen any more now."""
    rng = random.Random(f"{seed} {month}")  # noqa: S311 - a play that can be repeated, no secret
    staff = Staff({service.department for service in catalogue.services})
    skill = {person.name: rng.uniform(0.72, 0.99) for person in staff.people}
    zone = ZoneInfo(catalogue.calendar.timezone)
    since, until = month_bounds(month, zone)
    offers = offers_in(catalogue)
    batches, callers = [], set[str]()
    for place, at in enumerate(sorted(_instant(rng, since, until) for _ in range(CASES))):
        call = _call(place, catalogue, offers, skill, rng)
        course = Course.begin(call, _registration(call, at, catalogue, callers), rng, staff, skill)
        if course.play(now):
            batches.append(ProjectionBatch.of(course.case, course.events, to_milliseconds(course.events[-1].at)))
    duties = list(_duties(since.astimezone(zone).date(), until, zone))
    calls = [_reported(place, rng, since, until) for place in range(CALLS)]
    points = {agent: round(60 + 40 * skill[agent] * rng.random() ** 0.3, 1) for agent in AGENTS}
    return PastMonth(month, batches, calls, duties, points)


@dataclass
class Course:
    """One case on its way. `skill` of a person is from 0 to 1: how often they keep a promise, and please a caller."""

    call: Call
    case: Case
    events: list[Event]
    at: datetime
    rng: random.Random
    staff: Staff
    skill: dict[str, float]

    @classmethod
    def begin(cls, call: Call, start: Registration, rng: random.Random, staff: Staff, skill: dict[str, float]) -> Self:
        """Register the case."""
        case, events = Case.register(start)
        return cls(call, case, [*events], start.at, rng, staff, skill)

    def play(self, now: datetime) -> bool:
        """Play the plan, and ring what falls due until now; return True if nothing can happen any more."""
        plan, place = self.call.plan, 0
        while place < len(plan.steps):
            try:
                self._take(plan.steps[place])
            except Refused:
                if plan.if_late is None:
                    raise
                plan = plan.if_late
            else:
                place += 1
        self._ring(now)
        return self.case.is_over(now)

    def _take(self, step: Step) -> None:
        """Take a step after the time that it needs; what falls due before rings on time."""
        known = {"owner": self.case.owner, "department": self.case.department}
        person, body = self.call.request(step, self.staff, known)
        self.at += self._duration(step, person)
        self._ring(self.at)
        actor = Actor(id=person.name, role=person.role, department=person.department)
        command = Command[Any](actor=actor, body=COMMANDS[step.action].body.model_validate(body))
        self.events += self.case.apply(command, self.at)

    def _duration(self, step: Step, person: Person) -> timedelta:
        """Return the time that a person takes: mostly within the promise, sometimes beyond it."""
        due = [ends for name in _PROMISED.get(step.action, ()) if (ends := self._due(name))]
        if due:
            late = self.rng.random() < (1 - self.skill[person.name]) * 0.45
            part = _LATE if late else 0.7 * self.rng.uniform(0.15, 1)
            return max((min(due) - self.at) * part, timedelta(minutes=2))
        return timedelta(minutes=round(self.rng.uniform(*_MINUTES.get(step.action, _USUAL_MINUTES)), 2))

    def _due(self, name: ClockName) -> datetime | None:
        clock = self.case.live_clock(name)
        return clock.due_at(self.case.calendar) if clock and not clock.missed_at else None

    def _ring(self, until: datetime) -> None:
        while (deadline := self.case.next_deadline()) and deadline <= until:
            events = self.case.ring(deadline)
            if not events:
                break
            self.events += events
        self.events += self.case.ring(until)


def _call(
    place: int, catalogue: Catalogue, offers: Sequence[Offer], skill: dict[str, float], rng: random.Random
) -> Call:
    """Return a call with the plan of its case, in which nobody waits for a time."""
    known = [offer for offer in offers if offer.code in _SERVICES]
    [offer] = rng.choices(known, [_SERVICES[offer.code] for offer in known])
    weights = [_IN_TOWN if each.zone == "town" else 1 for each in catalogue.districts]
    [district] = rng.choices(catalogue.districts, weights)
    owner = AGENTS[place % len(AGENTS)]

    def weight(plan: Plan) -> float:
        if offer.group in _ANSWERED and plan.steps[0].action == "answer":
            return plan.weight * 30
        if plan.state is not State.CLOSED:
            return plan.weight / 4
        # Who pleases the caller less does more again.
        return plan.weight * (16 * (1 - skill[owner]) if plan.cycle > 1 else 1)

    plans = [plan for plan in ENDINGS if plan.suits(offer) and len(plan.steps) == len(plan.moves)]
    [plan] = rng.choices(plans, [weight(plan) for plan in plans])
    pick = rng.randrange(_CALLERS)
    said = rng.choice(words(offer.code).said)
    intake = taken_down(offer, District(district.code, district.name_zh), said, phone(pick), pick)
    thanked = {"thanked": rng.choice(AGENTS)} if offer.code == "thanks" else {}
    intake |= {"channel": rng.choice(CHANNELS), **thanked}
    [satisfaction] = rng.choices(SATISFIED, _SATISFIED)
    facts = facts_of(place, offer, offers) | {"satisfaction": satisfaction.value}
    return Call(place, plan, offer, intake, facts)


def _registration(call: Call, at: datetime, catalogue: Catalogue, callers: set[str]) -> Registration:
    """Return the case of a caller, who is added to those who have called before."""
    intake = Intake.model_validate(call.intake)
    caller = call.intake["caller"]["phone"]
    flags = (IntakeFlag.REPEAT_CALLER,) if caller in callers else ()
    callers.add(caller)
    day = at.astimezone(ZoneInfo(catalogue.calendar.timezone)).date()
    return Registration(
        number=number_of(day, f"past month {call.index}"),
        at=at,
        actor=Actor(id=call.owner, role=Role.AGENT),
        owner=call.owner,
        intake=intake,
        flags=flags,
        terms=catalogue.terms(call.offer.code, call.intake["location"]["district"], at),
    )


def _instant(rng: random.Random, since: datetime, until: datetime) -> datetime:
    """Return an instant of the month; by the hour of the day, as calls come."""
    day = rng.randrange((until - since).days)
    [hour] = rng.choices(range(len(CALLS_BY_HOUR)), CALLS_BY_HOUR)
    return since + timedelta(days=day, hours=hour, seconds=round(rng.random() * 3599, 3))


def _reported(place: int, rng: random.Random, since: datetime, until: datetime) -> ReportedCall:
    at = _instant(rng, since, until)
    waited = timedelta(seconds=round(rng.expovariate(1 / 9), 1))
    call = ReportedCall(f"month.{place}", at, queue=QUEUE, caller_phone=phone(rng.randrange(_CALLERS)))
    if rng.random() < _ABANDONED:
        return call._replace(ended_at=at + timedelta(seconds=20) + waited)
    answered_at = at + waited
    talked = timedelta(seconds=round(rng.uniform(35, 320), 1))
    return call._replace(answered_at=answered_at, ended_at=answered_at + talked, agent=AGENTS[place % len(AGENTS)])


def _duties(first: date, until: datetime, zone: ZoneInfo) -> Iterator[Duty]:
    """Yield who is on duty in each shift, in turn."""
    turn, day = 0, datetime(first.year, first.month, first.day, tzinfo=zone)
    while day < until:
        for begins, ends, people in _SHIFTS:
            for _ in range(people):
                starts_at, ends_at = ((day + timedelta(hours=hour)).astimezone(UTC) for hour in (begins, ends))
                yield Duty(AGENTS[turn % len(AGENTS)], starts_at, ends_at)
                turn += 1
        day += timedelta(days=1)
