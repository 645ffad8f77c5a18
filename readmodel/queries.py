"""What the API asks the read model: whole cases, their timelines and their versions."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Row, bindparam, select, tuple_

from domain.case.case import Case
from domain.case.events import Event
from domain.case.intake import Registered
from domain.case.progress import Progress
from domain.catalogue.terms import Terms
from readmodel.database import ReadConnection
from readmodel.paging import Place
from readmodel.search import CaseFilters, find
from readmodel.tables import cases, events


class CasePage(NamedTuple):
    """Cases, newest first, and the cursor of the next page; None after the last."""

    items: tuple[Case, ...]
    next_cursor: str | None


class TimelinePage(NamedTuple):
    """Events in their order, and the `after_seq` of the next page; None after the last."""

    items: tuple[Event, ...]
    next_seq: int | None


# Built once: the API asks this some hundred times a second while it waits for what was published.
_VERSIONS = select(cases.c.number, cases.c.version).where(cases.c.number.in_(bindparam("numbers", expanding=True)))


def versions(connection: ReadConnection, numbers: Collection[str]) -> dict[str, int]:
    """The version of each of these cases that SQL shows; those it has no row of are left out."""
    return {row.number: row.version for row in connection.execute(_VERSIONS, {"numbers": list(numbers)})}


def get_case(connection: ReadConnection, number: str) -> Case | None:
    """The case as SQL shows it; None where it has no row."""
    return next(iter(get_cases(connection, [number])), None)


def timeline(connection: ReadConnection, number: str, after_seq: int = 0, limit: int | None = None) -> TimelinePage:
    """What happened to the case after `after_seq`, oldest first; all of it where there is no limit."""
    statement = select(events).where(events.c.number == number, events.c.seq > after_seq).order_by(events.c.seq)
    found = connection.execute(statement if limit is None else statement.limit(limit + 1)).all()
    items = tuple(event_of(row) for row in found[:limit])
    return TimelinePage(items, items[-1].seq if len(found) > len(items) else None)


def list_cases(
    connection: ReadConnection,
    filters: CaseFilters | None = None,
    cursor: str | None = None,
    limit: int = 50,
    area_code: str = "",
) -> CasePage:
    """A page of the cases that pass the filters, newest first. The area code is that of telephones without one.

    What is registered while somebody turns pages belongs to the pages before; no case comes twice or is left out.
    Raises BadCursorError.
    """
    after = None if cursor is None else Place.of(cursor)
    places = find(connection, filters or CaseFilters(), after, limit + 1, area_code)
    page = places[:limit]
    more = page[-1].cursor() if len(places) > len(page) else None
    return CasePage(get_cases(connection, [place.number for place in page]), more)


def get_cases(connection: ReadConnection, numbers: Sequence[str]) -> tuple[Case, ...]:
    """These cases, in this order, from the document and the registration of each; those without a row are left out."""
    statement = (
        select(cases.c.number, cases.c.registered_at, cases.c.document, events.c.data)
        .join(events, (events.c.number == cases.c.number) & (events.c.seq == 1))
        .where(cases.c.number.in_(numbers))
    )
    rows = [(Progress.model_validate_json(row.document), row) for row in connection.execute(statement)]
    later = _later_terms(
        connection, [(row.number, progress.catalogue_change.seq) for progress, row in rows if progress.catalogue_change]
    )
    found = {
        row.number: Case.restore(
            Registered.model_validate_json(row.data), row.registered_at, progress, later.get(row.number)
        )
        for progress, row in rows
    }
    return tuple(found[number] for number in numbers if number in found)


def _later_terms(connection: ReadConnection, places: Sequence[tuple[str, int]]) -> dict[str, Terms]:
    """The terms of cases that another catalogue was put in force for, out of the event that says so."""
    if not places:
        return {}
    statement = select(events.c.number, events.c.data).where(tuple_(events.c.number, events.c.seq).in_(places))
    return {row.number: Terms.model_validate(from_json(row.data)["terms"]) for row in connection.execute(statement)}


def event_of(row: Row[Any]) -> Event:
    """The event that a row of `events` holds."""
    return Event.model_validate({**row._mapping, "data": from_json(row.data)})  # noqa: SLF001 - public, by its docs
