"""Plan of a past month, made from a seed: cases, calls, the roster and points from outside."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.calls.call import Call
from domain.calls.duty import Duty
from domain.case.batch import ProjectionBatch
from domain.case.intake import Caller, Intake, IntakeFlag, Location, Registration
from domain.catalogue.catalogue import Catalogue
from domain.reports.period import month_bounds
from domain.shared.actors import Actor, Role
from domain.shared.instants import to_milliseconds
from domain.shared.numbers import number_of
from hotline.demo.calls import CALLS_BY_HOUR, CHANNELS
from hotline.demo.month.course import Course
from hotline.demo.people import AGENTS, Staff
from hotline.demo.texts import address, caller_name, phone, words

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


class PastMonth(NamedTuple):
    """A month as SQL keeps it."""

    month: str
    batches: list[ProjectionBatch]
    calls: list[Call]
    duties: list[Duty]
    points: dict[str, float]


def plan_month(month: str, catalogue: Catalogue, seed: int, now: datetime) -> PastMonth:
    """Return the month, with the cases to which nothing can happen any more now."""
    rng = random.Random(f"{seed} {month}")  # noqa: S311 - a play that can be repeated, no secret
    staff = Staff({service.department for service in catalogue.services})
    skill = {person.name: rng.uniform(0.72, 0.99) for person in staff.people}
    zone = ZoneInfo(catalogue.calendar.timezone)
    since, until = month_bounds(month, zone)
    batches, callers = [], set[str]()
    for place, at in enumerate(sorted(_instant(rng, since, until) for _ in range(CASES))):
        course = Course.begin(_registration(place, at, catalogue, rng, callers), rng, staff, skill, place)
        course.play()
        if course.end(now):
            batches.append(ProjectionBatch.of(course.case, course.events, to_milliseconds(course.events[-1].at)))
    duties = list(_duties(since.astimezone(zone).date(), until, zone))
    calls = [_call(place, rng, since, until) for place in range(CALLS)]
    points = {agent: round(60 + 40 * skill[agent] * rng.random() ** 0.3, 1) for agent in AGENTS}
    return PastMonth(month, batches, calls, duties, points)


def _registration(
    place: int, at: datetime, catalogue: Catalogue, rng: random.Random, callers: set[str]
) -> Registration:
    """Return a case of a caller, who is added to those who have called before."""
    known = {service.code: service for service in catalogue.services}
    services = [code for code in _SERVICES if code in known]
    [service] = rng.choices(services, [_SERVICES[code] for code in services])
    weights = [_IN_TOWN if each.zone == "town" else 1 for each in catalogue.districts]
    [district] = rng.choices(catalogue.districts, weights)
    pick = rng.randrange(_CALLERS)
    flags = (IntakeFlag.REPEAT_CALLER,) if phone(pick) in callers else ()
    callers.add(phone(pick))
    owner = AGENTS[place % len(AGENTS)]
    thanked = {"thanked": rng.choice(AGENTS)} if service == "thanks" else {}
    intake = Intake(
        service_code=service,
        channel=rng.choice(CHANNELS),
        caller=Caller(name=caller_name(pick), phone=phone(pick)),
        location=Location(district=district.code, address=address(district.name_zh, pick)),
        description=rng.choice(words(service).said),
        **thanked,
    )
    day = at.astimezone(ZoneInfo(catalogue.calendar.timezone)).date()
    return Registration(
        number=number_of(day, f"past month {place}"),
        at=at,
        actor=Actor(id=owner, role=Role.AGENT),
        owner=owner,
        intake=intake,
        flags=flags,
        terms=catalogue.terms(service, district.code, at),
    )


def _instant(rng: random.Random, since: datetime, until: datetime) -> datetime:
    """Return an instant of the month; by the hour of the day, as calls come."""
    day = rng.randrange((until - since).days)
    [hour] = rng.choices(range(len(CALLS_BY_HOUR)), CALLS_BY_HOUR)
    return since + timedelta(days=day, hours=hour, seconds=round(rng.random() * 3599, 3))


def _call(place: int, rng: random.Random, since: datetime, until: datetime) -> Call:
    at = _instant(rng, since, until)
    waited = timedelta(seconds=round(rng.expovariate(1 / 9), 1))
    call = Call(f"month.{place}", at, queue="hotline", caller_phone=phone(rng.randrange(_CALLERS)))
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
