"""Queries of the open work of one person: cases that the person owns, and work that is assigned to the person."""

from sqlalchemy import func, select

from domain.case.handover import Assigned
from domain.case.lifecycle import OPEN
from domain.case.parts import PART_AT_WORK, Part
from readmodel.database import ReadConnection, WriteConnection
from readmodel.tables import cases, parts

_IS_OPEN = cases.c.state.in_(sorted(state.value for state in OPEN))


def owned_by(connection: ReadConnection, person: str, after: str, limit: int) -> list[str]:
    """Return the numbers of the open cases that a person owns, in order, from after this one on.

    Those that have lost their workflow are left out: nobody can ask them.
    """
    owned = select(cases.c.number).where(cases.c.owner == person, _IS_OPEN, cases.c.lost.is_(None))
    return list(connection.scalars(owned.where(cases.c.number > after).order_by(cases.c.number).limit(limit)))


def count_owned(connection: ReadConnection | WriteConnection, person: str) -> int:
    """Return the number of open cases that a person owns."""
    statement = select(func.count()).select_from(cases).where(cases.c.owner == person, _IS_OPEN)
    return connection.scalar(statement) or 0


def assigned_to(connection: ReadConnection | WriteConnection, person: str) -> tuple[Assigned, ...]:
    """Return the open cases and the parts at work that a person is to do, by number."""
    mine = select(cases.c.number, cases.c.department).where(cases.c.assignee == person, _IS_OPEN)
    of_cases = [Assigned(number=row.number, department=row.department) for row in connection.execute(mine)]
    at_work = select(parts.c.number, parts.c.document).where(parts.c.state.in_(sorted(PART_AT_WORK)))
    of_parts = [(row.number, Part.model_validate_json(row.document)) for row in connection.execute(at_work)]
    found = [
        *of_cases,
        *(Assigned(number=number, department=part.department) for number, part in of_parts if part.assignee == person),
    ]
    return tuple(sorted(found, key=lambda work: work.number))
