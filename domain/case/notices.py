"""Whom an event concerns: notifications as values, before anybody sends them.

Texts name the case by its number and hold no personal data; templates and channels are the courier's matter.
"""

from datetime import datetime
from typing import NamedTuple

from domain.calendar.work_calendar import USUAL_ZONE, on_the_wall
from domain.case.automatic.notice import DOCUMENT_EN, DOCUMENT_ZH, KEPT_EN
from domain.case.clocks import APPROVE, CLOCK_ZH, MISS
from domain.case.events import Event
from domain.case.lifecycle import CREDIT, CRITICISE, ESCALATE, NOTICE, RECOGNISE, STATE_ZH, TABLE, Action, State
from domain.case.state import Record


class Notice(NamedTuple):
    """One message to one recipient. `key` is the same for every execution that derives it, so it is sent once."""

    key: str
    recipient: str
    kind: str
    text_zh: str
    text_en: str


KIND_ZH = (
    {row.action.value: row.zh for row in TABLE.values()}
    | DOCUMENT_ZH
    | {ESCALATE: "升级", CREDIT: "自动补偿", RECOGNISE: "补充识别"}
)
"""Every kind of message that a case owes, and what it is called."""
_CONCERNED: dict[str, tuple[str, ...]] = {
    Action.REGISTER: ("dispatcher",),
    Action.ANSWER: ("caller",),
    Action.DISPATCH: ("department", "previous_department"),
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
    Action.HAND_OVER: ("owner", "previous_owner"),
    Action.INVOLVE: ("department",),
    Action.RELEASE: ("department", "owner"),
    Action.LINK_INCIDENT: ("department",),
    NOTICE: ("assignee", "lead", "owner"),
    CRITICISE: ("lead", "director", "general_manager", "owner", "supervisor"),
    RECOGNISE: ("assignee", "owner"),
    CREDIT: ("manager", "owner"),
    Action.DECIDE_CREDIT: ("owner",),
}
"""Who hears of what. A comment calls nobody; an escalation calls whom the ladder names."""


PREVIOUS = "previous_"
"""Before the owner or department that the case leaves, where the event names it."""


def _concerned(event: Event, after: Record) -> tuple[str, ...]:
    if event.action == ESCALATE:
        return _of_rung(event)
    if "incident" in event.data:
        return _of_incident(event, after)
    usual = (who for who in _CONCERNED.get(event.action, ()) if not who.startswith(PREVIOUS) or who in event.data)
    concerned = (*usual, *(("assignee",) if _thanked(event) else ()))
    if event.action == Action.ANSWER and event.to_state is State.PENDING_FOLLOW_UP:
        return (*concerned, "follow_up")
    if _waits_for_the_next(event):
        return ("manager",)
    if event.action == Action.FOLLOW_UP and event.to_state is State.DISPATCHED:
        return (*concerned, "department", *(("supervisor",) if "supervised" in after.flags else ()))
    return (*concerned, *event.data.get("notify", ()))


def _of_rung(event: Event) -> tuple[str, ...]:
    if event.data["clock"] != APPROVE:
        return tuple(event.data["notify"])
    told = ("approver" if who in ("assignee", "lead") else who for who in event.data["notify"])
    return (*told, *(("deputy",) if event.data["percent"] >= MISS else ()))


def _of_incident(event: Event, after: Record) -> tuple[str, ...]:
    """Of what an incident does to many cases, only those hear who have to do something, or wait for the reply."""
    if event.action == Action.LINK_INCIDENT:
        return ("department",) if after.department else () if event.data["incident"] else ("dispatcher",)
    return {Action.REPLY.value: ("caller",), Action.COMMENT.value: ("owner",)}.get(event.action, ())


def _thanked(event: Event) -> str | None:
    """The person whom the caller thanks (被表扬人), where one is named."""
    name: str | None = event.data.get("intake", {}).get("thanked")
    return name


def _waits_for_the_next(event: Event) -> bool:
    """Whether one approver has had his turn, and another has his now."""
    if event.action == Action.DECIDE_CREDIT:
        return not event.data["final"]
    return event.action == Action.DECIDE_APPROVAL and event.to_state is State.AWAITING_APPROVAL


def notices(number: str, event: Event) -> tuple[Notice, ...]:
    """The messages that this event owes."""
    text_zh, text_en = _texts(number, event)
    return tuple(
        Notice(f"{number}-{event.seq}-{recipient}", recipient, event.action, text_zh, text_en)
        for recipient in event.recipients
    )


