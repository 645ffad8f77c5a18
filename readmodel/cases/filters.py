"""Filters of a list of cases. A filter by the value of a column is one field here; its condition is computed."""

from dataclasses import dataclass, fields, replace
from datetime import datetime

from domain.case.lifecycle import OPEN, State

_SLA_OF_OPEN_CASES = frozenset({"at_risk", "paused"})


@dataclass(frozen=True, slots=True)
class ColumnFilters:
    """Filters by the value of a column of the table of cases, each named as its column; None lets all pass.

    The indexes of all cases and of open ones hold every one of these columns.
    """

    department: str | None = None
    owner: str | None = None
    assignee: str | None = None
    service_code: str | None = None
    district: str | None = None
    priority: str | None = None
    channel: str | None = None
    sla: str | None = None
    incident: str | None = None
    lost: str | None = None
    overdue: bool | None = None


FILTERED_COLUMNS = tuple(field.name for field in fields(ColumnFilters))
"""Names of the filters by a value."""


@dataclass(frozen=True, slots=True)
class CaseFilters(ColumnFilters):
    """Filters of a list of cases; None, and no states, let all pass. `search_terms` cuts `q` into terms.

    `registered_from` is the first instant, `registered_to` and `due_before` are the first that do not pass.
    `impersonal`: `q` finds nothing by what some readers see masked. `area_code` is that of telephones without one.
    """

    state: tuple[State, ...] = ()
    flag: str | None = None
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
        """Return filters with the same cases in total, of the open states or of one other each."""
        still_open = tuple(state for state in dict.fromkeys(self.state) if state in OPEN)
        ended = [(state,) for state in dict.fromkeys(self.state) if state not in OPEN]
        groups = [*([still_open] if still_open else []), *ended]
        return [replace(self, state=group) for group in groups] or [self]
