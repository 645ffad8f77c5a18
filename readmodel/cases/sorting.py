"""Orders of a list of cases. Each is a sequence of stretches, and an index has the order of each stretch."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, get_args

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from domain.catalogue.terms import Priority
from readmodel.base.paging import Place, in_order
from readmodel.cases.filters import CaseFilters
from readmodel.cases.tables import cases

Columns = ReadOnlyColumnCollection[str, Any]
PRIORITIES: tuple[str, ...] = get_args(Priority)


class Sort(StrEnum):
    """Order of a list: newest registration first, earliest due time first, or highest priority first."""

    REGISTERED = "registered"
    DUE = "due"
    PRIORITY = "priority"


class Stretch(NamedTuple):
    """Part of a list in the order of one instant of its cases, and of their numbers."""

    at: str
    newest_first: bool
    where: tuple[ColumnElement[bool], ...] = ()

    def places(self, columns: Columns, after: Place | None, *conditions: ColumnElement[bool]) -> Select[Any]:
        """Return the statement of the places that meet the conditions, after a place if one is given."""
        at, number = columns[self.at], columns.number
        return in_order(select(at, number).where(*conditions), at, number, after, newest_first=self.newest_first)


_NEWEST_FIRST = Stretch("registered_at", newest_first=True)


def stretches(sort: Sort, filters: CaseFilters) -> Mapping[str, Stretch]:
    """Return the stretches of a list by name, in their order. Names begin cursors, so that another order refuses them.

    - `registered`: the newest registration first.
    - `due`: the earliest due instant first, so that late cases come before all others; then cases with nothing due,
      the newest registration first.
    - `priority`: P1 first; of one priority the oldest registration first.
    """
    if sort is Sort.DUE:
        due_at = cases.c.next_due_at
        due = {"due": Stretch("next_due_at", newest_first=False, where=(due_at.is_not(None),))}
        nothing_due = {"nothing_due": _NEWEST_FIRST._replace(where=(due_at.is_(None),))}
        return due if filters.due_before else due | nothing_due
    if sort is Sort.PRIORITY:
        wanted = [filters.priority] if filters.priority else PRIORITIES
        return {
            priority: Stretch("registered_at", newest_first=False, where=(cases.c.priority == priority,))
            for priority in wanted
        }
    return {"": _NEWEST_FIRST}
