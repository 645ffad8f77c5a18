"""Which cases a list shows: filters, the order, and the search by terms, as statements that an index answers.

On PostgreSQL every pair of filters has an index of its own, and the few cases that are overdue or of one incident are
read through. Terms cannot be paired with what changes, so a common term meets a filter by merging two indexes, both in
the order of the list: the merge ends when the page is full and reads each list once at worst.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    bindparam,
    exists,
    false,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.lifecycle import State
from readmodel.database import ReadConnection
from readmodel.paging import Place
from readmodel.tables import FILTERS, case_terms, cases
from readmodel.terms import sought

RARE = 2000
"""Cases of one term up to which each is looked up by its number; beyond, indexes are merged."""
_SWITCH = text("SELECT set_config('enable_nestloop', :to, true), set_config('enable_hashjoin', :to, true)")
"""Whether PostgreSQL may join otherwise than by merging, for the rest of the transaction."""
Columns = ReadOnlyColumnCollection[str, Any]


class _Term(NamedTuple):
    text: str
    common: bool


@dataclass(frozen=True, slots=True)
class CaseFilters:
    """What the cases of a list have in common; None asks for nothing. `q` is cut into terms as readmodel.terms says."""

    state: State | None = None
    department: str | None = None
    owner: str | None = None
    service_code: str | None = None
    district: str | None = None
    overdue: bool | None = None
    incident: str | None = None
    q: str | None = None


def find(connection: ReadConnection, filters: CaseFilters, after: Place | None, limit: int) -> list[Place]:
    """The places of the first `limit` cases after `after`, newest first."""
    if filters.q is None:
        return _places(connection, _filtered(filters, after, limit))
    terms = _rarest_first(connection, filters.q)
    if not terms:
        return []
    if connection.dialect.name != "postgresql" or not terms[0].common or not _narrowing(filters, terms):
        return _places(connection, _looked_up(filters, terms, after, limit))
    connection.execute(_SWITCH, {"to": "off"})
    found = _places(connection, _merged(filters, terms, after, limit))
    connection.execute(_SWITCH, {"to": "on"})
    return found


def _places(connection: ReadConnection, statement: Select[Any]) -> list[Place]:
    return [Place(*row) for row in connection.execute(statement)]


def _conditions(filters: CaseFilters) -> list[ColumnElement[bool]]:
    named = {name: getattr(filters, name) for name in (*FILTERS, "incident")}
    conditions = [cases.c[name] == value for name, value in named.items() if value is not None]
    if filters.overdue is not None:
        conditions.append(cases.c.overdue == (true() if filters.overdue else false()))
    return conditions


def _filtered(filters: CaseFilters, after: Place | None, limit: int) -> Select[Any]:
    return _page(cases.c, after, limit).where(*_conditions(filters))


def _page(columns: Columns, after: Place | None, limit: int) -> Select[Any]:
    """Places by these columns, in the order of lists."""
    statement = select(columns.registered_at, columns.number).limit(limit)
    statement = statement.order_by(columns.registered_at.desc(), columns.number.desc())
    return statement if after is None else statement.where(_beyond(columns, after))


def _beyond(columns: Columns, after: Place) -> ColumnElement[bool]:
    at = bindparam("after_at", after.registered_at, cases.c.registered_at.type)
    return tuple_(columns.registered_at, columns.number) < tuple_(at, bindparam("after_number", after.number))


def _rarest_first(connection: ReadConnection, q: str) -> list[_Term]:
    """The terms sought, each with a look at how many cases have it; none where one of them has no case."""
    counts = [
        select(literal(term), select(func.count()).select_from(_first(term).subquery()).scalar_subquery())
        for term in sorted(sought(q))
    ]
    found = connection.execute(union_all(*counts)).all() if counts else []
    if any(count == 0 for _, count in found):
        return []
    return [_Term(term, count > RARE) for term, count in sorted(found, key=lambda row: row[1])]


def _first(term: str) -> Select[Any]:
    return select(case_terms.c.number).where(case_terms.c.term == term).limit(RARE + 1)


def _narrowing(filters: CaseFilters, terms: list[_Term]) -> bool:
    """Whether few of the cases that have the rarest term may be left: most are not overdue, which narrows nothing."""
    return len(terms) > 1 or _conditions(replace(filters, overdue=filters.overdue or None)) != []


def _looked_up(filters: CaseFilters, terms: list[_Term], after: Place | None, limit: int) -> Select[Any]:
    """Read the cases of the first term, and look each up under the other terms and in the table of cases."""
    first = case_terms.alias()
    statement = _page(first.c, after, limit).where(first.c.term == terms[0].text)
    for term in terms[1:]:
        other = case_terms.alias()
        same = (other.c.registered_at == first.c.registered_at) & (other.c.number == first.c.number)
        statement = statement.where(exists().where(other.c.term == term.text, same))
    if conditions := _conditions(filters):
        statement = statement.join(cases, cases.c.number == first.c.number).where(*conditions)
    return statement


def _merged(filters: CaseFilters, terms: list[_Term], after: Place | None, limit: int) -> Select[Any]:
    """Read the terms and the filters side by side, all in the order of the list."""
    first = case_terms.alias()
    statement = _page(first.c, after, limit).where(first.c.term == terms[0].text)
    sides: list[tuple[FromClause, list[ColumnElement[bool]]]] = []
    for term in terms[1:]:
        other = case_terms.alias()
        sides.append((other, [other.c.term == term.text]))
    if conditions := _conditions(filters):
        sides.append((cases, conditions))
    for side, wanted in sides:
        same = (side.c.registered_at == first.c.registered_at) & (side.c.number == first.c.number)
        statement = statement.join(side, same).where(*wanted)
        if after is not None:
            # Said of each side, so that none is read from its beginning.
            statement = statement.where(_beyond(side.c, after))
    return statement
