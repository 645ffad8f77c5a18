"""What a department has to do in the cases of others (协办): its own work, as a list."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select, tuple_

from domain.case.parts import Part, PartState
from readmodel.database import ReadConnection
from readmodel.paging import Place
from readmodel.tables import cases, parts


class PartOfCase(NamedTuple):
    """A part, with what a crew wants to know of its case at a glance."""

    number: str
    part: Part
    case_state: str
    service_code: str
    priority: str
    district: str | None
    owner: str


class PartPage(NamedTuple):
    """Parts, the latest involvement first, and the cursor of the next page; None after the last."""

    items: tuple[PartOfCase, ...]
    next_cursor: str | None


def list_parts(
    connection: ReadConnection, department: str, states: Collection[PartState], cursor: str | None, limit: int
) -> PartPage:
    """A page of this department's parts in one of these states, or in whichever, the latest first.

    Raises BadCursorError.
    """
    after = None if cursor is None else Place.of(cursor)
    # One list for each state, as an index has it.
    lists = [_list(department, state, after).limit(limit + 1) for state in {*states} or (None,)]
    rows = [row for statement in lists for row in connection.execute(statement)]
    found = [PartOfCase(number, Part.model_validate_json(document), *rest) for number, document, *rest in rows]
    found.sort(key=_place, reverse=True)
    return PartPage(tuple(found[:limit]), _place(found[limit - 1]).cursor() if len(found) > limit else None)


def _place(item: PartOfCase) -> Place:
    return Place(item.part.involved_at, item.number)


def _list(department: str, state: PartState | None, after: Place | None) -> Select[Any]:
    seen = (cases.c.state, cases.c.service_code, cases.c.priority, cases.c.district, cases.c.owner)
    statement = select(parts.c.number, parts.c.document, *seen).join(cases, cases.c.number == parts.c.number)
    statement = statement.where(parts.c.department == department)
    if state is not None:
        statement = statement.where(parts.c.state == state.value)
    if after is not None:
        at = bindparam("after_at", after.registered_at, parts.c.involved_at.type)
        place = tuple_(at, bindparam("after_number", after.number))
        statement = statement.where(tuple_(parts.c.involved_at, parts.c.number) < place)
    return statement.order_by(parts.c.involved_at.desc(), parts.c.number.desc())
