"""Tables of cases: what lists show of a case, its events, clocks and parts, and what reports count."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    cast,
    func,
    literal_column,
    not_,
    or_,
    text,
    type_coerce,
)

from domain.case.actions.link_incident import OWN_CAUSE
from domain.case.lifecycle import OPEN, UNSIGNED
from domain.case.state import CREDIT_WAITS
from readmodel.base.schema import (
    CODE,
    NUMBER,
    PERSON,
    JsonText,
    UtcDateTime,
    code,
    event_columns,
    index_where,
    metadata,
    number_column,
)
from readmodel.cases.filters import FILTERED_COLUMNS


def _index_of(column: str, value: str, *columns: str, name: str) -> Index:
    """Return an index of the rows that have this value, its condition as PostgreSQL writes it."""
    return index_where(f"({column})::text = '{value}'::text", *columns, name=name, on_sqlite=f"{column} = '{value}'")


cases = Table(
    "cases",
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("state", CODE, nullable=False),
    Column("service_code", CODE, nullable=False),
    Column("priority", CODE, nullable=False),
    Column("owner", PERSON, nullable=False),
    Column("department", CODE),
    Column("assignee", PERSON),
    Column("district", CODE),
    Column("incident", CODE),
    Column("cycle", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("flags", JsonText, nullable=False),
    Column("sla", CODE, nullable=False),
    Column("overdue", Boolean, nullable=False),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("next_due_at", UtcDateTime),
    Column("changed_at", UtcDateTime, nullable=False, comment="As the search attribute ChangedAt of its workflow."),
    Column("lost", CODE, comment="How its workflow was lost, see readmodel.recovery; a rebuild ignores it."),
    Column("caller_version", Integer, nullable=False, comment="That names the caller: 1, or a correction."),
    Column(
        "recognised_version",
        Integer,
        nullable=False,
        server_default="1",
        comment="The caller_version that was looked up last; a rebuild takes one that SQL once had.",
    ),
    Column("caller_name", String(80)),
    Column("caller_phone", String(26)),
    Column("caller_account_no", String(32)),
    Column("address", String(200)),
    Column("street_words", Text, nullable=False, comment="domain.incident.scope.street_words"),
    Column("lat", Float, comment="WGS 84 degrees; null unless lng is there too."),
    Column("lng", Float),
    Column("channel", CODE, nullable=False),
    Column("call_id", code(80), comment="Of the call in which it was taken down, if it is named."),
    Column("description", Text, nullable=False),
    Column("document", JsonText, nullable=False, comment="domain.case.progress.Progress"),
)
"""Cases. The whole case is restored from `document`, its first event, and the event that holds its later terms."""

events = Table(
    "events",
    metadata,
    number_column(),
    *event_columns(),
    Column("cycle", Integer, nullable=False),
    Column("data", JsonText, nullable=False),
    _index_of("action", "complete", "at", name="ix_events_completed"),
    _index_of("action", "return", "at", name="ix_events_returned"),
    _index_of("action", "send_link", "at", name="ix_events_links"),
)
"""Events of cases. The event of seq 1 holds intake and terms, so a case can be folded from its events alone."""

clocks = Table(
    "clocks",
    metadata,
    number_column(),
    Column("serial", Integer, primary_key=True),
    Column("name", CODE, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("status", CODE, nullable=False),
    Column("calendar", CODE, nullable=False),
    Column("budget_seconds", Float, nullable=False),
    Column("consumed_seconds", Float, nullable=False, comment="Up to running_since, where that is set."),
    Column("started_at", UtcDateTime),
    Column("running_since", UtcDateTime),
    Column("stopped_at", UtcDateTime),
    Column("missed_at", UtcDateTime),
    Column("part", Integer, nullable=False, comment="0: of the case itself."),
    Column("rung", Integer, nullable=False),
    Column("version", Integer, nullable=False, comment="The case's version that changed the clock last."),
    index_where("missed_at IS NOT NULL", "missed_at", name="ix_clocks_missed"),
    _index_of("status", "met", "stopped_at", name="ix_clocks_met"),
    sqlite_with_rowid=False,
)
"""Clocks of every cycle, for reports."""

parts = Table(
    "parts",
    metadata,
    number_column(),
    Column("serial", Integer, primary_key=True),
    Column("department", CODE, nullable=False),
    Column("state", CODE, nullable=False),
    Column("involved_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, comment="The case's version that changed the part last."),
    Column("document", JsonText, nullable=False, comment="domain.case.parts.Part"),
    Index("ix_parts_department", "department", "involved_at", "number"),
    Index("ix_parts_department_state", "department", "state", "involved_at", "number"),
)
"""Parts of cases done by further departments (协办)."""

decisions = Table(
    "decisions",
    metadata,
    number_column(),
    Column("seq", Integer, primary_key=True),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("kind", CODE),
    Column("approved", Boolean, nullable=False),
    Column("amount_fen", BigInteger, key="amount_hundredths", comment="Hundredths of the currency's unit."),
    Column("currency", String(3), nullable=False),
    Index("ix_decisions_decided_at", "decided_at"),
)
"""Decisions of management on money (审批), for reports."""

follow_ups = Table(
    "follow_ups",
    metadata,
    number_column(),
    Column("seq", Integer, primary_key=True),
    Column("followed_up_at", UtcDateTime, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("department", CODE, comment="Whose work it was about; null if no department had the case."),
    Column("outcome", CODE, nullable=False),
    Column("contacted", Boolean, nullable=False),
    Column("solved", Boolean, comment="Null if not asked, or not reached."),
    Column("satisfaction", CODE, comment="domain.case.progress.Satisfaction; null if not asked, or not reached."),
    Index("ix_follow_ups_followed_up_at", "followed_up_at"),
)
"""Finished follow-ups (回访), the last try of each cycle, for reports."""

withdrawals = Table(
    "withdrawals",
    metadata,
    number_column(),
    Column("seq", Integer, primary_key=True),
    Column("withdrawn_at", UtcDateTime, nullable=False),
    Column("withdrawn_by", PERSON, nullable=False),
    Column("named_call", code(80), nullable=False, comment="Of the call that gave the right to it."),
    Column("phone_term", code(40), comment="Of the case's telephone, without corrections by who withdrew it."),
    Index("ix_withdrawals_withdrawn_at", "withdrawn_at", "number"),
)
"""Withdrawals (撤销) by a call, to be compared with the call."""

search_words = Table(
    "search_words",
    metadata,
    Column("word", code(40), primary_key=True),
    Column("registered_at", UtcDateTime, primary_key=True),
    number_column(),
    Column("personal", Boolean, nullable=False, comment="Of the caller, and of nothing else in the case."),
    sqlite_with_rowid=False,
)
"""Index of search terms (`readmodel.cases.search_terms`), written with a case, and when it is corrected."""

_MORE_FILTERED = ("state", "flags", "closed_at", "next_due_at")
"""Columns of the other filters of lists."""

SELECTIVE_COLUMNS = ("state", "department", "owner", "assignee", "service_code", "district", "channel")
"""Columns with values that few of all cases have: each has an index of its own."""

_PLACE = (cases.c.registered_at, cases.c.number)
_OPEN = "closed_at IS NULL"


def _index_of_lists(name: str, *columns: Column[Any], where: str | None = None, on_sqlite: str | None = None) -> None:
    """Add an index in the order of a list. On PostgreSQL it holds all filtered columns, so that only it is read."""
    key = {column.name for column in columns}
    held = [column for column in (*FILTERED_COLUMNS, *_MORE_FILTERED) if column not in key]
    options: dict[str, Any] = {"postgresql_include": held}
    if where:
        options |= {"postgresql_where": text(where), "sqlite_where": text(on_sqlite or where)}
    Index(name, *columns, **options)


_index_of_lists("ix_cases_newest", *_PLACE)
_index_of_lists("ix_cases_priority", cases.c.priority, *_PLACE)
_index_of_lists("ix_cases_open", *_PLACE, where=_OPEN)
_index_of_lists("ix_cases_open_priority", cases.c.priority, *_PLACE, where=_OPEN)
_index_of_lists("ix_cases_due", cases.c.next_due_at, cases.c.number, where="next_due_at IS NOT NULL")
for _name in SELECTIVE_COLUMNS:
    Index(f"ix_cases_{_name}", cases.c[_name], *_PLACE)
index_where("closed_at IS NOT NULL", cases.c.closed_at, cases.c.number, name="ix_cases_closed")
index_where("overdue", *_PLACE, name="ix_cases_overdue", on_sqlite="overdue = 1")
index_where("incident IS NOT NULL", cases.c.incident, *_PLACE, name="ix_cases_incident")
index_where("lost IS NOT NULL", *_PLACE, name="ix_cases_lost")
index_where("call_id IS NOT NULL", cases.c.call_id, name="ix_cases_call_id")
index_where("caller_version > recognised_version", cases.c.number, name="ix_cases_unrecognised")
_index_of_lists(
    "ix_cases_flagged", *_PLACE, where="(flags)::text <> '[]'::text", on_sqlite="CAST(cases.flags AS TEXT) != '[]'"
)


IS_OPEN = cases.c.state.in_(sorted(state.value for state in OPEN))
"""Condition for an open case."""
PROGRESS = type_coerce(cases.c.document, JSON)
"""The part of a case that changes, `domain.case.progress.Progress`."""
_FLAGS = cast(cases.c.flags, Text)


def has_flag(flag: str) -> ColumnElement[bool]:
    """Return the condition for a case with this flag, with that of the index of cases with flags."""
    return and_(literal_column("'[]'") != _FLAGS, _FLAGS.contains(f'"{flag}"', autoescape=True))


def is_not_over(at: datetime) -> ColumnElement[bool]:
    """Return the condition for a case to which something can still happen at `at`: not `Progress.is_over`."""
    reopenable = PROGRESS["reopen_ends_at"].as_string() > at.isoformat()
    return or_(IS_OPEN, and_(cases.c.closed_at.is_not(None), or_(reopenable, has_flag(CREDIT_WAITS))))


def _is_empty(field: str) -> ColumnElement[bool]:
    return func.coalesce(PROGRESS[field].as_string(), "[]") == "[]"


HAS_OWN_MATTERS = not_(
    and_(
        cases.c.cycle == 1,
        cases.c.state.in_(sorted(state.value for state in UNSIGNED)),
        *(PROGRESS[field].as_string().is_(None) for field in ("result", "arrived_at", "approval", "signed_for")),
        *(_is_empty(field) for field in ("parts", "decisions", "credits")),
        not_(has_flag(OWN_CAUSE)),
    )
)
"""Condition for a case that an incident does not take by itself: `domain.case.actions.link_incident.own_matters`."""
