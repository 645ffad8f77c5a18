"""Rows of the tables."""

from typing import Any

from sqlalchemy import Engine, Table, delete, select, text

from readmodel.base.database import writing
from readmodel.migrate import metadata


def rows(database: Engine, table: Table) -> list[dict[str, Any]]:
    """Return all rows, by key."""
    with database.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]


def everything(database: Engine) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables."""
    return {table.name: rows(database, table) for table in metadata.sorted_tables}


def execute(database: Engine, *statements: str, **values: Any) -> None:
    """Run these statements in one transaction."""
    with writing(database) as connection:
        for statement in statements:
            connection.execute(text(statement), values)


def forget(database: Engine, day: str) -> None:
    """Delete all that is of cases whose numbers begin so."""
    with writing(database) as connection:
        for table in (each for each in reversed(metadata.sorted_tables) if "number" in each.c):
            connection.execute(delete(table).where(table.c.number.startswith(day)))


def clear(database: Engine) -> None:
    """Empty all tables."""
    with writing(database) as connection:
        if database.dialect.name == "postgresql":
            # A late writer locks its case first: whoever clears waits for it before anything else is locked.
            connection.execute(text("LOCK TABLE cases IN EXCLUSIVE MODE"))
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
