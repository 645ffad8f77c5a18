"""The calls of the benchmark, which PostgreSQL makes, have the rows that the service would write."""

import pytest
from sqlalchemy import create_engine

from bench.calls import END, START, fill
from domain.calls.call import Call, CallOutcome
from readmodel.base.database import Imported, writing
from readmodel.calls.calls import save_calls
from readmodel.calls.tables import calls
from tests.support.rows import clear, rows


@pytest.mark.slow
def test_the_calls_of_the_benchmark_are_as_the_service_writes_them(postgresql_url: str) -> None:
    fill(postgresql_url.replace("+psycopg", ""), 500)
    database = create_engine(postgresql_url)
    made = rows(database, calls)
    clear(database)
    with writing(database) as connection:
        kept = save_calls(connection, [Call._make(row[name] for name in Call._fields) for row in made])
    assert kept == Imported(added=500)
    assert rows(database, calls) == made
    assert {row["outcome"] for row in made} == {"answered", "abandoned", "short_abandoned"} < {*CallOutcome}
    assert all(START <= row["started_at"] < END for row in made)
    database.dispose()
