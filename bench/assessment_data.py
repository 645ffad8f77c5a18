"""A million cases for assessments: whole cases with events and clocks, as the domain makes them, with calls.

The domain plays some hundred cases of a week, plausible in what is late, returned, urged and done again, and the read
model writes them. PostgreSQL copies their rows, by days of three years. Instants within JSON stay those of the week.
For each case there are ten calls, and one case in a hundred is excluded.
"""

import random
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Cursor
from sqlalchemy import Table

from bench import postgres
from bench.calls import END, START, add
from bench.lists_data import SERVICES
from domain.case.actions.answer import Answer
from domain.case.actions.arrive import Arrive
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.hand_over import HandOver
from domain.case.actions.involve import Involve
from domain.case.actions.register import Registration
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.resume import Resume
from domain.case.actions.return_ import Return
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.actions.urge import Urge
from domain.case.actions.withdraw import Withdraw
from domain.case.case import Case
from domain.case.intake import Intake, Location
from domain.case.lifecycle import ENDED, Event, State
from domain.case.progress import Satisfaction
from domain.case.state import ProjectionBatch
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import ClockName
from domain.kit.event import ActionBody, Command
from domain.shared.actors import Actor, Role
from domain.shared.errors import Refused
from readmodel.base.database import engine, writing
from readmodel.base.schema import UtcDateTime
from readmodel.cases.tables import cases, clocks, decisions, events, follow_ups, parts
from readmodel.projection import write

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
"""Beginning of the week of the cases that are played."""
PLAYED = 500
AGENTS, CREW = 40, 6
"""Agents of the hotline, and people of each department."""
TABLES = (cases, events, clocks, parts, decisions, follow_ups)
"""Tables that an assessment is computed from, and that a case has rows in beside them."""
CHUNK = 20_000
CALLS_OF_CASE = 10
EXCLUDE = """
INSERT INTO exclusions (id, number, ground, reason, requested_by, requested_at, approved, decided_by, decided_at)
SELECT number, number, 'force_majeure', '台风', 'agent-1', registered_at, true, 'supervisor', registered_at
FROM cases WHERE number LIKE '%000'
"""
ANSWERS = {
    Satisfaction.VERY_SATISFIED: 40,
    Satisfaction.SATISFIED: 38,
    Satisfaction.FAIRLY_SATISFIED: 14,
    Satisfaction.DISSATISFIED: 6,
    Satisfaction.VERY_DISSATISFIED: 2,
}


class Player:
    """Case of the week, and the people who deal with it, as a seeded generator has it."""

    def __init__(self, catalogue: Catalogue, place: int) -> None:
        self._random = random.Random(place)  # noqa: S311 - the same cases every time, no secrets
        self._departments = [unit.code for unit in catalogue.departments]
        service, district = self._pick(SERVICES), self._random.choice([each.code for each in catalogue.districts])
        self._at = MONDAY + timedelta(minutes=self._random.randrange(7 * 1440))
        self._anybody = Actor(id="admin", role=Role.ADMIN)
        owner = self._agent()
        start = Registration(
            number=f"{place:013d}",
            at=self._at,
            actor=Actor(id=owner, role=Role.AGENT),
            owner=owner,
            intake=Intake(service_code=service, description="-", location=Location(district=district)),
            terms=catalogue.terms(service, district, self._at),
        )
        self._case, first = Case.register(start)
        self._events = [*first]
        self._budgets = {promise.name: promise.budget_seconds / 60 for promise in start.terms.promises}

    def play(self) -> ProjectionBatch:
        """Return the case once it has ended, or nobody does anything to it any more."""
        if self._case.terms.priority == "P5" and self._often(0.7):
            self._do(3, Answer(message="-"))
        elif self._often(0.02):
            self._do(30, Withdraw(reason="-"))
        else:
            self._dispatch()
        while self._case.state not in ENDED and len(self._events) < CREW * 10:
            before = self._case.version
            self._go_on()
            if self._case.version == before:
                break
        return ProjectionBatch.of(self._case, self._events, self._events[-1].at)

    def _dispatch(self) -> None:
        if self._often(0.05):
            self._do(4, Dispatch(department=self._random.choice(self._departments)))
            self._do(self._late("acknowledge"), Return(reason="-"))
        self._do(5, Dispatch(department=self._case.terms.department))

    def _go_on(self) -> None:
        match self._case.state:
            case State.DISPATCHED:
                self._do(self._late("acknowledge"), SignFor(assignee=self._worker()))
            case State.IN_PROGRESS:
                self._work()
            case State.PENDING_REPLY:
                if self._often(0.03):
                    self._do(5, HandOver(owner=self._agent()))
                self._do(self._late("reply") / 4, Reply(message="-"))
            case State.PENDING_FOLLOW_UP:
                self._do(self._late("follow_up"), self._follow_up())

    def _work(self) -> None:
        if "arrive" in self._budgets:
            self._do(self._late("arrive"), Arrive())
        if self._often(0.04):
            self._do(2, Urge())
        if self._often(0.03):
            self._do(5, Suspend(reason="-"))
            self._do(900, Resume())
        if self._often(0.02):
            self._involve()
        if self._case.terms.needs_approval or self._often(0.01):
            self._do(10, RequestApproval(subject="-", amount=self._random.choice([None, Decimal(200), Decimal(860)])))
            self._do(120, DecideApproval(approved=self._often(0.8), reason="-"))
        self._do(self._late("resolve"), Complete(result="-"))

    def _involve(self) -> None:
        further = self._random.choice(self._departments)
        self._do(5, Involve(department=further, task="-"))
        self._do(20, SignFor(department=further, assignee=f"{further}-{self._random.randrange(CREW)}"))
        self._do(60, Complete(department=further, result="-"))

    def _follow_up(self) -> FollowUp:
        if self._often(0.15):
            return FollowUp(contacted=False)
        said = Satisfaction(self._pick(ANSWERS))
        return FollowUp(contacted=True, solved=self._often(0.95), satisfaction=said)

    def _do(self, minutes: float, body: ActionBody) -> None:
        """Do it after so much time, in which everything rings that falls due; leave it if it is not possible."""
        self._at += timedelta(minutes=minutes)
        while (deadline := self._case.next_deadline()) and deadline <= self._at and self._case.is_active(deadline):
            self._take(self._case.advance(deadline))
        with suppress(Refused):
            self._take(self._case.apply(Command[Any](actor=self._anybody, body=body), self._at))

    def _take(self, happened: Iterable[Event]) -> None:
        self._events += happened

    def _late(self, promise: ClockName) -> float:
        """Return minutes until a promise is kept: about one in twelve is missed."""
        return self._random.expovariate(2.5 / self._budgets.get(promise, 60))

    def _often(self, share: float) -> bool:
        return self._random.random() < share

    def _agent(self) -> str:
        return f"agent-{int(AGENTS * self._random.random() ** 1.5):02d}"

    def _worker(self) -> str:
        return f"{self._case.department}-{self._random.randrange(CREW)}"

    def _pick(self, weights: dict[Any, Any]) -> Any:  # noqa: ANN401 - whatever the keys are
        return self._random.choices(list(weights), list(weights.values()))[0]


