"""Check of the pages of a SQLite file, table by table, so that no look reads the whole file at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name"


def tables_of(file: Path) -> list[str]:
    """Return the tables of the file. Raises sqlite3.Error."""
    with _read_only(file) as connection:
        return [name for (name,) in connection.execute(_TABLES)]


def damage_of(file: Path, table: str) -> str | None:
    """Return what is wrong with the pages of a table and its indexes; None if they are sound.

    The connection only reads, and in the log of SQLite a reader stops no writer. Raises sqlite3.OperationalError if the
    file cannot be read now.
    """
    quoted = table.replace("'", "''")
    try:
        with _read_only(file) as connection:
            [(first,), *_] = connection.execute(f"PRAGMA quick_check('{quoted}')").fetchall()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if first == "ok" else " ".join(str(first).split())


@contextmanager
def _read_only(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection
