"""Deliveries: a message on each channel that it goes out on; and an index of the dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _code(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table and the indexes."""
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
    _partial("ix_deliveries_under_way", "deliveries", ["channel", "next_try_at"], "next_try_at IS NOT NULL")
    dead_at = sa.Column("dead_at", INSTANT, comment="When it was given up; null unless it is dead.")
    op.add_column("notifications", dead_at)
    op.execute("UPDATE notifications SET dead_at = created_at WHERE status = 'dead'")
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("notifications", "status", comment="due, sending, routed, no_route, sent or dead")
        op.alter_column("notifications", "next_try_at", comment="Null once nothing is to be done.")
    _partial("ix_notifications_dead", "notifications", ["dead_at", "key"], "dead_at IS NOT NULL")


def downgrade() -> None:
    """Drop them: what is under way on a channel is no longer sent."""
    op.drop_index("ix_notifications_dead", "notifications")
    op.drop_column("notifications", "dead_at")
    op.drop_table("deliveries")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
