"""Exclusions (剔除) of cases from assessments: requested on a ground of the catalogue, decided by a supervisor."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, Text, select, update

from domain.assessment.state import CasePeriod, Exclusion
from readmodel.base import schema
from readmodel.base.database import ReadConnection, WriteConnection, insert_missing
from readmodel.base.paging import RowPage, read_page
from readmodel.cases.tables import cases

exclusions = Table(
    "exclusions",
    schema.metadata,
    Column("id", String(32), primary_key=True),
    Column("number", schema.NUMBER, ForeignKey("cases.number"), nullable=False),
    Column("ground", schema.CODE, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text),
    Column("requested_by", schema.PERSON, nullable=False),
    Column("requested_at", schema.UtcDateTime, nullable=False),
    Column("approved", Boolean, comment="Null until it is decided."),
    Column("decided_by", schema.PERSON),
    Column("decided_at", schema.UtcDateTime),
    Column("decision_reason", Text),
    Index("ix_exclusions_number", "number"),
    schema.index_where("decided_at IS NULL", "requested_at", "id", name="ix_exclusions_undecided"),
)
"""Exclusions (剔除) of cases from assessments: own data, which no event holds."""
_row = exclusions.c
_ID = re.compile("[0-9a-f]{32}")
_exclusion = partial(Exclusion.model_validate, from_attributes=True)


def request(connection: WriteConnection, exclusion: Exclusion) -> Exclusion:
    """Add a request; return the one with this id, which may have been there."""
    insert_missing(connection, exclusions, [dict(exclusion)])
    return _exclusion(connection.execute(select(exclusions).where(_row.id == exclusion.id)).one())


def decide(
    connection: WriteConnection, number: str, exclusion_id: str, change: Callable[[Exclusion], Exclusion]
) -> Exclusion | None:
    """Change an exclusion of a case; return it, or None if there is none. Raises what `change` raises."""
    wanted = select(exclusions).where(_row.id == exclusion_id, _row.number == number).with_for_update()
    found = connection.execute(wanted).first()
    if found is None:
        return None
    before = _exclusion(found)
    if (after := change(before)) != before:
        connection.execute(update(exclusions).where(_row.id == exclusion_id).values(dict(after)))
    return after


def grounds_until(connection: ReadConnection, as_of: datetime) -> Mapping[str, str]:
    """Ground of each case whose exclusion was approved until then, by number; the first if several."""
    approved = select(_row.number, _row.ground).where(_row.approved, _row.decided_at <= as_of)
    found = connection.execute(approved.order_by(_row.decided_at.desc(), _row.id)).all()
    return {row.number: row.ground for row in found}


def exclusions_of(connection: ReadConnection, number: str) -> list[Exclusion]:
    found = select(exclusions).where(_row.number == number).order_by(_row.requested_at, _row.id)
    return [_exclusion(row) for row in connection.execute(found)]


def page_of_exclusions(
    connection: ReadConnection, cursor: str | None, limit: int, *, decided: bool
) -> RowPage[Exclusion]:
    """Oldest first; those that were decided on, or else those that wait for it. Raises BadCursorError."""
    wanted = select(exclusions).where(_row.decided_at.is_not(None) if decided else _row.decided_at.is_(None))
    by = _row.requested_at, _row.id
    return read_page(connection, wanted, by, cursor, limit, _exclusion, newest_first=False, keys=_ID)


def period_of(connection: ReadConnection, number: str) -> CasePeriod | None:
    """Time in which something may have happened to the case; None if there is no such case."""
    found = connection.execute(select(cases.c.registered_at, cases.c.closed_at).where(cases.c.number == number)).first()
    return CasePeriod(*found) if found else None
