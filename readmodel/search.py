"""Which cases a list shows: filters, the order, and the search by terms, as statements that an index answers.

On PostgreSQL every pair of filters has an index of its own, and the few cases that are overdue or of one incident are
read through. Terms cannot be paired with what changes. So the search counts, up to a bound, how many cases each term
and the filters together leave. Where one leaves few, these are looked up under the others. Where all leave many, their
indexes, all of them in the order of the list, are merged: that ends with the page, and reads each once at worst.
The planner is left no choice: its statistics do not know that two frequent values may never meet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
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

from domain.case.lifecycle import State
from readmodel.database import ReadConnection
from readmodel.paging import Place
from readmodel.tables import cases, search_words
from readmodel.terms import readings

RARE = 10_000
"""Cases that are looked up one by one; where there are more, indexes are merged."""
PAIRED = 2
"""Filters that an index serves together; how many cases three leave, only reading them would tell."""
_SWITCH = text("SELECT set_config('enable_nestloop', :others, true), set_config('enable_hashjoin', :others, true)")
"""Whether PostgreSQL may join otherwise than by merging, for the rest of the transaction."""
Columns = ReadOnlyColumnCollection[str, Any]


class _Side(NamedTuple):
    """What cases are asked to have: a term, or (None) the filters. `left` says how many have it, RARE + 1 for more."""

    term: str | None
    left: int


@dataclass(frozen=True, slots=True)
class CaseFilters:
    """What the cases of a list have in common; None asks for nothing. `q` is cut into terms as readmodel.terms says.

    A case is in one of the states; without any, in whichever.
    """

    state: tuple[State, ...] = ()
    department: str | None = None
    owner: str | None = None
    service_code: str | None = None
    district: str | None = None
    overdue: bool | None = None
    incident: str | None = None
    q: str | None = None

    def by_state(self) -> list["CaseFilters"]:
        """Return filters of at most one state each, which together let pass the same: an index serves one state."""
        return [replace(self, state=(state,)) for state in dict.fromkeys(self.state)] or [self]


_EQUAL = [field.name for field in fields(CaseFilters) if field.name not in ("state", "overdue", "q")]
"""Filters that are columns of `cases` by the same name."""


def find(
    connection: ReadConnection, filters: CaseFilters, after: Place | None, limit: int, area_code: str = ""
) -> list[Place]:
    """The places of the first `limit` cases after `after`, newest first."""
    found = [_find(connection, each, after, limit, area_code) for each in filters.by_state()]
    return _first(found, limit)


def _find(
    connection: ReadConnection, filters: CaseFilters, after: Place | None, limit: int, area_code: str
) -> list[Place]:
    """The same for filters of one state at most."""
    if filters.q is None:
        return _places(connection, _list(cases.c, after, *_conditions(filters)), limit)
    found = [_having(connection, filters, sorted(terms), after, limit) for terms in readings(filters.q, area_code)]
    return _first(found, limit)


def _first(lists: Sequence[Sequence[Place]], limit: int) -> list[Place]:
    """The first places of all of these lists together."""
    return sorted({place for places in lists for place in places}, reverse=True)[:limit]


def _having(
    connection: ReadConnection, filters: CaseFilters, terms: Sequence[str], after: Place | None, limit: int
) -> list[Place]:
    """The places of those that have all of the terms."""
    lists = _sides(filters, terms, after)
    sides = _counted(connection, filters, lists)
    if not sides or sides[0].left == 0:
        return []
    first = sides[0]
    if first.left > RARE and len(sides) > 1 and connection.dialect.name == "postgresql":
        return _merging(connection, _merged(sides, filters, _begin(connection, lists)), limit)
    if first.left > RARE:
        first = next(side for side in sides if side.term is not None)
    return _places(connection, _looked_up(first, sides, filters, after), limit)


def _places(connection: ReadConnection, statement: Select[Any], limit: int) -> list[Place]:
    return [Place(*row) for row in connection.execute(statement.limit(limit))]


def _merging(connection: ReadConnection, statement: Select[Any], limit: int) -> list[Place]:
    connection.execute(_SWITCH, {"others": "off"})
    found = _places(connection, statement, limit)
    connection.execute(_SWITCH, {"others": "on"})
    return found


def _conditions(filters: CaseFilters, *, narrow: bool = False) -> list[ColumnElement[bool]]:
    """The filters on the case itself; `narrow` leaves out that it is not overdue, which nearly every case is not."""
    named = {name: getattr(filters, name) for name in _EQUAL}
    conditions = [cases.c.state == state for state in filters.state]
    conditions += [cases.c[name] == value for name, value in named.items() if value is not None]
    if filters.overdue or (filters.overdue is False and not narrow):
        conditions.append(cases.c.overdue == (true() if filters.overdue else false()))
    return conditions


def _list(columns: Columns, after: Place | None, *conditions: ColumnElement[bool]) -> Select[Any]:
    """The places by these columns that meet the conditions, in the order of lists."""
    statement = select(columns.registered_at, columns.number).where(*conditions, *_beyond(columns, after))
    return statement.order_by(columns.registered_at.desc(), columns.number.desc())


def _beyond(columns: Columns, after: Place | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [tuple_(columns.registered_at, columns.number) < _bound(after)]


def _from(columns: Columns, begin: Place) -> ColumnElement[bool]:
    return tuple_(columns.registered_at, columns.number) <= _bound(begin)


def _bound(place: Place) -> ColumnElement[Any]:
    at = bindparam("place_at", place.registered_at, cases.c.registered_at.type)
    return tuple_(at, bindparam("place_number", place.number))


def _sides(filters: CaseFilters, terms: Sequence[str], after: Place | None) -> dict[str | None, Select[Any]]:
    """The list of each term, and under None that of the filters, where an index serves them."""
    sides: dict[str | None, Select[Any]] = {term: _of_term(term, after) for term in terms}
    narrow = _conditions(filters, narrow=True)
    if terms and 0 < len(narrow) <= PAIRED:
        sides[None] = _list(cases.c, after, *narrow)
    return sides


def _counted(connection: ReadConnection, filters: CaseFilters, lists: Mapping[str | None, Select[Any]]) -> list[_Side]:
    """What is asked for, with how many cases each leaves; what leaves the fewest comes first."""
    if not lists:
        return []
    counts = [
        select(literal(term), select(func.count()).select_from(some.limit(RARE + 1).subquery()).scalar_subquery())
        for term, some in lists.items()
    ]
    sides = [_Side(*row) for row in connection.execute(union_all(*counts))]
    if len(_conditions(filters, narrow=True)) > PAIRED:
        sides.append(_Side(None, RARE + 1))
    return sorted(sides, key=lambda side: side.left)


def _begin(connection: ReadConnection, lists: Mapping[str | None, Select[Any]]) -> Place:
    """Where all of the lists have begun: the cases of an agent who left years ago lie deep in that of a village."""
    firsts = union_all(*(select(some.limit(1).subquery()) for some in lists.values())).subquery()
    oldest = select(firsts.c.registered_at, firsts.c.number).order_by(firsts.c.registered_at, firsts.c.number)
    return Place(*connection.execute(oldest.limit(1)).one())


def _of_term(term: str, after: Place | None) -> Select[Any]:
    having = search_words.alias()
    return _list(having.c, after, having.c.word == term)


def _looked_up(first: _Side, sides: Sequence[_Side], filters: CaseFilters, after: Place | None) -> Select[Any]:
    """Read the cases of the first side in order, and look each up under the others, until the page is full."""
    columns: Columns = cases.c if first.term is None else search_words.c
    conditions = _conditions(filters)
    if first.term is None:
        statement = _list(columns, after, *conditions)
    else:
        statement = _list(columns, after, columns.word == first.term)
        if conditions:
            statement = statement.where(_looked_for(cases.c.number == columns.number, *conditions))
    for side in sides:
        if side.term is not None and side is not first:
            other = search_words.alias()
            statement = statement.where(_looked_for(other.c.word == side.term, *_same(other.c, columns)))
    return statement


def _looked_for(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    # The offset says nothing, but keeps PostgreSQL from making a join of it, which may begin at the wrong end.
    return exists(select(literal(1)).where(*conditions).offset(0))


def _same(one: Columns, other: Columns) -> list[ColumnElement[bool]]:
    return [one.registered_at == other.registered_at, one.number == other.number]


def _merged(sides: Sequence[_Side], filters: CaseFilters, begin: Place) -> Select[Any]:
    """Read all sides beside each other, each from the place where the last of them begins."""
    terms = [side.term for side in sides if side.term is not None]
    first = search_words.alias()
    statement = _list(first.c, None, first.c.word == terms[0], _from(first.c, begin))
    for term in terms[1:]:
        other = search_words.alias()
        statement = statement.join(other, and_(*_same(other.c, first.c)))
        statement = statement.where(other.c.word == term, _from(other.c, begin))
    if narrow := _conditions(filters, narrow=True):
        statement = statement.join(cases, and_(*_same(cases.c, first.c))).where(*narrow, _from(cases.c, begin))
    if filters.overdue is False:
        overdue = cases.alias()
        late = exists().where(overdue.c.overdue == true(), *_same(overdue.c, first.c), _from(overdue.c, begin))
        statement = statement.where(~late)
    return statement
