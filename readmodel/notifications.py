"""Notifications: rows of what a recipient is to be told, written with the event that causes them; and their deliveries.

A notification is `due`, then `routed` to the channels of its recipient, or `no_route` without any. It is `sent` with
its last delivery and `dead` with the first that is given up: a dead letter, which can be sent again.

A delivery is one notification on one channel, so that no channel waits for another or is given a notification twice. It
is `due`, then `sending` while the courier has it, then `sent`, `due` again at a later instant, or `dead`. The courier
with the claim sends; one that died leaves rows in `sending`, about which its successor asks the channel. Results of
deliveries follow from no event.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic import Field

from domain.case.actions.correct import Corrected
from domain.case.actions.reply import Replied
from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.kit.event import Notification
from domain.shared.actors import FORMER_CALLER
from domain.shared.value import Immutable
from readmodel.base.database import ReadConnection, RowValues, WriteConnection, insert_missing
from readmodel.base.paging import RowPage, read_page
from readmodel.base.schema import CODE, NUMBER, UtcDateTime, code, index_where, metadata
from readmodel.calls.contacts import may_link
from readmodel.cases.tables import cases, events, has_flag

notifications = sa.Table(
    "notifications",
    metadata,
    sa.Column("key", code(160), primary_key=True),
    sa.Column("number", NUMBER, nullable=False, comment="Of the case, or of the incident."),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("recipient", code(120), nullable=False),
    sa.Column("kind", CODE, nullable=False),
    sa.Column("text_zh", sa.Text, nullable=False),
    sa.Column("text_en", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("status", CODE, nullable=False, comment="due, routed, no_route, sent or dead"),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try_at", UtcDateTime, comment="Null once nothing is to be done."),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("last_error", sa.Text),
    sa.Column("dead_at", UtcDateTime, comment="When it was given up; null unless it is dead."),
    index_where("next_try_at IS NOT NULL", "next_try_at", name="ix_notifications_under_way"),
    index_where("sent_at IS NULL", "number", "recipient", name="ix_notifications_unsent"),
    index_where("dead_at IS NOT NULL", "dead_at", "key", name="ix_notifications_dead"),
)
"""Notifications. The courier changes their status, and so does a request to send a dead letter again."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("key", code(160), sa.ForeignKey("notifications.key"), primary_key=True),
    sa.Column("channel", CODE, primary_key=True),
    sa.Column("status", CODE, nullable=False, comment="due, sending, sent or dead"),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try_at", UtcDateTime, comment="Null once sent or dead."),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("last_error", sa.Text),
    index_where("next_try_at IS NOT NULL", "channel", "next_try_at", name="ix_deliveries_under_way"),
    sqlite_with_rowid=False,
)
"""Deliveries: a notification on each channel that its recipient is routed to."""


DUE, ROUTED, NO_ROUTE, SENDING, SENT, DEAD = "due", "routed", "no_route", "sending", "sent", "dead"
_note, _row = notifications.c, deliveries.c


class NotificationRow(NamedTuple):
    """A notification of one recipient, `role:name`. It holds no personal data of callers."""

    key: str
    number: str
    seq: int
    recipient: str
    kind: str
    text_zh: str
    text_en: str
    created_at: datetime


def notification_row(
    number: str, seq: int, at: datetime, notification: Notification, *, sent: bool = False
) -> RowValues:
    """`sent`: SQL had the notification before and has lost it, so that it counts as sent."""
    fields = notification._asdict() | {"number": number, "seq": seq, "created_at": at, "tries": 0}
    return fields | {"status": SENT if sent else DUE, "next_try_at": None if sent else at}


class DeadLetter(Immutable):
    """Notification that was given up (未送达)."""

    key: str = Field(description="Key of the notification.")
    number: str = Field(description="Number of the case.")
    recipient: str = Field(description="`supervisor`, `department:repair`, `caller:<number>` ...")
    kind: str = Field(description="Event: an action, `escalate`, `notice` or `criticise`.")
    text_zh: str
    text_en: str
    error: str | None = Field(description="Reason why the last try failed; it names the channel if there are several.")
    created_at: datetime
    dead_at: datetime = Field(description="Time at which it was given up.")


class Resent(NamedTuple):
    """Outcome of `resend` by key: due again, known but not dead, unknown."""

    due: tuple[str, ...]
    not_dead: tuple[str, ...]
    unknown: tuple[str, ...]


