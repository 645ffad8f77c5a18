"""Computation of a month: entries from events, counts by subject from entries, results from counts.

Cases are read to be counted: their events and kept promises, without building the cases themselves. A month has 30,000
cases with 400,000 events; as models they would take minutes. Each number is counted from the rows that the list behind
it shows, so the two cannot differ.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json

from domain.assessment.assessment import Assessment
from domain.assessment.entry import (
    COUNTED_ACTIONS,
    NEVER_EXCLUDED,
    TELL_INTAKE,
    WITH_DATA,
    CaseRecord,
    Fact,
    FigureEntry,
    KeptPromise,
    entries_of,
)
from domain.assessment.score import FigureValue, Item, Tally, assess
from domain.case.clocks import APPROVE, ClockStatus
from domain.catalogue.figures import FIGURE_OF, EntryKind, Subject
from domain.catalogue.terms import MISS
from readmodel.assessments.exclusions import grounds_until
from readmodel.base import schema
from readmodel.base.database import ReadConnection, WriteConnection, insert_many, insert_missing, is_one_of, row
from readmodel.cases.tables import cases, clocks, decisions, events

MONTH = schema.code(7)

assessment_items = sa.Table(
    "assessment_items",
    schema.metadata,
    sa.Column("month", MONTH, primary_key=True),
    sa.Column("computation", sa.Integer, primary_key=True, comment="domain.assessment.state.Computation.serial"),
    sa.Column("by", schema.CODE, primary_key=True, comment="domain.catalogue.figures.Subject"),
    sa.Column("subject", schema.PERSON, primary_key=True),
    sa.Column("document", schema.JsonOf(Item), nullable=False, comment="domain.assessment.score.Item"),
)
"""Results of subjects in a month, of each computation that is still needed."""

figure_entries = sa.Table(
    "figure_entries",
    schema.metadata,
    sa.Column("month", MONTH, primary_key=True),
    sa.Column("computation", sa.Integer, primary_key=True, comment="domain.assessment.state.Computation.serial"),
    sa.Column("kind", schema.CODE, primary_key=True, comment="domain.catalogue.figures.Kind"),
    sa.Column("number", schema.NUMBER, primary_key=True),
    sa.Column("serial", sa.Integer, primary_key=True),
    sa.Column("at", schema.UtcDateTime, nullable=False),
    sa.Column("counts", sa.Boolean, nullable=False, comment="False: it counts against the subject."),
    sa.Column("amount", sa.BigInteger, comment="Hundredths of money or of points."),
    sa.Column("agent", schema.PERSON),
    sa.Column("crew", schema.PERSON),
    sa.Column("department", schema.CODE),
    sa.Column("service", schema.CODE, nullable=False),
    sa.Column("district", schema.CODE),
    sa.Column("excluded", schema.CODE, comment="Ground of the exclusion, or `objection`; null if it counts."),
)
"""Entries of figures (`domain.assessment.entry`): the list of cases behind every number of a month."""

given_points = sa.Table(
    "given_points",
    schema.metadata,
    sa.Column("month", MONTH, primary_key=True),
    sa.Column("figure", schema.CODE, primary_key=True),
    sa.Column("by", schema.CODE, primary_key=True),
    sa.Column("subject", schema.PERSON, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("numerator", sa.Integer, comment="Of calls; null for points from outside."),
    sa.Column("denominator", sa.Integer),
)
"""Values that no event of a case tells: points that were imported, and calls, as they were when it was computed."""

_NO_DATA: Mapping[str, Any] = {}
_CASE = tuple(cases.c[name] for name in ("number", "owner", "service_code", "district"))
_EVENT = tuple(events.c[name] for name in ("number", "seq", "at", "actor", "action", "to_state", "cycle"))
_PROMISE = tuple(clocks.c[name] for name in ("number", "name", "part", "cycle", "stopped_at"))


def candidates(connection: ReadConnection, since: datetime, until: datetime) -> Sequence[sa.Row[Any]]:
    """Cases to which anything happened from `since` on, before `until`; and some others."""
    # Of a case that was closed before, only a credit is still decided on.
    decided = sa.select(decisions.c.number).where(decisions.c.decided_at >= since, decisions.c.decided_at < until)
    still_open = sa.or_(cases.c.closed_at.is_(None), cases.c.closed_at >= since, cases.c.number.in_(decided))
    wanted = sa.select(*_CASE).where(cases.c.registered_at < until, still_open).order_by(cases.c.number)
    return connection.execute(wanted).all()


def records(connection: ReadConnection, found: Sequence[sa.Row[Any]]) -> list[CaseRecord]:
    numbers = [row.number for row in found]
    facts, kept = _facts(connection, numbers, COUNTED_ACTIONS, WITH_DATA), _kept_promises(connection, numbers)
    read = [CaseRecord._make((*row, facts.get(row.number, ()), kept.get(row.number, ()), ())) for row in found]
    of_intake = _facts(connection, [each.number for each in read if each.is_thanks], TELL_INTAKE, TELL_INTAKE)
    return [each._replace(intake_facts=of_intake.get(each.number, ())) for each in read]


def _facts(
    connection: ReadConnection, numbers: Sequence[str], actions: Collection[str], with_data: Collection[str]
) -> Mapping[str, Sequence[Fact]]:
    # Other steps of the ladder tell people, and are many.
    counts = sa.or_(events.c.action != "escalate", events.c.data["percent"].as_integer() == MISS)
    query = (
        sa.select(*_EVENT, sa.case((events.c.action.in_(sorted(with_data)), events.c.data)))
        .where(is_one_of(connection, events.c.number, numbers), events.c.action.in_(sorted(actions)), counts)
        .order_by(events.c.number, events.c.seq)
    )
    facts = defaultdict[str, list[Fact]](list)
    for number, *event, data in connection.execute(query).all():
        facts[number].append(Fact._make((*event, from_json(data) if data else _NO_DATA)))
    return facts


def _kept_promises(connection: ReadConnection, numbers: Sequence[str]) -> Mapping[str, Sequence[KeptPromise]]:
    """Promises that were kept, by case; an approver's time is no promise."""
    query = (
        sa.select(*_PROMISE)
        .where(is_one_of(connection, clocks.c.number, numbers), clocks.c.status == ClockStatus.MET)
        .where(clocks.c.name != APPROVE)
        .order_by(clocks.c.number, clocks.c.serial)
    )
    kept = defaultdict[str, list[KeptPromise]](list)
    for number, *promise in connection.execute(query).all():
        kept[number].append(KeptPromise(*promise))
    return kept


