"""Lists of cases: filters, order and search by terms, as statements that an index answers.

On PostgreSQL every pair of filters has its own index, and the few cases that are overdue or of one incident are all
read. Terms have no index with columns that change. So the search counts, up to a limit, the cases of each term and of
the filters. If one of them has few cases, these are looked up under the others. If all have many, their indexes, which
have the order of the list, are merged: that ends with the page, and reads each index once at worst.
The planner has no choice: its statistics do not know that two frequent values may never occur in one case.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
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

from readmodel.database import ReadConnection
from readmodel.filters import FILTERED_COLUMNS, CaseFilters
from readmodel.paging import Place, newest_first
from readmodel.search_terms import alternatives
from readmodel.tables import cases, search_words

FEW_CASES = 10_000
"""Most cases that are looked up one by one; if there are more, indexes are merged."""
MOST_INDEXED = 2
"""Most filters of one index; the cases of three cannot be counted without reading them."""
_ALLOW_OTHER_JOINS = text(
    "SELECT set_config('enable_nestloop', :others, true), set_config('enable_hashjoin', :others, true)"
)
"""Allows or forbids PostgreSQL other joins than merge joins, for the rest of the transaction."""
Columns = ReadOnlyColumnCollection[str, Any]


class _Criterion(NamedTuple):
    """Condition on cases: a term, or (None) the filters. `left` is its number of cases, at most FEW_CASES + 1."""

    term: str | None
    left: int


def find(
    connection: ReadConnection, filters: CaseFilters, after: Place | None, limit: int, area_code: str = ""
) -> list[Place]:
    """Return the places of the first `limit` cases after `after`, newest first."""
    found: set[Place] = set()
    for each in filters.by_state():
        if each.q is None:
            found.update(_places(connection, _list(cases.c, after, *_conditions(each)), limit))
        else:
            for terms in alternatives(each.q, area_code):
                found.update(_with_terms(connection, each, sorted(terms), after, limit))
    return sorted(found, reverse=True)[:limit]


def _with_terms(
    connection: ReadConnection, filters: CaseFilters, terms: Sequence[str], after: Place | None, limit: int
) -> list[Place]:
    """Return the places of the cases that have all of the terms."""
    lists = _criteria(filters, terms, after)
    criteria = _counted(connection, filters, lists)
    if not criteria or criteria[0].left == 0:
        return []
    first = criteria[0]
    if first.left > FEW_CASES and len(criteria) > 1 and connection.dialect.name == "postgresql":
        return _places_by_merging(connection, _merged(criteria, filters, _begin(connection, lists)), limit)
    if first.left > FEW_CASES:
        first = next(criterion for criterion in criteria if criterion.term is not None)
    return _places(connection, _looked_up(first, criteria, filters, after), limit)


def _places(connection: ReadConnection, statement: Select[Any], limit: int) -> list[Place]:
    return [Place(*row) for row in connection.execute(statement.limit(limit))]


def _places_by_merging(connection: ReadConnection, statement: Select[Any], limit: int) -> list[Place]:
    connection.execute(_ALLOW_OTHER_JOINS, {"others": "off"})
    found = _places(connection, statement, limit)
    connection.execute(_ALLOW_OTHER_JOINS, {"others": "on"})
    return found


def _conditions(filters: CaseFilters, *, narrow: bool = False) -> list[ColumnElement[bool]]:
    """Return the conditions on columns of the case; `narrow` leaves out *not overdue*, as nearly every case is not."""
    named = {name: getattr(filters, name) for name in (*FILTERED_COLUMNS, "incident", "lost") if name != "state"}
    conditions = [cases.c.state == state for state in filters.state]
    conditions += [cases.c[name] == value for name, value in named.items() if value is not None]
    if filters.overdue or (filters.overdue is False and not narrow):
        conditions.append(cases.c.overdue == (true() if filters.overdue else false()))
    return conditions


def _list(columns: Columns, after: Place | None, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Return the statement of the places that meet the conditions, by these columns."""
    statement = select(columns.registered_at, columns.number).where(*conditions)
    return newest_first(statement, columns.registered_at, columns.number, after)


def _from(columns: Columns, begin: Place) -> ColumnElement[bool]:
    return tuple_(columns.registered_at, columns.number) <= begin.bound()


