"""Lists, pages and search."""

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from domain.case.actions.dispatch import Dispatch
from domain.case.actions.hand_over import HandOver
from domain.case.intake import Caller, Location
from domain.case.lifecycle import OPEN, UNSIGNED
from domain.case.state import ProjectionBatch
from domain.case.views import view_case
from domain.incident.state import IncidentState
from domain.kit.event import ActionBody
from readmodel.base.database import engine, reading, writing
from readmodel.base.paging import BadCursorError, Position
from readmodel.cases.queries import count_cases, count_lists, get_case, list_cases, timeline, versions
from readmodel.cases.search import CaseFilters, Sort
from readmodel.cases.tables import cases
from readmodel.incidents import incidents
from readmodel.migrate import migrate
from readmodel.projection import write
from tests.support.batches import PLAIN, call, number, published
from tests.support.build import MONDAY, hours, minutes
from tests.support.incidents import incident_in
from tests.support.rows import rows

ACTIONS: tuple[tuple[str | ActionBody, ...], ...] = (
    (),
    ("dispatch",),
    (Dispatch(department="metering"), HandOver(owner="Li Mei")),
    ("withdraw",),
    PLAIN,
)
PEOPLE = (
    Caller(name="李婆婆", phone="13800138000"),
    Caller(name="王伟", phone="13900139000", account_no="A-17"),
    Caller(),
)
PLACES = (
    Location(district="west", address="下闸新村 3 号"),
    Location(district="east", address="张家边新村 7 号"),
    Location(),
)
COUNT = 60


