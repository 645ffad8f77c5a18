"""Whom an event concerns: notifications as values, before anybody sends them.

Texts name the case by its number and hold no personal data; templates and channels are the courier's matter.
"""

from typing import NamedTuple

from domain.clocks import APPROVE, CLOCK_ZH, MISS
from domain.events import Event
from domain.lifecycle import CREDIT, ESCALATE, STATE_ZH, TABLE, Action, State
from domain.record import Progress


class Notice(NamedTuple):
    """One message to one recipient. `key` is the same for every execution that derives it, so it is sent once."""

    key: str
    recipient: str
    kind: str
    text_zh: str
    text_en: str


_CONCERNED: dict[str, tuple[str, ...]] = {
    Action.REGISTER: ("dispatcher",),
    Action.ANSWER: ("caller",),
    Action.DISPATCH: ("department",),
    Action.REFUSE: ("caller", "owner"),
    Action.SIGN_FOR: ("owner",),
    Action.RETURN: ("dispatcher", "owner"),
    Action.REJECT_RETURN: ("department",),
    Action.ARRIVE: ("owner",),
    Action.SUSPEND: ("owner",),
    Action.RESUME: ("assignee", "owner"),
    Action.REQUEST_APPROVAL: ("manager",),
    Action.DECIDE_APPROVAL: ("department", "owner"),
    Action.COMPLETE: ("owner",),
    Action.SEND_BACK: ("department",),
    Action.REPLY: ("caller", "follow_up"),
    Action.FOLLOW_UP: ("owner",),
    Action.REOPEN: ("department", "owner"),
    Action.WITHDRAW: ("department", "owner"),
    Action.URGE: ("department",),
    Action.SUPERVISE: ("department", "owner"),
    Action.REQUEST_EXTENSION: ("supervisor",),
    Action.DECIDE_EXTENSION: ("department",),
    Action.HAND_OVER: ("owner",),
    Action.INVOLVE: ("department",),
    Action.RELEASE: ("department", "owner"),
    CREDIT: ("manager", "owner"),
    Action.DECIDE_CREDIT: ("owner",),
}
"""Who hears of what. A comment calls nobody; an escalation calls whom the ladder names."""


def _concerned(event: Event, after: Progress) -> tuple[str, ...]:
    if event.action == ESCALATE and event.data["clock"] == APPROVE:
        told = ("approver" if who in ("assignee", "lead") else who for who in event.data["notify"])
        return (*told, *(("deputy",) if event.data["percent"] >= MISS else ()))
    if event.action == ESCALATE:
        return tuple(event.data["notify"])
    concerned = _CONCERNED.get(event.action, ())
    if event.action == Action.ANSWER and event.to_state is State.PENDING_FOLLOW_UP:
        return (*concerned, "follow_up")
    if _waits_for_the_next(event):
        return ("manager",)
    if event.action == Action.FOLLOW_UP and event.to_state is State.DISPATCHED:
        return (*concerned, "department", *(("supervisor",) if "supervised" in after.flags else ()))
    return concerned


def _waits_for_the_next(event: Event) -> bool:
    """Whether one approver has had his turn, and another has his now."""
    if event.action == Action.DECIDE_CREDIT:
        return not event.data["final"]
    return event.action == Action.DECIDE_APPROVAL and event.to_state is State.AWAITING_APPROVAL


def notices(number: str, event: Event, after: Progress) -> tuple[Notice, ...]:
    """The messages that this event owes, given the case as the event (or a later one of its batch) left it."""
    # A later event of the same batch may have moved the case on: whom this one was handed to stands in itself.
    department = event.data.get("department") or after.department
    changes = {"department": department}
    if "part" in event.data:
        changes["assignee"] = event.data.get("assignee")
    then = after.model_copy(update=changes)
    recipients = dict.fromkeys(_address(who, number, then, event) for who in _concerned(event, then))
    text_zh, text_en = _texts(number, event)
    return tuple(
        Notice(f"{number}-{event.seq}-{recipient}", recipient, event.action, text_zh, text_en)
        for recipient in recipients
    )


def _address(who: str, number: str, after: Progress, event: Event) -> str:
    """`role:whom`, resolved as far as the case knows; the owner stands in where no department has the case yet."""
    match who:
        case "manager" | "approver" | "deputy":
            name = _approver(who, after, event)
            return f"manager:{name}" if name else "manager"
        case "owner":
            return f"owner:{after.owner}"
        case "assignee":
            return f"assignee:{after.assignee}" if after.assignee else _address("department", number, after, event)
        case "department" | "lead":
            return f"{who}:{after.department}" if after.department else _address("owner", number, after, event)
        case "caller":
            return f"caller:{number}"
        case _:
            return who


def _approver(who: str, after: Progress, event: Event) -> str | None:
    """The name of the one whose turn it is, or of the deputy, where the catalogue names them."""
    if event.action == ESCALATE:
        name: str | None = event.data.get(who)
        return name
    if event.action in (CREDIT, Action.DECIDE_CREDIT):
        turn = after.credits[event.data["credit"] - 1].turn
        return turn.holder if turn else None
    approval = after.approval
    return approval.turn.holder if approval and approval.turn else None


def _texts(number: str, event: Event) -> tuple[str, str]:
    if event.action == ESCALATE:
        clock, percent = event.data["clock"], event.data["percent"]
        verb_zh, verb_en = ("已超时", "missed") if percent >= MISS else ("即将到期", "running out")
        return (
            f"工单{number}:{CLOCK_ZH[clock]}时限{verb_zh}({percent}%)",
            f"Case {number}: the {clock} promise is {verb_en} ({percent} % of its time used)",
        )
    if event.action == CREDIT:
        owed = f"{event.data['amount']} {event.data['currency']}"
        return f"工单{number}:应补偿{owed},待审批", f"Case {number}: a credit of {owed} waits for approval"
    zh = TABLE[Action(event.action)].zh if event.action in TABLE else event.action
    return (
        f"工单{number}:{zh},现为{STATE_ZH[event.to_state]}",
        f"Case {number}: {event.action} by {event.role}, now {event.to_state}",
    )
