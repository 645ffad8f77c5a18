"""First schema: the tables as `readmodel.migrate` declares them, until release 0.1.0 writes them out here."""

from alembic import op

from readmodel.migrate import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())
