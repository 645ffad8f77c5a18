"""Call-backs (回电): a row for each call that nobody answered; those of one telephone are worked off together."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, select, tuple_, update

from domain.calls.call import (
    CALL_BACK_AGE,
    CALL_BACK_TIME,
    MISSED_OUTCOMES,
    CallBack,
    CallBackResult,
    CallBackState,
    CallOutcome,
)
from readmodel.base.database import ReadConnection, RowValues, WriteConnection, insert_missing
from readmodel.base.paging import CALL_ID, RowPage, read_page
from readmodel.calls.tables import call_backs, calls

_row = call_backs.c
_IS_OPEN = _row.ended_at.is_(None)
_IS_MADE = _IS_OPEN | (_row.result == CallBackResult.CALLED_AGAIN)
"""Condition for call-backs that follow from the calls alone: nobody has worked them off."""
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class CallBackEntry(NamedTuple):
    """Call-back of a telephone, named by the oldest of its `calls`, which ended at `since`."""

    call_id: str
    caller_phone: str
    queue: str | None
    since: datetime
    calls: int
    call_back: CallBack


def note_calls(connection: WriteConnection, given: Sequence[RowValues], at: datetime) -> None:
    """Add call-backs for calls that nobody answered, and end those of callers who were answered later.

    `given` are rows of `calls` that were written. Their order does not matter; calls without a telephone have none.
    What people did on the list stays; all else is made anew from the calls.
    """
    missed = {
        row["call_id"]: row
        for row in given
        if row["outcome"] in MISSED_OUTCOMES and row["phone_term"] and row["ended_at"] >= at - CALL_BACK_AGE
    }
    oldest = connection.scalar(select(func.min(_row.since)).where(_IS_MADE))
    if oldest is None and not missed:
        return
    # A call that was answered before ends nothing on the list.
    answered = (row for row in given if row["phone_term"] and row["outcome"] == CallOutcome.ANSWERED)
    terms = {row["phone_term"] for row in answered if oldest and row["answered_at"] >= oldest}
    terms |= {row["phone_term"] for row in missed.values()}
    ids = {row["call_id"] for row in given}
    of_these = _row.call_id.in_(ids) | _row.phone_term.in_(terms)
    # In the order in which people lock them.
    locked = select(call_backs).where(_IS_MADE, of_these).order_by(_row.call_id).with_for_update()
    right = {(call_id, row["ended_at"], row["phone_term"]) for call_id, row in missed.items()}
    made = [row for row in connection.execute(locked) if row.call_id in ids]
    if wrong := [row.call_id for row in made if (row.call_id, row.since, row.phone_term) not in right]:
        connection.execute(delete(call_backs).where(_row.call_id.in_(wrong)))
    _add(connection, missed)
    _end_answered(connection, terms)


def _add(connection: WriteConnection, missed: Mapping[str, RowValues]) -> None:
    """Add call-backs for these calls, but for those whose caller was called back afterwards."""
    if not missed:
        return
    worked_off = (
        select(_row.phone_term, func.max(_row.ended_at).label("until"))
        .where(_row.phone_term.in_({row["phone_term"] for row in missed.values()}), ~_IS_MADE)
        .group_by(_row.phone_term)
    )
    until = {row.phone_term: row.until for row in connection.execute(worked_off)}
    new = [
        {"call_id": call_id, "phone_term": row["phone_term"], "since": row["ended_at"], "tries": 0}
        for call_id, row in missed.items()
        if row["ended_at"] > until.get(row["phone_term"], _EARLIEST)
    ]
    insert_missing(connection, call_backs, new)


def _end_answered(connection: WriteConnection, terms: Collection[str]) -> None:
    """End the open call-backs of these telephones whose caller was answered afterwards."""
    if not terms:
        return
    again = (calls.c.phone_term == _row.phone_term) & (calls.c.answered_at > _row.since)
    again &= calls.c.outcome == CallOutcome.ANSWERED
    first = select(func.min(calls.c.answered_at)).where(again).scalar_subquery()
    ended = {"ended_at": first, "result": CallBackResult.CALLED_AGAIN}
    which = _IS_OPEN & _row.phone_term.in_(terms) & exists().where(again)
    connection.execute(update(call_backs).where(which).values(ended))


def list_call_backs(
    connection: ReadConnection, state: CallBackState | None, at: datetime, cursor: str | None, limit: int
) -> RowPage[CallBackEntry]:
    """Open ones the oldest first, done ones the last first. Raises BadCursorError."""
    done = state is CallBackState.DONE
    order = _row.ended_at if done else _row.since
    statement = select(order, _row.call_id).where(_is_first(done=done))
    if state and not done:
        held = call_backs.alias()
        taken = exists().where(
            held.c.phone_term == _row.phone_term, held.c.ended_at.is_(None), held.c.taken_at > at - CALL_BACK_TIME
        )
        statement = statement.where(taken if state is CallBackState.TAKEN else ~taken)
    by = order, _row.call_id
    page = read_page(connection, statement, by, cursor, limit, lambda row: row.call_id, newest_first=done, keys=CALL_ID)
    found = _entries(connection, page.items)
    return RowPage(tuple(found[call_id] for call_id in page.items if call_id in found), page.next_cursor)


def count_open_call_backs(connection: ReadConnection) -> int:
    """Count the telephones that are to be called back."""
    return connection.scalar(select(func.count(_row.phone_term.distinct())).where(_IS_OPEN)) or 0


def _is_first(*, done: bool) -> ColumnElement[bool]:
    """Condition for the oldest call of those that are worked off together."""
    other = call_backs.alias()
    same_end: ColumnElement[bool] = other.c.ended_at == _row.ended_at if done else other.c.ended_at.is_(None)
    earlier = tuple_(other.c.since, other.c.call_id) < tuple_(_row.since, _row.call_id)
    is_over = _row.ended_at.is_not(None) if done else _IS_OPEN
    return and_(is_over, ~exists().where(other.c.phone_term == _row.phone_term, same_end, earlier))


def update_call_back(
    connection: WriteConnection, call_id: str, change: Callable[[CallBack], CallBack]
) -> CallBackEntry | None:
    """Change and return the call-back of this call's telephone; None if the call has none. Raises as `change`."""
    term = connection.scalar(select(_row.phone_term).where(_row.call_id == call_id))
    locked = select(call_backs).where(_row.phone_term == term).order_by(_row.call_id).with_for_update()
    rows = connection.execute(locked).all() if term else []
    own = next((row for row in rows if row.call_id == call_id), None)
    if own is None:
        return None
    group = [row for row in rows if row.ended_at == own.ended_at]
    before = _lead(group)
    if (after := change(before)) != before:
        ids = [row.call_id for row in group]
        connection.execute(update(call_backs).where(_row.call_id.in_(ids)).values(after._asdict()))
    return _entries(connection, [call_id])[call_id]


