"""Cases that may still be reopened, for a new catalogue; the currency of what was decided on."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CLOSED = sa.text("closed_at IS NOT NULL")


def upgrade() -> None:
    """Add the index and the column; what was decided until now was in CNY."""
    op.create_index("ix_cases_closed", "cases", ["closed_at", "number"], postgresql_where=CLOSED, sqlite_where=CLOSED)
    op.add_column("decisions", sa.Column("currency", sa.String(3), nullable=False, server_default="CNY"))


def downgrade() -> None:
    """Take them away."""
    op.drop_column("decisions", "currency")
    op.drop_index("ix_cases_closed", "cases")
