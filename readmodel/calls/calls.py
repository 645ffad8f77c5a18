"""Calls (来电): kept as the telephone system reports them, in any order and as often as it does; and their lists."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Boolean, ColumnElement, literal_column, select

from domain.calls.call import Call, CallOutcome
from readmodel.base.database import ReadConnection, WriteConnection, lock
from readmodel.base.paging import CALL_ID, RowPage, read_page
from readmodel.base.statements import Imported, RowValues, is_one_of, upsert_many
from readmodel.calls.call_backs import note_calls
from readmodel.calls.tables import UNANSWERED, calls
from readmodel.cases.search_terms import phone_term

SLOT = timedelta(minutes=15)
"""Length of a slot. Every time zone is a whole number of them from UTC, so reports by local hours can add them up."""
LOCK = 5_170_002
"""Number of the lock of all writers of calls."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
CALL_COLUMNS = tuple(calls.c[name] for name in Call._fields)
"""Columns of a call, in the order of its fields."""


def keep(
    connection: WriteConnection, given: Iterable[Call], area_code: str = "", at: datetime | None = None
) -> Imported:
    """Add calls, or merge them with what is known of them; `area_code` is that of telephones without one.

    Callers whom nobody answered are put on the list of call-backs. `at` is the present instant, None: by the clock.

    The calls should be a few thousand at most, as they are held in memory and others wait for the transaction.
    """
    reported: dict[str, Call] = {}
    for call in given:
        before = reported.get(call.call_id)
        reported[call.call_id] = before.merged(call) if before else call
    # Two imports at once must not read what the other is about to write.
    lock(connection, LOCK)
    found = connection.execute(select(*CALL_COLUMNS).where(is_one_of(connection, calls.c.call_id, reported)))
    known = {row.call_id: Call._make(row) for row in found}
    after = [known[key].merged(call) if key in known else call for key, call in reported.items()]
    differing = [call for call in after if known.get(call.call_id) != call]
    rows = [_row(call, area_code) for call in differing]
    upsert_many(connection, calls, rows)
    note_calls(connection, rows, at or datetime.now(UTC))
    added = len(reported) - len(known)
    return Imported(added, len(differing) - added, len(reported) - len(differing))


def _row(call: Call, area_code: str) -> RowValues:
    waited, talked = call.waited, call.talked
    return {
        **call._asdict(),
        "outcome": call.outcome,
        "slot": (call.started_at - EPOCH) // SLOT,
        "wait_ms": None if waited is None else waited // _MILLISECOND,
        "talk_ms": None if talked is None else talked // _MILLISECOND,
        "phone_term": call.caller_phone and phone_term(call.caller_phone, area_code),
    }


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


def page_of_calls(connection: ReadConnection, filters: CallFilters, cursor: str | None, limit: int) -> RowPage[Call]:
    """Return a page of the calls that pass the filters. Raises BadCursorError."""
    statement, by = select(*CALL_COLUMNS).where(*filters.conditions()), (calls.c.started_at, calls.c.call_id)
    return read_page(connection, statement, by, cursor, limit, Call._make, keys=CALL_ID)
