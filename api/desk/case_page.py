"""Case on its page, in words and masked: promises, calls, notifications, and why it is suspended."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from api.calls import CallItem
from api.complaints.cases import Complaint
from api.desk import words
from api.desk.caller_texts import CallerTexts
from api.desk.timeline import Entry, entries, entry_of
from api.desk.words import Names
from api.responses import masked_for
from domain.case.actions.unsubscribe import UNSUBSCRIBED
from domain.case.case import Case
from domain.case.clocks import APPROVE
from domain.customers.customer import EarlierCase
from domain.shared.actors import Actor, Role
from domain.shared.value import Phrase, exhaustive
from readmodel.case_record import CaseRecord, SentNotification
from readmodel.incidents import RECORDED
from readmodel.notifications import DEAD, DUE, NO_ROUTE, ROUTED, SENDING, SENT
from workflows.complaint.reasons import reason

ROOM = 36_000
"""Bytes for the timeline and the texts of a case: with all else that a page shows, it has 60 KB at most."""
LEAST_ROOM = 8_000
LONGEST_TEXT = 300
"""Characters of a notification."""
MOST_CALLS = 10
MOST_OTHERS = 10
_STATUS: dict[str, Phrase] = exhaustive(
    "_STATUS",
    (DUE, ROUTED, NO_ROUTE, UNSUBSCRIBED, SENDING, SENT, RECORDED, DEAD),
    {
        DUE: ("待发送", "Waiting"),
        ROUTED: ("待发送", "Waiting"),
        NO_ROUTE: ("无发送渠道", "No channel"),
        UNSUBSCRIBED: words.of_flag(UNSUBSCRIBED),
        SENDING: ("发送中", "Being sent"),
        SENT: ("已发送", "Sent"),
        RECORDED: ("未开通发送渠道，仅记录", "Recorded only: no channel is set up"),
        DEAD: ("未送达", "Not delivered"),
    },
)


class Promise(NamedTuple):
    """Clock of a case in words, with the reason of its due time."""

    name: Phrase
    status: Phrase
    due: str
    reason: Phrase


class NotificationLine(NamedTuple):
    """Notification, and what became of it on each channel."""

    at: str
    recipient: str
    text: str
    is_dead: bool
    states: list[str]


class CasePage(NamedTuple):
    """Content of the page of a case beside its fields.

    `promises` are those of the case (0) in the present cycle, and of each part by its serial; `incident` tells how
    the incident stands that the case waits for; `earlier` is the seq before which the timeline goes on, and `older`
    how many notifications come before those that are left out; None if there are no more.
    """

    promises: Mapping[int, list[Promise]]
    calls: list[CallItem]
    notifications: list[NotificationLine]
    older: int | None
    others: list[EarlierCase]
    suspension: Entry | None
    incident: Phrase | None
    entries: list[list[Entry]]
    earlier: int | None


def case_page(
    case: Case, shown: Complaint, record: CaseRecord, reader: Actor, names: Names, texts: CallerTexts
) -> CasePage:
    """Make the page; `shown` is the case as the reader sees it."""
    masked = record._replace(
        notifications=masked_for(reader, [*_sent(record, texts)], case.state),
        earlier_cases=masked_for(reader, record.earlier_cases, case.state),
    )
    lines = [_notification(case, each, names, texts.channels.recording) for each in masked.notifications]
    written = shown.description, shown.result, shown.reply, *(each.text for each in lines)
    room = max(ROOM - sum(len((text or "").encode()) for text in written), LEAST_ROOM)
    found, earlier = entries(case, record.events, names, room, reader)
    others = [each for each in masked.earlier_cases if each.number != case.number]
    return CasePage(
        _promises(case, shown, names),
        [CallItem.of(each, reader, case) for each in record.calls[:MOST_CALLS]],
        lines,
        record.older,
        others[:MOST_OTHERS],
        entry_of(case, record.suspension, names, reader) if record.suspension else None,
        words.WAITS.get(record.incident.state) if record.incident else None,
        found,
        earlier,
    )


def _promises(case: Case, shown: Complaint, names: Names) -> Mapping[int, list[Promise]]:
    """Return them in the order in which they began."""
    found = defaultdict[int, list[Promise]](list)
    for clock, view in zip(case.clocks, shown.clocks, strict=True):
        if clock.name != APPROVE and (clock.part or clock.cycle == case.cycle):
            status, due = words.of_code(clock.status), names.local(view.due_at)
            found[clock.part].append(Promise(words.CLOCK[clock.name], status, due, reason(case, clock)))
    return found


def _sent(record: CaseRecord, texts: CallerTexts) -> Iterator[SentNotification]:
    """Yield the notifications, those to the caller in the words that the caller gets."""
    told = {each.key: texts.text(each) for each in record.told}
    for each in record.notifications:
        text = told.get(each.key)
        yield each._replace(text_zh=text, text_en=text) if text else each


def _notification(case: Case, given: SentNotification, names: Names, recording: Collection[str]) -> NotificationLine:
    recorded = [each for each in given.deliveries if each.channel in recording and each.status == SENT]
    states = [
        _state(names, each.status, each.channel, each.sent_at or each.tried_again_at, each.error)
        for each in given.deliveries
        if each not in recorded
    ]
    is_unwanted = given.status == NO_ROUTE and UNSUBSCRIBED in case.flags and given.recipient.startswith(Role.CALLER)
    status = UNSUBSCRIBED if is_unwanted else RECORDED if recorded else given.status
    return NotificationLine(
        names.local(given.created_at),
        words.of_recipient(case, names, given.recipient),
        names.say((given.text_zh, given.text_en))[:LONGEST_TEXT],
        given.status == DEAD,
        states or [names.say(_STATUS[status])],
    )


def _state(names: Names, status: str, channel: str, at: datetime | None, error: str | None) -> str:
    return " ".join(filter(None, (channel, names.say(_STATUS[status]), names.local(at), error)))
