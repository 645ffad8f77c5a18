"""The first schema: cases with all that belongs to them, incidents, notifications, search words and customers."""

from itertools import combinations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
TABLES = (
    *("customers", "search_words", "deliveries", "notifications", "incident_events", "incidents"),
    *("decisions", "parts", "clocks", "events", "cases"),
)
FILTERS = ("state", "department", "owner", "service_code", "district")


def _code(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _cases()
    _events()
    _clocks()
    _parts()
    _decisions()
    _incidents()
    _notifications()
    _deliveries()
    _search_words()
    _customers()
    _indexes()


def downgrade() -> None:
    """Drop them: what they show can be written again from the cases' workflows, and customers be imported again."""
    for table in TABLES:
        op.drop_table(table)


def _number(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    return (
        sa.Column("number", _code(13), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["cases.number"], name=f"fk_{table}_number"),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("number", _code(13), nullable=False),
        sa.Column("state", _code(40), nullable=False),
        sa.Column("service_code", _code(40), nullable=False),
        sa.Column("priority", _code(40), nullable=False),
        sa.Column("owner", _code(80), nullable=False),
        sa.Column("department", _code(40)),
        sa.Column("assignee", _code(80)),
        sa.Column("district", _code(40)),
        sa.Column("incident", _code(40)),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("flags", sa.JSON, nullable=False),
        sa.Column("sla", _code(40), nullable=False),
        sa.Column("overdue", sa.Boolean, nullable=False),
        sa.Column("registered_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("next_due_at", INSTANT),
        sa.Column("caller_name", sa.String(80)),
        sa.Column("caller_phone", sa.String(26)),
        sa.Column("caller_account_no", sa.String(32)),
        sa.Column("address", sa.String(200)),
        sa.Column("channel", _code(40), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("document", sa.JSON, nullable=False, comment="domain.case.state.Progress"),
        sa.PrimaryKeyConstraint("number", name="pk_cases"),
    )


def _events() -> None:
    op.create_table(
        "events",
        *_number("events"),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", _code(80), nullable=False),
        sa.Column("role", _code(40), nullable=False),
        sa.Column("action", _code(40), nullable=False),
        sa.Column("from_state", _code(40)),
        sa.Column("to_state", _code(40), nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("number", "seq", name="pk_events"),
    )


def _clocks() -> None:
    op.create_table(
        "clocks",
        *_number("clocks"),
        sa.Column("serial", sa.Integer, nullable=False),
        sa.Column("name", _code(40), nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("status", _code(40), nullable=False),
        sa.Column("calendar", _code(40), nullable=False),
        sa.Column("budget_seconds", sa.Float, nullable=False),
        sa.Column("consumed_seconds", sa.Float, nullable=False, comment="Up to running_since, where that is set."),
        sa.Column("started_at", INSTANT),
        sa.Column("running_since", INSTANT),
        sa.Column("stopped_at", INSTANT),
        sa.Column("missed_at", INSTANT),
        sa.Column("part", sa.Integer, nullable=False, comment="0: of the case itself."),
        sa.Column("rung", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, comment="The case's version that changed the clock last."),
        sa.PrimaryKeyConstraint("number", "serial", name="pk_clocks"),
        sqlite_with_rowid=False,
    )


def _parts() -> None:
    op.create_table(
        "parts",
        *_number("parts"),
        sa.Column("serial", sa.Integer, nullable=False),
        sa.Column("department", _code(40), nullable=False),
        sa.Column("state", _code(40), nullable=False),
        sa.Column("involved_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, comment="The case's version that changed the part last."),
        sa.Column("document", sa.JSON, nullable=False, comment="domain.case.parts.Part"),
        sa.PrimaryKeyConstraint("number", "serial", name="pk_parts"),
    )


def _decisions() -> None:
    op.create_table(
        "decisions",
        *_number("decisions"),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("kind", _code(40)),
        sa.Column("approved", sa.Boolean, nullable=False),
        sa.Column("amount_fen", sa.BigInteger, comment="Hundredths of the currency's unit."),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.PrimaryKeyConstraint("number", "seq", name="pk_decisions"),
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("number", _code(13), nullable=False),
        sa.Column("state", _code(40), nullable=False),
        sa.Column("department", _code(40)),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON, nullable=False, comment="domain.incident.incident.Incident"),
        sa.Column("counts", sa.JSON, nullable=False, comment="How its cases came out, once it is over."),
        sa.PrimaryKeyConstraint("number", name="pk_incidents"),
    )
    op.create_table(
        "incident_events",
        sa.Column("number", _code(13), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", _code(80), nullable=False),
        sa.Column("role", _code(40), nullable=False),
        sa.Column("action", _code(40), nullable=False),
        sa.Column("from_state", _code(40)),
        sa.Column("to_state", _code(40), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("number", "seq", name="pk_incident_events"),
        sa.ForeignKeyConstraint(["number"], ["incidents.number"], name="fk_incident_events_number"),
    )


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("key", _code(160), nullable=False),
        sa.Column("number", _code(13), nullable=False, comment="Of the case, or of the incident."),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("recipient", _code(120), nullable=False),
        sa.Column("kind", _code(40), nullable=False),
        sa.Column("text_zh", sa.Text, nullable=False),
        sa.Column("text_en", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("status", _code(40), nullable=False, comment="due, routed, no_route, sent or dead"),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", INSTANT, comment="Null once nothing is to be done."),
        sa.Column("sent_at", INSTANT),
        sa.Column("last_error", sa.Text),
        sa.Column("dead_at", INSTANT, comment="When it was given up; null unless it is dead."),
        sa.PrimaryKeyConstraint("key", name="pk_notifications"),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("key", _code(160), nullable=False),
        sa.Column("channel", _code(40), nullable=False),
        sa.Column("status", _code(40), nullable=False, comment="due, sending, sent or dead"),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", INSTANT, comment="Null once sent or dead."),
        sa.Column("sent_at", INSTANT),
        sa.Column("last_error", sa.Text),
        sa.ForeignKeyConstraint(["key"], ["notifications.key"], name="fk_deliveries_key"),
        sa.PrimaryKeyConstraint("key", "channel", name="pk_deliveries"),
        sqlite_with_rowid=False,
    )


def _search_words() -> None:
    op.create_table(
        "search_words",
        sa.Column("word", _code(40), nullable=False),
        sa.Column("registered_at", INSTANT, nullable=False),
        *_number("search_words"),
        sa.PrimaryKeyConstraint("word", "registered_at", "number", name="pk_search_words"),
        sqlite_with_rowid=False,
    )


def _customers() -> None:
    op.create_table(
        "customers",
        sa.Column("account_no", _code(32), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("phone", sa.String(26)),
        sa.Column("address", sa.String(200)),
        sa.Column("district", _code(40)),
        sa.Column("meter", sa.String(40)),
        sa.Column("customer_class", _code(40), nullable=False),
        sa.Column("hardship", sa.Boolean, nullable=False),
        sa.Column("hardship_grounds", sa.String(200)),
        sa.Column("free_allowance_m3", sa.Numeric(8, 2).with_variant(sa.String(9), "sqlite"), comment="A month."),
        sa.Column("notes", sa.Text),
        sa.Column("phone_term", _code(40), comment="readmodel.search_terms.phone_term"),
        sa.PrimaryKeyConstraint("account_no", name="pk_customers"),
    )


def _indexes() -> None:
    op.create_index("ix_parts_department", "parts", ["department", "involved_at", "number"])
    op.create_index("ix_parts_department_state", "parts", ["department", "state", "involved_at", "number"])
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"])
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at", "number"])
    _partial("ix_incidents_open", "incidents", ["opened_at"], "closed_at IS NULL")
    _partial("ix_notifications_under_way", "notifications", ["next_try_at"], "next_try_at IS NOT NULL")
    _partial("ix_notifications_dead", "notifications", ["dead_at", "key"], "dead_at IS NOT NULL")
    _partial("ix_deliveries_under_way", "deliveries", ["channel", "next_try_at"], "next_try_at IS NOT NULL")
    op.create_index("ix_customers_phone_term", "customers", ["phone_term"])
    _case_indexes()


def _case_indexes() -> None:
    op.create_index("ix_cases_newest", "cases", ["registered_at", "number"])
    for name in FILTERS:
        op.create_index(f"ix_cases_{name}", "cases", [name, "registered_at", "number"])
    _partial("ix_cases_closed", "cases", ["closed_at", "number"], "closed_at IS NOT NULL")
    overdue = "overdue" if op.get_bind().dialect.name == "postgresql" else "overdue = 1"
    _partial("ix_cases_overdue", "cases", ["registered_at", "number"], overdue)
    _partial("ix_cases_incident", "cases", ["incident", "registered_at", "number"], "incident IS NOT NULL")
    if op.get_bind().dialect.name == "postgresql":
        for one, other in combinations(FILTERS, 2):
            op.create_index(f"ix_cases_{one}_{other}", "cases", [one, other, "registered_at", "number"])


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
