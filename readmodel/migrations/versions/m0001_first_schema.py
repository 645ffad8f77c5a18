"""First schema: cases with all that belongs to them, incidents, notifications, search words and customers."""

from itertools import combinations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
FILTERS = ("state", "department", "owner", "service_code", "district")
_metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def upgrade() -> None:
    """Create the tables."""
    _metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop the tables. Cases can be written again from their workflows, and customers imported again."""
    _metadata.drop_all(op.get_bind())


def _code(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _number(table: str) -> sa.Column[str]:
    return sa.Column("number", _code(13), sa.ForeignKey(f"{table}.number"), primary_key=True)


def _index_where(condition: str, *columns: str, name: str, on_sqlite: str = "") -> sa.Index:
    return sa.Index(name, *columns, postgresql_where=sa.text(condition), sqlite_where=sa.text(on_sqlite or condition))


sa.Table(
    "cases",
    _metadata,
    sa.Column("number", _code(13), primary_key=True),
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
    sa.Index("ix_cases_newest", "registered_at", "number"),
    *(sa.Index(f"ix_cases_{name}", name, "registered_at", "number") for name in FILTERS),
    *(
        sa.Index(f"ix_cases_{one}_{other}", one, other, "registered_at", "number").ddl_if(dialect="postgresql")
        for one, other in combinations(FILTERS, 2)
    ),
    _index_where("closed_at IS NOT NULL", "closed_at", "number", name="ix_cases_closed"),
    _index_where("overdue", "registered_at", "number", name="ix_cases_overdue", on_sqlite="overdue = 1"),
    _index_where("incident IS NOT NULL", "incident", "registered_at", "number", name="ix_cases_incident"),
)
sa.Table(
    "events",
    _metadata,
    _number("cases"),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("actor", _code(80), nullable=False),
    sa.Column("role", _code(40), nullable=False),
    sa.Column("action", _code(40), nullable=False),
    sa.Column("from_state", _code(40)),
    sa.Column("to_state", _code(40), nullable=False),
    sa.Column("cycle", sa.Integer, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)
sa.Table(
    "clocks",
    _metadata,
    _number("cases"),
    sa.Column("serial", sa.Integer, primary_key=True),
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
    sqlite_with_rowid=False,
)
sa.Table(
    "parts",
    _metadata,
    _number("cases"),
    sa.Column("serial", sa.Integer, primary_key=True),
    sa.Column("department", _code(40), nullable=False),
    sa.Column("state", _code(40), nullable=False),
    sa.Column("involved_at", INSTANT, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, comment="The case's version that changed the part last."),
    sa.Column("document", sa.JSON, nullable=False, comment="domain.case.parts.Part"),
    sa.Index("ix_parts_department", "department", "involved_at", "number"),
    sa.Index("ix_parts_department_state", "department", "state", "involved_at", "number"),
)
sa.Table(
    "decisions",
    _metadata,
    _number("cases"),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("decided_at", INSTANT, nullable=False),
    sa.Column("kind", _code(40)),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("amount_fen", sa.BigInteger, comment="Hundredths of the currency's unit."),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Index("ix_decisions_decided_at", "decided_at"),
)
sa.Table(
    "incidents",
    _metadata,
    sa.Column("number", _code(13), primary_key=True),
    sa.Column("state", _code(40), nullable=False),
    sa.Column("department", _code(40)),
    sa.Column("opened_at", INSTANT, nullable=False),
    sa.Column("closed_at", INSTANT),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.JSON, nullable=False, comment="domain.incident.incident.Incident"),
    sa.Column("counts", sa.JSON, nullable=False, comment="How its cases came out, once it is over."),
    sa.Index("ix_incidents_opened_at", "opened_at", "number"),
    _index_where("closed_at IS NULL", "opened_at", name="ix_incidents_open"),
)
sa.Table(
    "incident_events",
    _metadata,
    _number("incidents"),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("actor", _code(80), nullable=False),
    sa.Column("role", _code(40), nullable=False),
    sa.Column("action", _code(40), nullable=False),
    sa.Column("from_state", _code(40)),
    sa.Column("to_state", _code(40), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)
sa.Table(
    "notifications",
    _metadata,
    sa.Column("key", _code(160), primary_key=True),
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
    _index_where("next_try_at IS NOT NULL", "next_try_at", name="ix_notifications_under_way"),
    _index_where("dead_at IS NOT NULL", "dead_at", "key", name="ix_notifications_dead"),
)
sa.Table(
    "deliveries",
    _metadata,
    sa.Column("key", _code(160), sa.ForeignKey("notifications.key"), primary_key=True),
    sa.Column("channel", _code(40), primary_key=True),
    sa.Column("status", _code(40), nullable=False, comment="due, sending, sent or dead"),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try_at", INSTANT, comment="Null once sent or dead."),
    sa.Column("sent_at", INSTANT),
    sa.Column("last_error", sa.Text),
    _index_where("next_try_at IS NOT NULL", "channel", "next_try_at", name="ix_deliveries_under_way"),
    sqlite_with_rowid=False,
)
sa.Table(
    "search_words",
    _metadata,
    sa.Column("word", _code(40), primary_key=True),
    sa.Column("registered_at", INSTANT, primary_key=True),
    _number("cases"),
    sqlite_with_rowid=False,
)
sa.Table(
    "customers",
    _metadata,
    sa.Column("account_no", _code(32), primary_key=True),
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
    sa.Column("phone_term", _code(40), comment="readmodel.search_terms.phone_term", index=True),
)