def addressed(event: Event, after: Record) -> Event:
    """Return the event with the addresses of those it concerns, given the case as the event left it.

    Once the event is published, others may have the case.
    """
    then = after.model_copy(update=_holders(event, after))
    # A notice of lateness goes to all whose work is waited for; where nobody has the case, its owner stands in.
    late = event.data.get("addressees", [{}]) or [{"department": None, "assignee": None}]
    cases = [then.model_copy(update=one) for one in late]
    told = (
        _person(who, case, event) or _address(who, case, event) for who in _concerned(event, then) for case in cases
    )
    return event.model_copy(update={"recipients": tuple(dict.fromkeys(told))})


def _holders(event: Event, after: Record) -> dict[str, str | None]:
    """The department and person that the event is about, where they are not those that have the case."""
    if event.action == ESCALATE and "part" in event.data:
        part = after.parts[event.data["part"] - 1]
        return {"department": part.department, "assignee": part.assignee}
    department = {"department": event.data["department"]} if event.data.get("department") else {}
    # Reached as whoever has a case is, by the name on the key.
    return department | ({"assignee": name} if (name := _thanked(event)) else {})


def _person(who: str, after: Record, event: Event) -> str | None:
    """Return who had the case before, or who holds the post by the organisation chart, if it names somebody."""
    if who.startswith(PREVIOUS):
        return f"{who.removeprefix(PREVIOUS)}:{event.data[who]}"
    name = after.terms.persons(after.department).get(who)
    return f"{who}:{name}" if name else None


def _address(who: str, after: Record, event: Event) -> str:
    """`role:whom`, resolved as far as the case knows; the owner stands in where no department has the case yet."""
    match who:
        case "manager" | "approver" | "deputy":
            name = _approver(who, after, event)
            return f"manager:{name}" if name else "manager"
        case "owner":
            return f"owner:{after.owner}"
        case "assignee":
            return f"assignee:{after.assignee}" if after.assignee else _address("department", after, event)
        case "department" | "lead":
            return f"{who}:{after.department}" if after.department else _address("owner", after, event)
        case "caller":
            return f"caller:{after.number}"
        case _:
            return who


def _approver(who: str, after: Record, event: Event) -> str | None:
    """The name of the one whose turn it is, or of the deputy, where the catalogue names them."""
    of_credit = event.action in (CREDIT, Action.DECIDE_CREDIT)
    asked = after.credits[event.data["credit"] - 1] if of_credit else after.approval
    turn = asked and asked.turn
    return (turn.deputy if who == "deputy" else turn.holder) if turn else None


def _texts(number: str, event: Event) -> tuple[str, str]:
    if event.action == ESCALATE:
        clock, percent = event.data["clock"], event.data["percent"]
        verb_zh, verb_en = ("已超时", "missed") if percent >= MISS else ("即将到期", "running out")
        return (
            f"工单{number}:{CLOCK_ZH[clock]}时限{verb_zh}({percent}%)",
            f"Case {number}: the {clock} promise is {verb_en} ({percent} % of its time used)",
        )
    if event.action in DOCUMENT_ZH:
        due_at = datetime.fromisoformat(event.data["due_at"])
        due = f"{on_the_wall(due_at, event.data.get('timezone', USUAL_ZONE)):%Y-%m-%d %H:%M}"
        clock, number_of_it = event.data["clock"], f"{number}-{event.seq}"
        return (
            f"工单{number}:{CLOCK_ZH[clock]}时限{due}已过,{DOCUMENT_ZH[event.action]}第{number_of_it}号",
            f"Case {number}: was to be {KEPT_EN[clock]} by {due}, {DOCUMENT_EN[event.action]} no. {number_of_it}",
        )
    if event.action in (CREDIT, Action.DECIDE_CREDIT):
        return _of_credit(number, event)
    if event.action == RECOGNISE:
        return f"工单{number}:来电人情况已补充", f"Case {number}: more is known of its caller"
    if name := _thanked(event):
        return f"工单{number}:来电表扬{name}", f"Case {number}: a caller thanks {name}"
    done_zh, done_en = KIND_ZH.get(event.action, event.action), event.action
    if left := event.data.get("previous_unit"):
        done_zh, done_en = f"改派,不再由{left['name_zh']}处理", f"redirected from {left['name']}"
    return (
        f"工单{number}:{done_zh},现为{STATE_ZH[event.to_state]}",
        f"Case {number}: {done_en} by {event.role}, now {event.to_state}",
    )


def _of_credit(number: str, event: Event) -> tuple[str, str]:
    owed = f"{event.data['amount']} {event.data['currency']}"
    if event.action == CREDIT or not event.data["final"]:
        return f"工单{number}:应补偿{owed},待审批", f"Case {number}: a credit of {owed} waits for approval"
    if event.data["approved"]:
        return f"工单{number}:补偿{owed}已批准,将予支付", f"Case {number}: a credit of {owed} is approved, to be paid"
    return f"工单{number}:补偿{owed}未获批准", f"Case {number}: a credit of {owed} is rejected"
