"""One notification on several channels: a row for each, so that none waits for another or is sent on it twice.

A notification that is due is spread over its channels and becomes `routed`, or `no_route` where nothing leads to its
recipient. Each delivery then is `due`, `sending`, `sent` or `dead`. The notification is `sent` with its last delivery,
`dead` with the first that is given up.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import bindparam, case, delete, exists, func, insert, select, update

from readmodel.database import WriteConnection
from readmodel.mailbox import DEAD, DUE, SENDING, SENT, Message, Report
from readmodel.tables import cases, deliveries, events, notifications

ROUTED, NO_ROUTE = "routed", "no_route"
_note = notifications.c
_row = deliveries.c
# What is about an incident is about no case: staff are told of it, and never wait for it.
_PRIORITY = func.coalesce(cases.c.priority, "P1")
# Cycle and state of the event which the message tells of: the case may have gone on. News of an incident are no event
# of the case.
_TOLD_OF = (events.c.number == _note.number) & (events.c.seq == _note.seq) & (events.c.action == _note.kind)
_CYCLE = func.coalesce(events.c.cycle, cases.c.cycle, 1)
_STATE = func.coalesce(events.c.to_state, cases.c.state, "")
_REPLY = case((events.c.action == "reply", events.c.data), else_=None)

Route = Callable[[str, bool], Sequence[str]]
"""The channels for a recipient, given whether the case has a telephone number."""
Quiet = Callable[[str, str, datetime], datetime | None]
"""Until when a recipient is left in peace, given the case's priority and the instant; None where it is not."""


class Parcel(NamedTuple):
    """A message on one channel, with what its case alone knows. `phone` is personal: it goes to the channel only.

    `cycle` and `state` are those that the message tells of; `said` is what an incident's end says to its callers.
    """

    message: Message
    priority: str
    phone: str | None
    cycle: int = 1
    state: str = ""
    said: str = ""

    @property
    def key(self) -> str:
        """The message's."""
        return self.message.key

    @property
    def number(self) -> str:
        """The case's."""
        return self.message.number

    @property
    def tries(self) -> int:
        """On this channel, this one included."""
        return self.message.tries


def spread(connection: WriteConnection, route: Route, at: datetime, limit: int) -> int:
    """Make the deliveries of what is due at `at`; answer of how many notifications. Nothing is in doubt meanwhile.

    One that is spread again, to be sent again, keeps what has been sent or is under way, and loses what was dead.
    """
    due = (
        select(_note.key, _note.recipient, cases.c.caller_phone.is_not(None))
        .outerjoin(cases, cases.c.number == _note.number)
        .where(_note.status == DUE, _note.next_try_at <= at)
        .order_by(_note.next_try_at)
        .limit(limit)
        .with_for_update(of=notifications, skip_locked=True)
    )
    found = {key: route(recipient, has_phone) for key, recipient, has_phone in connection.execute(due)}
    if not found:
        return 0
    connection.execute(delete(deliveries).where(_row.key.in_(found), _row.status == DEAD))
    known = select(_row.key, _row.channel).where(_row.key.in_(found))
    there = {(row.key, row.channel) for row in connection.execute(known)}
    wanted = [(key, channel) for key, channels in found.items() for channel in channels]
    fresh = [_fresh(key, channel, at) for key, channel in wanted if (key, channel) not in there]
    if fresh:
        connection.execute(insert(deliveries), fresh)
    for status, keys in (
        (ROUTED, [k for k, c in found.items() if c]),
        (NO_ROUTE, [k for k, c in found.items() if not c]),
    ):
        mine = _note.key.in_(keys)
        connection.execute(update(notifications).where(mine).values(status=status, next_try_at=None, last_error=None))
    _complete(connection, found, at)
    return len(found)


def exchange(
    connection: WriteConnection, channel: str, quiet: Quiet, report: Report, at: datetime, limit: int
) -> list[Parcel]:
    """Note what became of the channel's last parcels, and take its next that are due at `at`, oldest first.

    Whoever is to be left in peace gets his later, which costs no try.
    """
    _note_sent(connection, channel, report, at)
    _note_failed(connection, channel, report, at)
    loud: list[Parcel] = []
    while limit and not loud and (due := _due(connection, channel, at, limit)):
        later = [(parcel, quiet(parcel.message.recipient, parcel.priority, at)) for parcel in due]
        loud = [parcel for parcel, until in later if until is None]
        postponed = [{"the_key": parcel.key, "until": until} for parcel, until in later if until is not None]
        if postponed:
            mine = (_row.key == bindparam("the_key")) & (_row.channel == channel)
            connection.execute(update(deliveries).where(mine).values(next_try_at=bindparam("until")), postponed)
    if loud:
        mine = _row.key.in_([parcel.key for parcel in loud]) & (_row.channel == channel)
        connection.execute(update(deliveries).where(mine).values(status=SENDING, tries=_row.tries + 1))
    return loud


