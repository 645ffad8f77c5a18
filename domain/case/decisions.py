"""May it be done, and where does it lead: a command and a case give one event, or a refusal. Nothing changes here."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.case import commands as c
from domain.case.approvals import (
    approved_before,
    approvers_for,
    check_reason,
    check_request,
    final,
    noted,
    objection,
    objection_to_extension,
)
from domain.case.automatic.credit import decidable, decision_on
from domain.case.events import Event
from domain.case.findings import check_findings
from domain.case.guards import Untimely, too_late_to_grant, too_late_to_urge, untimely, untimely_for
from domain.case.intake import Actor
from domain.case.lifecycle import TABLE, Action, Role, Row, State
from domain.case.parts import PART_TABLE, Part
from domain.case.state import Record
from domain.case.together import (
    check_involved,
    department_meant,
    departments_at_work,
    ends_the_wait,
    forbidden,
    held,
    is_of_part,
    no_such_part,
)
from domain.shared.errors import Refused

LONGEST_WAIT = timedelta(days=366)
"""How far ahead a wake date may lie. Inferred: a slip in the year must not put a case to sleep for good."""
_WAKE_ACCEPTED = ("an instant in the future, within a year, RFC 3339 with its offset", "no wake_at")


class Decision(NamedTuple):
    """Where an action leads, and what is noted besides the words of the body."""

    target: State
    data: Mapping[str, Any] = MappingProxyType({})
    cycle: int | None = None


def available_actions(record: Record, actor: Actor, at: datetime) -> tuple[Action, ...]:
    """Return what this person may do now, to the case or to a part of it, in table order."""
    return tuple(action for action in TABLE if _may(action, record, actor, at))


def _may(action: Action, record: Record, actor: Actor, at: datetime) -> bool:
    if record.state not in TABLE[action].sources and action not in PART_TABLE:  # most of them, on every row of a list
        return False
    if action is Action.DECIDE_CREDIT and not decidable(record, actor, at):
        return False
    whole = department_meant(record, actor, action)
    departments = {record.department, *departments_at_work(record)} if action in PART_TABLE else {whole}
    return any(_against(action, record, actor, department, at) is None for department in departments)


def decide(record: Record, command: c.Command[Any], at: datetime) -> Event:
    """The event that the command makes of this case at this instant.

    Raises Refused: `forbidden` for the wrong person, `conflict` for the wrong moment, `invalid` for the wrong words.
    """
    action: Action = command.body.action
    actor, row = command.actor, TABLE[action]
    named = command.body.department if action in PART_TABLE else None
    department = department_meant(record, actor, action, named)
    against = _against(action, record, actor, department, at)
    if isinstance(against, Untimely):
        raise _conflict(against, record, actor, at)
    if against:
        raise against
    if action is Action.COMPLETE:
        check_findings(record, command.body.findings)
    part = record.part_of(department) if is_of_part(record, action, department) else None
    decision = _decision_on(part, action, record) if part else _decision(row, record, command, at)
    return Event(
        seq=record.version + 1,
        at=at,
        actor=actor.name,
        role=actor.role if actor.role in {Role.ADMIN, *held(action, record, actor, department)} else Role.OWNER,
        action=action,
        from_state=record.state,
        to_state=decision.target,
        cycle=decision.cycle or record.cycle,
        data={**command.body.model_dump(mode="json", exclude_none=True), **decision.data},
    )


def _against(
    action: Action, record: Record, actor: Actor, department: str | None, at: datetime
) -> Refused | Untimely | None:
    """Return what is against this action by this person on that department's work: the case, or its part in it."""
    return (
        forbidden(action, record, actor, department)
        or _untimely(action, record, actor, department, at)
        or _objection(action, record, actor)
    )


def _untimely(
    action: Action, record: Record, actor: Actor, department: str | None, at: datetime
) -> Refused | Untimely | None:
    """Return why it is not the moment; Refused if that department has no part in the case."""
    if is_of_part(record, action, department):
        part = record.part_of(department)
        if part:
            return untimely_for(part, action, record, at)
        # Where there is nothing to release, that is the matter, whatever department is named.
        nothing = untimely(action, record, at) if action is Action.RELEASE else None
        return nothing or no_such_part(record, department)
    # Callers may urge at any time, the staff before the expiry.
    late = action is Action.URGE and actor.role not in (Role.CALLER, Role.ADMIN)
    return untimely(action, record, at) or (too_late_to_urge(record, at) if late else None)


