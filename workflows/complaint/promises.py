"""Promises of a case in the Temporal UI: status, due time, and in short the reason why it is due then."""

from typing import get_args

from domain.case.clocks import APPROVE, CLOCK_ZH, DEPARTMENT_CLOCKS, Clock, ClockStatus
from domain.case.state import CaseState
from domain.catalogue.terms import CalendarKind, Starts
from domain.shared.value import complete
from workflows.complaint.words import department
from workflows.kit.words import BREAK, duration, local

_STARTS = complete(
    "_STARTS",
    get_args(Starts),
    {
        "registration": "自受理起 from the registration",
        "dispatch": "自派单起 from the dispatch",
        "reply": "自回复起 from the reply",
        "decision": "自审批起 from the decision",
    },
)
_CALENDAR = complete(
    "_CALENDAR", get_args(CalendarKind), {"always": "全天计时 round the clock", "working": "工作时间 working time"}
)


def promises(case: CaseState) -> list[str]:
    """Return both kinds of promises, each as a list: the department's, and the owner's to the caller."""
    shown = [clock for clock in case.clocks if clock.name != APPROVE]
    mine = [clock for clock in shown if clock.name in DEPARTMENT_CLOCKS or clock.part]
    owners = [clock for clock in shown if clock not in mine]
    zone = case.calendar.timezone
    return [
        f"### 部门时限 · The department's promises ({zone})",
        *([_item(case, clock) for clock in mine] or ["- 无 none"]),
        "",
        f"### 对来电人的承诺 · The owner's promises to the caller ({zone})",
        *([_item(case, clock) for clock in owners] or ["- 无 none"]),
        "",
    ]


def _item(case: CaseState, clock: Clock) -> str:
    """Return a clock; one of an earlier cycle without its reason."""
    of_part = f" ({department(case, case.parts[clock.part - 1].department)})" if clock.part else ""
    earlier = f"第 {clock.cycle} 轮 cycle {clock.cycle} · " if clock.cycle != case.cycle else ""
    name = f"{earlier}**{CLOCK_ZH[clock.name]} {clock.name}**{of_part}"
    due = clock.due_at(case.calendar)
    until = f" · 到期 due **{local(due, case.calendar.timezone)}**" if due else ""
    why = f"{BREAK}{reason(case, clock)}" if not earlier and clock.status is not ClockStatus.CANCELLED else ""
    return f"- {name} · {clock.status.zh} {clock.status}{until}{why}"


def reason(case: CaseState, clock: Clock) -> str:
    """Return why the promise is due then: budget, calendar, extension, start, what is used, and pauses."""
    zone = case.calendar.timezone
    phrases = [f"限 limit {_amount(case, clock, clock.budget_seconds)}", _CALENDAR[clock.calendar]]
    promise = next((each for each in case.terms.promises if each.name == clock.name), None)
    # A clock that has stopped or escalated keeps its budget, whatever terms follow.
    of_these_terms = case.later_terms is None or (clock.live and not clock.missed_at)
    is_extended = promise and case.extensions and of_these_terms
    more = clock.budget_seconds - promise.budget_seconds if promise and is_extended else 0
    if more > 0:
        phrases.append(f"含延期 with an extension of {_amount(case, clock, more)}")
    if clock.started_at is None:
        return ", ".join([*phrases, _STARTS[promise.starts] if promise else "未开始 not started"])
    phrases.append(f"起 from {local(clock.started_at, zone)}")
    used = _amount(case, clock, clock.consumed_seconds)
    if clock.stopped_at:
        late = ", 逾期完成 kept late" if clock.missed_at and not clock.cancelled else ""
        phrases.append(f"止 to {local(clock.stopped_at, zone)}, 用时 used {used}{late}")
    elif clock.paused:
        phrases.append(f"暂停中 paused, 已用 used {used}")
    elif clock.running_since != clock.started_at:
        phrases.append(f"暂停后续计 resumed {local(clock.running_since, zone)}, 此前已用 used before {used}")
    if clock.missed_at and clock.live:
        phrases.append("尚未完成 still not kept")
    return ", ".join(phrases)


def _amount(case: CaseState, clock: Clock, seconds: float) -> str:
    if clock.calendar == "working":
        return duration(seconds, case.calendar.day_seconds, "工作日 working days")
    return duration(seconds, 86_400)
