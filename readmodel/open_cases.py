"""Queries of the cases of a catalogue rollout (服务目录): open cases, and closed ones that may be reopened."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, select, union_all

from domain.case.case import Case
from domain.case.lifecycle import OPEN, State
from domain.case.rollout import OpenCase
from readmodel.case_queries import get_cases
from readmodel.database import ReadConnection
from readmodel.tables import cases

_OPEN = sorted(state.value for state in OPEN)
_OVER = (State.REFUSED.value, State.WITHDRAWN.value)


class Wanted(NamedTuple):
    """Conditions on these cases: closed after one instant, and registered from another on if that is given."""

    closed_after: datetime
    since: datetime | None = None


def open_numbers(connection: ReadConnection, wanted: Wanted, after: str, limit: int) -> list[str]:
    """Return the numbers that come after this one, in order."""
    return list(connection.scalars(_statement(wanted, after, limit)))


def _statement(wanted: Wanted, after: str, limit: int) -> Select[tuple[str]]:
    open_ones = _registered(wanted).where(cases.c.state.in_(_OPEN), cases.c.number > after)
    # The number as an expression, and "closed" by the other states: otherwise SQLite reads all numbers, or all closed
    # cases, instead of the few that were closed lately.
    number = cases.c.number.concat("")
    closed = _registered(wanted).where(
        number > after, cases.c.closed_at > wanted.closed_after, cases.c.state.not_in(_OVER)
    )
    parts = [
        part.order_by(by).limit(limit).subquery().select()
        for part, by in ((open_ones, cases.c.number), (closed, number))
    ]
    both = union_all(*parts).subquery()
    return select(both.c.number).order_by(both.c.number).limit(limit)


def open_cases(connection: ReadConnection, numbers: Sequence[str]) -> list[OpenCase]:
    """Return the facts that the terms of these cases depend on; a case without a row is left out."""
    columns = (cases.c.number, cases.c.service_code, cases.c.district, cases.c.department, cases.c.registered_at)
    return [OpenCase(*row) for row in connection.execute(select(*columns).where(cases.c.number.in_(numbers)))]


def walk(connection: ReadConnection, wanted: Wanted, page: int = 500) -> Iterator[Case]:
    """Yield these cases in the order of their numbers."""
    after = ""
    while numbers := open_numbers(connection, wanted, after, page):
        yield from get_cases(connection, numbers)
        after = numbers[-1]


def _registered(wanted: Wanted) -> Select[tuple[str]]:
    statement = select(cases.c.number)
    return statement if wanted.since is None else statement.where(cases.c.registered_at >= wanted.since)
