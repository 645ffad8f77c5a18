"""Lists, pages and search."""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from domain.case.actions.dispatch import Dispatch
from domain.case.actions.hand_over import HandOver
from domain.case.batch import ProjectionBatch
from domain.case.intake import Caller, Location
from domain.case.views import view_case
from domain.shared.event import ActionBody
from readmodel.case_queries import get_case, list_cases, versions
from readmodel.database import reading, writing
from readmodel.filters import CaseFilters
from readmodel.paging import BadCursorError, Place
from readmodel.projection import write
from readmodel.tables import cases
from readmodel.timelines import timeline
from tests.support.batches import PLAIN, call, number, published
from tests.support.build import MONDAY, hours, minutes

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
    return published(start, ACTIONS[place % 5])


STORIES = [story(place) for place in range(COUNT)]
NEWEST = sorted((Place(story[0].events[0].at, story[0].number) for story in STORIES), reverse=True)


def put(database: Engine, stories: Sequence[Sequence[ProjectionBatch]]) -> None:
    with writing(database) as connection:
        write(connection, [batch for story in stories for batch in story])


@pytest.fixture
def filled(database: Engine, reader: Engine) -> Engine:
    """Sixty cases; every ninth is overdue, every eleventh of an incident."""
    put(database, STORIES)
    with writing(database) as connection:
        for place in range(0, COUNT, 9):
            connection.execute(update(cases).where(cases.c.number == number(place)).values(overdue=True))
        for place in range(0, COUNT, 11):
            connection.execute(update(cases).where(cases.c.number == number(place)).values(incident="salt-tide"))
    return reader


def numbers(filled: Engine, limit: int = 7, **filters: Any) -> list[str]:
    """The numbers of all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        with reading(filled) as connection:
            page = list_cases(connection, CaseFilters(**filters), cursor, limit)
        assert len(page.items) <= limit
        found += [case.number for case in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


def expected(filled: Engine, **filters: Any) -> list[str]:
    """The same, by looking at every case."""
    with reading(filled) as connection:
        marks = {row.number: row for row in connection.execute(cases.select())}

    def passes(place: Place) -> bool:
        return all(
            getattr(marks[place.key], name) in (value if isinstance(value, tuple) else (value,))
            for name, value in filters.items()
        )

    return [place.key for place in NEWEST if passes(place)]


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
    "lost": ("ended", "missing"),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}))
def test_filters_narrow_together(filled: Engine, chosen: dict[str, Any]) -> None:
    assert numbers(filled, **chosen) == expected(filled, **chosen)


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
    ],
)
def test_search_finds_by_terms(filled: Engine, q: str, named: dict[str, str]) -> None:
    assert numbers(filled, q=q) == expected(filled, **named)


@pytest.mark.parametrize("q", ["", "?!", "nobody", "新村 nobody"])
def test_search_for_what_is_not_there_finds_nothing(filled: Engine, q: str) -> None:
    assert numbers(filled, q=q) == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}),
    rare=st.sampled_from([0, 20, 3000]),
)
def test_search_goes_with_every_filter_for_common_and_for_rare_terms(
    filled: Engine, chosen: dict[str, Any], rare: int
) -> None:
    """A term that many cases have is sought in another way, which must find the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("readmodel.search.FEW_CASES", rare)
        found = numbers(filled, q="新村", **chosen)
        both = numbers(filled, q="新村 婆婆", **chosen)
    with_place = [number(place) for place in range(COUNT) if place // 3 % 3 != 2]
    assert found == [one for one in expected(filled, **chosen) if one in with_place]
    assert both == [one for one in found if one in expected(filled, caller_name="李婆婆")]


def test_pages_stay_stable_while_cases_arrive(filled: Engine, database: Engine) -> None:
    """Cases newer than the page that one reads move nothing: no case comes twice, none is left out."""
    found: list[str] = []
    cursor: str | None = None
    for turn in range(COUNT // 10):
        with reading(filled) as connection:
            page = list_cases(connection, CaseFilters(), cursor, 10)
        found += [case.number for case in page.items]
        cursor = page.next_cursor
        put(database, [published(call(1000 + turn, MONDAY + hours(9)), ())])
    assert cursor is None
    assert found == [place.key for place in NEWEST]


NO_CURSORS = (
    *("", "x", "?", "1", "MTIz", "é", Place(MONDAY, "1").cursor() + "="),
    *(
        base64.urlsafe_b64encode(inside).decode().rstrip("=")
        for inside in (b"9e9 1", b"1 x", b"1 ", b" 1", b"999999999999999999999 1", b"1 1 1", b"01 1")
    ),
)


@pytest.mark.parametrize("cursor", NO_CURSORS)
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursorError, match="next_cursor of an earlier page"):
        Place.of(cursor)


@given(st.datetimes(timezones=st.just(UTC)), st.from_regex(r"[0-9]{13}", fullmatch=True))
def test_a_cursor_stands_for_its_place(at: datetime, case: str) -> None:
    place = Place(at, case)
    assert Place.of(place.cursor()) == place


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
    assert known == {*VALUES, "q", "impersonal"}, f"VALUES in tests/readmodel/test_queries.py needs values of {known}"
