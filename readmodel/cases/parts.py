"""Query of a department's parts (协办): its work in the cases of other departments."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import select

from domain.case.parts import Part, PartState
from readmodel.base.database import ReadConnection
from readmodel.base.paging import Page, Place, newest_first, page_of
from readmodel.cases.tables import cases, parts


class PartOfCase(NamedTuple):
    """A part, with the facts of its case that a crew needs in a list."""

    number: str
    part: Part
    case_state: str
    service_code: str
    priority: str
    district: str | None
    owner: str


def list_parts(
    connection: ReadConnection, department: str, states: Collection[PartState], cursor: str | None, limit: int
) -> Page[PartOfCase]:
    """Return a page of this department's parts, only those in these states if any are given.

    The latest involvement comes first. Raises BadCursorError.
    """
    seen = (cases.c.state, cases.c.service_code, cases.c.priority, cases.c.district, cases.c.owner)
    statement = select(parts.c.number, parts.c.document, *seen).join(cases, cases.c.number == parts.c.number)
    statement = statement.where(parts.c.department == department)
    after = None if cursor is None else Place.of(cursor)
    statement = newest_first(statement, parts.c.involved_at, parts.c.number, after).limit(limit + 1)
    # One list for each state: an index serves one.
    lists = [statement.where(parts.c.state == state) for state in {*states}] or [statement]
    rows = (row for each in lists for row in connection.execute(each))
    found = [PartOfCase(row.number, Part.model_validate_json(row.document), *row[2:]) for row in rows]
    return page_of(sorted(found, key=_place, reverse=True), limit, _place)


def _place(item: PartOfCase) -> Place:
    return Place(item.part.involved_at, item.number)
