"""Case on its page, in words and masked: promises, parts, credits, calls, notifications, and why it is suspended."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from api.calls import CallItem
from api.complaints.cases import Complaint
from api.desk import words
from api.desk.caller_texts import CallerTexts
from api.desk.timeline import Entry, entries
from api.desk.words import Names
from api.responses import masked_for
from domain.case.actions.suspend import Suspend
from domain.case.case import Case
from domain.case.clocks import APPROVE
from domain.customers.customer import EarlierCase
from domain.shared.actors import Actor
from domain.shared.value import exhaustive
from readmodel.case_record import CaseRecord, SentNotification
from readmodel.incidents import RECORDED
from readmodel.notifications import DEAD, DUE, NO_ROUTE, ROUTED, SENDING, SENT
from workflows.complaint.reasons import reason
from workflows.kit.words import Phrase

ROOM = 36_000
"""Bytes for the timeline and the texts of a case: with all else that a page shows, it has 60 KB at most."""
LEAST_ROOM = 8_000
LONGEST_TEXT = 300
"""Characters of a notification."""
MOST_CALLS = 10
MOST_OTHERS = 10
_STATUS: dict[str, Phrase] = exhaustive(
    "_STATUS",
    (DUE, ROUTED, NO_ROUTE, SENDING, SENT, RECORDED, DEAD),
    {
        DUE: ("待发送", "Waiting"),
        ROUTED: ("待发送", "Waiting"),
        NO_ROUTE: ("无发送渠道", "No channel"),
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


class PartLine(NamedTuple):
    """Part (协办) of the present cycle or of an earlier one, with its own promises."""

    department: str
    state: Phrase
    assignee: str
    task: str
    result: str
    promises: list[Promise]


class CreditLine(NamedTuple):
    """Credit (补偿) that is owed, and what was decided."""

    name: Phrase
    amount: str
    decision: Phrase
    at: str


class NotificationLine(NamedTuple):
    """Notification, and what became of it on each channel."""

    at: str
    recipient: str
    text: str
    is_dead: bool
    states: list[str]


class Suspension(NamedTuple):
    """Reason of a suspension, who gave it, and its end; empty if none is set."""

    reason: str
    by: str
    until: str


class CasePage(NamedTuple):
    """Content of the page of a case beside its fields. `earlier` is the seq before which the timeline goes on."""

    promises: list[Promise]
    parts: list[PartLine]
    credits: list[CreditLine]
    calls: list[CallItem]
    notifications: list[NotificationLine]
    others: list[EarlierCase]
    suspension: Suspension | None
    entries: list[list[Entry]]
    earlier: int | None


def case_page(
    case: Case, shown: Complaint, record: CaseRecord, reader: Actor, names: Names, texts: CallerTexts
) -> CasePage:
    """Make the page; `shown` is the case as the reader sees it."""
    masked = record._replace(
        events=[masked_for(reader, event, case.state) for event in record.events],
        notifications=masked_for(reader, [*_sent(record, texts)], case.state),
        caller=masked_for(reader, record.caller, case.state),
        suspension=masked_for(reader, record.suspension, case.state),
    )
    lines = [_notification(case, each, names, texts.channels.recording) for each in masked.notifications]
    written = shown.description, shown.result, shown.reply, *(each.text for each in lines)
    room = max(ROOM - sum(len((text or "").encode()) for text in written), LEAST_ROOM)
    found, earlier = entries(case, masked.events, names, room)
    others = [each for each in masked.caller.earlier_cases if each.number != case.number]
    return CasePage(
        [*_promises(case, shown, names, part=0)],
        [*_parts(case, shown, names)],
        [*_credits(case, names)],
        [CallItem.of(each, reader, case) for each in record.calls[:MOST_CALLS]],
        lines,
        others[:MOST_OTHERS],
        _suspension(masked, names),
        found,
        earlier,
    )


def _promises(case: Case, shown: Complaint, names: Names, *, part: int) -> Iterator[Promise]:
    """Yield the promises of the case (part 0) in the present cycle, or of a part, in the order in which they began."""
    for clock, view in zip(case.clocks, shown.clocks, strict=True):
        if clock.part == part and clock.name != APPROVE and (part or clock.cycle == case.cycle):
            status = words.of_code(clock.status)
            yield Promise(words.CLOCK[clock.name], status, names.local(view.due_at), reason(case, clock))


def _parts(case: Case, shown: Complaint, names: Names) -> Iterator[PartLine]:
    for part in shown.parts:
        yield PartLine(
            names.department(part.department),
            words.of_code(part.state),
            case.name_of(part.assignee) if part.assignee else "",
            part.task,
            part.result or "",
            [*_promises(case, shown, names, part=part.serial)],
        )


def _credits(case: Case, names: Names) -> Iterator[CreditLine]:
    decisions = {None: ("待审批", "Waits"), True: ("已批准", "Approved"), False: ("不予补偿", "Rejected")}
    for owed in case.credits:
        amount = f"{owed.amount} {case.terms.currency}"
        yield CreditLine((owed.name_zh, owed.name), amount, decisions[owed.approved], names.local(owed.fell_at))


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
    return NotificationLine(
        names.local(given.created_at),
        words.of_recipient(case, names, given.recipient),
        names.say((given.text_zh, given.text_en))[:LONGEST_TEXT],
        given.status == DEAD,
        states or [names.say(_STATUS[RECORDED if recorded else given.status])],
    )


def _state(names: Names, status: str, channel: str, at: datetime | None, error: str | None) -> str:
    return " ".join(filter(None, (channel, names.say(_STATUS[status]), names.local(at), error)))


def _suspension(record: CaseRecord, names: Names) -> Suspension | None:
    event = record.suspension
    if event is None or not isinstance(event.data, Suspend):
        return None
    return Suspension(event.data.reason, event.people.get(event.actor, event.actor), names.local(event.data.wake_at))