def in_doubt(connection: WriteConnection, channel: str, limit: int) -> list[str]:
    """Keys that the channel had when the courier died: delivered perhaps, perhaps not."""
    under_way = _row.next_try_at.is_not(None)
    mine = (_row.channel == channel) & (_row.status == SENDING)
    return list(connection.scalars(select(_row.key).where(under_way, mine).limit(limit)))


def give_back(
    connection: WriteConnection, channel: str, keys: Collection[str], delivered: Collection[str], at: datetime
) -> None:
    """Settle what was in doubt: `delivered` are sent, the others due again. A courier's death is no try."""
    _note_sent(connection, channel, Report(sent=tuple(delivered)), at)
    mine = (_row.channel == channel) & _row.key.in_([key for key in keys if key not in delivered])
    lost = update(deliveries).where(mine, _row.status == SENDING)
    connection.execute(lost.values(status=DUE, tries=_row.tries - 1))


def recall(connection: WriteConnection, channels: Collection[str], at: datetime) -> None:
    """Take back what waits for channels that are no more: those notifications are due, to be routed anew."""
    mine = _row.next_try_at.is_not(None) & _row.channel.not_in(channels)
    due = update(notifications).where(_note.key.in_(select(_row.key).where(mine)))
    if connection.execute(due.values(status=DUE, next_try_at=at, last_error=None, dead_at=None)).rowcount:
        connection.execute(delete(deliveries).where(mine))


def _fresh(key: str, channel: str, at: datetime) -> dict[str, object]:
    return {"key": key, "channel": channel, "status": DUE, "tries": 0, "next_try_at": at}


def _due(connection: WriteConnection, channel: str, at: datetime, limit: int) -> list[Parcel]:
    columns = [_note[name] for name in Message._fields if name != "tries"]
    statement = (
        select(*columns, _row.tries, _PRIORITY, cases.c.caller_phone, _CYCLE, _STATE, _REPLY)
        .join(notifications, _note.key == _row.key)
        .outerjoin(cases, cases.c.number == _note.number)
        .outerjoin(events, _TOLD_OF)
        .where(_row.channel == channel, _row.status == DUE, _row.next_try_at <= at)
        .order_by(_row.next_try_at, _note.created_at, _note.number, _note.seq)
        .limit(limit)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    return [_parcel(*row) for row in connection.execute(statement)]


def _parcel(*row: Any) -> Parcel:  # noqa: ANN401 - a row of the statement above
    *message, tries, priority, phone, cycle, state, reply = row
    return Parcel(Message._make([*message, tries + 1]), priority, phone, cycle, state, _said(reply))


def _said(reply: str | None) -> str:
    """What everybody was replied to; what a person was is told to him alone."""
    data = from_json(reply) if reply else {}
    return str(data["message"]) if "incident" in data else ""


def _note_sent(connection: WriteConnection, channel: str, report: Report, at: datetime) -> None:
    if report.sent:
        mine = _row.key.in_(report.sent) & (_row.channel == channel) & (_row.status == SENDING)
        sent = {"status": SENT, "sent_at": at, "next_try_at": None, "last_error": None}
        connection.execute(update(deliveries).where(mine).values(sent))
        _complete(connection, report.sent, at)


def _note_failed(connection: WriteConnection, channel: str, report: Report, at: datetime) -> None:
    for failure in report.failed:
        mine = (_row.key == failure.key) & (_row.channel == channel) & (_row.status == SENDING)
        status = DUE if failure.next_try_at else DEAD
        failed = {"status": status, "next_try_at": failure.next_try_at, "last_error": failure.error}
        connection.execute(update(deliveries).where(mine).values(failed))
        if status == DEAD:
            # One that is due is about to be spread again, which revives this delivery.
            dead = update(notifications).where(_note.key == failure.key, _note.status.in_([ROUTED, DEAD]))
            connection.execute(dead.values(status=DEAD, dead_at=at, last_error=f"{channel}: {failure.error}"))


def _complete(connection: WriteConnection, keys: Collection[str], at: datetime) -> None:
    """Count as sent those of the routed that have nothing under way any more."""
    open_ones = exists().where(_row.key == _note.key, _row.status != SENT)
    mine = _note.key.in_(keys) & (_note.status == ROUTED) & ~open_ones
    connection.execute(update(notifications).where(mine).values(status=SENT, sent_at=at))
