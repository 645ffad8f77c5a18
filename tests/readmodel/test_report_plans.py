"""Reports read promises, events and decisions by an index of their instant, however long the service runs."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event, text

from bench.lists_data import Data, load
from domain.reports.report import Period, ReportKind
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.assessments.bridge import moved
from readmodel.base.database import ReadConnection, engine, reading
from readmodel.migrate import migrate
from readmodel.reports.reports import TABLE_QUERIES
from readmodel.reports.scope import ReportScope
from tests.support.assessment import month

SCOPE = ReportScope.of(Period.parse(ReportKind.DAILY, "2026-09-07"), load_catalogue(DEFAULT_CATALOGUE))
INDEXES = {
    "missed": {"ix_clocks_missed"},
    "headlines": {"ix_clocks_missed", "ix_clocks_met", "ix_cases_closed", "ix_cases_open"},
    "backlog": {"ix_cases_closed", "ix_cases_open"},
    "oldest": {"ix_cases_closed", "ix_cases_open"},
    "findings": {"ix_events_completed"},
    "returns": {"ix_events_returned"},
    "bridge": {"ix_clocks_missed", "ix_clocks_met"},
    "costs": {"ix_decisions_decided_at"},
}
GROWING = "cases|clocks|events|decisions|calls|search_words|figure_entries"


def bridge(connection: ReadConnection, _: ReportScope) -> tuple[int, int]:
    return moved(connection, month())


QUERIES = (*TABLE_QUERIES, bridge)


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Engine]:
    """With cases on PostgreSQL: where tables are empty, indexes cost the same and chance decides."""
    migrate(module_database_url)
    made = engine(module_database_url)
    if made.dialect.name == "postgresql":
        with psycopg.connect(module_database_url.replace("+psycopg", "")) as connection, connection.cursor() as cursor:
            load(cursor, Data(load_catalogue(DEFAULT_CATALOGUE), 2000).rows())
            cursor.execute("ANALYZE cases")
    yield made
    made.dispose()


@pytest.mark.parametrize("ask", QUERIES, ids=[ask.__name__ for ask in QUERIES])
def test_no_growing_table_is_read_from_end_to_end(
    database: Engine, ask: Callable[[ReadConnection, ReportScope], object]
) -> None:
    sent: list[tuple[str, Any]] = []
    with reading(database) as connection:
        on_postgresql = database.dialect.name == "postgresql"
        if on_postgresql:  # small tables are read whole by choice
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(connection, "before_cursor_execute", lambda _, __, one, given, *___: sent.append((one, given)))
        ask(connection, SCOPE)
        explain = f"EXPLAIN {'' if on_postgresql else 'QUERY PLAN '}"
        found = [connection.exec_driver_sql(explain + statement, given).all() for statement, given in list(sent)]
    plan = "\n".join(str(row[-1]) for rows in found for row in rows)
    assert not re.search(rf"Seq Scan on ({GROWING})\b|SCAN ({GROWING})( \(|$|\n)", plan), plan
    assert INDEXES.get(ask.__name__, set()) <= {*re.findall(r"\bix_\w+", plan)}, plan
