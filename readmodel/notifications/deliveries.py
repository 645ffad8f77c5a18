"""Deliveries: one notification on one channel, so that no channel waits for another or is given a notification twice.

A delivery is `due`, then `sending` while the courier has it, then `sent`, `due` again at a later instant, or `dead`.
The courier with the claim sends; one that died leaves rows in `sending`, about which its successor asks the channel.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, case, delete, exists, func, or_, select, tuple_, update

from domain.case.actions.correct import Corrected
from domain.case.actions.reply import Replied
from readmodel.base.database import ReadConnection, WriteConnection, insert_missing
from readmodel.calls.contacts import may_link
from readmodel.cases.tables import cases, events
from readmodel.notifications.notifications import (
    DEAD,
    DUE,
    NO_ROUTE,
    ROUTED,
    SENT,
    NotificationRow,
    courier,
    deliveries,
    notifications,
)

SENDING = "sending"
FORMER_CALLER = "former_caller"
"""Kind of recipient: the telephone that a caller had until a correction (原联系电话)."""
_note = notifications.c
_row = deliveries.c
# Quiet hours concern cases only: news of an incident to the staff have no case, and never wait.
_PRIORITY = func.coalesce(cases.c.priority, "P1")
# Cycle and state are those of the event that caused the notification: the case may have gone on. News of an incident
# are no event of the case.
_CAUSE = (events.c.number == _note.number) & (events.c.seq == _note.seq) & (events.c.action == _note.kind)
_CYCLE = func.coalesce(events.c.cycle, cases.c.cycle, 1)
_STATE = func.coalesce(events.c.to_state, cases.c.state, "")
_IS_FORMER = _note.recipient.startswith(f"{FORMER_CALLER}:", autoescape=True)
_SAID = case((or_(events.c.action == "reply", _IS_FORMER), events.c.data), else_=None)

LATE_TRIES = 8
"""Tries, over two to four minutes, after which a delivery is late: its case is told, and it holds back no later one."""
LONGEST_HOLD = timedelta(minutes=5)
"""Longer than the pause after any try of a delivery that is not late. One with more time to wait is in quiet hours."""
_EARLIER, _EARLIER_NOTE = deliveries.alias("earlier"), notifications.alias("earlier_note")
# News of an incident to a caller have the number of the case, and the place among the events of the incident.
_EARLIER_ONE = select(_EARLIER.c.key).where(
    _EARLIER_NOTE.c.number == _note.number,
    _EARLIER_NOTE.c.recipient == _note.recipient,
    _EARLIER_NOTE.c.sent_at.is_(None),
    tuple_(_EARLIER_NOTE.c.created_at, _EARLIER_NOTE.c.seq, _EARLIER_NOTE.c.key)
    < tuple_(_note.created_at, _note.seq, _note.key),
    _EARLIER.c.key == _EARLIER_NOTE.c.key,
    _EARLIER.c.channel == _row.channel,
)
ChannelsTo = Callable[[str, bool], Sequence[str]]
"""Channels to a recipient; the flag says if the case has a telephone number."""
QuietUntil = Callable[[str, str, datetime], datetime | None]
"""End of the quiet hours of a recipient, given the case's priority and the instant; None outside of them."""


class Delivery(NamedTuple):
    """One notification on one channel. `phone` is personal data, for the channel only.

    `tries` includes the present one. `cycle` and `state` are those after the event that caused the notification.
    `said` is the reply that ended an incident, for all of its callers; empty otherwise. `may_link` is True if the
    caller's page may be opened from this telephone; see `readmodel.calls.contacts`.
    """

    notification: NotificationRow
    tries: int
    priority: str
    phone: str | None
    cycle: int = 1
    state: str = ""
    said: str = ""
    may_link: bool = False

    @property
    def key(self) -> str:
        return self.notification.key

    @property
    def number(self) -> str:
        return self.notification.number

    @property
    def is_to_caller(self) -> bool:
        """True if it goes to the telephone that the caller of a case has now."""
        return self.phone is not None and self.notification.recipient.startswith("caller:")


class Failure(NamedTuple):
    """A delivery that failed, and the instant of the next try; None for a dead letter."""

    key: str
    error: str
    next_try_at: datetime | None


class Results(NamedTuple):
    """Results of the deliveries that a channel took last."""

    sent: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()


