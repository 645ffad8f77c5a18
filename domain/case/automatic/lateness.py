"""escalate 升级, notice 催办通知书 and criticise 通报批评: what lateness brings.

An escalation is a step of the ladder: at these percentages of a clock's budget people are notified, each once. The two
documents come each once in a cycle, about a promise of the case's own: `resolve`, and once the work is done, or where
it was not promised, `reply`. A countdown runs to the notice, then to the criticism, only while that promise is missed
and runs on: nobody is urged while a case waits for its caller.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from domain.calendar.work_calendar import USUAL_ZONE, WorkCalendar, on_the_wall
from domain.case.clocks import APPROVE, CLOCK_ZH, Clock
from domain.case.lifecycle import PART_AT_WORK, Names
from domain.case.progress import Urging
from domain.case.state import Addressees, CaseState, Due, Event, EventData, EventKind, Holder, State, holders_of
from domain.catalogue.terms import MISS, URGED, CalendarKind, ClockName
from domain.shared.value import english, omit_default


class Escalated(EventData):
    """Clock, by name and serial, the percentage of its budget, when that was used up, and those who are notified."""

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
            f"工单{number}：{CLOCK_ZH[self.clock]}时限{verb_zh}（{self.percent}%）",
            f"Case {number}: the {english(self.clock)} promise is {verb_en} ({self.percent} % of its time used)",
        )

    def notifies(self, _: CaseState, __: Event) -> Addressees:
        if self.clock != APPROVE:
            return self.notify
        notified = tuple("approver" if who in ("assignee", "lead") else who for who in self.notify)
        return (*notified, "deputy") if self.percent >= MISS else notified


def next_escalation(case: CaseState) -> Due | None:
    """Escalation that falls due first, of several that of the clock opened first; None without one."""
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
    return Due(falls_at, ESCALATE, data)


def _escalated_to(case: CaseState, data: Escalated) -> tuple[Holder, ...]:
    if data.part is None:
        return tuple(holders_of(case, data))
    part = case.parts[data.part - 1]
    return (Holder(part.department, part.assignee),)


ESCALATE = EventKind(
    name="escalate",
    zh="升级",
    description="An escalation step was reached, and people were notified.",
    data=Escalated,
    by_time=True,
    holders=_escalated_to,
)


class Addressee(EventData):
    """Department whose work is waited for, and the persons there as the chart names them."""

    department: str
    assignee: str | None
    assignee_name: str | None = omit_default(None)
    name: str
    name_zh: str
    lead: str | None
    director: str | None


class Document(EventData):
    """Contents of a notice, drawn from the case as it was when the document went out."""

    clock: ClockName
    serial: int
    due_at: datetime
    fell_at: datetime
    service: Names
    registered_at: datetime
    owner: str
    addressees: tuple[Addressee, ...]
    general_manager: str | None
    issuer: Names | None
    timezone: str = omit_default(USUAL_ZONE)

    def text(self, number: str, event: Event) -> tuple[str, str]:
        due = f"{on_the_wall(self.due_at, self.timezone):%Y-%m-%d %H:%M}"
        kind, done = DOCUMENT_KINDS[event.action], URGED[self.clock].done_en
        return (
            f"工单{number}：{CLOCK_ZH[self.clock]}时限{due}已过，{kind.zh}第{number}-{event.seq}号",
            f"Case {number}: was to be {done} by {due}, {DOCUMENT_EN[kind.name]} no. {number}-{event.seq}",
        )


class Noticed(Document):
    """Notice; `deadline_at` is when the criticism follows, None if the rules have none."""

    deadline_at: datetime | None

    def evolve(self, case: CaseState, event: Event) -> None:
        seconds = criticism_seconds(case)
        countdown = start_countdown(self.serial, "working", seconds, event.at) if seconds else None
        case.add_flags("noticed")
        case.urging = Urging(clock_serial=self.serial, countdown=countdown, notice_seq=event.seq, noticed_at=event.at)


class Criticised(Document):
    """Criticism, with the seq of the notice before it."""

    notice: int
    noticed_at: datetime | None

    def evolve(self, case: CaseState, __: Event) -> None:
        case.add_flags("criticised")
        if case.urging:
            case.urging = case.urging.model_copy(update={"countdown": None})


def next_document(case: CaseState, at: datetime | None = None) -> Due | None:
    """None if no document comes, or the countdown stands still.

    The deadline of a notice is counted from `at`, when it goes out; if that is not known, from when it falls due.
    """
    falls_at, urging = case.countdown_ends_at(), case.urging
    if falls_at is None or urging is None:
        return None
    kind = NOTICE if urging.notice_seq is None else CRITICISE
    return Due(falls_at, kind, partial(_document, case, urging, falls_at, at or falls_at))


def _document(case: CaseState, urging: Urging, falls_at: datetime, noticed_at: datetime) -> Document:
    organisation, clock = case.terms.organisation, case.urged_clock()
    assert clock is not None  # noqa: S101 - the countdown is of a missed clock
    facts: dict[str, Any] = {
        "clock": clock.name,
        "serial": clock.serial,
        "due_at": clock.missed_at,
        "fell_at": falls_at,
        "service": Names.taken_from(case.terms),
        "registered_at": case.registered_at,
        "owner": case.name_of(case.owner),
        "addressees": _late(case),
        "general_manager": case.terms.persons(None).get("general_manager"),
        "issuer": Names.taken_from(organisation) if organisation else None,
        "timezone": case.calendar.timezone,
    }
    if urging.notice_seq is not None:
        return Criticised(**facts, notice=urging.notice_seq, noticed_at=urging.noticed_at)
    seconds = criticism_seconds(case)
    return Noticed(**facts, deadline_at=case.calendar.add(noticed_at, seconds) if seconds else None)


def _late(case: CaseState) -> tuple[Addressee, ...]:
    """Departments whose work is waited for; none while the case is with no department."""
    if case.department is None or case.state is State.PENDING_REDISPATCH:
        return ()
    late = [(case.department, case.assignee)]
    if case.completed:
        late = [(part.department, part.assignee) for part in case.parts if part.state in PART_AT_WORK]
    return tuple(
        Addressee.taken_from(
            case.terms.unit(department),
            department=department,
            assignee=assignee,
            assignee_name=case.people.get(assignee or ""),
        )
        for department, assignee in late
    )


def _urged(_: CaseState, data: Document) -> tuple[Holder, ...]:
    """All whose work is waited for; nobody stands for a case that no department has."""
    return tuple(Holder(each.department, each.assignee) for each in data.addressees) or (Holder(),)


def run_countdown(case: CaseState, at: datetime) -> None:
    rules, clock, urging = case.terms.process.urging, case.urged_clock(), case.urging
    mine = [each for each in case.clocks if each.cycle == case.cycle]
    noticed = urging and urging.notice_seq is not None and any(each.serial == urging.clock_serial for each in mine)
    anew = urging is None or (clock and urging.clock_serial != clock.serial and not noticed)
    if clock and clock.missed_at and anew:
        # Somebody is urged to reply since the work was done, if that was later than the miss.
        work = (each for each in mine if each.name == "resolve" and not each.part and clock.name == "reply")
        late_since = max((clock.missed_at, *(each.stopped_at for each in work if each.stopped_at)))
        # A promise that comes to be urged while it is paused was not urged before: its time counts from the resumption.
        since = at if clock.paused else late_since
        started = start_countdown(clock.serial, rules.calendar, rules.notice_seconds, since)
        countdown = _alongside(started, clock, at, case.calendar)
        case.urging = Urging(clock_serial=clock.serial, countdown=countdown)
    elif urging and urging.countdown:
        urged = clock if clock and clock.serial == urging.clock_serial else None
        countdown = _alongside(urging.countdown, urged, at, case.calendar)
        case.urging = urging.model_copy(update={"countdown": countdown})


def start_countdown(serial: int, calendar: CalendarKind, seconds: float, since: datetime) -> Clock:
    return Clock(serial=serial, name="resolve", cycle=1, calendar=calendar, budget_seconds=seconds).start(since)


def criticism_seconds(case: CaseState) -> int:
    """Working seconds from the notice to the criticism; 0 if the rules have none."""
    return case.terms.process.urging.criticism_days * case.calendar.day_seconds


def _alongside(countdown: Clock, clock: Clock | None, at: datetime, calendar: WorkCalendar) -> Clock:
    """Let the countdown go as its promise does: over, paused, or running as if it had never been stopped."""
    if clock is None:
        return countdown.stop(at, calendar)
    countdown = countdown.reinstate()
    return countdown.pause(at, calendar) if clock.paused else countdown.resume(at)


NOTICE = EventKind(
    name="notice",
    zh="催办通知书",
    description="The written notice of a missed promise went out, one day after the miss.",
    data=Noticed,
    by_time=True,
    notifies=("assignee", "lead", "owner"),
    holders=_urged,
)
CRITICISE = EventKind(
    name="criticise",
    zh="通报批评",
    description="The criticism went out, five working days after the notice.",
    data=Criticised,
    by_time=True,
    notifies=("lead", "director", "general_manager", "owner", "supervisor"),
    holders=_urged,
)


def document_of(event: Event) -> Document:
    """Raise TypeError if no document went out with the event."""
    if not isinstance(event.data, Document):
        raise TypeError(f"an event {event.action} is no document; accepted: {', '.join(DOCUMENT_KINDS)}")
    return event.data


DOCUMENT_KINDS: Mapping[str, EventKind] = {kind.name: kind for kind in (NOTICE, CRITICISE)}
DOCUMENT_EN = {NOTICE.name: "notice of urging", CRITICISE.name: "public criticism"}
