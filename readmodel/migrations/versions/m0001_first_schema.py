"""The first schema: cases, events, clocks, notifications and search terms."""

from itertools import combinations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
FILTERS = ("state", "department", "owner", "service_code", "district")


def _code(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _cases()
    _events()
    _clocks()
    _notifications()
    _case_terms()
    _indexes()


def downgrade() -> None:
    """Drop them: what they show can be written again from the cases' workflows."""
    for table in ("case_terms", "notifications", "clocks", "events", "cases"):
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
        sa.Column("document", sa.JSON, nullable=False, comment="domain.record.Progress"),
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
        sa.Column("rung", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, comment="The case's version that changed the clock last."),
        sa.PrimaryKeyConstraint("number", "serial", name="pk_clocks"),
        sqlite_with_rowid=False,
    )


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("key", _code(160), nullable=False),
        *_number("notifications"),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("recipient", _code(120), nullable=False),
        sa.Column("kind", _code(40), nullable=False),
        sa.Column("text_zh", sa.Text, nullable=False),
        sa.Column("text_en", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("status", _code(40), nullable=False, comment="due, sending, sent or dead"),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", INSTANT, comment="Null once sent or dead."),
        sa.Column("sent_at", INSTANT),
        sa.Column("last_error", sa.Text),
        sa.PrimaryKeyConstraint("key", name="pk_notifications"),
    )


def _case_terms() -> None:
    op.create_table(
        "case_terms",
        sa.Column("term", _code(40), nullable=False),
        sa.Column("registered_at", INSTANT, nullable=False),
        *_number("case_terms"),
        sa.PrimaryKeyConstraint("term", "registered_at", "number", name="pk_case_terms"),
        sqlite_with_rowid=False,
    )


def _indexes() -> None:
    _partial("ix_notifications_under_way", "notifications", ["next_try_at"], "next_try_at IS NOT NULL")
    op.create_index("ix_cases_newest", "cases", ["registered_at", "number"])
    for name in FILTERS:
        op.create_index(f"ix_cases_{name}", "cases", [name, "registered_at", "number"])
    overdue = "overdue" if op.get_bind().dialect.name == "postgresql" else "overdue = 1"
    _partial("ix_cases_overdue", "cases", ["registered_at", "number"], overdue)
    _partial("ix_cases_incident", "cases", ["incident", "registered_at", "number"], "incident IS NOT NULL")
    if op.get_bind().dialect.name == "postgresql":
        for one, other in combinations(FILTERS, 2):
            op.create_index(f"ix_cases_{one}_{other}", "cases", [one, other, "registered_at", "number"])


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