def claim(connection: WriteConnection, holder: str, at: datetime, until: datetime) -> bool:
    """Return True if this courier has the claim until then; False while another one has it."""
    insert_missing(connection, courier, [{"place": 1, "holder": holder, "until": at}])
    free = or_(courier.c.holder == holder, courier.c.until <= at)
    return connection.execute(update(courier).where(free).values(holder=holder, until=until)).rowcount == 1


def route(connection: WriteConnection, channels_to: ChannelsTo, at: datetime, limit: int) -> int:
    """Create the deliveries of the notifications that are due at `at`; return the number of notifications.

    A notification that is routed again keeps deliveries that are sent or under way, and loses dead ones.
    """
    due = (
        select(_note.key, _note.recipient, cases.c.caller_phone.is_not(None) | _IS_FORMER)
        .outerjoin(cases, cases.c.number == _note.number)
        .where(_note.status == DUE, _note.next_try_at <= at)
        .order_by(_note.next_try_at)
        .limit(limit)
        .with_for_update(of=notifications, skip_locked=True)
    )
    found = {key: channels_to(recipient, has_phone) for key, recipient, has_phone in connection.execute(due)}
    if not found:
        return 0
    connection.execute(delete(deliveries).where(_row.key.in_(found), _row.status == DEAD))
    new = {"status": DUE, "tries": 0, "next_try_at": at}
    wanted = [{"key": key, "channel": channel, **new} for key, channels in found.items() for channel in channels]
    insert_missing(connection, deliveries, wanted)
    routed = update(notifications).where(_note.key == bindparam("the_key")).values(next_try_at=None, last_error=None)
    statuses = [{"the_key": key, "status": ROUTED if channels else NO_ROUTE} for key, channels in found.items()]
    connection.execute(routed, statuses)
    _complete(connection, found, at)
    return len(found)


def reroute(connection: WriteConnection, channels: Collection[str], at: datetime) -> None:
    """Make notifications due again whose deliveries wait for a channel that is not one of `channels`."""
    waiting = _row.next_try_at.is_not(None) & _row.channel.not_in(channels)
    due = update(notifications).where(_note.key.in_(select(_row.key).where(waiting)))
    if connection.execute(due.values(status=DUE, next_try_at=at, last_error=None, dead_at=None)).rowcount:
        connection.execute(delete(deliveries).where(waiting))


def take(  # noqa: PLR0913 - a query and its bounds
    connection: WriteConnection,
    channel: str,
    quiet_until: QuietUntil,
    at: datetime,
    limit: int,
    area_code: str = "",
    *,
    in_batch: bool = False,
) -> list[Delivery]:
    """Take the deliveries of a channel that are due at `at`, oldest first, and count a try for each.

    A delivery waits for earlier ones of its case to the same recipient, which keeps their order, until they are late;
    if all are sent `in_batch`, in their order, only for those whose next try is later. One in quiet hours is postponed
    to their end, without a try, and holds back none that may be sent.
    """
    taken: list[Delivery] = []
    waits = (_EARLIER.c.tries < LATE_TRIES) & or_(_EARLIER.c.next_try_at <= at, _tried_soon(at))
    if in_batch:
        waits &= _EARLIER.c.next_try_at > _row.next_try_at
    held_back = exists(_EARLIER_ONE.where(or_(_EARLIER.c.status == SENDING, waits)))
    while limit and not taken and (due := _due(connection, channel, at, limit, area_code, held_back)):
        ends = [(each, quiet_until(each.notification.recipient, each.priority, at)) for each in due]
        taken = [delivery for delivery, end in ends if end is None]
        if postponed := [{"the_key": delivery.key, "end": end} for delivery, end in ends if end is not None]:
            quiet = update(deliveries).where(_row.key == bindparam("the_key"), _row.channel == channel)
            connection.execute(quiet.values(next_try_at=bindparam("end")), postponed)
    if taken:
        mine = _of(channel, [delivery.key for delivery in taken])
        connection.execute(update(deliveries).where(mine).values(status=SENDING, tries=_row.tries + 1))
    return taken


def record(connection: WriteConnection, channel: str, results: Results, at: datetime) -> None:
    """Record the results of a channel's deliveries. Deliveries that are no longer `sending` stay as they are."""
    if results.sent:
        sent = {"status": SENT, "sent_at": at, "next_try_at": None, "last_error": None}
        mine = _of(channel, results.sent) & (_row.status == SENDING)
        connection.execute(update(deliveries).where(mine).values(sent))
        _complete(connection, results.sent, at)
    for key, error, next_try_at in results.failed:
        failed = {"status": DUE if next_try_at else DEAD, "next_try_at": next_try_at, "last_error": error}
        mine = _of(channel, [key]) & (_row.status == SENDING)
        connection.execute(update(deliveries).where(mine).values(failed))
        if next_try_at is None:
            # One that is due is about to be routed again, which revives this delivery.
            dead = update(notifications).where(_note.key == key, _note.status.in_([ROUTED, DEAD]))
            connection.execute(dead.values(status=DEAD, dead_at=at, last_error=f"{channel}: {error}"))


