"""May it be done, and where does it lead: a command and a case give one event, or a refusal. Nothing changes here."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from domain import commands as c
from domain.errors import Refused
from domain.events import Event
from domain.lifecycle import TABLE, Action, Role, Row, State, available
from domain.record import Record


class Decision(NamedTuple):
    """Where an action leads, and what is noted besides the words of the body."""

    target: State
    data: dict[str, Any] = {}
    cycle: int | None = None


def capacities(actor: c.Actor, record: Record) -> frozenset[Role]:
    """The roles in which this person may act on this case; the administrator in all."""
    if actor.role is Role.ADMIN:
        return frozenset(Role)
    return frozenset({actor.role, Role.OWNER}) if actor.name == record.owner else frozenset({actor.role})


def available_actions(record: Record, actor: c.Actor, at: datetime) -> tuple[Action, ...]:
    """What this person may do now, in table order."""
    foreign = _foreign_crew(actor, record)
    return tuple(
        action
        for action in available(record.state, capacities(actor, record))
        if _timely(action, record, at) and not (foreign and _only_as_crew(action, actor, record))
    )


def decide(record: Record, command: c.Command[Any], at: datetime) -> Event:
    """The event that the command makes of this case at this instant.

    Raises Refused: `forbidden` for the wrong person, `conflict` for the wrong moment, `invalid` for the wrong words.
    """
    action: Action = command.body.action
    row = TABLE[action]
    role = _capacity(row, command.actor, record)
    if record.state not in row.sources or not _timely(action, record, at):
        raise _out_of_turn(row, record, command.actor, at)
    rule = _RULES.get(action)
    target = row.targets[0] if row.targets else record.state
    decision = rule(record, command, at) if rule else Decision(target)
    return Event(
        seq=record.version + 1,
        at=at,
        actor=command.actor.name,
        role=role,
        action=action,
        from_state=record.state,
        to_state=decision.target,
        cycle=decision.cycle or record.cycle,
        data={**command.body.model_dump(mode="json", exclude_none=True), **decision.data},
    )


def _capacity(row: Row, actor: c.Actor, record: Record) -> Role:
    held = row.roles & capacities(actor, record)
    if not held:
        allowed = tuple(sorted(row.roles - {Role.SYSTEM}))
        raise Refused(
            "forbidden", "wrong_role", f"{row.action} is not for the role {actor.role}; it takes {_either(allowed)}.", allowed
        )
    if _foreign_crew(actor, record) and _only_as_crew(row.action, actor, record):
        raise Refused(
            "forbidden",
            "other_department",
            f"The case is with the department {record.department}; your key acts for {actor.department}.",
            (str(record.department),),
        )
    return actor.role if actor.role in held or actor.role is Role.ADMIN else Role.OWNER


def _foreign_crew(actor: c.Actor, record: Record) -> bool:
    mine = actor.department
    return actor.role is Role.CREW and mine is not None and record.department not in (None, mine)


def _only_as_crew(action: Action, actor: c.Actor, record: Record) -> bool:
    return TABLE[action].roles & capacities(actor, record) == {Role.CREW}


def _timely(action: Action, record: Record, at: datetime) -> bool:
    """Whether what the action is about is there: an open window, a pending request."""
    if action is Action.REOPEN:
        return record.reopen_until is not None and at < record.reopen_until
    if action is Action.DECIDE_EXTENSION:
        return record.extension is not None
    if action is Action.REQUEST_EXTENSION:
        return record.extension is None
    return True


def _out_of_turn(row: Row, record: Record, actor: c.Actor, at: datetime) -> Refused:
    allowed = available_actions(record, actor, at)
    why = f"The case {record.number} is {record.state} (version {record.version}); {row.action} is not possible now."
    may = f" You may: {', '.join(allowed)}." if allowed else " There is nothing your role may do to it now."
    return Refused("conflict", "out_of_turn", why + may, tuple(allowed))


def _either(words: tuple[str, ...]) -> str:
    return " or ".join(words)


def _closing(record: Record, at: datetime) -> dict[str, Any]:
    return {"reopen_until": (at + timedelta(seconds=record.terms.process.reopen_seconds)).isoformat()}


def _answer(record: Record, _: c.Command[c.Answer], at: datetime) -> Decision:
    if record.terms.answer_needs_follow_up:
        return Decision(State.PENDING_FOLLOW_UP)
    return Decision(State.CLOSED, _closing(record, at))


def _sign_for(record: Record, command: c.Command[c.SignFor], _: datetime) -> Decision:
    assignee = command.body.assignee or record.assignee or command.actor.name
    return Decision(State.IN_PROGRESS, {"assignee": assignee})


def _return(record: Record, _: c.Command[c.Return], at: datetime) -> Decision:
    days = record.terms.process.return_within_days
    since = record.dispatched_at
    if since and at > (limit := record.calendar.add(since, days * record.calendar.day_seconds)):
        raise Refused(
            "conflict",
            "return_too_late",
            f"A return is possible within {days} working days of the dispatch; that ended at {limit.isoformat()}.",
        )
    return Decision(State.PENDING_REDISPATCH)


def _reject_return(record: Record, _: c.Command[c.RejectReturn], __: datetime) -> Decision:
    return Decision(State.DISPATCHED, {"department": record.department})


def _suspend(_: Record, command: c.Command[c.Suspend], at: datetime) -> Decision:
    wake_at = command.body.wake_at
    if wake_at is not None and wake_at <= at:
        raise Refused(
            "invalid",
            "wake_at_past",
            f"wake_at {wake_at.isoformat()} is not in the future; it is now {at.isoformat()}.",
            ("an instant in the future, RFC 3339 with its offset", "no wake_at"),
        )
    return Decision(State.SUSPENDED)


def _follow_up(record: Record, command: c.Command[c.FollowUp], at: datetime) -> Decision:
    attempt = {"attempt": record.attempts + 1}
    if command.body.outcome == "dissatisfied":
        return Decision(State.DISPATCHED, {**attempt, "department": _again(record)}, record.cycle + 1)
    last = record.attempts + 1 >= record.terms.process.follow_up_attempts
    if command.body.outcome == "unreachable" and not last:
        return Decision(State.PENDING_FOLLOW_UP, attempt)
    return Decision(State.CLOSED, {**attempt, **_closing(record, at)})


def _reopen(record: Record, _: c.Command[c.Reopen], __: datetime) -> Decision:
    return Decision(State.DISPATCHED, {"department": _again(record)}, record.cycle + 1)


def _again(record: Record) -> str:
    """Rework goes to the department that had the case, or to the service's own."""
    return record.department or record.terms.department


