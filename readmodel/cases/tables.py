"""Tables of cases: what lists show of a case, its events, clocks and parts, and what reports count."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from domain.case.actions.link_incident import OWN_CAUSE
from domain.case.lifecycle import OPEN, UNSIGNED, Part
from domain.case.state import CREDIT_WAITS
from readmodel.base import schema


def _index_of(column: str, value: str, *columns: str, name: str) -> sa.Index:
    """Index of the rows that have this value, its condition as PostgreSQL writes it."""
    return schema.index_where(
        f"({column})::text = '{value}'::text", *columns, name=name, on_sqlite=f"{column} = '{value}'"
    )


cases = sa.Table(
    "cases",
    schema.metadata,
    sa.Column("number", schema.NUMBER, primary_key=True),
    sa.Column("state", schema.CODE, nullable=False),
    sa.Column("service_code", schema.CODE, nullable=False),
    sa.Column("priority", schema.CODE, nullable=False),
    sa.Column("owner", schema.PERSON, nullable=False),
    sa.Column("department", schema.CODE),
    sa.Column("assignee", schema.PERSON),
    sa.Column("district", schema.CODE),
    sa.Column("incident", schema.CODE),
    sa.Column("cycle", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("flags", schema.JsonOf(tuple[str, ...]), nullable=False),
    sa.Column("sla", schema.CODE, nullable=False),
    sa.Column("overdue", sa.Boolean, nullable=False),
    sa.Column("registered_at", schema.UtcDateTime, nullable=False),
    sa.Column("closed_at", schema.UtcDateTime),
    sa.Column("next_due_at", schema.UtcDateTime),
    sa.Column(
        "changed_at", schema.UtcDateTime, nullable=False, comment="As the search attribute ChangedAt of its workflow."
    ),
    sa.Column("lost", schema.CODE, comment="How its workflow was lost, see readmodel.recovery; a rebuild ignores it."),
    sa.Column("caller_version", sa.Integer, nullable=False, comment="That names the caller: 1, or a correction."),
    sa.Column(
        "recognised_version",
        sa.Integer,
        nullable=False,
        server_default="1",
        comment="The caller_version that was looked up last; a rebuild takes one that SQL once had.",
    ),
    sa.Column("caller_name", sa.String(80)),
    sa.Column("caller_phone", sa.String(26)),
    sa.Column("caller_account_no", sa.String(32)),
    sa.Column("address", sa.String(200)),
    sa.Column("street_words", sa.Text, nullable=False, comment="domain.incident.state.street_words"),
    sa.Column("lat", sa.Float, comment="WGS 84 degrees; null unless lng is there too."),
    sa.Column("lng", sa.Float),
    sa.Column("channel", schema.CODE, nullable=False),
    sa.Column("call_id", schema.code(80), comment="Of the call in which it was taken down, if it is named."),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("document", schema.JsonText, nullable=False, comment="domain.case.progress.Progress"),
)
"""Cases. The whole case is restored from `document`, its first event, and the event that holds its later terms."""

events = sa.Table(
    "events",
    schema.metadata,
    schema.number_column(),
    *schema.event_columns(),
    sa.Column("cycle", sa.Integer, nullable=False),
    _index_of("action", "complete", "at", name="ix_events_completed"),
    _index_of("action", "return", "at", name="ix_events_returned"),
    _index_of("action", "send_link", "at", name="ix_events_links"),
)
"""Events of cases. The event of seq 1 holds intake and terms, so a case can be folded from its events alone."""

clocks = sa.Table(
    "clocks",
    schema.metadata,
    schema.number_column(),
    sa.Column("serial", sa.Integer, primary_key=True),
    sa.Column("name", schema.CODE, nullable=False),
    sa.Column("cycle", sa.Integer, nullable=False),
    sa.Column("status", schema.CODE, nullable=False),
    sa.Column("calendar", schema.CODE, nullable=False),
    sa.Column("budget_seconds", sa.Float, nullable=False),
    sa.Column("consumed_seconds", sa.Float, nullable=False, comment="Up to running_since, where that is set."),
    sa.Column("started_at", schema.UtcDateTime),
    sa.Column("running_since", schema.UtcDateTime),
    sa.Column("stopped_at", schema.UtcDateTime),
    sa.Column("missed_at", schema.UtcDateTime),
    sa.Column("part", sa.Integer, nullable=False, comment="0: of the case itself."),
    sa.Column("rung", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, comment="The case's version that changed the clock last."),
    schema.index_where("missed_at IS NOT NULL", "missed_at", name="ix_clocks_missed"),
    _index_of("status", "met", "stopped_at", name="ix_clocks_met"),
    sqlite_with_rowid=False,
)
"""Clocks of every cycle, for reports."""

parts = sa.Table(
    "parts",
    schema.metadata,
    schema.number_column(),
    sa.Column("serial", sa.Integer, primary_key=True),
    sa.Column("department", schema.CODE, nullable=False),
    sa.Column("state", schema.CODE, nullable=False),
    sa.Column("involved_at", schema.UtcDateTime, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, comment="The case's version that changed the part last."),
    sa.Column("document", schema.JsonOf(Part), nullable=False, comment="domain.case.lifecycle.Part"),
    sa.Index("ix_parts_department", "department", "involved_at", "number"),
    sa.Index("ix_parts_department_state", "department", "state", "involved_at", "number"),
)
"""Parts of cases done by further departments (协办)."""

decisions = sa.Table(
    "decisions",
    schema.metadata,
    schema.number_column(),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("decided_at", schema.UtcDateTime, nullable=False),
    sa.Column("kind", schema.CODE),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("amount_fen", schema.Hundredths, key="amount", comment="Hundredths of the currency's unit."),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Index("ix_decisions_decided_at", "decided_at"),
)
"""Decisions of management on money (审批), for reports."""

follow_ups = sa.Table(
    "follow_ups",
    schema.metadata,
    schema.number_column(),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("followed_up_at", schema.UtcDateTime, nullable=False),
    sa.Column("cycle", sa.Integer, nullable=False),
    sa.Column("department", schema.CODE, comment="Whose work it was about; null if no department had the case."),
    sa.Column("outcome", schema.CODE, nullable=False),
    sa.Column("contacted", sa.Boolean, nullable=False),
    sa.Column("solved", sa.Boolean, comment="Null if not asked, or not reached."),
    sa.Column(
        "satisfaction", schema.CODE, comment="domain.case.progress.Satisfaction; null if not asked, or not reached."
    ),
    sa.Index("ix_follow_ups_followed_up_at", "followed_up_at"),
)
"""Finished follow-ups (回访), the last try of each cycle, for reports."""

withdrawals = sa.Table(
    "withdrawals",
    schema.metadata,
    schema.number_column(),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("withdrawn_at", schema.UtcDateTime, nullable=False),
    sa.Column("withdrawn_by", schema.PERSON, nullable=False),
    sa.Column("named_call", schema.code(80), nullable=False, comment="Of the call that gave the right to it."),
    sa.Column(
        "phone_term", schema.code(40), comment="Of the case's telephone, without corrections by who withdrew it."
    ),
    sa.Index("ix_withdrawals_withdrawn_at", "withdrawn_at", "number"),
)
"""Withdrawals (撤销) by a call, to be compared with the call."""

search_words = sa.Table(
    "search_words",
    schema.metadata,
    sa.Column("word", schema.code(40), primary_key=True),
    sa.Column("registered_at", schema.UtcDateTime, primary_key=True),
    schema.number_column(),
    sa.Column("personal", sa.Boolean, nullable=False, comment="Of the caller, and of nothing else in the case."),
    sqlite_with_rowid=False,
)
"""Index of search terms (`readmodel.cases.search_terms`), written with a case, and when it is corrected."""


@dataclass(frozen=True, slots=True)
class ColumnFilters:
    """Filters by the value of a column of the table of cases, each named as its column; None lets all pass.

    The indexes of all cases and of open ones hold every one of these columns.
    """

    department: str | None = None
    owner: str | None = None
    assignee: str | None = None
    service_code: str | None = None
    district: str | None = None
    priority: str | None = None
    channel: str | None = None
    sla: str | None = None
    incident: str | None = None
    lost: str | None = None
    overdue: bool | None = None


FILTERED_COLUMNS = tuple(field.name for field in fields(ColumnFilters))
_MORE_FILTERED = ("state", "flags", "closed_at", "next_due_at")
"""Columns of the other filters of lists."""

SELECTIVE_COLUMNS = ("state", "department", "owner", "assignee", "service_code", "district", "channel")
"""Columns with values that few of all cases have: each has an index of its own."""

_ORDER = (cases.c.registered_at, cases.c.number)
_OPEN = "closed_at IS NULL"


def _index_of_lists(
    name: str, *columns: sa.Column[Any], where: str | None = None, on_sqlite: str | None = None
) -> None:
    """Add an index in the order of a list. On PostgreSQL it holds all filtered columns, so that only it is read."""
    key = {column.name for column in columns}
    held = [column for column in (*FILTERED_COLUMNS, *_MORE_FILTERED) if column not in key]
    options: dict[str, Any] = {"postgresql_include": held}
    if where:
        options |= {"postgresql_where": sa.text(where), "sqlite_where": sa.text(on_sqlite or where)}
    sa.Index(name, *columns, **options)


_index_of_lists("ix_cases_newest", *_ORDER)
_index_of_lists("ix_cases_priority", cases.c.priority, *_ORDER)
_index_of_lists("ix_cases_open", *_ORDER, where=_OPEN)
_index_of_lists("ix_cases_open_priority", cases.c.priority, *_ORDER, where=_OPEN)
_index_of_lists("ix_cases_due", cases.c.next_due_at, cases.c.number, where="next_due_at IS NOT NULL")
for _name in SELECTIVE_COLUMNS:
    sa.Index(f"ix_cases_{_name}", cases.c[_name], *_ORDER)
schema.index_where("closed_at IS NOT NULL", cases.c.closed_at, cases.c.number, name="ix_cases_closed")
schema.index_where("overdue", *_ORDER, name="ix_cases_overdue", on_sqlite="overdue = 1")
schema.index_where("incident IS NOT NULL", cases.c.incident, *_ORDER, name="ix_cases_incident")
schema.index_where("lost IS NOT NULL", *_ORDER, name="ix_cases_lost")
schema.index_where("call_id IS NOT NULL", cases.c.call_id, name="ix_cases_call_id")
schema.index_where("caller_version > recognised_version", cases.c.number, name="ix_cases_unrecognised")
_index_of_lists(
    "ix_cases_flagged", *_ORDER, where="(flags)::text <> '[]'::text", on_sqlite="CAST(cases.flags AS TEXT) != '[]'"
)


IS_OPEN = cases.c.state.in_(sorted(state.value for state in OPEN))
PROGRESS = cases.c.document
"""The part of a case that changes, `domain.case.progress.Progress`."""
_linked, _incidents = cases.alias().c, sa.table("incidents", sa.column("number"), sa.column("closed_at"))
# Of a subquery: a list that names the document is read from no index alone. In the first cycle, only the end of its
# incident leaves a case unsigned and settled, so that no document is read.
WITH_INCIDENT = cases.c.number.in_(
    sa.select(_linked.number).where(
        _linked.incident.in_(sa.select(_incidents.c.number).where(_incidents.c.closed_at.is_(None))),
        _linked.state.in_(sorted(state.value for state in UNSIGNED)),
        (_linked.cycle == 1) | _linked.document["settled"].as_string().is_(None),
    )
)
"""Condition for a case that is dispatched and signed for with its incident, which is open."""
_FLAGS = sa.cast(cases.c.flags, sa.Text)


def has_flag(flag: str) -> sa.ColumnElement[bool]:
    """Condition for a case with this flag; it repeats that of the index of cases with flags, so that it is used."""
    return sa.and_(sa.literal_column("'[]'") != _FLAGS, _FLAGS.contains(f'"{flag}"', autoescape=True))


def is_not_over(at: datetime) -> sa.ColumnElement[bool]:
    """Condition for a case to which something can still happen at `at`: not `Progress.is_over`."""
    reopenable = PROGRESS["reopen_ends_at"].as_string() > at.isoformat()
    return sa.or_(IS_OPEN, sa.and_(cases.c.closed_at.is_not(None), sa.or_(reopenable, has_flag(CREDIT_WAITS))))


HAS_OWN_MATTERS = sa.not_(
    sa.and_(
        cases.c.cycle == 1,
        cases.c.state.in_(sorted(state.value for state in UNSIGNED)),
        *(PROGRESS[field].as_string().is_(None) for field in ("result", "arrived_at", "approval", "signed_for")),
        *(sa.func.coalesce(PROGRESS[name].as_string(), "[]") == "[]" for name in ("parts", "decisions", "credits")),
        sa.not_(has_flag(OWN_CAUSE)),
    )
)
"""Condition for a case that an incident does not take by itself: `domain.case.actions.link_incident.own_matters`."""