def story(place: int) -> list[ProjectionBatch]:
    """The case of this place: every mixture of state, people, place and service comes up; some share an instant."""
    start = call(
        place,
        MONDAY + minutes(place // 2),
        PEOPLE[place % 3],
        PLACES[place // 3 % 3],
        service_code="no_water" if place % 7 else "leak",
    )
    if start.intake.service_code == "leak":
        told = start.intake.model_copy(update={"description": "阀门漏水了 A pipe leaks."})
        start = start.model_copy(update={"intake": told})
    return published(start, ACTIONS[place % 5])


STORIES = [story(place) for place in range(COUNT)]
NEWEST = sorted((Position(story[0].events[0].at, story[0].number) for story in STORIES), reverse=True)


def put(database: Engine, stories: Sequence[Sequence[ProjectionBatch]]) -> None:
    with writing(database) as connection:
        write(connection, [batch for story in stories for batch in story])


def marks(place: int) -> dict[str, Any]:
    """Columns of the case of this place that are of every kind; only an open case is overdue, at risk or has a due."""
    is_open = place % 5 < 3
    return {
        "overdue": is_open and place % 9 == 0,
        "incident": None if place % 11 else "salt-tide" if place % 2 else "gone",
        "assignee": ("Wu", "Sun", None)[place % 3],
        "priority": f"P{place % 4 + 1}",
        "channel": "phone" if place % 6 else "wechat",
        "sla": ("at_risk" if is_open else "missed") if place % 8 == 0 else "on_time",
        "flags": ((), ("urged",), ("supervised", "urged"))[place % 7 % 3],
        "next_due_at": MONDAY + minutes(place % 10) if is_open and place % 3 else None,
    }


def fill(database: Engine) -> None:
    """Write sixty cases with these marks."""
    put(database, STORIES)
    with writing(database) as connection:
        for place in range(COUNT):
            connection.execute(update(cases).where(cases.c.number == number(place)).values(marks(place)))
        blank = {"opened_at": MONDAY, "version": 1, "document": incident_in(IncidentState.DISPATCHED), "counts": {}}
        for code, closed_at in (("salt-tide", None), ("gone", MONDAY)):
            row = {"number": code, "state": "dispatched", "closed_at": closed_at, **blank}
            connection.execute(incidents.insert().values(row))


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[Engine]:
    """The cases, to read."""
    migrate(module_database_url)
    database, reader = (engine(module_database_url, read_only=read_only) for read_only in (False, True))
    fill(database)
    database.dispose()
    yield reader
    reader.dispose()


def numbers(filled: Engine, limit: int = 7, sort: Sort = Sort.REGISTERED, **filters: Any) -> list[str]:
    """The numbers of all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        with reading(filled) as connection:
            page = list_cases(connection, CaseFilters(**filters), cursor, limit, sort=sort)
        assert len(page.items) <= limit
        found += [case.number for case in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


PASSES: dict[str, Callable[[Any, Any], bool]] = {
    "state": lambda case, states: case.state in states,
    "flag": lambda case, flag: flag in case.flags,
    "with_incident": lambda case, wanted: wanted == (case.incident == "salt-tide" and case.state in UNSIGNED),
    "registered_from": lambda case, at: case.registered_at >= at,
    "registered_to": lambda case, at: case.registered_at < at,
    "due_before": lambda case, at: case.next_due_at is not None and case.next_due_at < at,
}
"""Filters that are not equal to a column."""
ORDERS: dict[Sort, Callable[[Any], Any]] = {
    Sort.REGISTERED: lambda _: 0,
    Sort.DUE: lambda case: (0, case.next_due_at, case.number) if case.next_due_at else (1, MONDAY, ""),
    Sort.PRIORITY: lambda case: (case.priority, case.registered_at, case.number),
}
"""Keys of the orders, among cases that are newest first."""


def expected(filled: Engine, sort: Sort = Sort.REGISTERED, **filters: Any) -> list[str]:
    """The same, by looking at every case."""
    with reading(filled) as connection:
        found = {row.number: row for row in connection.execute(cases.select())}

    def passes(case: Any) -> bool:
        return all(
            PASSES[name](case, value) if name in PASSES else getattr(case, name) == value
            for name, value in filters.items()
        )

    newest = [found[place.key] for place in NEWEST]
    return [case.number for case in sorted(filter(passes, newest), key=ORDERS[sort])]


def test_all_cases_come_newest_first(filled: Engine) -> None:
    assert numbers(filled) == [place.key for place in NEWEST]


@pytest.mark.parametrize("limit", [1, 59, 60, 61])
def test_the_last_page_has_no_cursor(filled: Engine, limit: int) -> None:
    assert len(numbers(filled, limit)) == COUNT


VALUES: dict[str, tuple[Any, ...]] = {
    "state": (("registered",), ("dispatched",), ("closed", "registered"), ("refused", "withdrawn", "dispatched")),
    "department": ("repair", "metering"),
    "owner": ("Chen Jing", "Li Mei"),
    "service_code": ("no_water", "leak"),
    "district": ("west", "east"),
    "overdue": (True, False),
    "incident": ("salt-tide", "another"),
    "with_incident": (True, False),
    "lost": ("ended", "missing"),
    "assignee": ("Wu", "Sun"),
    "priority": ("P1", "P4"),
    "channel": ("phone", "wechat"),
    "sla": ("on_time", "at_risk", "missed", "paused"),
    "flag": ("urged", "supervised", "noticed"),
    "registered_from": (MONDAY, MONDAY + minutes(9)),
    "registered_to": (MONDAY + minutes(9), MONDAY + minutes(20)),
    "due_before": (MONDAY + minutes(5), MONDAY + hours(2)),
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.dictionaries(st.sampled_from([*VALUES]), st.integers(0, 3), max_size=3),
    sort=st.sampled_from(Sort),
    limit=st.sampled_from([3, 11]),
)
def test_filters_narrow_together_in_every_order(filled: Engine, chosen: dict[str, int], sort: Sort, limit: int) -> None:
    filters = {name: VALUES[name][which % len(VALUES[name])] for name, which in chosen.items()}
    assert numbers(filled, limit, sort, **filters) == expected(filled, sort, **filters)
    with reading(filled) as connection:
        counts = count_cases(connection, CaseFilters(**filters))
    assert sum(count.cases for count in counts) == len(expected(filled, **filters))


def test_late_cases_are_found_by_the_promise_that_is_asked_about(database: Engine, reader: Engine) -> None:
    """As docs/api.md compares the filters: a crew signed late, one has not signed yet, and a third case is in time."""
    signed_late = published(call(1), PLAIN, step=hours(1))
    not_signed = published(call(2), ["dispatch", "comment"], step=hours(1))
    in_time = published(call(3), [])
    put(database, [signed_late, not_signed, in_time])
    assert numbers(reader, sla="missed") == [number(2), number(1)]
    assert numbers(reader, overdue=True) == [number(2)]
    assert numbers(reader, due_before=MONDAY + hours(1)) == []
    assert numbers(reader, due_before=MONDAY + hours(3)) == [number(2)]
    assert numbers(reader, due_before=MONDAY + hours(24 * 30)) == [number(3), number(2)]
    assert numbers(reader, sort=Sort.DUE) == [number(2), number(3), number(1)]
    due = {row["number"]: row["next_due_at"] for row in rows(reader, cases)}
    assert due[number(2)] == MONDAY + hours(1) + minutes(10)


@pytest.mark.parametrize("sort", Sort)
def test_all_cases_come_in_every_order(filled: Engine, sort: Sort) -> None:
    assert numbers(filled, 7, sort) == expected(filled, sort)
    assert len(expected(filled, sort)) == COUNT


def test_counts_are_of_state_department_and_service_level(filled: Engine) -> None:
    with reading(filled) as connection:
        rows = connection.execute(cases.select()).all()
        counts = count_cases(connection, CaseFilters(q="新村"))
    with_place = {number(place) for place in range(COUNT) if place // 3 % 3 != 2}
    by_hand = Counter((row.state, row.department, row.sla) for row in rows if row.number in with_place)
    assert {count[:3]: count.cases for count in counts} == by_hand


def test_lists_of_open_cases_are_counted_together(filled: Engine) -> None:
    """Each has as many as it has alone."""
    given: list[dict[str, Any]] = [{}, {"owner": "Chen Jing"}, {"flag": "urged"}, {"due_before": MONDAY + hours(2)}]
    lists = [CaseFilters(**{"state": tuple(OPEN)} | each) for each in (*given, {"state": ("dispatched",)})]
    lists.append(CaseFilters(overdue=True, department="repair"))
    with reading(filled) as connection:
        alone = [sum(found.cases for found in count_cases(connection, filters)) for filters in lists]
        assert count_lists(connection, lists) == alone
        assert count_lists(connection, []) == []
    assert all(alone[:2])


@pytest.mark.parametrize("sort", Sort)
def test_a_cursor_of_another_order_is_refused(filled: Engine, sort: Sort) -> None:
    with reading(filled) as connection:
        cursor = list_cases(connection, limit=1, sort=sort).next_cursor
        for other in {*Sort} - {sort}:
            with pytest.raises(BadCursorError, match="same list and order"):
                list_cases(connection, cursor=cursor, sort=other)


@pytest.mark.parametrize(
    ("q", "named"),
    [
        ("李婆婆", {"caller_name": "李婆婆"}),
        ("139 0013 9000", {"caller_name": "王伟"}),
        ("8000", {"caller_name": "李婆婆"}),
        ("a-17", {"caller_name": "王伟"}),
        ("下闸", {"district": "west"}),
        ("张家边新村", {"district": "east"}),
        ("新村 婆婆 下闸", {"caller_name": "李婆婆", "district": "west"}),
        (number(17), {"number": number(17)}),
        ("婆", {"caller_name": "李婆婆"}),
        ("HOME six", {"service_code": "no_water"}),
        ("漏", {"service_code": "leak"}),
        ("阀门漏水 pipe", {"service_code": "leak"}),
    ],
)
def test_search_finds_by_terms(filled: Engine, q: str, named: dict[str, Any]) -> None:
    assert numbers(filled, q=q) == expected(filled, **named)


@pytest.mark.parametrize("q", ["", "?!", "nobody", "新村 nobody"])
def test_search_for_what_is_not_there_finds_nothing(filled: Engine, q: str) -> None:
    assert numbers(filled, q=q) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.dictionaries(st.sampled_from([*VALUES]), st.integers(0, 3), max_size=3),
    sort=st.sampled_from(Sort),
    rare=st.sampled_from([0, 20, 3000]),
)
@pytest.mark.slow
def test_search_goes_with_every_filter_for_common_and_for_rare_terms(
    filled: Engine, chosen: dict[str, int], sort: Sort, rare: int
) -> None:
    """A term that many cases have is sought in another way, which must find the same."""
    filters = {name: VALUES[name][which % len(VALUES[name])] for name, which in chosen.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("readmodel.cases.search.FEW_CASES", rare)
        found = numbers(filled, 7, sort, q="新村", **filters)
        both = numbers(filled, 7, sort, q="新村 婆婆", **filters)
    with_place = [number(place) for place in range(COUNT) if place // 3 % 3 != 2]
    assert found == [one for one in expected(filled, sort, **filters) if one in with_place]
    assert both == [one for one in found if one in expected(filled, caller_name="李婆婆")]


def test_pages_stay_stable_while_cases_arrive(database: Engine, reader: Engine) -> None:
    """Cases newer than the page that one reads move nothing: no case comes twice, none is left out."""
    fill(database)
    found: list[str] = []
    cursor: str | None = None
    for turn in range(COUNT // 10):
        with reading(reader) as connection:
            page = list_cases(connection, CaseFilters(), cursor, 10)
        found += [case.number for case in page.items]
        cursor = page.next_cursor
        put(database, [published(call(1000 + turn, MONDAY + hours(9)), ())])
    assert cursor is None
    assert found == [place.key for place in NEWEST]


NO_CURSORS = (
    *("", "x", "?", "1", "MTIz", "é", Position(MONDAY, "1").cursor() + "="),
    *(
        base64.urlsafe_b64encode(inside).decode().rstrip("=")
        for inside in (b"9e9 1", b"1 x", b"1 ", b" 1", b"999999999999999999999 1", b"1 1 1", b"01 1")
    ),
)


@pytest.mark.parametrize("cursor", NO_CURSORS)
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursorError, match="next_cursor of an earlier page"):
        Position.of(cursor)


@given(st.datetimes(timezones=st.just(UTC)), st.from_regex(r"[0-9]{13}", fullmatch=True))
@pytest.mark.slow
def test_a_cursor_stands_for_its_place(at: datetime, case: str) -> None:
    place = Position(at, case)
    assert Position.of(place.cursor()) == place


def test_a_listed_case_is_the_whole_case(filled: Engine) -> None:
    """HTTP needs nothing more to show it."""
    with reading(filled) as connection:
        for case in list_cases(connection).items:
            alone = get_case(connection, case.number)
            assert alone is not None
            assert view_case(case, MONDAY + hours(3)) == view_case(alone, MONDAY + hours(3))


def test_a_case_without_a_row_is_none(filled: Engine) -> None:
    with reading(filled) as connection:
        assert get_case(connection, number(999)) is None
        assert timeline(connection, number(999)).items == ()


def test_versions_of_the_cases_that_have_rows(filled: Engine) -> None:
    with reading(filled) as connection:
        assert versions(connection, []) == {}
        assert versions(connection, [number(4), number(0), number(999)]) == {number(4): 7, number(0): 1}


def test_timeline_comes_in_pages(filled: Engine) -> None:
    """Events are what was published, oldest first; the last page says so. Who was told is in `notifications`."""
    sent = [event.model_copy(update={"recipients": ()}) for batch in STORIES[4] for event in batch.events]
    with reading(filled) as connection:
        first = timeline(connection, number(4), limit=4)
        assert first.next_seq == 4
        second = timeline(connection, number(4), first.next_seq, 4)
        assert second.next_seq is None
        assert timeline(connection, number(4), limit=7).next_seq is None
    assert [*first.items, *second.items] == sent


def test_filters_name_every_filter_of_the_tests() -> None:
    known = {*asdict(CaseFilters())}
    assert known == {*VALUES, "q", "impersonal", "area_code"}, (
        f"VALUES in tests/readmodel/test_queries.py needs values of {known}"
    )
