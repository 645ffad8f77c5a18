"""PostgreSQL answers a list by an index, whichever two filters are set. How fast, a benchmark says."""

from collections.abc import Iterator
from dataclasses import fields
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text, update

from readmodel.database import engine, reading, writing
from readmodel.filters import FILTERED_COLUMNS, CaseFilters
from readmodel.paging import Place
from readmodel.projection import write
from readmodel.search import find
from readmodel.tables import cases
from tests.support.batches import call, published
from tests.support.build import MONDAY, minutes

VALUES: dict[str, Any] = {
    "state": ("registered",),
    "department": "repair",
    "owner": "Chen Jing",
    "service_code": "no_water",
    "district": "west",
    "overdue": True,
    "incident": "salt-tide",
    "lost": "ended",
    "q": "新村",
    "impersonal": True,
}
COUNT = 400


@pytest.fixture(scope="module")
def filled(postgresql_module_url: str) -> Iterator[Engine]:
    database = engine(postgresql_module_url)
    with writing(database) as connection:
        write(connection, [published(call(place, MONDAY + minutes(place)), ())[0] for place in range(COUNT)])
        connection.execute(update(cases).values(department="repair", overdue=True, incident="salt-tide", lost="ended"))
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield database
    database.dispose()


def plans(connection: Connection, filters: CaseFilters) -> list[str]:
    """The plans of what a page past the first sends. A table this small is read whole by choice: that is forbidden."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, parameters))

    for way in ("enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_incremental_sort"):
        connection.execute(text(f"SET LOCAL {way} = off"))
    event.listen(connection, "before_cursor_execute", note)
    find(connection, filters, Place(MONDAY + minutes(200), "2"), 51)  # type: ignore[arg-type]  # not read only, which EXPLAIN need not be
    event.remove(connection, "before_cursor_execute", note)
    found: list[str] = []
    for statement, parameters in sent:
        if "set_config" in statement:
            connection.exec_driver_sql(statement, parameters)
        else:
            found.append("\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()))
    return found


def test_every_filter_is_tried() -> None:
    missing = {field.name for field in fields(CaseFilters)} - {*VALUES}
    assert not missing, f"add a value of {missing} to VALUES in tests/readmodel/test_plans.py"


@pytest.mark.parametrize("names", [(), *combinations(VALUES, 1), *combinations(VALUES, 2)], ids="-".join)
@pytest.mark.parametrize("rare", [0, 3000], ids=["common", "rare"])
def test_a_list_is_read_from_an_index_in_its_order(
    filled: Engine, names: tuple[str, ...], rare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readmodel.search.FEW_CASES", rare)
    with reading(filled) as connection:
        found = plans(connection, CaseFilters(**{name: VALUES[name] for name in names}))
    for plan in found:
        assert "Index" in plan
        assert "Seq Scan" not in plan
    assert "Sort" not in found[-1]
    if len(names) == 2 and {*names} <= {*FILTERED_COLUMNS}:
        assert f"ix_cases_{'_'.join(names)}" in found[-1]
    if "q" in names and len({*names} - {"impersonal"}) == 2 and rare == 0:
        assert "Merge Join" in found[-1]


@pytest.mark.parametrize("names", [("state",), ("state", "department")], ids="-".join)
def test_of_several_states_each_is_read_from_its_index(filled: Engine, names: tuple[str, ...]) -> None:
    filters = {name: VALUES[name] for name in names} | {"state": ("registered", "dispatched", "registered")}
    with reading(filled) as connection:
        found = plans(connection, CaseFilters(**filters))
    assert len(found) == 2
    for plan in found:
        assert f"ix_cases_{'_'.join(names)}" in plan
        assert "Sort" not in plan
