"""Queries of the cases of a catalogue rollout (服务目录): open ones, and those that may be reopened or reinstated."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Select, select, union_all

from domain.case.case import Case
from domain.case.lifecycle import State
from readmodel.base.database import ReadConnection
from readmodel.cases.conditions import IS_OPEN
from readmodel.cases.queries import get_cases
from readmodel.cases.tables import cases


def open_numbers(
    connection: ReadConnection, closed_after: datetime, after: str, limit: int, since: datetime | None = None
) -> list[str]:
    """Return the numbers that come after this one, in order.

    The cases are open, or were closed or withdrawn after an instant; and were registered from `since` on if that is
    given. Those that have lost their workflow are left out: nobody can ask them.
    """
    return list(connection.scalars(_statement(closed_after, after, limit, since)))


def _statement(closed_after: datetime, after: str, limit: int, since: datetime | None = None) -> Select[tuple[str]]:
    registered = select(cases.c.number).where(cases.c.lost.is_(None))
    if since is not None:
        registered = registered.where(cases.c.registered_at >= since)
    open_ones = registered.where(IS_OPEN, cases.c.number > after)
    # The number as an expression, and the states by the other one: otherwise SQLite reads all numbers, or all closed
    # cases, instead of the few that were closed lately.
    number = cases.c.number.concat("")
    closed = registered.where(number > after, cases.c.closed_at > closed_after, cases.c.state != State.REFUSED.value)
    parts = [
        part.order_by(by).limit(limit).subquery().select()
        for part, by in ((open_ones, cases.c.number), (closed, number))
    ]
    both = union_all(*parts).subquery()
    return select(both.c.number).order_by(both.c.number).limit(limit)


def walk(connection: ReadConnection, closed_after: datetime, page: int = 500) -> Iterator[Case | None]:
    """Yield the cases that are open or were closed after an instant, in the order of their numbers.

    None stands for a case of which SQL has lost the first event.
    """
    after = ""
    while numbers := open_numbers(connection, closed_after, after, page):
        found = {case.number: case for case in get_cases(connection, numbers)}
        yield from map(found.get, numbers)
        after = numbers[-1]
