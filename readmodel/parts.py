"""What a department has to do in the cases of others (协办): its own work, as a list."""

from typing import NamedTuple

from sqlalchemy import bindparam, select, tuple_

from domain.parts import Part, PartState
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
    connection: ReadConnection, department: str, state: PartState | None, cursor: str | None, limit: int
) -> PartPage:
    """A page of what this department has been involved in, the latest first. Raises BadCursorError."""
    seen = (cases.c.state, cases.c.service_code, cases.c.priority, cases.c.district, cases.c.owner)
    statement = select(parts.c.number, parts.c.document, *seen).join(cases, cases.c.number == parts.c.number)
    statement = statement.where(parts.c.department == department)
    if state is not None:
        statement = statement.where(parts.c.state == state.value)
    if cursor is not None:
        after = Place.of(cursor)
        at = bindparam("after_at", after.registered_at, parts.c.involved_at.type)
        place = tuple_(at, bindparam("after_number", after.number))
        statement = statement.where(tuple_(parts.c.involved_at, parts.c.number) < place)
    statement = statement.order_by(parts.c.involved_at.desc(), parts.c.number.desc()).limit(limit + 1)
    found = [
        PartOfCase(number, Part.model_validate_json(document), *rest)
        for number, document, *rest in connection.execute(statement)
    ]
    last = found[limit - 1] if len(found) > limit else None
    return PartPage(tuple(found[:limit]), last and Place(last.part.involved_at, last.number).cursor())
