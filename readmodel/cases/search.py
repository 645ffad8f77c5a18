"""Lists of cases: filters, order and search by terms, as statements that an index answers.

An order is a sequence of sections, and an index has the order of each section. Desks ask about open cases, of which
there are few: indexes of these, one for each order, hold all columns of filters. So does the index of all cases.
Values that few cases have are found by indexes of their own.

Terms have no index with columns that change. So the search counts, up to a limit, the cases of each term and of the
filters. If one of them has few cases, these are looked up under the others. If all have many, their indexes, which
have the order of the list, are merged: that ends with the page, and reads each index once at worst.
The planner has no choice: its statistics do not know that two frequent values may never occur in one case.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, get_args

import sqlalchemy as sa
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.case.lifecycle import OPEN, State
from domain.catalogue.terms import Priority
from readmodel.base.database import ReadConnection
from readmodel.base.paging import Position, in_order
from readmodel.cases.search_terms import alternatives
from readmodel.cases.tables import FILTERED_COLUMNS, WITH_INCIDENT, ColumnFilters, cases, has_flag, search_words

Columns = ReadOnlyColumnCollection[str, Any]
PRIORITIES: tuple[str, ...] = get_args(Priority)
_SLA_OF_OPEN_CASES = frozenset({"at_risk", "paused"})


@dataclass(frozen=True, slots=True)
class CaseFilters(ColumnFilters):
    """Filters of a list of cases; None, and no states, let all pass. `search_terms` cuts `q` into terms.

    `registered_from` is the first instant, `registered_to` and `due_before` are the first that do not pass.
    `impersonal`: `q` finds nothing by what some readers see masked. `area_code` is that of telephones without one.
    """

    state: tuple[State, ...] = ()
    flag: str | None = None
    with_incident: bool | None = None
    registered_from: datetime | None = None
    registered_to: datetime | None = None
    due_before: datetime | None = None
    q: str | None = None
    impersonal: bool = False
    area_code: str = ""

    @property
    def only_open(self) -> bool:
        """True if no ended case can pass: such a list is read from the indexes of open cases."""
        of_open_states = bool(self.state) and OPEN.issuperset(self.state)
        # Whatever ends a case cancels its clocks, so nothing of it is due.
        return of_open_states or bool(self.overdue or self.due_before) or self.sla in _SLA_OF_OPEN_CASES

    def by_state(self) -> list["CaseFilters"]:
        """Split into filters with the same cases in total, of the open states or of one other each."""
        still_open = tuple(state for state in dict.fromkeys(self.state) if state in OPEN)
        ended = [(state,) for state in dict.fromkeys(self.state) if state not in OPEN]
        groups = [*([still_open] if still_open else []), *ended]
        return [replace(self, state=group) for group in groups] or [self]


class Sort(StrEnum):
    """Order of a list: newest registration first, earliest due time first, or highest priority first."""

    REGISTERED = "registered"
    DUE = "due"
    PRIORITY = "priority"


class Section(NamedTuple):
    """Part of a list in the order of one instant of its cases, and of their numbers."""

    at: str
    newest_first: bool
    where: tuple[sa.ColumnElement[bool], ...] = ()

    def positions(
        self, columns: Columns, after: Position | None, *conditions: sa.ColumnElement[bool]
    ) -> sa.Select[Any]:
        at, number = columns[self.at], columns.number
        return in_order(sa.select(at, number).where(*conditions), at, number, after, newest_first=self.newest_first)


_NEWEST_FIRST = Section("registered_at", newest_first=True)


def sections(sort: Sort, filters: CaseFilters) -> Mapping[str, Section]:
    """Sections by name, in the order of the list. Names begin cursors, so that another order refuses them.

    - `registered`: the newest registration first.
    - `due`: the earliest due instant first, so that late cases come before all others; then cases with nothing due,
      the newest registration first.
    - `priority`: P1 first; of one priority the oldest registration first.
    """
    if sort is Sort.DUE:
        due_at = cases.c.next_due_at
        due = {"due": Section("next_due_at", newest_first=False, where=(due_at.is_not(None),))}
        nothing_due = {"nothing_due": _NEWEST_FIRST._replace(where=(due_at.is_(None),))}
        return due if filters.due_before else due | nothing_due
    if sort is Sort.PRIORITY:
        wanted = [filters.priority] if filters.priority else PRIORITIES
        return {
            priority: Section("registered_at", newest_first=False, where=(cases.c.priority == priority,))
            for priority in wanted
        }
    return {"": _NEWEST_FIRST}


FEW_CASES = 10_000
"""Most cases that are looked up one by one; if there are more, indexes are merged."""
_ALLOW_OTHER_JOINS = sa.text(
    "SELECT set_config('enable_nestloop', :others, true), set_config('enable_hashjoin', :others, true)"
)
"""Allows or forbids PostgreSQL other joins than merge joins, for the rest of the transaction."""


def find(
    connection: ReadConnection, filters: CaseFilters, after: Position | None, limit: int, sort: Sort = Sort.REGISTERED
) -> list[Position]:
    """First `limit` cases after `after`, which is of the same sort."""
    found: list[Position] = []
    names = [*(by_name := sections(sort, filters))]
    for name in names[names.index(after.section) if after else 0 :]:
        begin = after if after and after.section == name else None
        there = _in_section(connection, filters, by_name[name], begin, limit - len(found))
        found += [position._replace(section=name) for position in there]
        if len(found) == limit:
            break
    return found


def _in_section(
    connection: ReadConnection, filters: CaseFilters, section: Section, after: Position | None, limit: int
) -> list[Position]:
    found: set[Position] = set()
    for each in filters.by_state():
        search = _Search(each, section, after)
        if each.q is None:
            found.update(_positions(connection, section.positions(cases.c, after, *search.conditions()), limit))
        else:
            for terms in alternatives(each.q, each.area_code):
                found.update(search.with_terms(connection, sorted(terms), limit) if terms else ())
    return sorted(found, reverse=section.newest_first)[:limit]


def _positions(connection: ReadConnection, statement: sa.Select[Any], limit: int) -> list[Position]:
    return [Position(*row) for row in connection.execute(statement.limit(limit))]


def conditions_of(filters: CaseFilters, *, narrow: bool = False) -> list[sa.ColumnElement[bool]]:
    """On columns of the case; `narrow` leaves out *not overdue*, as nearly every case is not."""
    named = {name: getattr(filters, name) for name in FILTERED_COLUMNS if name != "overdue"}
    conditions = [cases.c[name] == value for name, value in named.items() if value is not None]
    if filters.state and {*filters.state} != OPEN:
        conditions.append(cases.c.state.in_(filters.state))
    if filters.only_open:
        conditions.append(cases.c.closed_at.is_(None))
    if filters.overdue or (filters.overdue is False and not narrow):
        conditions.append(cases.c.overdue == (sa.true() if filters.overdue else sa.false()))
    if filters.flag:
        conditions.append(has_flag(filters.flag))
    if filters.with_incident is not None:
        conditions.append(WITH_INCIDENT if filters.with_incident else sa.not_(WITH_INCIDENT))
    if filters.due_before:
        conditions.append(cases.c.next_due_at < filters.due_before)
    return [*conditions, *_registered_within(cases.c, filters)]


def _registered_within(columns: Columns, filters: CaseFilters) -> list[sa.ColumnElement[bool]]:
    at = columns.registered_at
    bounds = [at >= filters.registered_from] if filters.registered_from else []
    return [*bounds, at < filters.registered_to] if filters.registered_to else bounds


def _is_term(words: Columns, term: str, filters: CaseFilters) -> list[sa.ColumnElement[bool]]:
    impersonal = [words.personal == sa.false()] if filters.impersonal else []
    return [words.word == term, *impersonal, *_registered_within(words, filters)]


def _has_row(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    # The offset changes nothing, but keeps PostgreSQL from making a join of it, which may start from the wrong end.
    return sa.exists(sa.select(sa.literal(1)).where(*conditions).offset(0))


def _same(one: Columns, other: Columns) -> list[sa.ColumnElement[bool]]:
    return [one.registered_at == other.registered_at, one.number == other.number]


def _joined(
    terms: Sequence[str], filters: CaseFilters, *within: Callable[[Columns], sa.ColumnElement[bool]]
) -> tuple[Columns, sa.Select[Any]]:
    """Columns of the first term, and the statement of the positions of cases that have all terms."""
    first, *others = (search_words.alias() for _ in terms)
    statement = sa.select(first.c.registered_at, first.c.number)
    for term, words in zip(terms, (first, *others), strict=True):
        statement = statement if words is first else statement.join(words, sa.and_(*_same(words.c, first.c)))
        statement = statement.where(*_is_term(words.c, term, filters), *(bound(words.c) for bound in within))
    return first.c, statement


def having_terms(filters: CaseFilters) -> list[sa.ColumnElement[bool]]:
    """Conditions that cases have the terms of `q`; empty without `q`."""
    if filters.q is None:
        return []
    found = [_joined(sorted(terms), filters)[1] for terms in alternatives(filters.q, filters.area_code) if terms]
    position = sa.tuple_(cases.c.registered_at, cases.c.number)
    return [position.in_(sa.union(*found) if len(found) > 1 else found[0]) if found else sa.false()]


class _Search(NamedTuple):
    """Search of the cases of one section by terms and filters, after a position if one is given."""

    filters: CaseFilters
    section: Section
    after: Position | None

    def conditions(self, *, narrow: bool = False) -> list[sa.ColumnElement[bool]]:
        return [*self.section.where, *conditions_of(self.filters, narrow=narrow)]

    def with_terms(self, connection: ReadConnection, terms: Sequence[str], limit: int) -> list[Position]:
        if self.section.at not in search_words.c:
            # Few cases have something due, and terms are not in the order of that.
            return _positions(connection, self._looked_up(None, terms), limit)
        lists = self._lists(terms)
        left = _counted(connection, lists)
        terms = [term for term in left if term is not None]
        first, fewest = next(iter(left.items()))
        if fewest <= FEW_CASES:
            return _positions(connection, self._looked_up(first, terms), limit) if fewest else []
        if len(left) == 1 or connection.dialect.name == "sqlite":
            return _positions(connection, self._looked_up(terms[0], terms), limit)
        firsts = [position for listed in lists.values() for position in _positions(connection, listed, 1)]
        # The position at which the last list begins: an agent who left years ago has only old cases.
        begin = min(firsts) if self.section.newest_first else max(firsts)
        connection.execute(_ALLOW_OTHER_JOINS, {"others": "off"})
        found = _positions(connection, self._merged(terms, begin), limit)
        connection.execute(_ALLOW_OTHER_JOINS, {"others": "on"})
        return found

    def _lists(self, terms: Sequence[str]) -> dict[str | None, sa.Select[Any]]:
        """Statement of each term, and under None that of the filters if there are any."""
        words = search_words.alias().c
        lists: dict[str | None, sa.Select[Any]] = {
            term: self.section.positions(words, self.after, *_is_term(words, term, self.filters)) for term in terms
        }
        if narrow := self.conditions(narrow=True):
            lists[None] = self.section.positions(cases.c, self.after, *narrow)
        return lists

    def _looked_up(self, first: str | None, terms: Sequence[str]) -> sa.Select[Any]:
        """Read one term, or (None) the filters, in order, and look up all others."""
        columns: Columns = cases.c if first is None else search_words.c
        conditions = self.conditions()
        if first is None:
            statement = self.section.positions(columns, self.after, *conditions)
        else:
            statement = self.section.positions(columns, self.after, *_is_term(columns, first, self.filters))
            if conditions:
                statement = statement.where(_has_row(cases.c.number == columns.number, *conditions))
        for term in terms:
            if term != first:
                other = search_words.alias().c
                statement = statement.where(_has_row(*_is_term(other, term, self.filters), *_same(other, columns)))
        return statement

    def _merged(self, terms: Sequence[str], begin: Position) -> sa.Select[Any]:
        """Merge terms and filters, each from the position at which the last of them begins."""
        newest_first = self.section.newest_first

        def from_begin(columns: Columns) -> sa.ColumnElement[bool]:
            position = sa.tuple_(columns.registered_at, columns.number)
            return position <= begin.bound() if newest_first else position >= begin.bound()

        first, statement = _joined(terms, self.filters, from_begin)
        if narrow := self.conditions(narrow=True):
            statement = statement.join(cases, sa.and_(*_same(cases.c, first))).where(*narrow, from_begin(cases.c))
        if self.filters.overdue is False:
            overdue = cases.alias()
            late = sa.exists().where(overdue.c.overdue == sa.true(), *_same(overdue.c, first), from_begin(overdue.c))
            statement = statement.where(~late)
        return in_order(statement, first.registered_at, first.number, None, newest_first=newest_first)


def _counted(connection: ReadConnection, lists: Mapping[str | None, sa.Select[Any]]) -> dict[str | None, int]:
    """Count the cases of each list, FEW_CASES + 1 at most, the fewest first."""
    counts = [
        sa.select(
            sa.literal(term),
            sa.select(sa.func.count()).select_from(some.limit(FEW_CASES + 1).subquery()).scalar_subquery(),
        )
        for term, some in lists.items()
    ]
    rows = connection.execute(sa.union_all(*counts))
    return {term: number for term, number in sorted(rows, key=lambda row: row[1])}  # noqa: C416 - a row is no pair to mypy
