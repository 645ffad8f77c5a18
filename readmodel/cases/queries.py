"""Queries of whole cases and their versions."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import JSON, ColumnElement, RowMapping, bindparam, func, select, tuple_, type_coerce

from domain.case.case import Case
from domain.case.intake import Registered
from domain.case.lifecycle import State
from domain.case.progress import Progress
from domain.catalogue.terms import Terms
from domain.shared.value import Immutable
from readmodel.base.database import ReadConnection
from readmodel.base.paging import Page, Place, page_of
from readmodel.cases.conditions import IS_OPEN, PROGRESS
from readmodel.cases.filters import CaseFilters
from readmodel.cases.search import conditions_of, find, having_terms
from readmodel.cases.sorting import Sort, stretches
from readmodel.cases.tables import cases, events

PAGE = 1000
"""Rows that are fetched at once of a query of all cases."""

# Built once: readiness and repeated requests ask this.
_VERSIONS = select(cases.c.number, cases.c.version).where(cases.c.number.in_(bindparam("numbers", expanding=True)))

_COUNT_OPEN = select(func.count()).select_from(cases).where(IS_OPEN)


class _NewTerms(Immutable):
    """Terms in the data of an event; all else in them is left out."""

    terms: Terms


def versions(connection: ReadConnection, numbers: Collection[str]) -> dict[str, int]:
    """Return the version of each of these cases; one without a row is left out."""
    return {row.number: row.version for row in connection.execute(_VERSIONS, {"numbers": list(numbers)})}


def had(
    connection: ReadConnection, numbers: Collection[str], action: str, *conditions: ColumnElement[bool], **facts: str
) -> set[str]:
    """Return those of these cases that have had an event of this kind that meets conditions, with these facts."""
    are_facts = (type_coerce(events.c.data, JSON)[name].as_string() == value for name, value in facts.items())
    of_kind = events.c.number.in_(numbers), events.c.action == action
    return {*connection.scalars(select(events.c.number).where(*of_kind, *conditions, *are_facts))}


def count_open(connection: ReadConnection) -> int:
    return connection.scalar(_COUNT_OPEN) or 0


def has_cases(connection: ReadConnection) -> bool:
    return connection.scalar(select(cases.c.number).limit(1)) is not None


def states(connection: ReadConnection) -> Iterator[tuple[str, State]]:
    """Yield number and state of every case, without holding all of them in memory."""
    statement = select(cases.c.number, cases.c.state).execution_options(yield_per=PAGE)
    return ((row.number, State(row.state)) for row in connection.execute(statement))


def get_case(connection: ReadConnection, number: str) -> Case | None:
    return next(iter(get_cases(connection, [number])), None)


def list_cases(
    connection: ReadConnection,
    filters: CaseFilters | None = None,
    cursor: str | None = None,
    limit: int = 50,
    area_code: str = "",
    sort: Sort = Sort.REGISTERED,
) -> Page[Case]:
    """Return a page of the cases that pass the filters. Raises BadCursorError.

    In the order of registration, cases that are registered meanwhile belong on earlier pages; no case comes twice or
    is left out. `area_code` is that of telephones without one.
    """
    page = _page(connection, filters or CaseFilters(), cursor, limit, area_code, sort)
    return Page(get_cases(connection, [place.key for place in page.items]), page.next_cursor)


def _page(
    connection: ReadConnection, filters: CaseFilters, cursor: str | None, limit: int, area_code: str, sort: Sort
) -> Page[Place]:
    after = None if cursor is None else Place.of(cursor, stretches(sort, filters))
    return page_of(find(connection, filters, after, limit + 1, area_code, sort), limit, lambda place: place)


class Count(NamedTuple):
    """Number of cases of one state, department and service level."""

    state: str
    department: str | None
    sla: str
    cases: int


def count_cases(connection: ReadConnection, filters: CaseFilters, area_code: str = "") -> list[Count]:
    by = (cases.c.state, cases.c.department, cases.c.sla)
    where = [*conditions_of(filters), *having_terms(filters, area_code)]
    return [Count(*row) for row in connection.execute(select(*by, func.count()).where(*where).group_by(*by))]


_RESULT, _REPLY = (PROGRESS[name].as_string().label(name) for name in ("result", "reply"))
_ROW = select(*(column for column in cases.c if column.name not in ("document", "changed_at")), _RESULT, _REPLY)


def list_rows(
    connection: ReadConnection,
    filters: CaseFilters,
    cursor: str | None,
    limit: int,
    area_code: str = "",
    sort: Sort = Sort.REGISTERED,
) -> Page[RowMapping]:
    """Return a page of rows of cases, with `result` and `reply`, in the order of the list. Raises BadCursorError."""
    page = _page(connection, filters, cursor, limit, area_code, sort)
    numbers = [place.key for place in page.items]
    found = {row["number"]: row for row in connection.execute(_ROW.where(cases.c.number.in_(numbers))).mappings()}
    return Page(tuple(found[number] for number in numbers if number in found), page.next_cursor)


def get_cases(connection: ReadConnection, numbers: Sequence[str]) -> tuple[Case, ...]:
    """Return these cases, in this order; one without a row is left out."""
    statement = (
        select(cases.c.number, cases.c.registered_at, cases.c.document, events.c.data)
        .join(events, (events.c.number == cases.c.number) & (events.c.seq == 1))
        .where(cases.c.number.in_(numbers))
    )
    rows = [(Progress.model_validate_json(row.document), row) for row in connection.execute(statement)]
    later = _later_terms(
        connection, [(row.number, progress.later_terms.seq) for progress, row in rows if progress.later_terms]
    )
    found = {
        row.number: Case.restore(
            Registered.model_validate_json(row.data), row.registered_at, progress, later.get(row.number)
        )
        for progress, row in rows
    }
    return tuple(found[number] for number in numbers if number in found)


def _later_terms(connection: ReadConnection, places: Sequence[tuple[str, int]]) -> dict[str, Terms]:
    if not places:
        return {}
    statement = select(events.c.number, events.c.data).where(tuple_(events.c.number, events.c.seq).in_(places))
    rows = connection.execute(statement)
    return {row.number: _NewTerms.model_validate_json(row.data).terms for row in rows}
