"""The tables of the read model. Every instant is UTC.

Rows follow from events, and are written again the same; customers alone come from the company's own files.
"""

from itertools import combinations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from readmodel.types import Exact, JsonText, UtcDateTime, code

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)

NUMBER = code(13)
CODE = code(40)
PERSON = code(80)


def _number(*, key: bool = True) -> Column[str]:
    return Column("number", NUMBER, ForeignKey("cases.number"), primary_key=key, nullable=False)


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
    Column("caller_name", String(80)),
    Column("caller_phone", String(26)),
    Column("caller_account_no", String(32)),
    Column("address", String(200)),
    Column("channel", CODE, nullable=False),
    Column("description", Text, nullable=False),
    Column("document", JsonText, nullable=False, comment="domain.case.state.Progress"),
)
"""One row a case, as it stands. `document` and the first event make the whole case again."""

events = Table(
    "events",
    metadata,
    _number(),
    Column("seq", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", PERSON, nullable=False),
    Column("role", CODE, nullable=False),
    Column("action", CODE, nullable=False),
    Column("from_state", CODE),
    Column("to_state", CODE, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("data", JsonText, nullable=False),
)
"""What happened, for ever. The event of seq 1 holds intake and terms: a case folds from its events alone."""

clocks = Table(
    "clocks",
    metadata,
    _number(),
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
    sqlite_with_rowid=False,
)
"""Every promise of every cycle, for reports."""

parts = Table(
    "parts",
    metadata,
    _number(),
    Column("serial", Integer, primary_key=True),
    Column("department", CODE, nullable=False),
    Column("state", CODE, nullable=False),
    Column("involved_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False, comment="The case's version that changed the part last."),
    Column("document", JsonText, nullable=False, comment="domain.case.parts.Part"),
    Index("ix_parts_department", "department", "involved_at", "number"),
    Index("ix_parts_department_state", "department", "state", "involved_at", "number"),
)
"""What further departments have to do in cases (协办)."""

decisions = Table(
    "decisions",
    metadata,
    _number(),
    Column("seq", Integer, primary_key=True),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("kind", CODE),
    Column("approved", Boolean, nullable=False),
    Column("amount_fen", BigInteger, key="amount_hundredths", comment="Hundredths of the currency's unit."),
    Column("currency", String(3), nullable=False),
    Index("ix_decisions_decided_at", "decided_at"),
)
"""What management decided on money (审批), for reports."""

incidents = Table(
    "incidents",
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("state", CODE, nullable=False),
    Column("department", CODE),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("document", JsonText, nullable=False, comment="domain.incident.incident.Incident"),
    Column("counts", JsonText, nullable=False, comment="How its cases came out, once it is over."),
    Index("ix_incidents_opened_at", "opened_at", "number"),
    Index(
        "ix_incidents_open",
        "opened_at",
        postgresql_where=text("closed_at IS NULL"),
        sqlite_where=text("closed_at IS NULL"),
    ),
)
"""One cause behind many cases (突发事件), as it stands; `cases.incident` says which."""

incident_events = Table(
    "incident_events",
    metadata,
    Column("number", NUMBER, ForeignKey("incidents.number"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", PERSON, nullable=False),
    Column("role", CODE, nullable=False),
    Column("action", CODE, nullable=False),
    Column("from_state", CODE),
    Column("to_state", CODE, nullable=False),
    Column("data", JsonText, nullable=False),
)
"""What happened to incidents, for ever."""

notifications = Table(
    "notifications",
    metadata,
    Column("key", code(160), primary_key=True),
    Column("number", NUMBER, nullable=False, comment="Of the case, or of the incident."),
    Column("seq", Integer, nullable=False),
    Column("recipient", code(120), nullable=False),
    Column("kind", CODE, nullable=False),
    Column("text_zh", Text, nullable=False),
    Column("text_en", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("status", CODE, nullable=False, comment="due, routed, no_route, sent or dead"),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", UtcDateTime, comment="Null once nothing is to be done."),
    Column("sent_at", UtcDateTime),
    Column("last_error", Text),
    Column("dead_at", UtcDateTime, comment="When it was given up; null unless it is dead."),
    # Only what is under way, and what is dead, is in an index, so both stay small however long the service runs.
    Index(
        "ix_notifications_under_way",
        "next_try_at",
        postgresql_where=text("next_try_at IS NOT NULL"),
        sqlite_where=text("next_try_at IS NOT NULL"),
    ),
    Index(
        "ix_notifications_dead",
        "dead_at",
        "key",
        postgresql_where=text("dead_at IS NOT NULL"),
        sqlite_where=text("dead_at IS NOT NULL"),
    ),
)
"""What is to be told to whom. The courier changes a row, and whoever has a dead letter sent again."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("key", code(160), ForeignKey("notifications.key"), primary_key=True),
    Column("channel", CODE, primary_key=True),
    Column("status", CODE, nullable=False, comment="due, sending, sent or dead"),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", UtcDateTime, comment="Null once sent or dead."),
    Column("sent_at", UtcDateTime),
    Column("last_error", Text),
    Index(
        "ix_deliveries_under_way",
        "channel",
        "next_try_at",
        postgresql_where=text("next_try_at IS NOT NULL"),
        sqlite_where=text("next_try_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
"""A notification on each channel that its recipient is routed to."""

search_words = Table(
    "search_words",
    metadata,
    Column("word", code(40), primary_key=True),
    Column("registered_at", UtcDateTime, primary_key=True),
    Column("number", NUMBER, ForeignKey("cases.number"), primary_key=True),
    sqlite_with_rowid=False,
)
"""The search index of readmodel.search_terms: written once, when the case is registered."""

customers = Table(
    "customers",
    metadata,
    Column("account_no", code(32), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("phone", String(26)),
    Column("address", String(200)),
    Column("district", CODE),
    Column("meter", String(40)),
    Column("customer_class", CODE, nullable=False),
    Column("hardship", Boolean, nullable=False),
    Column("hardship_grounds", String(200)),
    Column("free_allowance_m3", Exact, comment="A month."),
    Column("notes", Text),
    Column("phone_term", code(40), comment="readmodel.search_terms.phone_term", index=True),
)
"""The registry (客户档案), as it was imported last: one row an account."""

FILTERS = ("state", "department", "owner", "service_code", "district")
"""The columns by which a list is narrowed to one value."""
POSTGRESQL_ONLY: set[str | None] = set()
"""Names of indexes that SQLite goes without."""

Index("ix_cases_newest", cases.c.registered_at, cases.c.number)
for _name in FILTERS:
    Index(f"ix_cases_{_name}", cases.c[_name], cases.c.registered_at, cases.c.number)
for _pair in combinations(FILTERS, 2):
    # Two values that hardly ever meet, a thanks (表扬) with the repair crew, would be sought among a million rows
    # otherwise. SQLite serves one machine's worth of cases, and pays for each index with every action.
    _columns = [cases.c[_name] for _name in (*_pair, "registered_at", "number")]
    _index = Index(f"ix_cases_{'_'.join(_pair)}", *_columns).ddl_if(dialect="postgresql")
    POSTGRESQL_ONLY.add(_index.name)
Index(
    "ix_cases_closed",
    cases.c.closed_at,
    cases.c.number,
    postgresql_where=text("closed_at IS NOT NULL"),
    sqlite_where=text("closed_at IS NOT NULL"),
)
Index(
    "ix_cases_overdue",
    cases.c.registered_at,
    cases.c.number,
    postgresql_where=text("overdue"),
    sqlite_where=text("overdue = 1"),
)
Index(
    "ix_cases_incident",
    cases.c.incident,
    cases.c.registered_at,
    cases.c.number,
    postgresql_where=text("incident IS NOT NULL"),
    sqlite_where=text("incident IS NOT NULL"),
)
