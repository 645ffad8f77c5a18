"""Lists of calls, the newest first. Each page is read from an index."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, ColumnElement, literal_column, select

from domain.calls.call import Call, CallOutcome
from readmodel.base.database import ReadConnection
from readmodel.base.paging import CALL_ID, Page, read_page
from readmodel.calls.tables import UNANSWERED, calls

CALL_COLUMNS = tuple(calls.c[name] for name in Call._fields)
"""Columns of a call, in the order of its fields."""


@dataclass(frozen=True, slots=True)
class CallFilters:
    """Filters of a list of calls; None, or no outcome, lets all pass. `until` is the first instant that does not."""

    agent: str | None = None
    queue: str | None = None
    outcome: tuple[CallOutcome, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        given = {name: value for name in ("agent", "queue") if (value := getattr(self, name))}
        found: list[ColumnElement[bool]] = [calls.c[name] == value for name, value in given.items()]
        if self.outcome:
            found.append(calls.c.outcome.in_(self.outcome))
        if self.outcome and CallOutcome.ANSWERED not in self.outcome:
            found.append(literal_column(UNANSWERED, Boolean))
        if self.since:
            found.append(calls.c.started_at >= self.since)
        if self.until:
            found.append(calls.c.started_at < self.until)
        return found


def page_of_calls(connection: ReadConnection, filters: CallFilters, cursor: str | None, limit: int) -> Page[Call]:
    """Return a page of the calls that pass the filters. Raises BadCursorError."""
    statement, by = select(*CALL_COLUMNS).where(*filters.conditions()), (calls.c.started_at, calls.c.call_id)
    return read_page(connection, statement, by, cursor, limit, Call._make, keys=CALL_ID)
