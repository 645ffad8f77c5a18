"""Base of all tables of the read model: their metadata, and types of columns."""

from typing import Any

from sqlalchemy import Column, Index, MetaData, text

from readmodel.types import code

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)

NUMBER = code(13)
CODE = code(40)
PERSON = code(80)


def index_where(condition: str, *columns: str | Column[Any], name: str, on_sqlite: str = "") -> Index:
    """Return an index of some rows only, so that it stays small however long the service runs."""
    return Index(name, *columns, postgresql_where=text(condition), sqlite_where=text(on_sqlite or condition))
