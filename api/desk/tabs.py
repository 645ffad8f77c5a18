"""Tabs of the desk: lists of what somebody has to do, each with the parameters that it gives the list of complaints."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from domain.calendar.work_calendar import on_the_wall
from domain.case.actions import decide_approval, decide_extension
from domain.case.lifecycle import AT_WORK, OPEN, TO_DISPATCH, State
from domain.incident.state import IncidentState
from domain.kit.event import AnyAction
from domain.rights.rights import READ_CASES, Reach, right_to
from domain.shared.actors import OWNERS, Actor, Role
from domain.shared.value import Phrase, exhaustive
from readmodel.cases.search import Sort

Parameters = Mapping[str, Any]


class Tab(NamedTuple):
    """List with its name in the address. `parameters` returns None for those whom it is not for."""

    name: str
    words: Phrase
    parameters: Callable[[Actor, datetime], Parameters | None]
    sort: Sort = Sort.DUE


def _of(**parameters: Any) -> Callable[[Actor, datetime], Parameters]:  # noqa: ANN401 - those of a list
    return lambda *_: parameters


def _to_decide(action: AnyAction, **parameters: Any) -> Callable[[Actor, datetime], Parameters | None]:  # noqa: ANN401 - as above
    """Show a list to those who may decide on its cases."""
    return lambda actor, _: parameters if actor.role in right_to(action).reach else None


def _mine(actor: Actor, _: datetime) -> Parameters | None:
    return {"owner": "me", "state": OPEN} if actor.role in OWNERS else None


def _my_department(actor: Actor, _: datetime) -> Parameters | None:
    return {"department": actor.department, "state": AT_WORK} if actor.department else None


def _at_my_hands(actor: Actor, _: datetime) -> Parameters | None:
    return {"assignee": "me", "state": AT_WORK} if actor.department else None


TABS = (
    Tab("mine", ("我的工单", "My cases"), _mine),
    Tab("department", ("本部门", "My department"), _my_department),
    Tab("assigned", ("我处理的", "Assigned to me"), _at_my_hands),
    Tab("to-dispatch", ("待派单", "To dispatch"), _of(state=TO_DISPATCH, with_incident=False), Sort.PRIORITY),
    Tab("to-sign-for", ("待签收", "Not signed for"), _of(state={State.DISPATCHED}, with_incident=False)),
    Tab("today", ("今日到期", "Due today"), lambda _, tonight: {"due_before": tonight}),
    Tab("late", ("已超时", "Late"), _of(overdue=True)),
    Tab("waiting", ("等候来电人", "Waiting for the caller"), _of(state={State.SUSPENDED})),
    Tab("to-reply", ("待回复", "To reply"), _of(state={State.PENDING_REPLY})),
    Tab("follow-ups", ("待回访", "Follow-ups"), _of(state={State.PENDING_FOLLOW_UP})),
    Tab("approvals", ("待审批", "Approvals"), _to_decide(decide_approval.ACTION, state={State.AWAITING_APPROVAL})),
    Tab(
        "extensions",
        ("待批延期", "Extensions to decide"),
        _to_decide(decide_extension.ACTION, flag="extension_waits", state=OPEN),
    ),
    Tab("undelivered", ("未送达", "Not delivered"), _of(flag="undelivered", state=OPEN)),
    Tab("open", ("未办结", "Open"), _of(state=OPEN)),
    Tab("all", ("全部", "All cases"), _of(), Sort.REGISTERED),
)
INCIDENTS: Mapping[str, Sequence[IncidentState]] = {
    "to-dispatch": (IncidentState.SUSPECTED, IncidentState.CONFIRMED),
    "to-sign-for": (IncidentState.DISPATCHED,),
}
"""States of the incidents above a tab, with which cases wait."""
START: Mapping[Role, str] = exhaustive(
    "START",
    READ_CASES.reach,
    {
        Role.AGENT: "mine",
        Role.DISPATCHER: "to-dispatch",
        Role.CREW: "to-sign-for",
        Role.SUPERVISOR: "today",
        Role.MANAGER: "approvals",
        Role.FOLLOW_UP: "follow-ups",
        Role.ADMIN: "all",
    },
)
"""Tab on which a role begins: what waits for it. A crew has its own page."""


def tabs_of(actor: Actor, now: datetime, zone: str) -> Iterator[tuple[Tab, Parameters]]:
    """Yield the tabs of a person, with their parameters; today ends at midnight in this zone."""
    tomorrow = on_the_wall(now, zone).date() + timedelta(days=1)
    tonight = datetime.combine(tomorrow, time(), ZoneInfo(zone))
    reads_one_department = READ_CASES.reach[actor.role] is not Reach.ANY
    for tab in TABS:
        if (parameters := tab.parameters(actor, tonight)) is not None:
            yield tab, {**parameters, "department": actor.department} if reads_one_department else parameters
