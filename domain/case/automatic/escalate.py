"""escalate 升级: a step of the ladder. At these percentages of a clock's budget people are notified, each once."""

from datetime import datetime
from functools import partial

from domain.case.clocks import APPROVE, CLOCK_ZH
from domain.case.state import Addressees, CaseState, Due, Event, EventData, EventKind, Holder, holders_of
from domain.catalogue.terms import MISS
from domain.shared.value import omit_default


class Escalated(EventData):
    """Clock, by name and serial, the percentage of its budget, when that was used up, and those who are told."""

    clock: str
    serial: int
    percent: int
    fell_at: datetime
    notify: tuple[str, ...]
    part: int | None = omit_default(None)

    def evolve(self, case: CaseState, _: Event) -> None:
        case.change_clocks(
            lambda clock: clock.escalate(self.percent, self.fell_at) if clock.serial == self.serial else clock,
            part=None,
        )

    def text(self, number: str, _: Event) -> tuple[str, str]:
        verb_zh, verb_en = ("已超时", "missed") if self.percent >= MISS else ("即将到期", "running out")
        return (
            f"工单{number}:{CLOCK_ZH[self.clock]}时限{verb_zh}({self.percent}%)",
            f"Case {number}: the {self.clock} promise is {verb_en} ({self.percent} % of its time used)",
        )


def next_due(case: CaseState) -> Due | None:
    """Return the escalation that falls due first, of several that of the clock opened first; None without one."""
    ladder, calendar = case.terms.ladder, case.calendar
    ahead = [(*step, clock) for clock in case.clocks if (step := clock.next_escalation(ladder, calendar))]
    if not ahead:
        return None
    falls_at, percent, clock = min(ahead, key=lambda step: (step[0], step[2].serial))
    data = partial(
        Escalated,
        clock=clock.name,
        serial=clock.serial,
        percent=percent,
        fell_at=falls_at,
        notify=next((each.notify for each in ladder if each.percent == percent), ()),
        part=clock.part or None,
    )
    return Due(falls_at, KIND, data)


def notifies(_: CaseState, data: Escalated, __: Event) -> Addressees:
    if data.clock != APPROVE:
        return data.notify
    notified = tuple("approver" if who in ("assignee", "lead") else who for who in data.notify)
    return (*notified, "deputy") if data.percent >= MISS else notified


def holders(case: CaseState, data: Escalated) -> tuple[Holder, ...]:
    if data.part is None:
        return tuple(holders_of(case, data))
    part = case.parts[data.part - 1]
    return (Holder(part.department, part.assignee),)


KIND = EventKind(
    name="escalate",
    zh="升级",
    description="An escalation step was reached, and people were notified.",
    data=Escalated,
    by_time=True,
    notifies=notifies,
    holders=holders,
)
