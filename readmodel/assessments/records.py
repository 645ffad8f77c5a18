"""Cases as they are read to be counted: their events and kept promises, without building the cases themselves.

A month has 30,000 cases with 400,000 events. As models they would take minutes.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Row, case, or_, select

from domain.assessment.entry import COUNTED_ACTIONS, TELL_INTAKE, WITH_DATA, CaseRecord, Fact, KeptPromise
from domain.case.clocks import APPROVE, ClockStatus
from domain.catalogue.terms import MISS
from readmodel.base.database import ReadConnection
from readmodel.base.statements import is_one_of
from readmodel.cases.tables import cases, clocks, decisions, events

_NO_DATA: Mapping[str, Any] = {}
_CASE = tuple(cases.c[name] for name in ("number", "owner", "service_code", "district"))
_EVENT = (
    events.c.number,
    events.c.seq,
    events.c.at,
    events.c.actor,
    events.c.action,
    events.c.to_state,
    events.c.cycle,
)
_KEPT = tuple(clocks.c[name] for name in ("number", "name", "part", "cycle", "stopped_at"))


def candidates(connection: ReadConnection, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """Return the cases to which anything happened from `since` on, before `until`; and some others."""
    # Of a case that was closed before, only a credit is still decided on.
    decided = select(decisions.c.number).where(decisions.c.decided_at >= since, decisions.c.decided_at < until)
    still_open = or_(cases.c.closed_at.is_(None), cases.c.closed_at >= since, cases.c.number.in_(decided))
    wanted = select(*_CASE).where(cases.c.registered_at < until, still_open).order_by(cases.c.number)
    return connection.execute(wanted).all()


def records(connection: ReadConnection, found: Sequence[Row[Any]]) -> list[CaseRecord]:
    numbers = [row.number for row in found]
    facts, kept = _facts(connection, numbers, COUNTED_ACTIONS, WITH_DATA), _kept(connection, numbers)
    read = [CaseRecord._make((*row, facts.get(row.number, ()), kept.get(row.number, ()), ())) for row in found]
    of_intake = _facts(connection, [case.number for case in read if case.is_thanks], TELL_INTAKE, TELL_INTAKE)
    return [case._replace(intake_facts=of_intake.get(case.number, ())) for case in read]


def _facts(
    connection: ReadConnection, numbers: Sequence[str], actions: Collection[str], with_data: Collection[str]
) -> dict[str, list[Fact]]:
    # Other rungs of the ladder tell people, and are many.
    counts = or_(events.c.action != "escalate", events.c.data["percent"].as_integer() == MISS)
    query = (
        select(*_EVENT, case((events.c.action.in_(sorted(with_data)), events.c.data)))
        .where(is_one_of(connection, events.c.number, numbers), events.c.action.in_(sorted(actions)), counts)
        .order_by(events.c.number, events.c.seq)
    )
    facts: dict[str, list[Fact]] = {}
    for number, *event, data in connection.execute(query).all():
        fact = Fact._make((*event, from_json(data) if data else _NO_DATA))
        facts.setdefault(number, []).append(fact)
    return facts


def _kept(connection: ReadConnection, numbers: Sequence[str]) -> dict[str, list[KeptPromise]]:
    query = (
        select(*_KEPT)
        .where(is_one_of(connection, clocks.c.number, numbers), clocks.c.status == ClockStatus.MET)
        .where(clocks.c.name != APPROVE)
        .order_by(clocks.c.number, clocks.c.serial)
    )
    kept: dict[str, list[KeptPromise]] = {}
    for number, *promise in connection.execute(query).all():
        kept.setdefault(number, []).append(KeptPromise(*promise))
    return kept