def _request_extension(record: Record, command: c.Command[c.RequestExtension], at: datetime) -> Decision:
    rules = record.terms.process
    if record.extensions >= rules.extensions_allowed:
        raise Refused("conflict", "extension_used", f"An extension is granted {rules.extensions_allowed} time(s) at most.")
    if command.body.working_days > rules.extension_max_days:
        raise Refused(
            "invalid",
            "extension_too_long",
            f"{command.body.working_days} working days are more than the {rules.extension_max_days} allowed.",
            (f"1 to {rules.extension_max_days} working days",),
        )
    due = next((k.due_at(record.calendar) for k in record.clocks if k.live and k.name == "resolve"), None)
    notice = rules.extension_notice_days * record.calendar.day_seconds
    if due is None or record.calendar.add(at, notice) > due:
        raise Refused(
            "conflict",
            "extension_too_late",
            f"An extension is asked for {rules.extension_notice_days} working day(s) before the case is due"
            f" ({due.isoformat() if due else 'no clock is running'}).",
        )
    return Decision(record.state)


def _decide_extension(record: Record, _: c.Command[c.DecideExtension], __: datetime) -> Decision:
    asked = record.extension
    return Decision(record.state, {"working_days": asked.working_days if asked else 0})


def _hand_over(record: Record, command: c.Command[c.HandOver], _: datetime) -> Decision:
    if command.body.owner == record.owner:
        raise Refused("invalid", "same_owner", f"{record.owner} owns the case already.", ("another agent's name",))
    return Decision(record.state, {"previous_owner": record.owner})


_RULES: dict[Action, Callable[[Record, c.Command[Any], datetime], Decision]] = {
    Action.ANSWER: _answer,
    Action.SIGN_FOR: _sign_for,
    Action.RETURN: _return,
    Action.REJECT_RETURN: _reject_return,
    Action.SUSPEND: _suspend,
    Action.FOLLOW_UP: _follow_up,
    Action.REOPEN: _reopen,
    Action.REQUEST_EXTENSION: _request_extension,
    Action.DECIDE_EXTENSION: _decide_extension,
    Action.HAND_OVER: _hand_over,
}
"""The actions that need more than the table; all others just follow it."""
