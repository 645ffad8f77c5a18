"""A past month for the demo: cases that went by its plans, calls, roster and points, written to SQL.

Cases that are over have no workflow in Temporal any more, so nobody plays them over HTTP.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from demo.calls import CALLS_BY_HOUR, QUEUE, Call
from demo.day import calls_by
from demo.offers import District, offers_in
from demo.people import AGENTS, Person, Staff
from demo.plans import ENDINGS, Step
from demo.texts import phone
from domain.calls.call import Call as ReportedCall
from domain.calls.call import Duty
from domain.case.actions import COMMANDS
from domain.case.batch import ProjectionBatch
from domain.case.case import Case
from domain.case.intake import Intake, IntakeFlag, Registration
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.figures import Subject
from domain.catalogue.terms import ClockName
from domain.kit.command import Command
from domain.reports.period import month_bounds, month_of
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from domain.shared.numbers import number_of
from domain.shared.text import to_milliseconds
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.assessments.months import GivenValue, keep_given
from readmodel.base.database import WriteConnection, opened, writing
from readmodel.calls import calls
from readmodel.calls.duties import keep_duties
from readmodel.projection import write

CASES = 700
CALLS = 8000
"""Cases and calls of the month; the real hotline has 10,000 calls."""
_CALLERS = 3_000
"""Households that may call: a few of them do so twice or more."""
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
_MINUTES = {"answer": (1, 2), "resume": (120, 1800), "decide_approval": (20, 200), "reopen": (120, 3600)}
"""Least and most minutes of other steps."""
_USUAL_MINUTES = (1, 8)
_LATE = 1.25
"""Part of a budget that is used where a promise is missed."""
SLICE = 100
"""Cases, and calls by tens, of one transaction: others write meanwhile."""
T = TypeVar("T")


class PastMonth(NamedTuple):
    """A month as SQL keeps it."""

    month: str
    batches: list[ProjectionBatch]
    calls: list[ReportedCall]
    duties: list[Duty]
    points: dict[str, float]


def fill_last_month(settings: Settings, seed: int) -> str:
    """Fill the month before the present one by the promises of the default catalogue; return it, as 2026-08.

    Filled again, it changes nothing.
    """
    catalogue, now = load_catalogue(DEFAULT_CATALOGUE), datetime.now(UTC)
    zone = ZoneInfo(catalogue.calendar.timezone)
    month = month_of(month_bounds(month_of(now, zone), zone)[0] - timedelta(days=1), zone)
    planned = plan_month(month, catalogue, seed, now)
    with opened(settings.database_url) as database:
        for batches in _slices(planned.batches, SLICE):
            with writing(database) as connection:
                # Nobody is to be told of what is over.
                write(connection, batches, {batch.number: batch.case.version for batch in batches})
        for reported in _slices(planned.calls, 10 * SLICE):
            with writing(database) as connection:
                calls.keep(connection, reported, catalogue.area_code, now)
        with writing(database) as connection:
            _keep_others(connection, planned, zone)
    return month


def _keep_others(connection: WriteConnection, planned: PastMonth, zone: ZoneInfo) -> None:
    since, until = month_bounds(planned.month, zone)
    keep_duties(connection, planned.duties, since, until)
    points = [GivenValue("training", Subject.AGENT, agent, value) for agent, value in planned.points.items()]
    keep_given(connection, planned.month, ["training"], points)


def _slices(items: Sequence[T], length: int) -> Iterator[Sequence[T]]:
    return (items[start : start + length] for start in range(0, len(items), length))


def plan_month(month: str, catalogue: Catalogue, seed: int, now: datetime) -> PastMonth:
    """Return the month, with the cases to which nothing can happen any more now."""
    rng = random.Random(f"{seed} {month}")  # noqa: S311 - a play that can be repeated, no secret
    zone = ZoneInfo(catalogue.calendar.timezone)
    since, until = month_bounds(month, zone)
    offers, districts = offers_in(catalogue), [District(each.code, each.name_zh) for each in catalogue.districts]
    staff = Staff({offer.department for offer in offers})
    skill = {person.name: rng.uniform(0.72, 0.99) for person in staff.people}
    # Nobody waits for a time: everything is over.
    plans = [plan for plan in ENDINGS if len(plan.steps) == len(plan.moves) and any(map(plan.suits, offers))]
    batches, callers = [], set[str]()
    instants = sorted(_instant(rng, since, until) for _ in range(CASES))
    for call, at in zip(calls_by(CASES, plans, offers, districts, rng), instants, strict=True):
        caller = phone(rng.randrange(_CALLERS))
        start = _registration(call, at, catalogue, caller, known=caller in callers)
        callers.add(caller)
        if batch := Course(call, start, rng, staff, skill).play(now):
            batches.append(batch)
    duties = list(_duties(since.astimezone(zone).date(), until, zone))
    calls = [_call(place, rng, since, until) for place in range(CALLS)]
    points = {agent: round(60 + 40 * skill[agent] * rng.random() ** 0.3, 1) for agent in AGENTS}
    return PastMonth(month, batches, calls, duties, points)


def _registration(call: Call, at: datetime, catalogue: Catalogue, caller: str, *, known: bool) -> Registration:
    """Return the case of a caller; `known` if they have called before."""
    thanked = {"thanked": AGENTS[(call.index * 7 + 3) % len(AGENTS)]} if call.offer.code == "thanks" else {}
    who = {"caller": {**call.intake["caller"], "phone": caller}}
    day = at.astimezone(ZoneInfo(catalogue.calendar.timezone)).date()
    return Registration(
        number=number_of(day, f"past month {call.index}"),
        at=at,
        actor=Actor(id=call.owner, role=Role.AGENT),
        owner=call.owner,
        intake=Intake.model_validate(call.intake | who | thanked),
        flags=(IntakeFlag.REPEAT_CALLER,) if known else (),
        terms=catalogue.terms(call.offer.code, call.intake["location"]["district"], at),
    )


class Course:
    """One case on its way. `skill` of a person, from 0 to 1, says how often they keep a promise."""

    def __init__(
        self, call: Call, start: Registration, rng: random.Random, staff: Staff, skill: dict[str, float]
    ) -> None:
        self._call, self._rng, self._staff, self._skill = call, rng, staff, skill
        self._at = start.at
        self._case, events = Case.register(start)
        self._events = [*events]

    def play(self, now: datetime) -> ProjectionBatch | None:
        """Play the plan, and ring what falls due until now; return the case, or None if something can still happen."""
        plan, place = self._call.plan, 0
        while place < len(plan.steps):
            try:
                self._take(plan.steps[place])
                place += 1
            except Refused:
                if plan.if_late is None:
                    raise
                plan = plan.if_late
        self._ring(now)
        last = to_milliseconds(self._events[-1].at)
        return ProjectionBatch.of(self._case, self._events, last) if self._case.is_over(now) else None

    def _take(self, step: Step) -> None:
        """Take a step after the time that it needs; what falls due before rings on time."""
        known = {"owner": self._case.owner, "department": self._case.department}
        person, body = self._call.request(step, self._staff, known)
        self._at += self._duration(step, person)
        self._ring(self._at)
        actor = Actor(id=person.name, role=person.role, department=person.department)
        command = Command[Any](actor=actor, body=COMMANDS[step.action].body.model_validate(body))
        self._events += self._case.apply(command, self._at)

    def _duration(self, step: Step, person: Person) -> timedelta:
        """Return the time that a person takes: mostly within the promise, sometimes beyond it."""
        clocks = filter(None, map(self._case.live_clock, _PROMISED.get(step.action, ())))
        due = [at for clock in clocks if not clock.missed_at and (at := clock.due_at(self._case.calendar))]
        if not due:
            return timedelta(minutes=round(self._rng.uniform(*_MINUTES.get(step.action, _USUAL_MINUTES)), 2))
        late = self._rng.random() < (1 - self._skill[person.name]) * 0.45
        part = _LATE if late else 0.7 * self._rng.uniform(0.15, 1)
        return max((min(due) - self._at) * part, timedelta(minutes=2))

    def _ring(self, until: datetime) -> None:
        while (deadline := self._case.next_deadline()) and deadline <= until:
            events = self._case.advance(deadline)
            if not events:
                break
            self._events += events
        self._events += self._case.advance(until)


def _instant(rng: random.Random, since: datetime, until: datetime) -> datetime:
    """Return an instant of the month; by the hour of the day, as calls come."""
    day = rng.randrange((until - since).days)
    [hour] = rng.choices(range(len(CALLS_BY_HOUR)), CALLS_BY_HOUR)
    return since + timedelta(days=day, hours=hour, seconds=round(rng.random() * 3599, 3))


def _call(place: int, rng: random.Random, since: datetime, until: datetime) -> ReportedCall:
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