COPIES = """
CREATE TEMP TABLE copies AS
SELECT place, played.number AS played, days,
       to_char(registered_at + days, 'YYMMDD') || lpad((place %% 1000000)::text, 6, '0') || place %% 10 AS number
FROM (SELECT place, lpad((1 + place * 7919 %% %(played)s)::text, 13, '0') AS number,
             date_trunc('day', %(start)s + (%(span)s * place / %(count)s) - %(monday)s) AS shift
      FROM generate_series(0, %(count)s::bigint - 1) AS place) AS made
JOIN played_cases AS played USING (number)
CROSS JOIN LATERAL (SELECT shift - date_trunc('day', played.registered_at - %(monday)s) AS days) AS by
"""


def fill(url: str, uri: str, catalogue: Catalogue, count: int, played: int = PLAYED) -> None:
    """Put that many cases into the empty tables, copies of the `played` ones."""
    database = engine(url)
    with writing(database) as connection:
        write(connection, [Player(catalogue, place).play() for place in range(1, played + 1)])
    database.dispose()
    with postgres.loading(uri) as cursor:
        for table in TABLES:
            cursor.execute(f"CREATE TEMP TABLE played_{table.name} AS TABLE {table.name}")
        # All of it: notifications and words to search by are of the cases that were played, and of no other.
        cursor.execute("TRUNCATE cases, notifications CASCADE")
        span = {"start": START, "span": END - START, "monday": MONDAY}
        cursor.execute(COPIES, {**span, "count": count, "played": played})
        cursor.execute("CREATE UNIQUE INDEX ON copies (place)")
        cursor.execute("ANALYZE copies")
        for begin in range(0, count, CHUNK):
            for table in TABLES:
                _copy(cursor, table, begin)
        add(cursor, count * CALLS_OF_CASE)
        cursor.execute(EXCLUDE)


def _copy(cursor: Cursor[Any], table: Table, begin: int) -> None:
    """Copy the rows of some thousand cases: under their own numbers, and by so many days later or earlier."""
    values = {
        column.name: f'"{column.name}" + days' if isinstance(column.type, UtcDateTime) else f'"{column.name}"'
        for column in table.columns
    }
    values = {name: f"played_{table.name}.{value}" for name, value in values.items()} | {"number": "copies.number"}
    names = ", ".join(f'"{name}"' for name in values)
    joined = f"copies JOIN played_{table.name} ON played_{table.name}.number = played"
    chosen = f"SELECT {', '.join(values.values())} FROM {joined} WHERE place >= %s AND place < %s ORDER BY place"
    cursor.execute(f"INSERT INTO {table.name} ({names}) {chosen}", [begin, begin + CHUNK])
