"""The class of a customer, by which what is owed to him may differ."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

CODE = sa.String(40).with_variant(sa.String(40, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column: who is in the registry already is a household until an import says otherwise."""
    op.add_column("customers", sa.Column("customer_class", CODE, nullable=False, server_default="household"))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("customers", "customer_class")
