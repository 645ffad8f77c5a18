"""Notifications of a case: values, before anybody sends them.

Texts name the case by its number and hold no personal data; templates and channels are the courier's.
"""

from domain.case.actions.decide_credit import CreditDecided
from domain.case.automatic.credit import Credited
from domain.case.decide import CASE_KINDS
from domain.case.events import Event, text_of
from domain.case.state import CaseState
from domain.kit.event import Notification, notifications_of

CASE_NOTIFICATION_ZH = {
    kind.name: kind.zh for kind in CASE_KINDS.values() if kind.notifies or kind.notifies_by_incident
}
"""Every kind of notification that a case owes, and its Chinese name."""
_STAND_INS = {"assignee": "department", "department": "owner", "lead": "owner"}
"""Recipient in place of one that is not known."""


def notifications(number: str, event: Event) -> tuple[Notification, ...]:
    if not event.recipients:
        return ()
    kind = CASE_KINDS[event.action]
    texts = event.data.text(number, event) or text_of(number, event, kind.zh, kind.name)
    return notifications_of(number, event, event.recipients, event.action, texts)


def addressed(event: Event, after: CaseState) -> Event:
    """Return the event with the addresses of those who are told of it, given the case as the event left it.

    Once the event is published, others may have the case.
    """
    kind = CASE_KINDS[event.action]
    cases = [
        after.model_copy(update={"department": holder.department, "assignee": holder.assignee})
        for holder in kind.holders(after, event.data)
    ]
    addresses = (_address(who, case, event) for who in kind.addressees(after, event) for case in cases)
    return event.model_copy(update={"recipients": tuple(dict.fromkeys(addresses))})


def _address(who: str, case: CaseState, event: Event) -> str:
    """Return `role:name`, resolved as far as the case knows; the owner stands in if no department has the case yet."""
    if who in ("manager", "approver", "deputy"):
        who, name = "manager", _approver(who, case, event)
    else:
        known = {
            "owner": case.owner,
            "caller": case.number,
            "former_caller": case.number,
            "assignee": case.assignee,
            "department": case.department,
            "lead": case.department,
        }
        name = case.terms.persons(case.department).get(who) or known.get(who)
    if name is None and who in _STAND_INS:
        return _address(_STAND_INS[who], case, event)
    return f"{who}:{name}" if name else who


def _approver(who: str, case: CaseState, event: Event) -> str | None:
    """Return the name of the approver whose turn it is, or of the deputy; None if the catalogue names nobody."""
    data = event.data
    asked = case.credits[data.credit - 1] if isinstance(data, (Credited, CreditDecided)) else case.approval
    approver = asked and asked.next_approver
    return (approver.deputy if who == "deputy" else approver.holder) if approver else None
