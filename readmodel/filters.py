"""Filters of a list of cases. A filter by a column is one field here; its indexes and conditions are computed."""

from dataclasses import dataclass, fields, replace

from domain.case.lifecycle import State


@dataclass(frozen=True, slots=True)
class ColumnFilters:
    """Filters by the value of a column of the table of cases, each named as its column.

    Each column has an index; on PostgreSQL each pair of columns has one as well, so every field costs writes.
    """

    state: tuple[State, ...] = ()
    department: str | None = None
    owner: str | None = None
    service_code: str | None = None
    district: str | None = None


@dataclass(frozen=True, slots=True)
class CaseFilters(ColumnFilters):
    """Filters of a list of cases; None, and no states, let all pass. `readmodel.search_terms` cuts `q` into terms.

    `impersonal`: `q` finds nothing by a caller's name, telephone or account.

    Few cases are overdue, of one incident or lost: these are found by indexes of such cases only.
    """

    overdue: bool | None = None
    incident: str | None = None
    lost: str | None = None
    q: str | None = None
    impersonal: bool = False

    def by_state(self) -> list["CaseFilters"]:
        """Return filters of at most one state each, with the same cases in total: an index serves one state."""
        return [replace(self, state=(state,)) for state in dict.fromkeys(self.state)] or [self]


FILTERED_COLUMNS = tuple(field.name for field in fields(ColumnFilters))
"""Columns of the table of cases that have indexes for filters."""