def _objection(action: Action, record: Record, actor: Actor) -> Refused | None:
    """Why this person may not decide on what somebody has asked for."""
    against = {Action.DECIDE_APPROVAL: objection, Action.DECIDE_EXTENSION: objection_to_extension}.get(action)
    return against(record, actor) if against else None


def _decision(row: Row, record: Record, command: c.Command[Any], at: datetime) -> Decision:
    rule = _RULES.get(row.action)
    target = row.targets[0] if row.targets else record.state
    return rule(record, command, at) if rule else Decision(target)


def _decision_on(part: Part, action: Action, record: Record) -> Decision:
    """The case stays as it is, unless this was all that its reply waited for, or was sent back."""
    last = ends_the_wait(part, action, record)
    target = State.PENDING_REPLY if last else State.IN_PROGRESS if action is Action.SEND_BACK else record.state
    return Decision(target, {"part": part.serial, "department": part.department})


def _conflict(why: Untimely, record: Record, actor: Actor, at: datetime) -> Refused:
    allowed = available_actions(record, actor, at)
    may = f"You may: {', '.join(allowed)}." if allowed else "There is nothing your role may do to it now."
    message = f"The case {record.number} (version {record.version}): {why.message}. {may}"
    return Refused("conflict", why.code, message, tuple(allowed))


def _closing(record: Record, at: datetime) -> dict[str, Any]:
    return {"reopen_ends_at": (at + timedelta(seconds=record.terms.process.reopen_seconds)).isoformat()}


def _answer(record: Record, _: c.Command[c.Answer], at: datetime) -> Decision:
    if record.terms.answer_needs_follow_up:
        return Decision(State.PENDING_FOLLOW_UP)
    return Decision(State.CLOSED, _closing(record, at))


def _dispatch(record: Record, command: c.Command[c.Dispatch], _: datetime) -> Decision:
    """Return the dispatch; a redirect (改派) names the department that the case leaves."""
    department, assignee = command.body.department, command.body.assignee
    if record.state is not State.DISPATCHED or record.department is None:
        return Decision(State.DISPATCHED)
    if (department, assignee) == (record.department, record.assignee):
        whom = f"{department} for {assignee}" if assignee else department
        accepted = ("another department", f"another assignee in {department}")
        raise Refused("invalid", "same_department", f"The case {record.number} is with {whom} already.", accepted)
    if department == record.department:
        return Decision(State.DISPATCHED)
    left = record.terms.unit(record.department).model_dump(include={"name", "name_zh"})
    return Decision(State.DISPATCHED, {"previous_department": record.department, "previous_unit": left})


def _sign_for(_: Record, command: c.Command[c.SignFor], __: datetime) -> Decision:
    return Decision(State.IN_PROGRESS, {"assignee": command.body.assignee or command.actor.name})


def _reject_return(record: Record, _: c.Command[c.RejectReturn], __: datetime) -> Decision:
    return Decision(State.DISPATCHED, {"department": record.department})


def _suspend(_: Record, command: c.Command[c.Suspend], at: datetime) -> Decision:
    wake_at = command.body.wake_at
    if wake_at is not None and wake_at <= at:
        raise Refused(
            "invalid",
            "wake_at_past",
            f"wake_at {wake_at.isoformat()} is not in the future; it is now {at.isoformat()}.",
            _WAKE_ACCEPTED,
        )
    if wake_at is not None and wake_at > at + LONGEST_WAIT:
        raise Refused(
            "invalid",
            "wake_at_too_far",
            f"wake_at {wake_at.isoformat()} is more than {LONGEST_WAIT.days} days ahead; suspend again when it comes.",
            _WAKE_ACCEPTED,
        )
    return Decision(State.SUSPENDED)


def _request_approval(record: Record, command: c.Command[c.RequestApproval], _: datetime) -> Decision:
    check_request(command.body)
    before = approved_before(record)
    approvers = approvers_for(record, command.body.amount, before)
    # The turns travel in the event, so that it tells by itself who was asked, and why so many.
    named = {"approvers": [who.model_dump(mode="json") for who in approvers]} if approvers else {}
    counted = {"approved_before": str(before)} if before else {}
    return Decision(State.AWAITING_APPROVAL, named | counted)


