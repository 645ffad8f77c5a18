"""Indexes of the embedded Temporal's list of workflows: those that no list here needs are dropped.

Temporal keeps 63 indexes on that table, one for each search attribute that anybody could define, and writes each of
them anew at every action on a case. The server makes them once, with its file. docs/decisions/0022 has the figures.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

UNUSED = (
    "by_batcher_*",
    "by_bool_*",
    "by_double_*",
    "by_execution_*",
    "by_history_*",
    "by_int_*",
    "by_*_run_id",
    "by_state_transition_*",
    "by_task_queue",
    "by_temporal_*",
)
"""Names of indexes that are dropped, as SQLite's GLOB. A list by such a column reads all workflows instead."""
LOCK_SECONDS = 30.0
"""Longest wait for the server, which writes to the same file."""
_FIND = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'executions_visibility' AND name GLOB ?"


def drop_unused_indexes(file: Path) -> int:
    """Drop the unused indexes of Temporal's SQLite file, while the server may run; return how many there were.

    Raises:
        sqlite3.Error: the file is no such database, or stayed locked.
    """
    with closing(sqlite3.connect(file, timeout=LOCK_SECONDS, isolation_level=None)) as connection:
        found = [name for unused in UNUSED for (name,) in connection.execute(_FIND, (unused,)).fetchall()]
        for name in found:  # each in a transaction of its own, so that the server goes on between
            connection.execute(f"DROP INDEX {name}")
    return len(found)