OBJECTION = "objection"
"""Ground of an entry that an accepted objection was about."""
CHECK = 0
"""Number of a computation that is compared with the final one, and kept by nobody."""
EntryRow = tuple[Any, ...]
"""Values of an entry, and the ground that excludes it: a row of `figure_entries` without month and computation."""
_row = figure_entries.c
SUBJECTS: dict[Subject, sa.ColumnElement[Any]] = {
    subject: sa.literal(subject.value) if subject is Subject.COMPANY else _row[subject.value] for subject in Subject
}
"""The column that names the subject of an entry."""


class Excluded(NamedTuple):
    """Cases that are excluded, with the ground; and pairs of kind and case that objections were accepted about."""

    cases: Mapping[str, str]
    entries: frozenset[tuple[str, str]]

    def row(self, entry: FigureEntry) -> EntryRow:
        ground = None if entry.kind in NEVER_EXCLUDED else self.cases.get(entry.number)
        return (*entry, OBJECTION if (entry.kind, entry.number) in self.entries else ground)


def excluded(connection: ReadConnection, month: Assessment, as_of: datetime) -> Excluded:
    """Read what does not count: by the exclusions that were decided until `as_of`, and by objections."""
    accepted = [each for each in month.objections if each.accepted and each.complaint]
    entries = frozenset(
        (kind.value, each.complaint or "")
        for each in accepted
        if each.figure in FIGURE_OF
        for kind in FIGURE_OF[each.figure].kinds
    )
    return Excluded(grounds_until(connection, as_of), entries)


