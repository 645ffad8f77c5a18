"""A past month for the demo: cases that went by its plans, calls, roster and points, written to SQL.

Cases that are over have no workflow in Temporal any more, so nobody plays them over HTTP. People judge the month over
HTTP: exclusions, inspections, objections and their decisions.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from api.reference import services
from demo.calls import QUEUE, Call, phone
from demo.client import LARGEST_PAGE, Hotline, Json, Rejected
from demo.day import CALLS_BY_HOUR, calls_by
from demo.people import AGENTS, Person, Staff
from demo.plans import PLANS, Step, offered
from domain.calls.call import Call as ReportedCall
from domain.calls.call import Duty
from domain.case.actions import COMMANDS
from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.intake import Intake, IntakeFlag
from domain.case.state import ProjectionBatch
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.figures import Subject
from domain.kit.event import Command
from domain.reports.report import month_bounds, month_of
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from domain.shared.numbers import number_of
from domain.shared.value import to_milliseconds
from hotline.files.catalogue import load_catalogue
from hotline.files.formats import read_toml
from hotline.settings import DEFAULT_CATALOGUE, Settings
from readmodel.assessments.months import GivenValue, replace_given_values
from readmodel.base.database import opened, writing
from readmodel.calls import calls
from readmodel.calls.report import replace_duties
from readmodel.projection import write

MONTH = read_toml(Path(__file__).with_name("month.toml"))
CASES = 700
CALLS = 8000
"""Cases and calls of the month; the real hotline has 10,000 calls."""
SLICE = 100
"""Cases, and calls by tens, of one transaction: others write meanwhile."""
LOOK_AGAIN_SECONDS = 0.5


def fill_last_month(settings: Settings, seed: int, part: float = 1.0) -> str:
    """Fill the last month, or a part of it, by the promises of the default catalogue; return it, as 2026-08.

    Filled again, it changes nothing.
    """
    catalogue, now = load_catalogue(DEFAULT_CATALOGUE), datetime.now(UTC)
    zone = ZoneInfo(catalogue.calendar.timezone)
    month = month_of(month_bounds(month_of(now, zone), zone)[0] - timedelta(days=1), zone)
    since, until = month_bounds(month, zone)
    rng = random.Random(f"{seed} {month}")  # noqa: S311 - a play that can be repeated, no secret
    staff = Staff({service.department for service in catalogue.services})
    skill = {person.name: rng.uniform(0.72, 0.99) for person in staff.people}
    cases = [*past_cases(int(part * CASES), month, catalogue, rng, skill, now)]
    with opened(settings.database_url) as database:
        for first in range(0, len(cases), SLICE):
            with writing(database) as connection:
                # Nobody is to be told of what is over.
                batches = cases[first : first + SLICE]
                write(connection, batches, {batch.number: batch.case.version for batch in batches})
        reported = [_call(place, rng, since, until) for place in range(int(part * CALLS))]
        for first in range(0, len(reported), 10 * SLICE):
            with writing(database) as connection:
                calls.save_calls(connection, reported[first : first + 10 * SLICE], catalogue.area_code, now)
        points = [(agent, round(60 + 40 * skill[agent] * rng.random() ** 0.3, 1)) for agent in AGENTS]
        given = [GivenValue("training", Subject.AGENT, agent, value) for agent, value in points]
        with writing(database) as connection:
            replace_duties(connection, [*_duties(since, until)], since, until)
            replace_given_values(connection, month, ["training"], given)
    return month


def past_cases(
    cases: int, month: str, catalogue: Catalogue, rng: random.Random, skill: dict[str, float], now: datetime
) -> Iterator[ProjectionBatch]:
    """Yield the cases to which nothing can happen any more. `skill` of a person is how often they keep a promise."""
    since, until = month_bounds(month, ZoneInfo(catalogue.calendar.timezone))
    offers, districts = offered(services(catalogue).model_dump(mode="json"))
    # Nobody waits for a time: everything is over.
    plans = [plan for plan in PLANS["ends"] if len(plan.steps) == len(plan.moves)]
    staff, callers = Staff({offer.department for offer in offers}), set[str]()
    instants = sorted(_instant(rng, since, until) for _ in range(cases))
    for call, at in zip(calls_by(cases, plans, offers, districts, rng), instants, strict=True):
        caller = phone(rng.randrange(MONTH["callers"]))
        start = _registration(call, at, catalogue, caller, known=caller in callers)
        callers.add(caller)
        if batch := Course(call, start, rng, staff, skill).play(now):
            yield batch


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
    """One case on its way."""

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
        clocks = filter(None, map(self._case.live_clock, MONTH["promised"].get(step.action, ())))
        due = [at for clock in clocks if not clock.missed_at and (at := clock.due_at(self._case.calendar))]
        if not due:
            least, most = MONTH["minutes"].get(step.action, MONTH["minutes"]["usual"])
            return timedelta(minutes=round(self._rng.uniform(least, most), 2))
        late = self._rng.random() < (1 - self._skill[person.name]) * 0.45
        part = MONTH["late"] if late else 0.7 * self._rng.uniform(0.15, 1)
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
    answered_at = at + timedelta(seconds=round(rng.expovariate(1 / 9), 1))
    call = ReportedCall(f"month.{place}", at, queue=QUEUE, caller_phone=phone(rng.randrange(MONTH["callers"])))
    if rng.random() < MONTH["abandoned"]:
        return call._replace(ended_at=answered_at + timedelta(seconds=20))
    ended_at = answered_at + timedelta(seconds=round(rng.uniform(35, 320), 1))
    return call._replace(answered_at=answered_at, ended_at=ended_at, agent=AGENTS[place % len(AGENTS)])


def _duties(since: datetime, until: datetime) -> Iterator[Duty]:
    """Yield who is on duty in each shift, in turn."""
    turns = cycle(AGENTS)
    for day in range((until - since).days):
        for shift in MONTH["shifts"]:
            starts_at, ends_at = (since + timedelta(days=day, hours=shift[hour]) for hour in ("begins", "ends"))
            yield from (Duty(agent, starts_at, ends_at) for agent in islice(turns, shift["agents"]))


class Judging:
    """Work of people on the assessment of one month, as 2026-08; done again, it changes nothing."""

    def __init__(self, hotline: Hotline, staff: Staff, month: str) -> None:
        self._hotline = hotline
        self._path = f"/assessments/{month}"
        self._asking, self._deciding = (staff.who(Role.SUPERVISOR, turn=turn) for turn in range(2))
        self._manager = staff.who(Role.MANAGER)
        self._rng = random.Random(month)  # noqa: S311 - a play that can be repeated, no secret

    async def argue(self) -> None:
        """Exclude, inspect, object and decide, until only time is missing. Raises Rejected, Unreachable."""
        await self.reaches("draft", "objections", "final")
        await self._exclude()
        await self._inspect()
        await self.reaches("objections", "final")
        await self._object()

    async def reaches(self, *statuses: str) -> None:
        """Return once the assessment has one of these, a draft with its sample. Raises Unreachable."""
        while True:
            with suppress(Rejected):  # it has only just begun
                found = await self._hotline.get(self._path)
                if found["status"] in statuses and (found["sampled"] or found["status"] != "draft"):
                    return
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _exclude(self) -> None:
        """Have the cases with the first misses of the company excluded, or not."""
        late = await self._against("company", "company", "replied_in_time")
        for row, number in zip(MONTH["exclusions"], late, strict=False):
            body = {name: row[name] for name in ("ground", "reason", "evidence")}
            decision = {"approved": row["approved"], "reason": "已核实。" if row["approved"] else "不属于剔除范围。"}
            await self._ask(f"/complaints/{number}/exclusions", body, self._deciding, decision)

    async def _inspect(self) -> None:
        sample = (await self._hotline.get(f"{self._path}/inspections"))["items"]
        form = (await self._hotline.get(self._path))["standard"]["form"]
        for case in sample:
            scores = {each["code"]: round(each["points"] * self._rng.uniform(0.7, 1)) for each in form}
            body = {"complaint": case["complaint"], "scores": scores}
            await self._post(f"{self._path}/inspections", body, self._asking)

    async def _object(self) -> None:
        """Object to one miss of each of three figures of departments; the manager decides."""
        departments = (await self._hotline.get(self._path, {"by": Subject.DEPARTMENT}))["items"]
        for row in MONTH["objections"]:
            for subject in (item["subject"] for item in departments):
                if missed := await self._against(Subject.DEPARTMENT, subject, row["figure"]):
                    body = {"by": Subject.DEPARTMENT, "subject": subject, "complaint": missed[0]}
                    body |= {name: row[name] for name in ("figure", "reason")}
                    decision = {"accepted": row["accepted"], "reason": row["why"]}
                    await self._ask(f"{self._path}/objections", body, self._manager, decision)
                    break

    async def _against(self, by: str, subject: str, figure: str) -> list[str]:
        """Return the cases that count against a subject and are not excluded, on the first page."""
        asked = {"by": by, "subject": subject, "figure": figure, "limit": LARGEST_PAGE}
        listed = await self._hotline.get(f"{self._path}/cases", asked)
        return [item["number"] for item in listed["items"] if not item["counts"] and not item["excluded"]]

    async def _ask(self, path: str, body: Json, decides: Person, decision: Json) -> None:
        if asked := await self._post(path, body, self._asking):
            await self._post(f"{path}/{asked['id']}/decision", decision, decides)

    async def _post(self, path: str, body: Json, by: Person) -> Json:
        key = "".join([self._path, path, *(body.get(part, "") for part in ("complaint", "figure", "ground"))])
        return await self._hotline.post(path, body, by=by, key=key, unless_done=True)
