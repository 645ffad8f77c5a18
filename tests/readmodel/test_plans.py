"""An index answers every list, whichever filters and order are asked for. How fast, a benchmark says."""

import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import combinations
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text, update

import bench.calls
from bench import postgres
from bench.lists import DESK
from bench.lists_data import Data, load
from domain.case.lifecycle import OPEN, State
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE
from readmodel import callers, notifications
from readmodel.base.database import ReadConnection, WriteConnection, engine, reading, writing
from readmodel.base.paging import Position
from readmodel.calls.tables import calls
from readmodel.cases.queries import count_cases, count_lists
from readmodel.cases.search import CaseFilters, Sort, find, sections
from readmodel.cases.tables import SELECTIVE_COLUMNS, cases
from readmodel.migrate import migrate
from readmodel.projection import write
from tests.support.batches import call, number, published
from tests.support.build import MONDAY, minutes

VALUES: dict[str, Any] = {
    "state": (State.REGISTERED,),
    "department": "repair",
    "owner": "Chen Jing",
    "assignee": "Wu",
    "service_code": "no_water",
    "district": "west",
    "priority": "P2",
    "channel": "phone",
    "sla": "missed",
    "overdue": True,
    "incident": "salt-tide",
    "with_incident": False,
    "lost": "ended",
    "flag": "supervised",
    "registered_from": MONDAY,
    "registered_to": MONDAY + minutes(300),
    "due_before": MONDAY + minutes(300),
    "q": "新村",
    "impersonal": True,
}
PAIRS = [names for names in combinations(VALUES, 2) if {"q", "state"} & {*names}]
COUNT, STILL_OPEN = 400, 40
INDEX = re.compile(r"using (\w+)", re.IGNORECASE)
OF_OPEN_CASES = {"ix_cases_due", "ix_cases_open", "ix_cases_open_priority", "ix_cases_overdue"}
LIKE_ALL = {
    "department": "repair",
    "assignee": "Wu",
    "incident": "salt-tide",
    "lost": "ended",
    "sla": "missed",
    "flags": ("supervised",),
}


def fill(database: Engine) -> None:
    """Four hundred cases that pass nearly every filter; the last forty are open, and overdue with something due."""
    with writing(database) as connection:
        write(connection, [published(call(place, MONDAY + minutes(place)), ())[0] for place in range(COUNT)])
        connection.execute(update(cases).values(LIKE_ALL))
        still_open = cases.c.number >= number(COUNT - STILL_OPEN)
        connection.execute(update(cases).where(still_open).values(overdue=True, next_due_at=MONDAY + minutes(9)))
        ended = {"closed_at": MONDAY + minutes(9999), "state": "closed", "next_due_at": None}
        connection.execute(update(cases).where(~still_open).values(ended))


def test_cases_whose_corrected_caller_was_not_looked_up_are_read_from_an_index(filled: Engine) -> None:
    with writing(filled) as connection:
        later = update(cases).where(cases.c.number == number(7)).values(caller_version=3)
        connection.execute(later)
    with reading(filled) as connection:
        assert callers.unrecognised(connection) == [number(7)]
    with filled.connect() as connection:
        statement = callers.UNRECOGNISED.params(after="").compile(filled, compile_kwargs={"literal_binds": True})
        plan = "\n".join(connection.scalars(text(f"EXPLAIN {statement}")))
    assert INDEX.findall(plan) == ["ix_cases_unrecognised"]
    with writing(filled) as connection:
        callers.note_recognised(connection, number(7), 2)
    with reading(filled) as connection:
        assert callers.unrecognised(connection) == [number(7)]
        assert callers.unrecognised(connection, after=number(7)) == []
    with writing(filled) as connection:
        callers.note_recognised(connection, number(7), 3)
    with reading(filled) as connection:
        assert callers.unrecognised(connection) == []


