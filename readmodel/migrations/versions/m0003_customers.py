"""The registry of customers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _code(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table, empty until customers are imported."""
    op.create_table(
        "customers",
        sa.Column("account_no", _code(32), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("phone", sa.String(26)),
        sa.Column("address", sa.String(200)),
        sa.Column("district", _code(40)),
        sa.Column("meter", sa.String(40)),
        sa.Column("hardship", sa.Boolean, nullable=False),
        sa.Column("hardship_grounds", sa.String(200)),
        sa.Column("free_allowance_m3", sa.Numeric(8, 2).with_variant(sa.String(9), "sqlite"), comment="A month."),
        sa.Column("notes", sa.Text),
        sa.Column("phone_term", _code(40), comment="readmodel.terms.phone_term"),
        sa.PrimaryKeyConstraint("account_no", name="pk_customers"),
    )
    op.create_index("ix_customers_phone_term", "customers", ["phone_term"])


def downgrade() -> None:
    """Drop it: customers can be imported again."""
    op.drop_table("customers")
