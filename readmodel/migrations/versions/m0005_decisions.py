"""What management decided on money (审批), for reports."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _code(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "decisions",
        sa.Column("number", _code(13), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", _code(40)),
        sa.Column("approved", sa.Boolean, nullable=False),
        sa.Column("amount_fen", sa.BigInteger, comment="Hundredths of a CNY (分)."),
        sa.PrimaryKeyConstraint("number", "seq", name="pk_decisions"),
        sa.ForeignKeyConstraint(["number"], ["cases.number"], name="fk_decisions_number"),
    )
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"])


def downgrade() -> None:
    """Drop it: what it shows can be written again from the cases' workflows."""
    op.drop_table("decisions")