_COLUMNS = [_note.last_error.label(name) if name == "error" else _note[name] for name in DeadLetter.model_fields]


def dead_letters(connection: ReadConnection, cursor: str | None = None, limit: int = 50) -> RowPage[DeadLetter]:
    """Newest first. Raises BadCursorError."""
    dead = sa.select(*_COLUMNS).where(_note.dead_at.is_not(None))
    by = _note.dead_at, _note.key
    return read_page(connection, dead, by, cursor, limit, lambda row: DeadLetter(**row._asdict()))


def resend(connection: WriteConnection, keys: Collection[str], at: datetime) -> Resent:
    """Make these dead letters due, as if never tried. Deliveries that were sent are not sent again."""
    found = dict(connection.execute(sa.select(_note.key, _note.status).where(_note.key.in_(keys))).all())
    due = tuple(key for key in keys if found.get(key) == DEAD)
    not_dead = tuple(key for key in keys if key in found and key not in due)
    connection.execute(sa.update(notifications).where(_note.key.in_(due), _note.status == DEAD).values(_again(at)))
    return Resent(due, not_dead, tuple(key for key in keys if key not in found))


def _again(at: datetime) -> RowValues:
    return {"status": DUE, "tries": 0, "next_try_at": at, "last_error": None, "dead_at": None}


def resend_all(connection: WriteConnection, at: datetime) -> int:
    return connection.execute(sa.update(notifications).where(_note.dead_at.is_not(None)).values(_again(at))).rowcount


# Quiet hours concern cases only: news of an incident to the staff have no case, and never wait.
_PRIORITY = sa.func.coalesce(cases.c.priority, "P1")
# Cycle and state are those of the event that caused the notification: the case may have gone on. News of an incident
# are no event of the case.
_CAUSE = (events.c.number == _note.number) & (events.c.seq == _note.seq) & (events.c.action == _note.kind)
_CYCLE = sa.func.coalesce(events.c.cycle, cases.c.cycle, 1)
_STATE = sa.func.coalesce(events.c.to_state, cases.c.state, "")
_IS_FORMER = _note.recipient.startswith(f"{FORMER_CALLER}:", autoescape=True)
_IS_UNWANTED = _note.recipient.startswith("caller:", autoescape=True) & has_flag(UNSUBSCRIBED)
_REPLY = sa.case((sa.or_(events.c.action == "reply", _IS_FORMER), events.c.data), else_=None)

