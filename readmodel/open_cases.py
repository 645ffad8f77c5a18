"""The cases that a new catalogue (服务目录) is about: those that are open, and closed ones that may be reopened."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, select, union_all

from domain.case import Case
from domain.lifecycle import OPEN, State
from domain.renewal import Held
from readmodel.database import ReadConnection
from readmodel.queries import get_cases
from readmodel.tables import cases

_OPEN = sorted(state.value for state in OPEN)
_OVER = (State.REFUSED.value, State.WITHDRAWN.value)


class Wanted(NamedTuple):
    """Which of them: closed after an instant at the earliest, registered from another one on, if any is given."""

    closed_after: datetime
    since: datetime | None = None


def open_numbers(connection: ReadConnection, wanted: Wanted, after: str, limit: int) -> list[str]:
    """The numbers that come after this one, in order."""
    open_ones = _numbers(wanted, after).where(cases.c.state.in_(_OPEN)).order_by(cases.c.number).limit(limit)
    # "Closed" is said by what it is not, so that SQLite looks into the index of when, not into that of states.
    closed = _numbers(wanted, after).where(cases.c.closed_at > wanted.closed_after, cases.c.state.not_in(_OVER))
    both = union_all(open_ones.subquery().select(), closed.order_by(cases.c.number).limit(limit).subquery().select())
    return list(connection.scalars(both.order_by("number").limit(limit)))


def held(connection: ReadConnection, numbers: Sequence[str]) -> list[Held]:
    """What decides on the terms of these cases; those that SQL has no row of are left out."""
    columns = (cases.c.number, cases.c.service_code, cases.c.district, cases.c.department, cases.c.registered_at)
    return [Held(*row) for row in connection.execute(select(*columns).where(cases.c.number.in_(numbers)))]


def walk(connection: ReadConnection, wanted: Wanted, page: int = 500) -> Iterator[Case]:
    """All of them, whole, in the order of their numbers."""
    after = ""
    while numbers := open_numbers(connection, wanted, after, page):
        yield from get_cases(connection, numbers)
        after = numbers[-1]


def _numbers(wanted: Wanted, after: str) -> Select[tuple[str]]:
    statement = select(cases.c.number).where(cases.c.number > after)
    return statement if wanted.since is None else statement.where(cases.c.registered_at >= wanted.since)