def entry_rows(
    connection: ReadConnection, month: Assessment, candidates: Sequence[sa.Row[Any]], left_out: Excluded
) -> list[EntryRow]:
    return [
        left_out.row(entry)
        for record in records(connection, candidates)
        for entry in entries_of(record, month.since, month.until, month.standard.currency)
    ]


def inspection_rows(month: Assessment, left_out: Excluded) -> list[EntryRow]:
    return [
        left_out.row(
            FigureEntry(
                kind=EntryKind.INSPECTED,
                number=each.complaint,
                serial=0,
                at=each.inspected_at,
                counts=True,
                amount=each.points * 100,
                agent=each.agent,
                crew=None,
                department=None,
                service="",
                district=None,
            )
        )
        for each in month.inspections
    ]


def write_entries(connection: WriteConnection, month: str, computation: int, rows: Sequence[EntryRow]) -> None:
    """Write entries that the computation does not have yet."""
    # Kind by kind: the list behind a number then lies on a tenth of the pages.
    insert_many(connection, figure_entries, [(month, computation, *row) for row in sorted(rows, key=itemgetter(0))])


def write_items(connection: WriteConnection, month: str, computation: int, items: Sequence[Item]) -> None:
    rows = [row(assessment_items, item, month=month, computation=computation, document=item) for item in items]
    insert_missing(connection, assessment_items, rows)


def forget(connection: WriteConnection, month: str, *, keep: int | None = None, only: int | None = None) -> None:
    """Delete entries and results of a month: of all computations but the one to keep, or of one only."""
    for table in (figure_entries, assessment_items):
        old = sa.delete(table).where(table.c.month == month)
        if keep is not None:
            old = old.where(table.c.computation.not_in((keep, CHECK)))
        if only is not None:
            old = old.where(table.c.computation == only)
        connection.execute(old)


def items_of(connection: ReadConnection, month: Assessment, computation: int, by: Subject) -> list[Item]:
    tallies, given = _tallies(connection, month.number, computation, by), _given(connection, month.number, by)
    # A person who was thanked alone is of this kind or not: nothing else of the month tells.
    known = {subject for subject, counted in tallies.items() if counted.keys() != {EntryKind.THANKS}}
    return [
        assess(
            month.standard, by, subject, tallies.get(subject, {}), given.get(subject, {}), _left_out(month, by, subject)
        )
        for subject in sorted({*known, *given})
    ]


def _tallies(
    connection: ReadConnection, month: str, computation: int, by: Subject
) -> dict[str, dict[EntryKind, Tally]]:
    subject, is_counted = SUBJECTS[by], _row.excluded.is_(None)
    statement = (
        sa.select(
            subject.label("subject"),
            _row.kind,
            sa.func.count(sa.case((is_counted, 1))),
            sa.func.count(sa.case((is_counted & _row.counts, 1))),
            sa.func.count(_row.excluded),
            sa.func.count(sa.case((_row.excluded == OBJECTION, 1))),
            sa.func.coalesce(sa.func.sum(sa.case((is_counted, _row.amount))), 0),
        )
        .where(_row.month == month, _row.computation == computation, subject.is_not(None), subject != "")
        .group_by(subject, _row.kind)
    )
    found = defaultdict[str, dict[EntryKind, Tally]](dict)
    for name, kind, *counts, amount in connection.execute(statement):
        found[name][EntryKind(kind)] = Tally._make((*counts, int(amount)))
    return found


def _given(connection: ReadConnection, month: str, by: Subject) -> dict[str, dict[str, FigureValue]]:
    table = given_points.c
    found = defaultdict[str, dict[str, FigureValue]](dict)
    for given in connection.execute(sa.select(given_points).where(table.month == month, table.by == by)):
        exact = Decimal(f"{given.value:.4f}").normalize() + 0  # `+ 0` writes 2000, and not 2E+3
        value = FigureValue(value=exact, numerator=given.numerator, denominator=given.denominator)
        found[given.subject][given.figure] = value
    return found


def _left_out(month: Assessment, by: Subject, subject: str) -> frozenset[str]:
    """Figures of a subject that accepted objections take out of the score as a whole."""
    whole = (each for each in month.objections if each.accepted and not each.complaint)
    return frozenset(each.figure for each in whole if (each.by, each.subject) == (by, subject))