def _entries(connection: ReadConnection, call_ids: Sequence[str]) -> dict[str, CallBackEntry]:
    """Entry of each of these calls, and of all others of their telephones."""
    terms = select(_row.phone_term).where(_row.call_id.in_(call_ids))
    statement = (
        select(call_backs, calls.c.caller_phone, calls.c.queue)
        .join(calls, calls.c.call_id == _row.call_id)
        .where(_row.phone_term.in_(terms))
        .order_by(_row.since, _row.call_id)
    )
    groups = defaultdict[Any, list[Row[Any]]](list)
    for row in connection.execute(statement):
        groups[row.phone_term, row.ended_at].append(row)
    found: dict[str, CallBackEntry] = {}
    for rows in groups.values():
        first = rows[0]
        entry = CallBackEntry(first.call_id, first.caller_phone, first.queue, first.since, len(rows), _lead(rows))
        found |= {row.call_id: entry for row in rows}
    return found


def _lead(rows: Sequence[Row[Any]]) -> CallBack:
    """Make one call-back of its rows: a call that came after it was taken has a row that does not tell so."""
    lead = max(rows, key=lambda row: (row.taken_at or _EARLIEST, row.tries, row.person or ""))
    result = None if lead.result is None else CallBackResult(lead.result)
    return CallBack(lead.person, lead.taken_at, lead.tries, lead.ended_at, result, lead.note)
