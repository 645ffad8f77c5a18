"""The rows that the benchmark of the desk adds are ones that its pages can show."""

from datetime import UTC, datetime, timedelta

import pytest

from bench import calls, postgres
from bench.desk import NEWS, OPEN_INCIDENT, add_rest
from bench.lists_data import Data, load
from domain.incident.state import ENDS, IncidentState
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel import incidents
from readmodel.base.database import opened, reading
from readmodel.calls.call_backs import count_open_call_backs, list_call_backs


@pytest.mark.slow
def test_the_desk_of_the_benchmark_has_call_backs_and_incidents_with_their_cases(postgresql_url: str) -> None:
    uri, now = postgresql_url.replace("+psycopg", ""), datetime.now(UTC)
    with postgres.loading(uri) as cursor:
        load(cursor, Data(load_catalogue(DEFAULT_CATALOGUE), 5000, now).rows())
        calls.add(cursor, 100_000, now)
    assert add_rest(postgresql_url, uri, now).startswith("hk_")
    with opened(postgresql_url, read_only=True) as database, reading(database) as connection:
        over = incidents.page(connection, [*ENDS.values()], None, 25).items
        ((still_open, _),) = incidents.page(connection, [IncidentState.IN_PROGRESS], None, 25).items
        linked = sum(incidents.case_counts(connection, OPEN_INCIDENT).states.values())
        told = incidents.count_told(connection, OPEN_INCIDENT, ())
        waiting = list_call_backs(connection, None, now, None, 1).items
        assert count_open_call_backs(connection) > 0 < len(over)
    assert still_open.number == OPEN_INCIDENT
    assert now - timedelta(days=2) < still_open.since < now
    assert [sum(by_status.values()) for by_status in told.values()] == [linked] * NEWS
    assert linked > 0 < len(waiting)
