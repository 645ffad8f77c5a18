"""Assessed months in the read model: their projection, results, and the list of cases behind every number."""

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Column, ForeignKey, Integer, Select, Table, delete, select, tuple_

from domain.assessment.assessment import Assessment, AssessmentBatch, assessment_notifications
from domain.assessment.score import Item
from domain.catalogue.figures import EntryKind, Subject
from readmodel.assessments.computation import MONTH, SUBJECTS, assessment_items, figure_entries, given_points
from readmodel.assessments.exclusions import period_of
from readmodel.base import schema
from readmodel.base.database import ReadConnection, WriteConnection, insert_missing, row
from readmodel.base.paging import BadCursorError, RowPage
from readmodel.projection import write_entity
from readmodel.reports.reports import first_case_at

assessments = Table(
    "assessments",
    schema.metadata,
    Column("number", MONTH, primary_key=True, comment="The month, as 2026-08."),
    Column("state", schema.CODE, nullable=False),
    Column("opened_at", schema.UtcDateTime, nullable=False),
    Column("closed_at", schema.UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("document", schema.JsonOf(Assessment), nullable=False, comment="domain.assessment.assessment.Assessment"),
)

assessment_events = Table(
    "assessment_events",
    schema.metadata,
    Column("number", MONTH, ForeignKey("assessments.number"), primary_key=True),
    *schema.event_columns(),
)

_entry, _month, _item = figure_entries.c, assessments.c, assessment_items.c
_CURSOR = re.compile("[0-9]{1,13}-[0-9]{1,6}")


class CountedCase(NamedTuple):
    """Case behind a number: when it was counted, in favour or not, and what excluded it, if anything did."""

    number: str
    serial: int
    at: datetime
    counts: bool
    amount: int | None
    excluded: str | None


class Number(NamedTuple):
    """Number of a computation of a month: which entries are counted, and of whom."""

    month: str
    computation: int
    kind: EntryKind
    by: Subject
    subject: str

    def statement(self) -> Select[str, int, datetime, bool, int | None, str | None]:
        conditions = [_entry.month == self.month, _entry.computation == self.computation, _entry.kind == self.kind]
        conditions.append(SUBJECTS[self.by] == self.subject)
        columns = _entry.number, _entry.serial, _entry.at, _entry.counts, _entry.amount, _entry.excluded
        return select(*columns).where(*conditions).order_by(_entry.number, _entry.serial)


class GivenValue(NamedTuple):
    """Value of a figure that no entry tells."""

    figure: str
    by: str
    subject: str
    value: float
    numerator: int | None = None
    denominator: int | None = None


def write(connection: WriteConnection, batch: AssessmentBatch) -> int | None:
    """Write an assessment as `write_entity` does, which says what None means, and raises DivergedError."""
    month = batch.assessment
    values = row(assessments, month, document=month)
    notified = [(event, assessment_notifications(month, event)) for event in batch.events]
    return write_entity(connection, (assessments, assessment_events), values, notified)


def get(connection: ReadConnection, month: str) -> Assessment | None:
    return connection.scalar(select(_month.document).where(_month.number == month))


def all_months(connection: ReadConnection) -> list[Assessment]:
    return list(connection.scalars(select(_month.document).order_by(_month.number.desc())))


def months(connection: ReadConnection) -> list[str]:
    return list(connection.scalars(select(_month.number).order_by(_month.number.desc())))


def first_and_known(connection: ReadConnection) -> tuple[datetime | None, frozenset[str]]:
    return first_case_at(connection), frozenset(months(connection))


def settled_months(connection: ReadConnection, at: datetime) -> frozenset[str]:
    """Months that are final, or of which only the last computation is outstanding at `at`."""
    final = connection.scalars(select(assessments.c.number).where(assessments.c.closed_at.is_not(None)))
    return frozenset([*final, *(month.number for month in _running(connection) if month.is_settled(at))])


def months_under_way(connection: ReadConnection, number: str) -> list[str]:
    period = period_of(connection, number)
    if period is None:
        return []
    return [
        month.number
        for month in _running(connection)
        if period.since < month.until and (period.until is None or period.until >= month.since)
    ]


def _running(connection: ReadConnection) -> list[Assessment]:
    return list(connection.scalars(select(assessments.c.document).where(assessments.c.closed_at.is_(None))))


def items(
    connection: ReadConnection, month: str, computation: int, by: Subject | None, subject: str | None = None
) -> list[Item]:
    """Results of one kind of subject, or of each kind that has this id or code."""
    wanted = _item.by == by if by else _item.subject == subject
    query = select(_item.document).where(_item.month == month, _item.computation == computation, wanted)
    return list(connection.scalars(query.order_by(_item.subject, _item.by)))


def cases_behind(connection: ReadConnection, number: Number, cursor: str | None, limit: int) -> RowPage[CountedCase]:
    """By case number. Raises BadCursorError."""
    statement = number.statement()
    if cursor is not None:
        statement = statement.where(tuple_(_entry.number, _entry.serial) > _position(cursor))
    found = [CountedCase._make(row) for row in connection.execute(statement.limit(limit + 1))]
    last = found[limit - 1] if len(found) > limit else None
    return RowPage(tuple(found[:limit]), f"{last.number}-{last.serial}" if last else None)


def counts_case(connection: ReadConnection, number: Number, complaint: str) -> bool:
    return connection.execute(number.statement().where(_entry.number == complaint).limit(1)).first() is not None


def parties(
    connection: ReadConnection, month: str, computation: int, kinds: Collection[EntryKind], complaint: str
) -> tuple[str, ...]:
    """People and departments whom the entries of a case count for, of these kinds."""
    here = _entry.month == month, _entry.computation == computation, _entry.number == complaint
    found = connection.execute(
        select(_entry.agent, _entry.crew, _entry.department).where(*here, _entry.kind.in_(kinds))
    )
    return tuple(sorted({party for row in found for party in row if party}))


def registered(connection: ReadConnection, month: str, computation: int) -> list[tuple[str, str]]:
    """List number and owner of each case that was registered in a month."""
    number = Number(month, computation, EntryKind.REGISTERED, Subject.COMPANY, Subject.COMPANY.value)
    query = number.statement().with_only_columns(_entry.number, _entry.agent)
    return [(found.number, found.agent) for found in connection.execute(query)]


def replace_given_values(
    connection: WriteConnection, month: str, figures: Collection[str], values: Iterable[GivenValue]
) -> None:
    table = given_points.c
    connection.execute(delete(given_points).where(table.month == month, table.figure.in_(figures)))
    insert_missing(connection, given_points, [{"month": month, **value._asdict()} for value in values])


def _position(cursor: str) -> tuple[str, int]:
    if not _CURSOR.fullmatch(cursor):
        raise BadCursorError
    number, _, serial = cursor.partition("-")
    return number, int(serial)
