"""Open work of one person: cases that the person owns, their handovers, and work that is assigned to the person."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Column, Table, func, select, update

from domain.case.actions import assign, hand_over
from domain.case.bulk import Handover, OpenWork
from domain.case.lifecycle import PART_AT_WORK
from readmodel.base.database import ReadConnection, WriteConnection, upsert
from readmodel.base.schema import CODE, PERSON, UtcDateTime, metadata
from readmodel.cases.queries import had
from readmodel.cases.tables import IS_OPEN, PROGRESS, cases, events, parts

handovers = Table(
    "handovers",
    metadata,
    Column("id", CODE, primary_key=True),
    Column("previous_owner", PERSON, nullable=False),
    Column("owner", PERSON, nullable=False),
    Column("ordered_by", PERSON, nullable=False),
    Column("ordered_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="Null while it is under way."),
)
"""Handovers (全部移交). No case changes its owner by one that has ended, whoever starts its workflow again."""

CLOCK_MARGIN = timedelta(seconds=60)
"""Time by which the clock of an API process, which dates registrations and orders, may be off."""
_COMPLETED = PROGRESS["completed"].as_boolean().label("completed")
_ASSIGNEE_OF_PART = parts.c.document["assignee"].as_string()


def owned_by(connection: ReadConnection, person: str, after: str, limit: int) -> list[str]:
    owned = select(cases.c.number).where(cases.c.owner == person, IS_OPEN)
    return list(connection.scalars(owned.where(cases.c.number > after).order_by(cases.c.number).limit(limit)))


def owners(connection: ReadConnection, numbers: Collection[str]) -> dict[str, tuple[str, int]]:
    """Owner and version by number; a case without a row is left out."""
    statement = select(cases.c.number, cases.c.owner, cases.c.version).where(cases.c.number.in_(numbers))
    return {row.number: (row.owner, row.version) for row in connection.execute(statement)}


def begin_handover(connection: WriteConnection, handover: Handover, at: datetime) -> None:
    """Note that a handover is under way, before its workflow is started. One that has ended stays so."""
    ordered = {"ordered_by": handover.actor.id, "ordered_at": at}
    who = {"id": handover.id, "previous_owner": handover.previous_owner, "owner": handover.owner}
    upsert(connection, handovers, [who | ordered])


def given_by(connection: ReadConnection, handover: Handover, numbers: Collection[str]) -> set[str] | None:
    """Cases among these that were given since the handover was ordered; None if it is not under way.

    The clock that dated the order may be ahead. So those count too that were given shortly before, if it was by the
    same person with the same reason, and after the end of every earlier handover to the same owner.
    """
    ordered_at = handovers_under_way(connection).get(handover.id)
    if ordered_at is None:
        return None
    is_earlier = (handovers.c.owner == handover.owner) & (handovers.c.ordered_at < ordered_at)
    last_end = connection.scalar(select(func.max(handovers.c.ended_at)).where(is_earlier))
    since = max(ordered_at - CLOCK_MARGIN, last_end or ordered_at - CLOCK_MARGIN)
    given = partial(had, connection, numbers, hand_over.ACTION.name, owner=handover.owner)
    by_this = events.c.at >= since, events.c.actor == handover.actor.id
    return given(events.c.at >= ordered_at) | given(*by_this, note=handover.reason)


def handovers_under_way(connection: ReadConnection) -> dict[str, datetime]:
    found = select(handovers.c.id, handovers.c.ordered_at).where(handovers.c.ended_at.is_(None))
    return {row.id: row.ordered_at for row in connection.execute(found)}


def end_handover(connection: WriteConnection, handover_id: str, at: datetime) -> None:
    under_way = (handovers.c.id == handover_id) & handovers.c.ended_at.is_(None)
    connection.execute(update(handovers).where(under_way).values(ended_at=at))


def count_owned(connection: ReadConnection, person: str) -> int:
    return connection.scalar(select(func.count()).select_from(cases).where(cases.c.owner == person, IS_OPEN)) or 0


def assigned_to(connection: ReadConnection, person: str) -> tuple[OpenWork, ...]:
    """Work that the person has still to do, and `assign` may give to another, by number."""
    of_cases = select(cases.c.number, cases.c.department, _COMPLETED).where(
        cases.c.assignee == person, cases.c.state.in_(sorted(assign.ACTION.sources))
    )
    of_parts = select(parts.c.number, parts.c.department).where(
        parts.c.state.in_(sorted(PART_AT_WORK)), person == _ASSIGNEE_OF_PART
    )
    found = [*(row for row in connection.execute(of_cases) if not row.completed), *connection.execute(of_parts)]
    work = (OpenWork(number=row.number, department=row.department) for row in found)
    return tuple(sorted(work, key=lambda each: each.number))
