"""Facts of cases that lists show, as SQL has them, for a comparison with Temporal's search attributes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Row, Select, func, select

from domain.case.parts import UNFINISHED
from readmodel.base.database import ReadConnection
from readmodel.cases.queries import PAGE
from readmodel.cases.tables import cases, events, is_not_over, parts


class CaseFacts(NamedTuple):
    """Facts of one case. `events` is their number, `over` True once nothing can happen to the case any more.

    Each search attribute is a field, in lower case. `changed_at` is later with every version.
    """

    state: str
    service: str
    district: str | None
    department: str | None
    owner: str
    priority: str
    sla: str
    incident: str | None
    next_due_at: datetime | None
    flags: tuple[str, ...]
    involved: tuple[str, ...]
    changed_at: datetime
    version: int
    events: int
    over: bool


def all_facts(connection: ReadConnection, at: datetime) -> Iterator[tuple[str, CaseFacts]]:
    """Yield number and facts of every case at `at`, in order, without holding all of them in memory."""
    involved = defaultdict[str, list[str]](list)
    for part in connection.execute(_PARTS):
        involved[part.number].append(part.department)
    rows = connection.execute(_statement(at).order_by(cases.c.number).execution_options(yield_per=PAGE))
    return ((row.number, _facts(row, involved.get(row.number, ()))) for row in rows)


def facts_of(connection: ReadConnection, at: datetime, number: str) -> CaseFacts | None:
    row = connection.execute(_statement(at).where(cases.c.number == number)).first()
    involved = [part.department for part in connection.execute(_PARTS.where(parts.c.number == number))]
    return _facts(row, involved) if row else None


_PARTS = (
    select(parts.c.number, parts.c.department)
    .where(parts.c.state.in_(sorted(UNFINISHED)))
    .order_by(parts.c.number, parts.c.serial)
)


def _statement(at: datetime) -> Select[Any]:
    counted = select(func.count()).where(events.c.number == cases.c.number).scalar_subquery()
    return select(
        cases.c.number,
        cases.c.service_code.label("service"),
        *(cases.c[name] for name in CaseFacts._fields if name in cases.c),
        counted.label("events"),
        is_not_over(at).label("not_over"),
    )


def _facts(row: Row[Any], involved: Sequence[str]) -> CaseFacts:
    given = {name: getattr(row, name) for name in CaseFacts._fields if name not in ("flags", "involved", "over")}
    return CaseFacts(**given, flags=tuple(from_json(row.flags)), involved=tuple(involved), over=not row.not_over)
