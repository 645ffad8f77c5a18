"""The parts of further departments (协办), and whose part a clock belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _code(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; every clock there is belongs to its case itself."""
    part = sa.Column("part", sa.Integer, nullable=False, server_default="0", comment="0: of the case itself.")
    op.add_column("clocks", part)
    op.create_table(
        "parts",
        sa.Column("number", _code(13), nullable=False),
        sa.Column("serial", sa.Integer, nullable=False),
        sa.Column("department", _code(40), nullable=False),
        sa.Column("state", _code(40), nullable=False),
        sa.Column("involved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, comment="The case's version that changed the part last."),
        sa.Column("document", sa.JSON, nullable=False, comment="domain.parts.Part"),
        sa.PrimaryKeyConstraint("number", "serial", name="pk_parts"),
        sa.ForeignKeyConstraint(["number"], ["cases.number"], name="fk_parts_number"),
    )
    op.create_index("ix_parts_department", "parts", ["department", "involved_at", "number"])
    op.create_index("ix_parts_department_state", "parts", ["department", "state", "involved_at", "number"])


def downgrade() -> None:
    """Drop it: what it shows can be written again from the cases' workflows."""
    op.drop_table("parts")
    op.drop_column("clocks", "part")