def test_cases_and_calls_of_the_benchmarks_fit_the_tables(postgresql_url: str) -> None:
    uri = postgresql_url.replace("+psycopg", "")
    with postgres.loading(uri) as cursor:
        load(cursor, Data(load_catalogue(DEFAULT_CATALOGUE), 100).rows())
    bench.calls.fill(uri, 100)
    database = engine(postgresql_url)
    with reading(database) as connection:
        assert connection.scalar(select(func.count()).select_from(calls)) == 100
        assert sum(found.cases for found in count_cases(connection, CaseFilters())) == 100
    database.dispose()


@pytest.fixture(scope="module")
def filled(postgresql_module_url: str) -> Iterator[Engine]:
    database = engine(postgresql_module_url)
    fill(database)
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/hotline.db"
    migrate(url)
    database = engine(url)
    fill(database)
    yield database
    database.dispose()


def explain(connection: Connection, filters: CaseFilters, sort: Sort = Sort.REGISTERED) -> list[str]:
    """The plans of what a page past the first sends. A table this small is read whole by choice: that is forbidden."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, parameters))

    on_postgresql = connection.dialect.name == "postgresql"
    ways = ("seqscan", "bitmapscan", "sort", "incremental_sort") if on_postgresql else ()
    for way in ways:
        connection.execute(text(f"SET LOCAL enable_{way} = off"))
    # A page that ends within the first section, so that the plan of each section is one with a place to begin at.
    event.listen(connection, "before_cursor_execute", note)
    for section in sections(sort, filters):
        find(connection, filters, Position(MONDAY + minutes(COUNT - 5), "2", section), 51, sort=sort)  # type: ignore[arg-type]  # not read only, which EXPLAIN need not be
    event.remove(connection, "before_cursor_execute", note)
    return plans(connection, sent)


def plans(connection: Connection, sent: list[tuple[str, Any]]) -> list[str]:
    """The plans of statements; settings of PostgreSQL among them are made."""
    explain = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    found: list[str] = []
    for statement, parameters in sent:
        if "set_config" in statement:
            connection.exec_driver_sql(statement, parameters)
        else:
            rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
            found.append("\n".join(str(row[-1]) for row in rows))
    return found


def chosen(*names: str) -> CaseFilters:
    return CaseFilters(**{name: VALUES[name] for name in names})


def test_every_filter_is_tried() -> None:
    missing = {field.name for field in fields(CaseFilters)} - {*VALUES, "area_code"}
    assert not missing, f"add a value of {missing} to VALUES in tests/readmodel/test_plans.py"


@pytest.mark.parametrize("names", [(), *combinations(VALUES, 1), *PAIRS], ids="-".join)
@pytest.mark.parametrize("rare", [0, 3000], ids=["common", "rare"])
def test_a_list_is_read_from_an_index_in_its_order(
    filled: Engine, names: tuple[str, ...], rare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("readmodel.cases.search.FEW_CASES", rare)
    with reading(filled) as connection:
        found = explain(connection, chosen(*names))
    for plan in found:
        assert "Index" in plan
        assert "Seq Scan" not in plan
    assert "Sort" not in found[-1]
    if "q" in names and len({*names} - {"impersonal"}) == 2 and rare == 0:
        assert "Merge Join" in found[-1]


@pytest.mark.parametrize("sort", [Sort.DUE, Sort.PRIORITY])
@pytest.mark.parametrize("name", VALUES)
def test_every_order_is_that_of_an_index(filled: Engine, on_sqlite: Engine, name: str, sort: Sort) -> None:
    with reading(filled) as connection:
        for plan in explain(connection, chosen(name), sort):
            assert "Index" in plan
            assert "Seq Scan" not in plan
            assert name == "q" or "Sort" not in plan
    with reading(on_sqlite) as connection:
        for plan in explain(connection, chosen(name), sort):
            assert not re.search(r"SCAN (cases|search_words\w*)( \(|$|\n)", plan), plan


@pytest.mark.parametrize("name", SELECTIVE_COLUMNS)
def test_a_value_that_few_cases_have_is_found_by_its_own_index(filled: Engine, name: str) -> None:
    value: Any = (State.REFUSED,) if name == "state" else "somebody"
    with reading(filled) as connection:
        (plan,) = explain(connection, CaseFilters(**{name: value}))
    assert INDEX.findall(plan) == [f"ix_cases_{name}"]


@pytest.mark.parametrize("question", DESK)
def test_what_desks_ask_is_read_from_open_cases_or_few_others(filled: Engine, question: str) -> None:
    asked = dict(DESK[question])
    sort = asked.pop("sort", Sort.REGISTERED)
    filters = CaseFilters(**{name: value if name == "state" else VALUES[name] for name, value in asked.items()})
    with reading(filled) as connection:
        indexes = {index for plan in explain(connection, filters, sort) for index in INDEX.findall(plan)}
    if filters.only_open:
        assert indexes <= OF_OPEN_CASES | {"ix_cases_flagged", "ix_cases_state"}
        assert indexes & OF_OPEN_CASES
    else:
        assert indexes <= {"ix_cases_flagged", "ix_cases_newest", "ix_cases_channel"}


def test_of_several_states_the_open_ones_are_read_together(filled: Engine) -> None:
    states = (State.REGISTERED, State.CLOSED, State.DISPATCHED, State.REGISTERED, State.REFUSED)
    with reading(filled) as connection:
        found = explain(connection, CaseFilters(state=states))
    assert len(found) == 3
    for plan in found:
        assert "Index" in plan
        assert "Sort" not in plan


@pytest.mark.parametrize("names", [(), ("q",), ("owner", "flag")], ids="-".join)
def test_counts_are_read_from_an_index(filled: Engine, names: tuple[str, ...]) -> None:
    filters, sent = CaseFilters(**{name: VALUES[name] for name in names}, state=tuple(OPEN)), list[tuple[str, Any]]()
    with reading(filled) as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(connection, "before_cursor_execute", lambda _, __, one, given, *___: sent.append((one, given)))
        count_cases(connection, filters)
        ((statement, parameters),) = list(sent)
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
    assert "ix_cases_open" in plan or "ix_cases_flagged" in plan
    assert "Seq Scan" not in plan


def test_lists_of_a_desk_are_counted_in_one_read_of_open_cases(filled: Engine, on_sqlite: Engine) -> None:
    lists = [CaseFilters(state=tuple(OPEN), owner="Wu"), CaseFilters(due_before=MONDAY), CaseFilters(overdue=True)]
    for database, explained in ((filled, "EXPLAIN"), (on_sqlite, "EXPLAIN QUERY PLAN")):
        sent = list[tuple[str, Any]]()
        with reading(database) as connection:
            if database is filled:
                connection.execute(text("SET LOCAL enable_seqscan = off"))
            event.listen(connection, "before_cursor_execute", lambda _, __, one, given, *___: sent.append((one, given)))  # noqa: B023 - called before the next turn
            count_lists(connection, lists)
            ((statement, parameters),) = list(sent)
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(f"{explained} {statement}", parameters))
        assert re.findall(r"ix_cases_\w+", plan) in (["ix_cases_open"], ["ix_cases_open_priority"]), plan


@pytest.mark.parametrize("in_batch", [True, False])
def test_earlier_notifications_to_a_recipient_are_read_from_an_index(
    filled: Engine, on_sqlite: Engine, *, in_batch: bool
) -> None:
    """However many are due: every case has one for the same recipient."""
    at = MONDAY + minutes(COUNT)
    for database in (filled, on_sqlite):
        with database.connect() as connection, connection.begin() as transaction:
            writer = WriteConnection(ReadConnection(connection))
            assert notifications.route(writer, lambda *_: ["sms"], at, COUNT) == COUNT
            if database is filled:
                connection.execute(text("SET LOCAL enable_seqscan = off"))
            sent: list[tuple[str, Any]] = []

            def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
                sent.append((statement, parameters))  # noqa: B023 - called before the next turn

            event.listen(connection, "before_cursor_execute", note)
            notifications.take(writer, "sms", lambda *_: None, at, 16, in_batch=in_batch)
            event.remove(connection, "before_cursor_execute", note)
            plan = "\n".join(plans(connection, sent[:1]))
            transaction.rollback()
        assert "ix_notifications_unsent" in plan
        assert not re.search("SCAN|Seq Scan", plan)
