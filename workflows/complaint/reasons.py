"""Reasons for the due time of a promise, in Chinese and English."""

from collections.abc import Iterator
from typing import get_args

from domain.case.clocks import Clock
from domain.case.lifecycle import STATES
from domain.case.state import CaseState
from domain.catalogue.terms import CalendarKind, Starts
from domain.shared.value import Phrase, english, exhaustive
from workflows.kit.words import duration, local

_STARTS: dict[Starts, Phrase] = exhaustive(
    "_STARTS",
    get_args(Starts),
    {
        "registration": ("自受理起", "from the registration"),
        "dispatch": ("自派单起", "from the dispatch"),
        "reply": ("自回复起", "from the reply"),
        "decision": ("自审批起", "from the decision"),
    },
)
_CALENDAR: dict[CalendarKind, Phrase] = exhaustive(
    "_CALENDAR",
    get_args(CalendarKind),
    {"always": ("全天计时", "round the clock"), "working": ("工作时间", "working time")},
)


def reason(case: CaseState, clock: Clock) -> Phrase:
    """Explain the due time: budget, calendar, extension, start, what is used, and pauses."""
    phrases = [*zip(*_phrases(case, clock), strict=True)]
    return "，".join(phrases[0]), ", ".join(phrases[1])


def _phrases(case: CaseState, clock: Clock) -> Iterator[Phrase]:
    zone = case.calendar.timezone
    yield _with(("限", "limit"), _amount(case, clock, clock.budget_seconds))
    yield _CALENDAR[clock.calendar]
    if days := clock.extended_days:
        yield _with(("含延期", "with an extension of"), (f"{days} 工作日", f"{days} working days"))
    if clock.started_at is None:
        promise = next((each for each in case.terms.promises if each.name == clock.name), None)
        yield _STARTS[promise.starts] if promise else ("未开始", "not started")
        return
    yield _with(("起", "from"), local(clock.started_at, zone))
    used = _amount(case, clock, clock.consumed_seconds)
    if clock.stopped_at:
        yield _with(("止", "to"), local(clock.stopped_at, zone))
        yield _with(("用时", "used"), used)
        if clock.missed_at and not clock.cancelled:
            yield "逾期完成", "kept late"
    elif clock.paused:
        yield _why_paused(case)
        yield _with(("已用", "used"), used)
    elif clock.running_since != clock.started_at:
        yield _with(("暂停后续计", "resumed"), local(clock.running_since, zone))
        yield _with(("此前已用", "used before"), used)
    if clock.missed_at and clock.live:
        yield "尚未完成", "still not kept"


def _why_paused(case: CaseState) -> Phrase:
    if STATES[case.state].stands_still:
        return f"暂停中（{case.state.zh}）", f"paused while {english(case.state)}"
    return "暂停中（等候突发事件）", "paused while its incident goes on"


def _with(words: Phrase, more: Phrase | str) -> Phrase:
    zh, en = (more, more) if isinstance(more, str) else more
    return f"{words[0]} {zh}", f"{words[1]} {en}"


def _amount(case: CaseState, clock: Clock, seconds: float) -> Phrase:
    if clock.calendar == "working":
        return duration(seconds, case.calendar.day_seconds, ("工作日", "working days"))
    return duration(seconds, 86_400)