def _decide_approval(record: Record, command: c.Command[c.DecideApproval], _: datetime) -> Decision:
    approval = record.approval
    if approval is None:
        return Decision(State.IN_PROGRESS)
    check_reason(command.body, needed=approval.kind is not None)
    over = final(approval, approved=command.body.approved)
    return Decision(State.IN_PROGRESS if over else State.AWAITING_APPROVAL, noted(approval, record.terms.currency))


def _decide_credit(record: Record, command: c.Command[c.DecideCredit], at: datetime) -> Decision:
    return Decision(record.state, decision_on(record, command.body, command.actor, at))


def _complete(record: Record, _: c.Command[c.Complete], __: datetime) -> Decision:
    return Decision(State.IN_PROGRESS if record.unfinished else State.PENDING_REPLY)


def _involve(record: Record, command: c.Command[c.Involve], _: datetime) -> Decision:
    check_involved(record, command.body)
    return Decision(record.state, {"part": len(record.parts) + 1})


def _follow_up(record: Record, command: c.Command[c.FollowUp], at: datetime) -> Decision:
    attempt = {"attempt": record.follow_up_attempts + 1}
    if command.body.outcome == "dissatisfied":
        return Decision(State.DISPATCHED, {**attempt, "department": _again(record)}, record.cycle + 1)
    last = record.follow_up_attempts + 1 >= record.terms.process.follow_up_attempts
    if command.body.outcome == "unreachable" and not last:
        return Decision(State.PENDING_FOLLOW_UP, attempt)
    return Decision(State.CLOSED, {**attempt, **_closing(record, at)})


def _reopen(record: Record, _: c.Command[c.Reopen], __: datetime) -> Decision:
    return Decision(State.DISPATCHED, {"department": _again(record)}, record.cycle + 1)


def _again(record: Record) -> str:
    """Rework goes to the department that had the case, or to the service's own."""
    return record.department or record.terms.department


def _request_extension(record: Record, command: c.Command[c.RequestExtension], _: datetime) -> Decision:
    days, most = command.body.working_days, record.terms.process.extension_max_days
    if days > most:
        raise Refused(
            "invalid",
            "extension_too_long",
            f"An extension (延期) is {most} working days at most; {days} were asked for.",
            (f"1 to {most} working days",),
        )
    return Decision(record.state)


def _decide_extension(record: Record, command: c.Command[c.DecideExtension], at: datetime) -> Decision:
    asked = record.extension
    if command.body.approved and (too_late := too_late_to_grant(record)):
        raise _conflict(too_late, record, command.actor, at)
    return Decision(record.state, {"working_days": asked.working_days if asked else 0})


def _hand_over(record: Record, command: c.Command[c.HandOver], _: datetime) -> Decision:
    if command.body.owner == record.owner:
        raise Refused("invalid", "same_owner", f"{record.owner} owns the case already.", ("another agent's name",))
    return Decision(record.state, {"previous_owner": record.owner})


def _link_incident(record: Record, command: c.Command[c.LinkIncident], _: datetime) -> Decision:
    incident = command.body.incident
    if incident == record.incident:
        what = f"linked to {incident} already" if incident else "linked to no incident"
        accepted = ("another incident", "null, to take it out") if incident else ("the number of an open incident",)
        raise Refused("invalid", "same_incident", f"The case {record.number} is {what}.", accepted)
    return Decision(record.state, {"incident": incident, "previous_incident": record.incident})


_RULES: dict[Action, Callable[[Record, c.Command[Any], datetime], Decision]] = {
    Action.ANSWER: _answer,
    Action.DISPATCH: _dispatch,
    Action.SIGN_FOR: _sign_for,
    Action.REJECT_RETURN: _reject_return,
    Action.SUSPEND: _suspend,
    Action.REQUEST_APPROVAL: _request_approval,
    Action.DECIDE_APPROVAL: _decide_approval,
    Action.DECIDE_CREDIT: _decide_credit,
    Action.COMPLETE: _complete,
    Action.INVOLVE: _involve,
    Action.FOLLOW_UP: _follow_up,
    Action.REOPEN: _reopen,
    Action.REQUEST_EXTENSION: _request_extension,
    Action.DECIDE_EXTENSION: _decide_extension,
    Action.HAND_OVER: _hand_over,
    Action.LINK_INCIDENT: _link_incident,
}
"""The actions that need more than the table; all others just follow it."""
