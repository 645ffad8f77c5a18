"""Tables of the read model. Every instant is UTC.

Most rows follow from events and can be written again. Others do not: customers, from the company's own files; results
of deliveries; marks of the reconciler; people and their keys; keys of processes; calls, call-backs; duties; reports;
handovers; the claim of the courier.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

import readmodel.assessment_tables
import readmodel.call_tables  # noqa: F401 - the metadata has their tables too
from readmodel.filters import FILTERED_COLUMNS
from readmodel.schema import CODE, NUMBER, PERSON, event_columns, index_where
from readmodel.schema import metadata as metadata  # noqa: PLC0414 - exported
from readmodel.types import Exact, JsonText, UtcDateTime, code


def _number(table: str = "cases") -> Column[str]:
    return Column("number", NUMBER, ForeignKey(f"{table}.number"), primary_key=True)


def _index_of(column: str, value: str, *columns: str, name: str) -> Index:
    """Return an index of the rows that have this value, its condition as PostgreSQL writes it."""
    return index_where(f"({column})::text = '{value}'::text", *columns, name=name, on_sqlite=f"{column} = '{value}'")


installation = Table(
    "installation",
    metadata,
    Column("place", Integer, primary_key=True, comment="1, so that there is one row."),
    Column("id", CODE, nullable=False),
)
"""Id of the installation, which Temporal has as well."""

process_keys = Table(
    "process_keys",
    metadata,
    Column("process", code(300), primary_key=True, comment="Program, machine and process id."),
    Column("ids", Text, nullable=False, comment="Of its keys, with spaces between them."),
    Column("renewed_at", UtcDateTime, nullable=False),
)
"""Keys that the processes of the service have, which each states again and again."""

sealing_keys = Table(
    "sealing_keys",
    metadata,
    Column("id", CODE, primary_key=True),
    Column("last_at", UtcDateTime, nullable=False),
)
"""Keys that have sealed anything, and when last."""

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
    Column("lost", CODE, comment="How its workflow was lost, see readmodel.reconciliation; a rebuild ignores it."),
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
    _number(),
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
    index_where("missed_at IS NOT NULL", "missed_at", name="ix_clocks_missed"),
    _index_of("status", "met", "stopped_at", name="ix_clocks_met"),
    sqlite_with_rowid=False,
)
"""Clocks of every cycle, for reports."""

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
"""Parts of cases done by further departments (协办)."""

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
"""Decisions of management on money (审批), for reports."""

follow_ups = Table(
    "follow_ups",
    metadata,
    _number(),
    Column("seq", Integer, primary_key=True),
    Column("followed_up_at", UtcDateTime, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("department", CODE, comment="Whose work it was about; null if no department had the case."),
    Column("outcome", CODE, nullable=False),
    Column("contacted", Boolean, nullable=False),
    Column("solved", Boolean, comment="Null if not asked, or not reached."),
    Column("satisfaction", CODE, comment="domain.case.satisfaction.Satisfaction; null if not asked, or not reached."),
    Index("ix_follow_ups_followed_up_at", "followed_up_at"),
)
"""Finished follow-ups (回访), the last try of each cycle, for reports."""

withdrawals = Table(
    "withdrawals",
    metadata,
    _number(),
    Column("seq", Integer, primary_key=True),
    Column("withdrawn_at", UtcDateTime, nullable=False),
    Column("withdrawn_by", PERSON, nullable=False),
    Column("named_call", code(80), nullable=False, comment="Of the call that gave the right to it."),
    Column("phone_term", code(40), comment="Of the case's telephone, without corrections by who withdrew it."),
    Index("ix_withdrawals_withdrawn_at", "withdrawn_at", "number"),
)
"""Withdrawals (撤销) by a call, to be compared with the call."""

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
    index_where("closed_at IS NULL", "opened_at", name="ix_incidents_open"),
)
"""Incidents (突发事件): one cause behind many cases, which name it in `cases.incident`."""

incident_events = Table(
    "incident_events",
    metadata,
    _number("incidents"),
    *event_columns(),
    Column("data", JsonText, nullable=False),
)
"""Events of incidents."""

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
    index_where("next_try_at IS NOT NULL", "next_try_at", name="ix_notifications_under_way"),
    index_where("sent_at IS NULL", "number", "recipient", name="ix_notifications_unsent"),
    index_where("dead_at IS NOT NULL", "dead_at", "key", name="ix_notifications_dead"),
)
"""Notifications. The courier changes their status, and so does a request to send a dead letter again."""

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
    index_where("next_try_at IS NOT NULL", "channel", "next_try_at", name="ix_deliveries_under_way"),
    sqlite_with_rowid=False,
)
"""Deliveries: a notification on each channel that its recipient is routed to."""

courier = Table(
    "courier",
    metadata,
    Column("place", Integer, primary_key=True, comment="1, so that there is one row."),
    Column("holder", CODE, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
"""Claim of the courier that sends, until an instant: of two at once, the second waits."""

search_words = Table(
    "search_words",
    metadata,
    Column("word", code(40), primary_key=True),
    Column("registered_at", UtcDateTime, primary_key=True),
    _number(),
    Column("personal", Boolean, nullable=False, comment="Of the caller, and of nothing else in the case."),
    sqlite_with_rowid=False,
)
"""Index of search terms (`readmodel.search_terms`), written when a case is registered and when it is corrected."""

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
"""Registry of customers (客户档案), as it was imported last: one row an account."""

people = Table(
    "people",
    metadata,
    Column("id", PERSON, primary_key=True),
    Column("folded_id", PERSON, nullable=False, unique=True, comment="readmodel.people.folded"),
    Column("name", String(80), nullable=False),
    Column("role", CODE, nullable=False),
    Column("department", CODE),
    Column("districts", Text, nullable=False, comment="Codes, with commas between them."),
    Column("phone", String(26), comment="The person's own, which gets no link to a caller's page."),
    Column("added_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),
    Column("session_number", Integer, nullable=False, comment="Sessions with a lower one have ended."),
)
"""People of the company (人员). A row stays when its person leaves: the id is never given to another."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", CODE, primary_key=True),
    Column("person", PERSON, ForeignKey("people.id"), nullable=False, index=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("scope", CODE, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)
"""API keys of people."""

reports = Table(
    "reports",
    metadata,
    Column("kind", CODE, primary_key=True),
    Column("period", CODE, primary_key=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("document", JsonText, nullable=False, comment="domain.reports.report.Report"),
)
"""Reports that managers read. Each is made once, and stays as it was made when the rest is written again."""

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