def _criteria(filters: CaseFilters, terms: Sequence[str], after: Place | None) -> dict[str | None, Select[Any]]:
    """Return the statement of each term, and under None that of the filters if an index serves them."""
    criteria: dict[str | None, Select[Any]] = {term: _of_term(term, filters, after) for term in terms}
    narrow = _conditions(filters, narrow=True)
    if terms and 0 < len(narrow) <= MOST_INDEXED:
        criteria[None] = _list(cases.c, after, *narrow)
    return criteria


def _counted(
    connection: ReadConnection, filters: CaseFilters, lists: Mapping[str | None, Select[Any]]
) -> list[_Criterion]:
    """Return the conditions with their numbers of cases, the fewest first."""
    if not lists:
        return []
    counts = [
        select(literal(term), select(func.count()).select_from(some.limit(FEW_CASES + 1).subquery()).scalar_subquery())
        for term, some in lists.items()
    ]
    criteria = [_Criterion(*row) for row in connection.execute(union_all(*counts))]
    if len(_conditions(filters, narrow=True)) > MOST_INDEXED:
        criteria.append(_Criterion(None, FEW_CASES + 1))
    return sorted(criteria, key=lambda criterion: criterion.left)


def _begin(connection: ReadConnection, lists: Mapping[str | None, Select[Any]]) -> Place:
    """Return the place at which the last list begins: an agent who left years ago has only old cases."""
    firsts = union_all(*(select(some.limit(1).subquery()) for some in lists.values())).subquery()
    oldest = select(firsts.c.registered_at, firsts.c.number).order_by(firsts.c.registered_at, firsts.c.number)
    return Place(*connection.execute(oldest.limit(1)).one())


def _of_term(term: str, filters: CaseFilters, after: Place | None) -> Select[Any]:
    words = search_words.alias()
    return _list(words.c, after, *_is_term(words.c, term, filters))


def _is_term(words: Columns, term: str, filters: CaseFilters) -> list[ColumnElement[bool]]:
    return [words.word == term, *([words.personal == false()] if filters.impersonal else [])]


def _looked_up(
    first: _Criterion, criteria: Sequence[_Criterion], filters: CaseFilters, after: Place | None
) -> Select[Any]:
    """Return a statement that reads the first criterion in order and looks each case up under the others."""
    columns: Columns = cases.c if first.term is None else search_words.c
    conditions = _conditions(filters)
    if first.term is None:
        statement = _list(columns, after, *conditions)
    else:
        statement = _list(columns, after, *_is_term(columns, first.term, filters))
        if conditions:
            statement = statement.where(_has_row(cases.c.number == columns.number, *conditions))
    for criterion in criteria:
        if criterion.term is not None and criterion is not first:
            other = search_words.alias()
            is_term = _is_term(other.c, criterion.term, filters)
            statement = statement.where(_has_row(*is_term, *_same(other.c, columns)))
    return statement


def _has_row(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    # The offset changes nothing, but keeps PostgreSQL from making a join of it, which may start from the wrong end.
    return exists(select(literal(1)).where(*conditions).offset(0))


def _same(one: Columns, other: Columns) -> list[ColumnElement[bool]]:
    return [one.registered_at == other.registered_at, one.number == other.number]


def _merged(criteria: Sequence[_Criterion], filters: CaseFilters, begin: Place) -> Select[Any]:
    """Return a statement that merges all criteria, each from the place at which the last of them begins."""
    terms = [criterion.term for criterion in criteria if criterion.term is not None]
    first = search_words.alias()
    statement = _list(first.c, None, *_is_term(first.c, terms[0], filters), _from(first.c, begin))
    for term in terms[1:]:
        other = search_words.alias()
        statement = statement.join(other, and_(*_same(other.c, first.c)))
        statement = statement.where(*_is_term(other.c, term, filters), _from(other.c, begin))
    if narrow := _conditions(filters, narrow=True):
        statement = statement.join(cases, and_(*_same(cases.c, first.c))).where(*narrow, _from(cases.c, begin))
    if filters.overdue is False:
        overdue = cases.alias()
        late = exists().where(overdue.c.overdue == true(), *_same(overdue.c, first.c), _from(overdue.c, begin))
        statement = statement.where(~late)
    return statement
