"""Cases as they are read to be counted: their events and kept promises, without building the cases themselves.

A month has 30,000 cases with 400,000 events. As models they would take minutes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Row, case, or_, select, union

from domain.assessment.entry import COUNTED_ACTIONS, WITH_DATA, CaseRecord, Fact, KeptPromise
from domain.case.clocks import ClockStatus
from domain.case.intake import THANKS
from readmodel.database import ReadConnection
from readmodel.statements import is_one_of
from readmodel.tables import cases, clocks, decisions, events

_NO_DATA: Mapping[str, Any] = {}
_CASE = tuple(cases.c[name] for name in ("number", "owner", "service_code", "district", "department"))
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
    open_then = or_(cases.c.closed_at.is_(None), cases.c.closed_at >= since)
    # A credit is decided on however long its case is closed.
    decided = select(decisions.c.number).where(decisions.c.decided_at >= since, decisions.c.decided_at < until)
    wanted = union(
        select(*_CASE).where(cases.c.registered_at < until, open_then),
        select(*_CASE).where(cases.c.number.in_(decided)),
    )
    return connection.execute(wanted.order_by("number")).all()


def records(connection: ReadConnection, found: Sequence[Row[Any]]) -> list[CaseRecord]:
    """Return what is counted of some of the candidates."""
    numbers = [row.number for row in found]
    thanks = {row.number for row in found if row.service_code == THANKS}
    facts, kept = _facts(connection, numbers, thanks), _kept(connection, numbers)
    return [CaseRecord._make((*row, facts.get(row.number, ()), kept.get(row.number, ()))) for row in found]


def _facts(connection: ReadConnection, numbers: Sequence[str], thanks: set[str]) -> dict[str, list[Fact]]:
    """Return the events that count for figures, in their order, by case."""
    with_data: ColumnElement[bool] = events.c.action.in_(sorted(WITH_DATA))
    if thanks:
        with_data = or_(with_data, events.c.number.in_(sorted(thanks)))
    query = (
        select(*_EVENT, case((with_data, events.c.data)))
        .where(is_one_of(connection, events.c.number, numbers), events.c.action.in_(sorted(COUNTED_ACTIONS)))
        .order_by(events.c.number, events.c.seq)
    )
    facts: dict[str, list[Fact]] = {}
    for number, seq, at, actor, action, to_state, cycle, data in connection.execute(query):
        fact = Fact(seq, at, actor, action, to_state, cycle, from_json(data) if data else _NO_DATA)
        facts.setdefault(number, []).append(fact)
    return facts


def _kept(connection: ReadConnection, numbers: Sequence[str]) -> dict[str, list[KeptPromise]]:
    """Return the promises that were kept, by case; an approver's time is no promise."""
    query = (
        select(*_KEPT)
        .where(is_one_of(connection, clocks.c.number, numbers), clocks.c.status == ClockStatus.MET)
        .where(clocks.c.name != "approve")
        .order_by(clocks.c.number, clocks.c.serial)
    )
    kept: dict[str, list[KeptPromise]] = {}
    for number, *promise in connection.execute(query):
        kept.setdefault(number, []).append(KeptPromise(*promise))
    return kept