LATE_TRIES = 8
"""Tries, over two to four minutes, after which a delivery is late: its case is told, and it holds back no later one."""
LONGEST_HOLD = timedelta(minutes=5)
"""Longer than the pause after any try of a delivery that is not late. One with more time to wait is in quiet hours."""
_EARLIER, _EARLIER_NOTE = deliveries.alias("earlier"), notifications.alias("earlier_note")
# News of an incident to a caller have the number of the case, and the place among the events of the incident.
_EARLIER_ONE = sa.select(_EARLIER.c.key).where(
    _EARLIER_NOTE.c.number == _note.number,
    _EARLIER_NOTE.c.recipient == _note.recipient,
    _EARLIER_NOTE.c.sent_at.is_(None),
    sa.tuple_(_EARLIER_NOTE.c.created_at, _EARLIER_NOTE.c.seq, _EARLIER_NOTE.c.key)
    < sa.tuple_(_note.created_at, _note.seq, _note.key),
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
    `reply` is the event if that is a reply; None otherwise. `is_unwanted` is True if it is to a caller who has
    unsubscribed since it was routed. `may_link` is True if the caller's page may be opened from this telephone; see
    `readmodel.calls.contacts`.
    """

    notification: NotificationRow
    tries: int
    priority: str
    phone: str | None
    cycle: int = 1
    state: str = ""
    reply: Replied | None = None
    is_unwanted: bool = False
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
    """Delivery that failed, and the instant of the next try; None for a dead letter."""

    key: str
    error: str
    next_try_at: datetime | None


class Results(NamedTuple):
    """Results of the deliveries that a channel took last."""

    sent: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()


def route(connection: WriteConnection, channels_to: ChannelsTo, at: datetime, limit: int) -> int:
    """Create the deliveries of the notifications that are due at `at`; return the number of notifications.

    A notification that is routed again keeps deliveries that are sent or under way, and loses dead ones. No channel
    leads to a caller who has unsubscribed.
    """
    due = (
        sa.select(_note.key, _note.recipient, cases.c.caller_phone.is_not(None) | _IS_FORMER, _IS_UNWANTED)
        .outerjoin(cases, cases.c.number == _note.number)
        .where(_note.status == DUE, _note.next_try_at <= at)
        .order_by(_note.next_try_at)
        .limit(limit)
        .with_for_update(of=notifications, skip_locked=True)
    )
    found = {key: () if unwanted else channels_to(*to) for key, *to, unwanted in connection.execute(due)}
    if not found:
        return 0
    connection.execute(sa.delete(deliveries).where(_row.key.in_(found), _row.status == DEAD))
    new = {"status": DUE, "tries": 0, "next_try_at": at}
    wanted = [{"key": key, "channel": channel, **new} for key, channels in found.items() for channel in channels]
    insert_missing(connection, deliveries, wanted)
    routed = sa.update(notifications).where(_note.key == sa.bindparam("the_key"))
    statuses = [{"the_key": key, "status": ROUTED if channels else NO_ROUTE} for key, channels in found.items()]
    connection.execute(routed.values(next_try_at=None, last_error=None), statuses)
    _complete(connection, found, at)
    return len(found)


def reroute(connection: WriteConnection, channels: Collection[str], at: datetime) -> None:
    """Make notifications due again whose deliveries wait for a channel that is not one of `channels`."""
    waiting = _row.next_try_at.is_not(None) & _row.channel.not_in(channels)
    due = sa.update(notifications).where(_note.key.in_(sa.select(_row.key).where(waiting)))
    if connection.execute(due.values(_again(at))).rowcount:
        connection.execute(sa.delete(deliveries).where(waiting))


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
    to their end, without a try, and holds back none that may be sent. One to a caller who has unsubscribed is dropped.
    """
    taken: list[Delivery] = []
    waits = (_EARLIER.c.tries < LATE_TRIES) & sa.or_(_EARLIER.c.next_try_at <= at, _tried_soon(at))
    if in_batch:
        waits &= _EARLIER.c.next_try_at > _row.next_try_at
    held_back = sa.exists(_EARLIER_ONE.where(sa.or_(_EARLIER.c.status == SENDING, waits)))
    is_due = _row.channel == channel, _row.status == DUE, _row.next_try_at <= at, ~held_back
    while limit and not taken and (due := _read(connection, _DELIVERIES.where(*is_due).limit(limit), area_code)):
        _drop(connection, channel, [each.key for each in due if each.is_unwanted])
        wanted = (each for each in due if not each.is_unwanted)
        ends = [(each, quiet_until(each.notification.recipient, each.priority, at)) for each in wanted]
        taken = [delivery for delivery, end in ends if end is None]
        if postponed := [{"the_key": delivery.key, "end": end} for delivery, end in ends if end is not None]:
            quiet = sa.update(deliveries).where(_row.key == sa.bindparam("the_key"), _row.channel == channel)
            connection.execute(quiet.values(next_try_at=sa.bindparam("end")), postponed)
    if taken:
        begun = {"status": SENDING, "tries": _row.tries + 1}
        _change(connection, channel, [delivery.key for delivery in taken], begun, before=DUE)
    return taken


def _drop(connection: WriteConnection, channel: str, keys: Collection[str]) -> None:
    if keys:
        connection.execute(sa.delete(deliveries).where(_row.channel == channel, _row.key.in_(keys)))
        connection.execute(sa.update(notifications).where(_note.key.in_(keys)).values(status=NO_ROUTE))


def record(connection: WriteConnection, channel: str, results: Results, at: datetime) -> None:
    """Record the results of a channel's deliveries. Deliveries that are no longer `sending` stay as they are."""
    if results.sent:
        sent = {"status": SENT, "sent_at": at, "next_try_at": None, "last_error": None}
        _change(connection, channel, results.sent, sent)
        _complete(connection, results.sent, at)
    for key, error, next_try_at in results.failed:
        failed = {"status": DUE if next_try_at else DEAD, "next_try_at": next_try_at, "last_error": error}
        _change(connection, channel, [key], failed)
        if next_try_at is None:
            # One that is due is about to be routed again, which revives this delivery.
            dead = sa.update(notifications).where(_note.key == key, _note.status.in_([ROUTED, DEAD]))
            connection.execute(dead.values(status=DEAD, dead_at=at, last_error=f"{channel}: {error}"))


def in_doubt(connection: WriteConnection, channel: str, limit: int) -> list[str]:
    """Keys of deliveries that a courier was sending when it died: they may have been delivered or not."""
    unsettled = _row.next_try_at.is_not(None) & (_row.channel == channel) & (_row.status == SENDING)
    return list(connection.scalars(sa.select(_row.key).where(unsettled).limit(limit)))


def resolve_in_doubt(
    connection: WriteConnection, channel: str, keys: Collection[str], delivered: Collection[str], at: datetime
) -> None:
    """Resolve deliveries in doubt: `delivered` are sent, the others due again. A courier's death counts as no try."""
    record(connection, channel, Results(sent=tuple(delivered)), at)
    lost = [key for key in keys if key not in delivered]
    _change(connection, channel, lost, {"status": DUE, "tries": _row.tries - 1})


def _change(
    connection: WriteConnection, channel: str, keys: Collection[str], values: RowValues, *, before: str = SENDING
) -> None:
    these = (_row.channel == channel) & _row.key.in_(keys) & (_row.status == before)
    connection.execute(sa.update(deliveries).where(these).values(values))


def _tried_soon(at: datetime) -> sa.ColumnElement[bool]:
    return (_EARLIER.c.tries > 0) & (_EARLIER.c.next_try_at <= at + LONGEST_HOLD)


def _select(source: sa.FromClause, tries: sa.ColumnElement[int]) -> sa.Select[Any]:
    columns = tries, _PRIORITY, cases.c.caller_phone, _CYCLE, _STATE, _IS_UNWANTED, _REPLY
    found = sa.select(*(_note[name] for name in NotificationRow._fields), *columns).select_from(source)
    return found.outerjoin(cases, cases.c.number == _note.number).outerjoin(events, _CAUSE)


_DELIVERIES = (
    _select(deliveries.join(notifications, _note.key == _row.key), _row.tries + 1)
    .order_by(_row.next_try_at, _note.created_at, _note.number, _note.seq)
    .with_for_update(of=deliveries, skip_locked=True)
)


def as_delivered(connection: ReadConnection, keys: Collection[str], area_code: str) -> list[Delivery]:
    """Return these notifications as a channel gets them."""
    return _read(connection, _select(notifications, sa.literal(1)).where(_note.key.in_(keys)), area_code)


def _read(connection: ReadConnection, due: sa.Select[Any], area_code: str) -> list[Delivery]:
    found = [_delivery(*row) for row in connection.execute(due)]
    allowed = may_link(connection, {each.number: each.phone for each in found if each.is_to_caller}, area_code)
    return [each._replace(may_link=each.is_to_caller and each.number in allowed) for each in found]


def _delivery(*row: Any) -> Delivery:  # noqa: ANN401 - a row of `_DELIVERIES`
    *note, tries, priority, phone, cycle, state, unwanted, data = row
    notification = NotificationRow._make(note)
    reply = None
    if notification.recipient.startswith(FORMER_CALLER):
        phone = Corrected.model_validate_json(data).former_phone if data else None
    elif data:
        reply = Replied.model_validate_json(data)
    return Delivery(notification, tries, priority, phone, cycle, state, reply, bool(unwanted))


def oldest_due(connection: ReadConnection, at: datetime) -> datetime | None:
    """Since when the notification waits that is due for the longest; None if nothing is due at `at`.

    What an earlier one of its case holds back is due as well, unless that one is in its tries: the recipient cannot be
    reached, and no courier would be faster.
    """
    in_tries = sa.or_(_EARLIER.c.status == SENDING, (_EARLIER.c.tries < LATE_TRIES) & _tried_soon(at))
    delivery = (
        sa.select(sa.func.min(_row.next_try_at))
        .join(notifications, _note.key == _row.key)
        .where(_row.status == DUE, _row.next_try_at <= at, ~sa.exists(_EARLIER_ONE.where(in_tries)))
    )
    unrouted = sa.select(sa.func.min(_note.next_try_at)).where(_note.status == DUE, _note.next_try_at <= at)
    found = [connection.scalar(delivery), connection.scalar(unrouted)]
    return min((each for each in found if each is not None), default=None)


def _complete(connection: WriteConnection, keys: Collection[str], at: datetime) -> None:
    unsent = sa.exists().where(_row.key == _note.key, _row.status != SENT)
    complete = _note.key.in_(keys) & (_note.status == ROUTED) & ~unsent
    connection.execute(sa.update(notifications).where(complete).values(status=SENT, sent_at=at))
