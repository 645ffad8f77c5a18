"""Id of the installation that a read model belongs to."""

from sqlalchemy import Connection, inspect, select

from readmodel.database import WriteConnection
from readmodel.statements import insert_missing
from readmodel.tables import installation


def installation_id(connection: Connection) -> str | None:
    """Return the id; None if the read model has none, or no tables yet."""
    if not inspect(connection).has_table(installation.name):
        return None
    found: str | None = connection.scalar(select(installation.c.id))
    return found


def keep_installation_id(connection: WriteConnection, value: str) -> None:
    """Store the id if the read model has tables and no id."""
    if inspect(connection).has_table(installation.name):
        insert_missing(connection, installation, [{"place": 1, "id": value}])