def in_doubt(connection: WriteConnection, channel: str, limit: int) -> list[str]:
    """Return keys of deliveries that a courier was sending when it died: they may have been delivered or not."""
    unsettled = _row.next_try_at.is_not(None) & (_row.channel == channel) & (_row.status == SENDING)
    return list(connection.scalars(select(_row.key).where(unsettled).limit(limit)))


def settle(
    connection: WriteConnection, channel: str, keys: Collection[str], delivered: Collection[str], at: datetime
) -> None:
    """Settle deliveries in doubt: `delivered` are sent, the others due again. A courier's death counts as no try."""
    record(connection, channel, Results(sent=tuple(delivered)), at)
    lost = _of(channel, [key for key in keys if key not in delivered]) & (_row.status == SENDING)
    connection.execute(update(deliveries).where(lost).values(status=DUE, tries=_row.tries - 1))


def _of(channel: str, keys: Collection[str]) -> ColumnElement[bool]:
    return (_row.channel == channel) & _row.key.in_(keys)


def _tried_soon(at: datetime) -> ColumnElement[bool]:
    return (_EARLIER.c.tries > 0) & (_EARLIER.c.next_try_at <= at + LONGEST_HOLD)


def _due(
    connection: WriteConnection, channel: str, at: datetime, limit: int, area_code: str, held_back: ColumnElement[bool]
) -> list[Delivery]:
    columns = [_note[name] for name in NotificationRow._fields]
    statement = (
        select(*columns, _row.tries + 1, _PRIORITY, cases.c.caller_phone, _CYCLE, _STATE, _SAID)
        .join(notifications, _note.key == _row.key)
        .outerjoin(cases, cases.c.number == _note.number)
        .outerjoin(events, _CAUSE)
        .where(_row.channel == channel, _row.status == DUE, _row.next_try_at <= at, ~held_back)
        .order_by(_row.next_try_at, _note.created_at, _note.number, _note.seq)
        .limit(limit)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    found = [_delivery(*row) for row in connection.execute(statement)]
    allowed = may_link(connection, {each.number: each.phone for each in found if each.is_to_caller}, area_code)
    return [each._replace(may_link=each.is_to_caller and each.number in allowed) for each in found]


def oldest_due(connection: ReadConnection, at: datetime) -> datetime | None:
    """Return since when the notification waits that is due for the longest; None if nothing is due at `at`.

    What an earlier one of its case holds back is due as well, unless that one is in its tries: the recipient cannot be
    reached, and no courier would be faster.
    """
    in_tries = or_(_EARLIER.c.status == SENDING, (_EARLIER.c.tries < LATE_TRIES) & _tried_soon(at))
    delivery = (
        select(func.min(_row.next_try_at))
        .join(notifications, _note.key == _row.key)
        .where(_row.status == DUE, _row.next_try_at <= at, ~exists(_EARLIER_ONE.where(in_tries)))
    )
    unrouted = select(func.min(_note.next_try_at)).where(_note.status == DUE, _note.next_try_at <= at)
    found = [connection.scalar(delivery), connection.scalar(unrouted)]
    return min((each for each in found if each is not None), default=None)


def _delivery(*row: Any) -> Delivery:  # noqa: ANN401 - a row of the statement above
    *note, tries, priority, phone, cycle, state, data = row
    notification = NotificationRow._make(note)
    said = ""
    if notification.recipient.startswith(FORMER_CALLER):
        phone = Corrected.model_validate_json(data).former_phone if data else None
    elif data:
        # Only the reply of an incident is the same for all callers; any other is told to the caller in person.
        replied = Replied.model_validate_json(data)
        said = replied.message if replied.incident else ""
    return Delivery(notification, tries, priority, phone, cycle, state, said)


def _complete(connection: WriteConnection, keys: Collection[str], at: datetime) -> None:
    unsent = exists().where(_row.key == _note.key, _row.status != SENT)
    complete = _note.key.in_(keys) & (_note.status == ROUTED) & ~unsent
    connection.execute(update(notifications).where(complete).values(status=SENT, sent_at=at))
