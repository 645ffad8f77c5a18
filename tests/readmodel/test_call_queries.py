"""Lists of calls on PostgreSQL: an index answers each page, whichever filters are given."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, combinations
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from domain.calls.call import Call, CallOutcome
from readmodel.base.database import engine, reading, writing
from readmodel.base.paging import Position
from readmodel.calls.calls import CallFilters, page_of_calls, save_calls
from tests.support.build import MONDAY

VALUES: dict[str, Any] = {
    "agent": "chen",
    "queue": "hotline",
    "outcome": (CallOutcome.ABANDONED,),
    "since": MONDAY,
    "until": MONDAY + timedelta(hours=9),
}
CHOICES = [*chain.from_iterable(combinations(VALUES, count) for count in range(len(VALUES) + 1))]


@pytest.fixture(scope="module")
def filled(postgresql_module_url: str) -> Iterator[Engine]:
    database = engine(postgresql_module_url)
    times = [MONDAY + timedelta(seconds=20 * place) for place in range(2000)]
    given = [
        Call(f"{place}", at, at if place % 10 else None, at + timedelta(minutes=1), "hotline", "110", "chen")
        for place, at in enumerate(times)
    ]
    with writing(database) as connection:
        save_calls(connection, given)
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield database
    database.dispose()


@pytest.mark.parametrize("names", CHOICES, ids="-".join)
def test_a_page_is_read_from_an_index_in_its_order(filled: Engine, names: tuple[str, ...]) -> None:
    filters, sent = CallFilters(**{name: VALUES[name] for name in names}), list[tuple[str, Any]]()
    with reading(filled) as connection:
        # A table this small is read whole by choice.
        for way in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            connection.execute(text(f"SET LOCAL enable_{way} = off"))
        event.listen(connection, "before_cursor_execute", lambda _, __, one, given, *___: sent.append((one, given)))
        page = page_of_calls(connection, filters, Position(MONDAY + timedelta(hours=5), "1").cursor(), 20)
        ((statement, parameters),) = list(sent)
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
    assert len(page.items) == 20
    assert "Index" in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan
