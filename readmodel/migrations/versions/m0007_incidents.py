"""Incidents; and messages that are about an incident instead of a case, so their number is no case's for sure."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _code(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, and let go of the foreign key of messages."""
    _incidents()
    if op.get_bind().dialect.name == "postgresql":
        # Gone already where the schema has been down and comes up again.
        op.drop_constraint("fk_notifications_number", "notifications", type_="foreignkey", if_exists=True)
        op.alter_column("notifications", "number", comment="Of the case, or of the incident.")
    else:
        _messages_again()


def downgrade() -> None:
    """Drop the tables; the foreign key stays away, as there may be messages that would break it."""
    op.drop_table("incident_events")
    op.drop_table("incidents")


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("number", _code(13), nullable=False),
        sa.Column("state", _code(40), nullable=False),
        sa.Column("department", _code(40)),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON, nullable=False, comment="domain.incident.Incident"),
        sa.Column("counts", sa.JSON, nullable=False, comment="How its cases came out, once it is over."),
        sa.PrimaryKeyConstraint("number", name="pk_incidents"),
    )
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at", "number"])
    _partial("ix_incidents_open", "incidents", ["opened_at"], "closed_at IS NULL")
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


def _messages_again() -> None:
    """SQLite drops no constraint: the tables are made again. Foreign keys hold meanwhile, so the child goes first."""
    connection = op.get_bind()
    held = sa.MetaData()
    held.reflect(connection, only=["notifications", "deliveries"])
    columns = {name: [column.name for column in table.columns] for name, table in held.tables.items()}
    for name in ("deliveries", "notifications"):
        op.execute(f"CREATE TEMPORARY TABLE kept_{name} AS SELECT * FROM {name}")  # noqa: S608 - names of ours
        op.drop_table(name)
    op.create_table(
        "notifications",
        sa.Column("key", _code(160), nullable=False),
        sa.Column("number", _code(13), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("recipient", _code(120), nullable=False),
        sa.Column("kind", _code(40), nullable=False),
        sa.Column("text_zh", sa.Text, nullable=False),
        sa.Column("text_en", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("status", _code(40), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", INSTANT),
        sa.Column("sent_at", INSTANT),
        sa.Column("last_error", sa.Text),
        sa.Column("dead_at", INSTANT),
        sa.PrimaryKeyConstraint("key", name="pk_notifications"),
    )
    op.create_table(
        "deliveries",
        sa.Column("key", _code(160), nullable=False),
        sa.Column("channel", _code(40), nullable=False),
        sa.Column("status", _code(40), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", INSTANT),
        sa.Column("sent_at", INSTANT),
        sa.Column("last_error", sa.Text),
        sa.ForeignKeyConstraint(["key"], ["notifications.key"], name="fk_deliveries_key"),
        sa.PrimaryKeyConstraint("key", "channel", name="pk_deliveries"),
        sqlite_with_rowid=False,
    )
    for name in ("notifications", "deliveries"):
        listed = ", ".join(columns[name])
        op.execute(f"INSERT INTO {name} ({listed}) SELECT {listed} FROM kept_{name}")  # noqa: S608 - names of ours
        op.execute(f"DROP TABLE kept_{name}")
    _partial("ix_notifications_under_way", "notifications", ["next_try_at"], "next_try_at IS NOT NULL")
    _partial("ix_notifications_dead", "notifications", ["dead_at", "key"], "dead_at IS NOT NULL")
    _partial("ix_deliveries_under_way", "deliveries", ["channel", "next_try_at"], "next_try_at IS NOT NULL")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
